/* An object that is written: nothing appears before a close that says OK. */
#ifndef BACKENDS_S3_S3_WRITE_H
#define BACKENDS_S3_S3_WRITE_H

#include "backends/s3/s3.h"

/* flags: FS_WRITE with FS_CREATE, FS_EXCL, FS_TRUNC in any combination (s3.c has refused FS_READ
 * and FS_APPEND). Without FS_TRUNC an object that holds bytes is GW_UNSUPPORTED with a text.
 * Errors: GW_IS_DIR where path is a folder, GW_EXISTS, GW_NOT_FOUND. */
struct op *s3_write_open(struct s3_view *v, const char *path, uint32_t flags,
                         const struct fs_attr *attr, fs_done_fn *done, void *arg);
enum gw_err s3_write_now(struct s3_file *f, uint64_t off, struct gw_span data);
struct op *s3_write_start(struct s3_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                          void *arg);
struct op *s3_write_fstat(struct s3_file *f, fs_done_fn *done, void *arg);
/* mtime is remembered and stored with the object; mode and owner are accepted and ignored (strict:
 * refused); a size is GW_UNSUPPORTED unless it is what was written. */
struct op *s3_write_fsetstat(struct s3_file *f, const struct fs_attr *attr, fs_done_fn *done,
                             void *arg);
struct op *s3_write_fsync(struct s3_file *f, fs_done_fn *done, void *arg);
struct op *s3_write_close(struct s3_file *f, fs_done_fn *done, void *arg);
void s3_write_abort(struct s3_file *f);
/* The whole content is to be the object that `from` has open: only while nothing was written, and
 * nothing may be written after it. close commits it by s3_copy_start() with the source's ETag. */
enum gw_err s3_write_set_source(struct s3_file *f, const struct s3_file *from);
/* Aborts stale multipart uploads below the store's prefix. */
struct op *s3_write_sweep(struct s3_store *s, backend_done_fn *done, void *arg);

#endif
