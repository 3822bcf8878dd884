/* Moves every object below one prefix to another: the rename of a folder. */
#ifndef BACKENDS_S3_S3_TREE_H
#define BACKENDS_S3_S3_TREE_H

#include "backends/s3/s3.h"

struct s3_tree_args {
    const char *from, *to; /* prefixes, with their slashes; neither lies in the other */
    bool filled;           /* something is at `to` besides its marker: only what an unfinished move
                              of `from` left may be there, or it is GW_EXISTS */
    const struct log_ctx *log;
};

/*
 * All are copied, then all copies are checked (one listing), then the sources are deleted; the
 * folder's own marker is the last of each. bytes in the result: how many objects there were.
 * Errors: GW_EXISTS, GW_TOO_LARGE (over rename_max_objects), GW_BAD_NAME (a new key would be too
 * long), those of s3_copy_start(); the text says what is left.
 */
struct op *s3_tree_move(struct s3_store *s, const struct s3_tree_args *args, fs_done_fn *done,
                        void *arg);

#endif
