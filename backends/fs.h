/*
 * What every store, and every layer between the SFTP engine and a store, looks like.
 *
 * Paths are absolute, normal (no empty, "." or ".." component, no trailing slash but in "/"), free
 * of NUL, any other bytes, at most FS_PATH_MAX. They are relative to the root of the view, and
 * borrowed for the call. Every operation follows gateway/io/op.h. A NULL row of a type answers
 * GW_UNSUPPORTED.
 */
#ifndef BACKENDS_FS_H
#define BACKENDS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/io/loop.h"
#include "gateway/io/op.h"

#define FS_PATH_MAX 4096u
#define FS_TEXT_MAX 256u

/* Open flags. FS_WRITE without FS_TRUNC and FS_APPEND keeps what the file holds. */
enum {
    FS_READ = 1u << 0,
    FS_WRITE = 1u << 1,
    FS_CREATE = 1u << 2,
    FS_EXCL = 1u << 3,
    FS_TRUNC = 1u << 4,
    FS_APPEND = 1u << 5,
};
/* Rename flags. */
enum { FS_RENAME_OVERWRITE = 1u << 0 };

/* What a view can do. */
enum {
    /* Any offset, any order, read back, append, truncate. A store without it refuses what it cannot
     * do, an open that would keep bytes included, with GW_UNSUPPORTED: see
     * backends/spool/spool_fs.h. */
    FS_CAP_RANDOM_WRITE = 1u << 0,
    FS_CAP_HARDLINK = 1u << 1,
    FS_CAP_SYMLINK = 1u << 2,
    FS_CAP_STATVFS = 1u << 3,
    FS_CAP_COPY = 1u << 4,  /* server-side copy */
    FS_CAP_FSYNC = 1u << 5, /* fsync means something before close */
    FS_CAP_READ_ONLY = 1u << 6,
    FS_CAP_OWNER = 1u << 7,    /* uid, gid and mode are real */
    FS_CAP_IN_PLACE = 1u << 8, /* an upload is there while it comes, and stays when it is cut off */
    FS_CAP_NEEDS_LENGTH =
        1u << 9, /* how long a new file will be must be said at open: attr->size */
};

enum fs_kind {
    FS_KIND_UNKNOWN,
    FS_KIND_REG,
    FS_KIND_DIR,
    FS_KIND_LINK,
    FS_KIND_SOCKET,
    FS_KIND_CHAR,
    FS_KIND_BLOCK,
    FS_KIND_FIFO
};

/* fs_attr.set */
enum {
    FS_ATTR_SIZE = 1u << 0,
    FS_ATTR_OWNER = 1u << 1, /* uid and gid */
    FS_ATTR_MODE = 1u << 2,
    FS_ATTR_ATIME = 1u << 3,
    FS_ATTR_MTIME = 1u << 4,
    FS_ATTR_CTIME = 1u << 5,
    FS_ATTR_BTIME = 1u << 6, /* creation */
    FS_ATTR_NLINK = 1u << 7,
    FS_ATTR_ALLOC = 1u << 8,
};

/* Attributes, read or to be set: only what `set` names counts. Times are Unix seconds +
 * nanoseconds. */
struct fs_attr {
    uint32_t set;
    enum fs_kind kind; /* ignored on set */
    uint32_t mode;     /* permission bits 07777, without the type */
    uint32_t uid, gid, nlink;
    uint64_t size, alloc;
    int64_t atime_s, mtime_s, ctime_s, btime_s;
    uint32_t atime_ns, mtime_ns, ctime_ns, btime_ns;
};

/* What `from` has of owner, mode and times, onto `to`. */
void fs_attr_lay(struct fs_attr *to, const struct fs_attr *from);

struct fs_entry {
    const char *name; /* one path component, NUL-terminated */
    struct fs_attr attr;
};

/* In bytes and counts; 0xffffffffffffffff = no limit known. */
struct fs_space {
    uint64_t bsize, frsize, blocks, bfree, bavail, files, ffree, favail, fsid, namemax;
    bool read_only, nosuid;
};

