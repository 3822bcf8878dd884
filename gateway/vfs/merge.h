/*
 * Folders of a tree that lead to a mount: they exist, whatever the store below them says, and list
 * what they lead to beside what the store lists there. All follow gateway/io/op.h.
 */
#ifndef GATEWAY_VFS_MERGE_H
#define GATEWAY_VFS_MERGE_H

#include "backends/fs.h"

/* Where such a folder lies: in the store of `inner` at `path`, or in none (inner NULL). */
struct merge_at {
    struct fs *tree; /* whose type has merge_readdir and merge_closedir */
    struct fs *inner;
    const char *path; /* copied where needed */
};

struct op *merge_stat(const struct merge_at *at, bool follow, fs_done_fn *done, void *arg);
/* Takes names (n of them, and the array): the folders that are merged in; they hide the store's. */
struct op *merge_opendir(const struct merge_at *at, char **names, size_t n, fs_done_fn *done,
                         void *arg);
struct op *merge_readdir(struct fs_dir *d, size_t want, fs_done_fn *done, void *arg);
void merge_closedir(struct fs_dir *d);

#endif
