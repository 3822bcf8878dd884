/*
 * libssh reads its socket 4,096 bytes a poll: in an upload that is a system call to poll and one to
 * receive for each of them, a quarter of all CPU. The executable therefore defines recv(), poll(),
 * send() and close() itself, which comes before the C library's for libssh too. On a descriptor
 * that is attached one receive fetches 64 KiB, and libssh is served out of that; every other
 * descriptor in the process gets what the C library would do. libssh always asks whether it could
 * send as well: once the kernel has said yes, that holds until something is sent.
 *
 * The traps:
 * - libssh closes its descriptor when it likes, and another thread may get the number at once: what
 *   one session sent must never be read by another. So close() detaches before the number is free.
 * - The kernel knows nothing of bytes that are staged: no loop wakes for them. Whoever stops
 * reading while wide_recv_staged() has to come back by itself.
 *
 * A buffer exists only while something is in it, and only once a read of the size that libssh asks
 * for came back full: an idle session, and one of small requests, has none. Under the sanitizers,
 * which define the same names, nothing is ever attached.
 */
#ifndef GATEWAY_SSH_WIDE_RECV_H
#define GATEWAY_SSH_WIDE_RECV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIDE_RECV_BYTES ((size_t)64 * 1024)

/* Zeroed at first; its owner's, on one thread. */
struct wide_recv {
    int fd; /* where it is attached, if `on` */
    bool on;
    bool polled;   /* poll() comes here: it would be asked about what is staged */
    bool sends;    /* send() comes here: without it `writable` would outlive what is sent */
    bool writable; /* said by the kernel, and nothing was sent since */
    bool full;     /* the last receive filled what it was asked for */
    uint8_t *buf;
    size_t pos, len; /* staged: buf[pos] to buf[len - 1] */
};

/* Nothing happens where `fd` is beyond the table: it is read as before. Borrows: *w until detached,
 * or until `fd` is closed with close(). */
void wide_recv_attach(struct wide_recv *w, int fd);
/* Drops what is staged: the stream has a hole then. Idempotent. */
void wide_recv_detach(struct wide_recv *w);
bool wide_recv_staged(const struct wide_recv *w);

#endif
