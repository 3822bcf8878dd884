/*
 * An upload before it has its name. Where the file system can, it has none at all (O_TMPFILE) and
 * goes with the process; else it lies under a reserved name, held by a lock, and whoever finds it
 * unlocked knows that its owner is dead. May block: on the pool.
 */
#ifndef BACKENDS_LOCAL_LOCAL_STAGE_H
#define BACKENDS_LOCAL_LOCAL_STAGE_H

#include "backends/local/local_root.h"

struct local_stage {
    int dirfd; /* where it will be */
    char name[NAME_MAX + 1];
    bool excl;     /* nothing may be there by then */
    bool replaces; /* something was there at the open */
    int tmp_dirfd; /* of tmp: the store's root, or dirfd; not closed */
    char tmp[48];  /* "" = nameless */
};

/* Takes place->dirfd, also when it fails. *fd is readable and writable, mode 0600, empty.
 * append_flag: O_APPEND or 0. */
enum gw_err local_stage_open(const struct local_store *s, struct local_place *place, bool excl,
                             int append_flag, struct local_stage *out, int *fd);
/* Gives the file its name. Errors: GW_EXISTS (excl). Frees stage either way, not fd. */
enum gw_err local_stage_publish(const struct local_store *s, struct local_stage *stage, int fd);
void local_stage_discard(struct local_stage *stage);

/* Removes `name` from dirfd if it is an upload's, and its owner is dead. */
bool local_stage_reap(int dirfd, const char *name);
/* Those in the store's root. Gives the number removed. */
unsigned local_stage_sweep(const struct local_store *s);

#endif