struct fs;
struct fs_file; /* an open file */
struct fs_dir;  /* a folder being listed */

/* What a done callback gets; only what the operation gives is set. Valid during the callback. */
struct fs_res {
    enum gw_err err;
    const char *text; /* with err: words for the client ("S3 AccessDenied, request 44..."); NULL =
                         err's own */
    struct fs_file *file;       /* open: Gives */
    struct fs_dir *dir;         /* opendir: Gives */
    struct gw_span data;        /* read: 1..len bytes; at the end err is GW_EOF */
    const struct fs_attr *attr; /* stat, fstat */
    const struct fs_entry
        *entries; /* readdir: a batch of nentries >= 1; at the end err is GW_EOF */
    size_t nentries;
    const char *target;           /* readlink, realpath */
    const struct fs_space *space; /* statvfs */
    uint64_t bytes;               /* copy: how many were copied */
};
typedef void fs_done_fn(void *arg, const struct fs_res *res);

struct fs_type {
    const char *name;

    /* attr: what the client wants a created file to have (mode, times); may be NULL. */
    struct op *(*open)(struct fs *fs, const char *path, uint32_t flags, const struct fs_attr *attr,
                       fs_done_fn *done, void *arg);
    /* What can be had without waiting: *n bytes into `to` (GW_OK, 1..len), GW_EOF, GW_BUSY = use
     * read, or an error. NULL = always GW_BUSY. */
    enum gw_err (*read_now)(struct fs_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n);
    /* A short read is no end of file; a read at the end is GW_EOF. */
    struct op *(*read)(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg);
    /* GW_OK = taken and it may be acknowledged; GW_BUSY = use write; or an error. NULL = always
     * GW_BUSY. */
    enum gw_err (*write_now)(struct fs_file *f, uint64_t off, struct gw_span data);
    /* Copies or consumes data before it returns: the caller's bytes are free at once. done = the
     * client may be told OK; a failure that shows later is given by the next write and by close.
     * The engine bounds what is under way: a store that is slow to call done slows its client down.
     */
    struct op *(*write)(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                        void *arg);
    struct op *(*fsync)(struct fs_file *f, fs_done_fn *done, void *arg);
    /* What can be had without waiting: GW_OK with *attr, GW_BUSY = use fstat, or an error. NULL =
     * always GW_BUSY. */
    enum gw_err (*fstat_now)(struct fs_file *f, struct fs_attr *attr);
    struct op *(*fstat)(struct fs_file *f, fs_done_fn *done, void *arg);
    struct op *(*fsetstat)(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done,
                           void *arg);
    /* Commits: GW_OK means stored, whole, where the next reader finds it. Takes f at the call, also
     * when it fails or is cancelled. Called when no other op of f is under way. */
    struct op *(*close)(struct fs_file *f, fs_done_fn *done, void *arg);
    /* Throws f away: what was written never appears. Returns at once, cleans up alone. Takes f. */
    void (*abort)(struct fs_file *f);

