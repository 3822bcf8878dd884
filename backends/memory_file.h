/* Open files of the memory store. Rows of its fs_type. */
#ifndef BACKENDS_MEMORY_FILE_H
#define BACKENDS_MEMORY_FILE_H

#include "backends/fs.h"

struct op *memory_file_open(struct fs *fs, const char *path, uint32_t flags,
                            const struct fs_attr *attr, fs_done_fn *done, void *arg);
enum gw_err memory_file_read_now(struct fs_file *file, uint64_t off, uint8_t *to, size_t len,
                                 size_t *n);
struct op *memory_file_read(struct fs_file *file, uint64_t off, size_t len, fs_done_fn *done,
                            void *arg);
enum gw_err memory_file_write_now(struct fs_file *file, uint64_t off, struct gw_span data);
struct op *memory_file_write(struct fs_file *file, uint64_t off, struct gw_span data,
                             fs_done_fn *done, void *arg);
struct op *memory_file_fsync(struct fs_file *file, fs_done_fn *done, void *arg);
struct op *memory_file_fstat(struct fs_file *file, fs_done_fn *done, void *arg);
struct op *memory_file_fsetstat(struct fs_file *file, const struct fs_attr *attr, fs_done_fn *done,
                                void *arg);
struct op *memory_file_close(struct fs_file *file, fs_done_fn *done, void *arg);
void memory_file_abort(struct fs_file *file);
struct op *memory_file_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                            uint64_t to_off, fs_done_fn *done, void *arg);

#endif
