/*
 * Folders of the local store being listed: one buffer of the kernel's at a time, whatever their
 * size. Rows of the store's fs_type.
 */
#ifndef BACKENDS_LOCAL_LOCAL_DIR_H
#define BACKENDS_LOCAL_LOCAL_DIR_H

#include "backends/fs.h"

struct op *local_dir_open(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
struct op *local_dir_read(struct fs_dir *d, size_t want, fs_done_fn *done, void *arg);
void local_dir_close(struct fs_dir *d);

#endif
