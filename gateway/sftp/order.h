/*
 * Which requests may run side by side. Requests run in parallel unless the client could tell the
 * result from one after the other:
 *   - on a handle, reads are answered in order of arrival: clients in wide use lose data otherwise;
 *     writes share when their ranges do not meet; a read or FSTAT waits for the writes before it, a
 *     write for the reads before it; CLOSE, FSETSTAT, FSYNC, READDIR
 *     and copies wait for all before them and hold all after;
 *   - writes start in order of arrival;
 *   - on paths, what changes one waits for, and holds, everything at, above or below it.
 */
#ifndef GATEWAY_SFTP_ORDER_H
#define GATEWAY_SFTP_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct handle;

enum order_class { ORDER_READ, ORDER_WRITE, ORDER_ALONE };

/* What a request touches. Pointers are borrowed from it. */
struct order_claim {
    const struct handle *handle[2];
    enum order_class on_handle[2];
    const char *path[2]; /* by order_claim_path() */
    size_t len[2];
    bool changes; /* the paths, or what is at them */
    bool started;
    uint64_t off, end; /* ORDER_WRITE: the range */
};

void order_claim_path(struct order_claim *c, unsigned i, const char *path);

/* Must `later` wait for `earlier`, which arrived before it and is not done? Once it need not, it
 * never has to. */
bool order_conflict(const struct order_claim *earlier, const struct order_claim *later);

#endif
