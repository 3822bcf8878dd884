/* Open files: sends each call to s3_read.c or s3_write.c, by what the file was opened for. */
#ifndef BACKENDS_S3_S3_FILE_H
#define BACKENDS_S3_S3_FILE_H

#include "backends/s3/s3.h"

struct op *s3_file_open(struct fs *fs, const char *path, uint32_t flags, const struct fs_attr *attr,
                        fs_done_fn *done, void *arg);
enum gw_err s3_file_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n);
struct op *s3_file_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg);
enum gw_err s3_file_write_now(struct fs_file *f, uint64_t off, struct gw_span data);
struct op *s3_file_write(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                         void *arg);
struct op *s3_file_fsync(struct fs_file *f, fs_done_fn *done, void *arg);
struct op *s3_file_fstat(struct fs_file *f, fs_done_fn *done, void *arg);
struct op *s3_file_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done,
                            void *arg);
struct op *s3_file_close(struct fs_file *f, fs_done_fn *done, void *arg);
void s3_file_abort(struct fs_file *f);
struct op *s3_file_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                        uint64_t to_off, fs_done_fn *done, void *arg);

#endif
