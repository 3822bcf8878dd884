/*
 * fs operations as plain calls: each runs the loop until its op is done, or fails the test after
 * a minute. What an operation gives beyond its error is copied out.
 */
#ifndef TESTS_SUPPORT_SYNC_H
#define TESTS_SUPPORT_SYNC_H

#include "backends/backends.h"
#include "backends/fs.h"

struct sync {
    struct op *op; /* set by the caller from the start */
    bool done;
    enum gw_err err;
    char text[FS_TEXT_MAX];
    struct fs_file *file;
    struct fs_dir *dir;
    struct fs_attr attr;
    struct fs_space space;
    char target[FS_PATH_MAX];
    uint8_t *data; /* the caller's room for a read */
    size_t room, n;
    struct gw_buf *list; /* the caller's: names, each with a blank after it; folders with a "/" */
    uint64_t bytes;
};

fs_done_fn sync_done;
/* Runs l until s is done. Aborts the program at the deadline. */
enum gw_err sync_wait(struct loop *l, struct sync *s);
/* Runs l until cond(arg). False at the deadline. */
bool sync_until(struct loop *l, bool (*cond)(void *arg), void *arg);

enum gw_err sync_open(struct fs *fs, const char *path, uint32_t flags, struct fs_file **out);
enum gw_err sync_write(struct fs_file *f, uint64_t off, const void *p, size_t n);
enum gw_err sync_read(struct fs_file *f, uint64_t off, void *to, size_t len, size_t *n);
enum gw_err sync_close(struct fs_file **fp);
/* A whole file: written and closed; read to its end as a C string of less than cap bytes. */
enum gw_err sync_put(struct fs *fs, const char *path, const char *text);
enum gw_err sync_get(struct fs *fs, const char *path, char *to, size_t cap);
enum gw_err sync_stat(struct fs *fs, const char *path, bool follow, struct fs_attr *out);
/* All names of a folder in byte order: "a b/ c"; folders end in "/". Batches of `want`. */
enum gw_err sync_list(struct fs *fs, const char *path, size_t want, char *to, size_t cap);
enum gw_err sync_mkdir(struct fs *fs, const char *path);
enum gw_err sync_rmdir(struct fs *fs, const char *path);
enum gw_err sync_remove(struct fs *fs, const char *path);
enum gw_err sync_rename(struct fs *fs, const char *from, const char *to, uint32_t flags);
enum gw_err sync_symlink(struct fs *fs, const char *target, const char *path);
enum gw_err sync_readlink(struct fs *fs, const char *path, char to[FS_PATH_MAX]);
enum gw_err sync_hardlink(struct fs *fs, const char *from, const char *to);
enum gw_err sync_setstat(struct fs *fs, const char *path, bool follow, const struct fs_attr *a);
enum gw_err sync_probe(struct backend *b, char text[FS_TEXT_MAX]);
enum gw_err sync_sweep(struct backend *b, char text[FS_TEXT_MAX]);

#endif
