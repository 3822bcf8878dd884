/* An object that is open for reading: HEAD or the first GET at open, ranged GETs with read-ahead,
 * each with If-Match, so that no reader ever gets mixed bytes. */
#ifndef BACKENDS_S3_S3_READ_H
#define BACKENDS_S3_S3_READ_H

#include "backends/s3/s3.h"

/* Errors: GW_IS_DIR where path is a folder. */
struct op *s3_read_open(struct s3_view *v, const char *path, fs_done_fn *done, void *arg);

#endif
