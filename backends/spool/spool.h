/*
 * Where files lie while they are written at random onto a store that takes whole files only: the
 * folder `spool` of state_dir (mode 0700), one a loop. A spool file has no name (O_TMPFILE) and
 * goes with the process; where the file system has no such thing, it has one that the next start
 * removes. What all loops hold is bounded together (limits.spool_mb).
 */
#ifndef BACKENDS_SPOOL_SPOOL_H
#define BACKENDS_SPOOL_SPOOL_H

#include "backends/backends.h"

/* What the spools of the process hold, in bytes. Any thread. */
struct spool_space {
    uint64_t used; /* atomic */
};

struct spool;

/* Can state_dir be used? Changes nothing. Errors: GW_CONFIG: it is no absolute path, not there, no
 * folder, or not ours to write. */
enum gw_err spool_check(const char *state_dir, struct gw_errmsg *msg);

/* Makes the folder. Borrows: space for the spool's life. Errors: GW_CONFIG as spool_check(). */
enum gw_err spool_new(struct loop *l, const char *state_dir, uint64_t max_bytes,
                      struct spool_space *space, struct spool **out, struct gw_errmsg *msg);
/* NULL-safe. Its files are gone. */
void spool_free(struct spool **sp);
/* Removes what a killed process left; see backend_sweep(). */
struct op *spool_sweep(struct spool *s, backend_done_fn *done, void *arg);

/* Gives an empty file, open for reading and writing, that is only ever thrown away (fs_abort). */
struct op *spool_open(struct spool *s, fs_done_fn *done, void *arg);
/* A file of `from` bytes is to have `to`. *held is what its session has of the spool, and is kept
 * up to date: the last quarter is for those that hold no more than that much. False: there is no
 * room, and nothing has changed. Less always succeeds. */
bool spool_resize(struct spool *s, uint64_t *held, uint64_t from, uint64_t to);
uint64_t spool_max_bytes(const struct spool *s);

#endif
