/*
 * The client's side of an SFTP engine: packets from a format, replies as they come, no socket.
 * The tree is one mount of a memory store, or of a folder. Fails the test after ten seconds without
 * the reply that is waited for.
 */
#ifndef TESTS_SUPPORT_SFTP_PEER_H
#define TESTS_SUPPORT_SFTP_PEER_H

#include "auth/identity.h"
#include "backends/backends.h"
#include "gateway/sftp/sftpd.h"
#include "tests/support/held.h"

struct sftp_peer_opts {
    const struct identity *identity;          /* NULL = everything on one mount, "store", at "/" */
    struct held *held;                        /* between the tree and the store; NULL = nothing */
    const char *disk;                         /* the store is this folder; NULL = memory */
    uint32_t max_requests, max_handles, page; /* 0 = 128, 16, 100 */
    bool ordered;
    const char *client_version;
};

struct sftp_peer {
    struct loop *loop;
    struct backend *store;
    struct backend *mounted; /* store, or what holds it */
    struct fs *raw;          /* the whole store, past the mount */
    struct vfs *vfs;
    struct sftpd *sftpd;
    struct gw_buf to_feed; /* what the engine did not take yet */
    struct gw_buf got;     /* what it said, from `seen` on not looked at */
    size_t seen;
    uint32_t next_id;
    unsigned wakes;
    bool hold_output; /* the peer reads nothing */
};

struct sftp_reply {
    uint8_t type;
    uint32_t id;
    struct gw_rd body; /* after the id; good until the next reply */
    uint32_t code;     /* of a STATUS */
    struct gw_span text;
};

struct sftp_peer *sftp_peer_new(const struct sftp_peer_opts *opts); /* NULL = the defaults */
void sftp_peer_free(struct sftp_peer **pp);
/* A test's setup and teardown: *state is a peer with the defaults, behind its hello. */
int sftp_peer_setup(void **state);
int sftp_peer_teardown(void **state);
/* INIT, and VERSION read. */
void sftp_peer_hello(struct sftp_peer *p);
/*
 * A packet with the next id; what follows is told by fmt: b byte, u uint32, q uint64, s C string, x
 * span as a string, r span raw. Integers are passed as uint64_t. Returns the id.
 */
uint32_t sftp_peer_put(struct sftp_peer *p, unsigned type, const char *fmt, ...);
void sftp_peer_put_raw(struct sftp_peer *p, struct gw_span bytes);
void sftp_peer_pump(struct sftp_peer *p); /* feeds and drains what can be now; no turn */
bool sftp_peer_next(struct sftp_peer *p, struct sftp_reply *out); /* false = none there */
void sftp_peer_wait(struct sftp_peer *p, struct sftp_reply *out);
/* The next reply must be a STATUS; its code. */
uint32_t sftp_peer_status(struct sftp_peer *p);
/* put + status */
#define SFTP_PEER_ASK(p, ...) (sftp_peer_put((p), __VA_ARGS__), sftp_peer_status(p))

/* Whole operations; each must succeed. Handles are copied to h (room for 256). */
size_t sftp_peer_open(struct sftp_peer *p, const char *path, uint32_t pflags, uint8_t h[256]);
/* A file of `size` bytes "x" in the store, open for reading. */
size_t sftp_peer_open_big(struct sftp_peer *p, const char *path, size_t size, uint8_t h[256]);
size_t sftp_peer_opendir(struct sftp_peer *p, const char *path, uint8_t h[256]);

#endif
