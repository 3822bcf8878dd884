/*
 * Counts what a tree holds: a walk through its own folders, one listing at a time (on a disk on the
 * pool, on S3 a page of keys a request). Files count with their size, links as a file of no size,
 * folders not at all; nothing on a mount that is read-only counts. Follows no links.
 *
 * A folder that cannot be read ends it, for a user may have made it so to hide what is in it: all
 * but those that belong to somebody else and that only the owner may write to (lost+found), where
 * the gateway cannot have stored anything. They are left out.
 * Memory: the names of folders that are still to be listed, COUNT_FOLDERS_MAX at most.
 */
#ifndef GATEWAY_VFS_COUNT_H
#define GATEWAY_VFS_COUNT_H

#include "gateway/vfs/usage.h"
#include "gateway/vfs/vfs.h"

#define COUNT_FOLDERS_MAX 100000u

struct count_sum {
    struct usage_sum sum;
    bool links;       /* there are symbolic links, or files with several names */
    unsigned foreign; /* so many folders are left out; the first of them: */
    const char *first_foreign;
    const char *where; /* with err: the folder */
};
/* err: of the first folder that could not be listed; text for the log. *found is valid during the
 * callback. */
typedef void count_done_fn(void *arg, enum gw_err err, const char *text,
                           const struct count_sum *found);

/* Borrows v until done or cancel. */
struct op *count_start(struct vfs *v, count_done_fn *done, void *arg);

#endif
