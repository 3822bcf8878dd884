/* An object that is open for reading: HEAD or the first GET at open, ranged GETs with read-ahead,
 * each with If-Match, so that no reader ever gets mixed bytes. */
#ifndef BACKENDS_S3_S3_READ_H
#define BACKENDS_S3_S3_READ_H

#include "backends/s3/s3.h"

/* Errors: GW_IS_DIR where path is a folder. */
struct op *s3_read_open(struct s3_view *v, const char *path, fs_done_fn *done, void *arg);
enum gw_err s3_read_now(struct s3_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n);
struct op *s3_read_start(struct s3_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg);
struct op *s3_read_fstat(struct s3_file *f, fs_done_fn *done, void *arg);
struct op *s3_read_close(struct s3_file *f, fs_done_fn *done, void *arg);
void s3_read_abort(struct s3_file *f);
/* What was opened: for a server-side copy. The ETag as the server wrote it (with its quotes). */
const char *s3_read_etag(const struct s3_file *f);
uint64_t s3_read_size(const struct s3_file *f);

#endif