    /* As fstat_now. */
    enum gw_err (*stat_now)(struct fs *fs, const char *path, bool follow, struct fs_attr *attr);
    struct op *(*stat)(struct fs *fs, const char *path, bool follow, fs_done_fn *done, void *arg);
    struct op *(*setstat)(struct fs *fs, const char *path, bool follow, const struct fs_attr *attr,
                          fs_done_fn *done, void *arg);
    struct op *(*opendir)(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
    struct op *(*readdir)(struct fs_dir *d, size_t want, fs_done_fn *done,
                          void *arg);   /* want: a hint */
    void (*closedir)(struct fs_dir *d); /* Takes d. No readdir is under way. */
    struct op *(*remove)(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
    struct op *(*mkdir)(struct fs *fs, const char *path, const struct fs_attr *attr,
                        fs_done_fn *done, void *arg);
    struct op *(*rmdir)(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
    /* Without FS_RENAME_OVERWRITE an existing `to` is GW_EXISTS. Files and folders. */
    struct op *(*rename)(struct fs *fs, const char *from, const char *to, uint32_t flags,
                         fs_done_fn *done, void *arg);
    struct op *(*readlink)(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
    struct op *(*symlink)(struct fs *fs, const char *target, const char *path, fs_done_fn *done,
                          void *arg);
    struct op *(*hardlink)(struct fs *fs, const char *from, const char *to, fs_done_fn *done,
                           void *arg);
    struct op *(*statvfs)(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
    /* len 0 = to the end. Both files are of this view; the data counts as written to `to`. */
    struct op *(*copy)(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                       uint64_t to_off, fs_done_fn *done, void *arg);

    void (*free)(struct fs *fs); /* every file, folder and op of it is gone */
};

struct fs {
    const struct fs_type *type;
    struct loop *loop;
    uint32_t caps;
};

/* A wrapper's file holds an inner one, and so on: calls go to file->fs. */
struct fs_file {
    struct fs *fs;
};

struct fs_dir {
    struct fs *fs;
};

void fs_free(struct fs **fsp); /* NULL-safe */

struct op *fs_open(struct fs *fs, const char *path, uint32_t flags, const struct fs_attr *attr,
                   fs_done_fn *done, void *arg);
enum gw_err fs_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n);
struct op *fs_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg);
enum gw_err fs_write_now(struct fs_file *f, uint64_t off, struct gw_span data);
struct op *fs_write(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                    void *arg);
struct op *fs_fsync(struct fs_file *f, fs_done_fn *done, void *arg);
enum gw_err fs_fstat_now(struct fs_file *f, struct fs_attr *attr);
struct op *fs_fstat(struct fs_file *f, fs_done_fn *done, void *arg);
struct op *fs_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done, void *arg);
/* Nulls the owner's pointer: the file is the op's from here on. */
struct op *fs_close(struct fs_file **fp, fs_done_fn *done, void *arg);
void fs_abort(struct fs_file **fp); /* NULL-safe */
enum gw_err fs_stat_now(struct fs *fs, const char *path, bool follow, struct fs_attr *attr);
struct op *fs_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done, void *arg);
struct op *fs_setstat(struct fs *fs, const char *path, bool follow, const struct fs_attr *attr,
                      fs_done_fn *done, void *arg);
struct op *fs_opendir(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
struct op *fs_readdir(struct fs_dir *d, size_t want, fs_done_fn *done, void *arg);
void fs_closedir(struct fs_dir **dp); /* NULL-safe */
struct op *fs_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
struct op *fs_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr, fs_done_fn *done,
                    void *arg);
struct op *fs_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
struct op *fs_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                     fs_done_fn *done, void *arg);
struct op *fs_readlink(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
struct op *fs_symlink(struct fs *fs, const char *target, const char *path, fs_done_fn *done,
                      void *arg);
struct op *fs_hardlink(struct fs *fs, const char *from, const char *to, fs_done_fn *done,
                       void *arg);
struct op *fs_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
struct op *fs_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                   uint64_t to_off, fs_done_fn *done, void *arg);

/* May it be one component of a path? Not: empty, ".", "..", with a slash or a NUL, not UTF-8. */
bool fs_name_ok(const char *name, size_t n);
/* Does a relative prefix consist of such? "" and a slash at the end are fine. */
bool fs_prefix_ok(const char *prefix);

/* done with GW_OK on a later turn: for a start that has nothing to wait for. Copies attr (may be
 * NULL). */
struct op *fs_ok(struct loop *l, const struct fs_attr *attr, fs_done_fn *done, void *arg);
/* The same with res->bytes. */
struct op *fs_copied(struct loop *l, uint64_t bytes, fs_done_fn *done, void *arg);
/* done with this error on a later turn: for a start that fails. text is copied (NULL = none). */
struct op *fs_fail(struct loop *l, enum gw_err err, const char *text, fs_done_fn *done, void *arg);

#endif
