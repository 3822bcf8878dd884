/*
 * When to read ahead of a reader in order. The kernel would do it inside a read, RWF_NOWAIT or not,
 * and as far as the device's read_ahead_kb says: 8 MiB held a loop for 17 ms. So it is told not to,
 * for descriptors that a loop reads from, and the pool is asked instead, once a read has had to
 * wait: what the page cache holds anyway costs nothing. Pure: counts offsets.
 */
#ifndef BACKENDS_LOCAL_LOCAL_AHEAD_H
#define BACKENDS_LOCAL_LOCAL_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Asked for at once; the next one is due when half of it is read. */
#define LOCAL_AHEAD_BYTES ((uint64_t)2 << 20)

/* Of an open file; zeroed at first. */
struct local_ahead {
    uint64_t next;  /* where a reader in order reads on */
    uint64_t until; /* what is asked for ends here */
    bool in_order;  /* the last read was where the one before had ended */
    bool cold;      /* one has had to wait */
    bool asking;    /* the pool is at it: the owner's to clear */
};

/* A read of [off, off + len) was made; waits: it is not in the page cache. True: the pool is to be
 * asked for LOCAL_AHEAD_BYTES from *from on; `asking` is set. */
bool local_ahead_due(struct local_ahead *a, uint64_t off, size_t len, bool waits, uint64_t *from);

#endif
