/*
 * What the local store does to names: one trip to the pool each. Rows of the store's fs_type.
 */
#ifndef BACKENDS_LOCAL_LOCAL_NAMES_H
#define BACKENDS_LOCAL_LOCAL_NAMES_H

#include "backends/fs.h"

struct op *local_names_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done,
                            void *arg);
struct op *local_names_setstat(struct fs *fs, const char *path, bool follow,
                               const struct fs_attr *attr, fs_done_fn *done, void *arg);
struct op *local_names_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
struct op *local_names_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr,
                             fs_done_fn *done, void *arg);
struct op *local_names_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
struct op *local_names_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                              fs_done_fn *done, void *arg);
struct op *local_names_readlink(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
struct op *local_names_symlink(struct fs *fs, const char *target, const char *path,
                               fs_done_fn *done, void *arg);
struct op *local_names_hardlink(struct fs *fs, const char *from, const char *to, fs_done_fn *done,
                                void *arg);
struct op *local_names_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg);

#endif
