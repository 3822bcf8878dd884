/* The opening of a file of a remote store. */
#ifndef BACKENDS_REMOTE_OPEN_H
#define BACKENDS_REMOTE_OPEN_H

#include "backends/fs_task.h"
#include "backends/remote_file.h"

/* The open while it is under way. */
struct remote_open {
    struct fs_task task;
    struct remote_file *file; /* NULL once it is given */
    uint32_t flags;
    uint64_t since; /* attr_cache_now() at its begin */
};

/* A file is read, or a new one is written: all other flags are refused. NULL = there is nothing to
 * refuse. */
struct op *remote_open_refuse(struct fs *fs, uint32_t flags, fs_done_fn *done, void *arg);
/* Is there a file that may be written with these flags, or may one be made? there: what has its
 * name; NULL = nothing. Without FS_TRUNC a file that holds bytes is GW_UNSUPPORTED with a text.
 * Errors: GW_IS_DIR, GW_EXISTS, GW_NOT_FOUND. */
enum gw_err remote_open_onto(uint32_t flags, const struct fs_attr *there, const char **text);

/* Takes f. */
struct remote_open *remote_open_new(struct remote_file *f, uint32_t flags, struct backend *b,
                                    fs_done_fn *done, void *arg);
/* GW_OK gives the file. The last thing that a step does. text may be of any of them. */
void remote_open_end(struct remote_open *o, enum gw_err err, const char *text);

#endif
