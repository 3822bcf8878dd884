/* Markers: zero-byte objects "d/" that make a folder exist while nothing is in it. */
#ifndef BACKENDS_S3_S3_MARKER_H
#define BACKENDS_S3_S3_MARKER_H

#include "backends/s3/s3.h"

/* prefix: the folder's, with its slash. */
struct op *s3_marker_put(struct s3_store *s, const char *prefix, const struct log_ctx *log,
                         remote_done_fn *done, void *arg);
/*
 * `key` (with a slash at its end when it was a folder's) has just gone: when its parent below the
 * view's root would vanish with it, the parent gets a marker, as a folder on a disk stays. Faults
 * are logged, not given: what was asked for is done. NULL = there is nothing to keep, done will not
 * run.
 */
struct op *s3_marker_keep_parent(struct s3_view *v, const char *key, loop_fn *done, void *arg);

#endif
