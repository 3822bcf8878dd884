/* An object that is written: nothing appears before a close that says OK. */
#ifndef BACKENDS_S3_S3_WRITE_H
#define BACKENDS_S3_S3_WRITE_H

#include "backends/s3/s3.h"

/* flags: as remote_open_refuse() lets them pass, with FS_WRITE. attr: may be NULL.
 * Errors: those of remote_open_onto(). */
struct op *s3_write_open(struct s3_view *v, const char *path, uint32_t flags,
                         const struct fs_attr *attr, fs_done_fn *done, void *arg);

#endif
