/*
 * A folder being listed: a page of ListObjectsV2 at a time, the next one under way while the last
 * is handed out. Attributes are those of the page: its time is LastModified, for x-amz-meta-mtime
 * is in no listing.
 */
#ifndef BACKENDS_S3_S3_DIR_H
#define BACKENDS_S3_S3_DIR_H

#include "backends/s3/s3.h"

/* Errors: GW_NOT_FOUND, GW_NOT_DIR, GW_NO_PATH (no bucket). */
struct op *s3_dir_open(struct s3_view *v, const char *path, fs_done_fn *done, void *arg);
struct op *s3_dir_read(struct fs_dir *d, size_t want, fs_done_fn *done, void *arg);
void s3_dir_close(struct fs_dir *d);

#endif
