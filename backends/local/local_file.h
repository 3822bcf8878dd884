/*
 * Open files of the local store, but for writing (local_write.h). A read is answered on the loop
 * with what the page cache holds; the pool does the rest. Rows of the store's fs_type.
 */
#ifndef BACKENDS_LOCAL_LOCAL_FILE_H
#define BACKENDS_LOCAL_LOCAL_FILE_H

#include "backends/local/local_root.h"

struct local_fs {
    struct fs base;
    struct backend *backend;
    struct local_root *root;
};

struct op *local_file_open(struct fs *fs, const char *path, uint32_t flags,
                           const struct fs_attr *attr, fs_done_fn *done, void *arg);
enum gw_err local_file_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len,
                                size_t *n);
struct op *local_file_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done,
                           void *arg);
struct op *local_file_fsync(struct fs_file *f, fs_done_fn *done, void *arg);
struct op *local_file_fstat(struct fs_file *f, fs_done_fn *done, void *arg);
struct op *local_file_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done,
                               void *arg);
struct op *local_file_close(struct fs_file *f, fs_done_fn *done, void *arg);
void local_file_abort(struct fs_file *f);
struct op *local_file_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                           uint64_t to_off, fs_done_fn *done, void *arg);

#endif
