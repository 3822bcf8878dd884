/* REMOVE, MKDIR, RMDIR. */
#ifndef BACKENDS_S3_S3_OPS_H
#define BACKENDS_S3_S3_OPS_H

#include "backends/s3/s3.h"

/* Errors: GW_NOT_FOUND, GW_IS_DIR. */
struct op *s3_ops_remove(struct s3_view *v, const char *path, fs_done_fn *done, void *arg);
/* Errors: GW_EXISTS. Without directory_markers there is nothing to store. */
struct op *s3_ops_mkdir(struct s3_view *v, const char *path, fs_done_fn *done, void *arg);
/* Errors: GW_NOT_FOUND, GW_NOT_DIR, GW_NOT_EMPTY (also for keys that no path can name). */
struct op *s3_ops_rmdir(struct s3_view *v, const char *path, fs_done_fn *done, void *arg);

#endif
