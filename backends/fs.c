#include "backends/fs.h"

#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/utf8.h"

void fs_attr_lay(struct fs_attr *to, const struct fs_attr *from)
{
    to->set |= from->set & (FS_ATTR_OWNER | FS_ATTR_MODE | FS_ATTR_ATIME | FS_ATTR_MTIME);
    if (from->set & FS_ATTR_OWNER) {
        to->uid = from->uid;
        to->gid = from->gid;
    }
    if (from->set & FS_ATTR_MODE)
        to->mode = from->mode;
    if (from->set & FS_ATTR_ATIME) {
        to->atime_s = from->atime_s;
        to->atime_ns = from->atime_ns;
    }
    if (from->set & FS_ATTR_MTIME) {
        to->mtime_s = from->mtime_s;
        to->mtime_ns = from->mtime_ns;
    }
}

bool fs_name_ok(const char *name, size_t n)
{
    if (n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
        return false;
    return memchr(name, '\0', n) == NULL && memchr(name, '/', n) == NULL && utf8_valid(name, n);
}

bool fs_prefix_ok(const char *prefix)
{
    while (*prefix != '\0') {
        size_t n = strcspn(prefix, "/");
        if (!fs_name_ok(prefix, n))
            return false;
        prefix += n;
        if (*prefix == '/')
            prefix++;
    }
    return true;
}

struct failing {
    struct op op;
    struct op *turn;
    fs_done_fn *done;
    void *arg;
    enum gw_err err;
    char *text;
};

static void failing_free(struct failing *f)
{
    mem_free(f->text);
    mem_free(f);
}

static void failing_cancel(struct op *op)
{
    struct failing *f = (struct failing *)op;
    op_cancel(&f->turn);
    failing_free(f);
}

static const struct op_type failing_type = {"fs_fail", failing_cancel};

static void failing_fire(void *arg)
{
    struct failing *f = arg;
    f->turn = NULL;
    struct fs_res res = {.err = f->err, .text = f->text};
    f->done(f->arg, &res);
    failing_free(f);
}

struct op *fs_fail(struct loop *l, enum gw_err err, const char *text, fs_done_fn *done, void *arg)
{
    struct failing *f = mem_zalloc(sizeof *f);
    f->op.type = &failing_type;
    f->done = done;
    f->arg = arg;
    f->err = err;
    f->text = mem_strdup(text);
    f->turn = loop_defer(l, failing_fire, f);
    return &f->op;
}

struct later {
    struct op op;
    struct op *turn;
    struct fs_attr attr;
    bool has_attr;
    uint64_t bytes;
    fs_done_fn *done;
    void *arg;
};

static void later_cancel(struct op *op)
{
    struct later *k = (struct later *)op;
    op_cancel(&k->turn);
    mem_free(k);
}

static const struct op_type later_type = {"fs_ok", later_cancel};

static void later_fire(void *arg)
{
    struct later *k = arg;
    k->turn = NULL;
    const struct fs_res res = {.attr = k->has_attr ? &k->attr : NULL, .bytes = k->bytes};
    k->done(k->arg, &res);
    mem_free(k);
}

static struct later *later_new(struct loop *l, fs_done_fn *done, void *arg)
{
    struct later *k = mem_zalloc(sizeof *k);
    k->op.type = &later_type;
    k->done = done;
    k->arg = arg;
    k->turn = loop_defer(l, later_fire, k);
    return k;
}

struct op *fs_ok(struct loop *l, const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct later *k = later_new(l, done, arg);
    if (attr != NULL) {
        k->attr = *attr;
        k->has_attr = true;
    }
    return &k->op;
}

struct op *fs_copied(struct loop *l, uint64_t bytes, fs_done_fn *done, void *arg)
{
    struct later *k = later_new(l, done, arg);
    k->bytes = bytes;
    return &k->op;
}

static struct op *unsupported(struct fs *fs, fs_done_fn *done, void *arg)
{
    return fs_fail(fs->loop, GW_UNSUPPORTED, NULL, done, arg);
}

void fs_free(struct fs **fsp)
{
    struct fs *fs = *fsp;
    *fsp = NULL;
    if (fs != NULL)
        fs->type->free(fs);
}

struct op *fs_open(struct fs *fs, const char *path, uint32_t flags, const struct fs_attr *attr,
                   fs_done_fn *done, void *arg)
{
    if (fs->type->open == NULL)
        return unsupported(fs, done, arg);
    return fs->type->open(fs, path, flags, attr, done, arg);
}

enum gw_err fs_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n)
{
    *n = 0;
    if (f->fs->type->read_now == NULL)
        return GW_BUSY;
    return f->fs->type->read_now(f, off, to, len, n);
}

struct op *fs_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg)
{
    if (f->fs->type->read == NULL)
        return unsupported(f->fs, done, arg);
    return f->fs->type->read(f, off, len, done, arg);
}

enum gw_err fs_write_now(struct fs_file *f, uint64_t off, struct gw_span data)
{
    if (f->fs->type->write_now == NULL)
        return GW_BUSY;
    return f->fs->type->write_now(f, off, data);
}

struct op *fs_write(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                    void *arg)
{
    if (f->fs->type->write == NULL)
        return unsupported(f->fs, done, arg);
    return f->fs->type->write(f, off, data, done, arg);
}

struct op *fs_fsync(struct fs_file *f, fs_done_fn *done, void *arg)
{
    if (f->fs->type->fsync == NULL)
        return unsupported(f->fs, done, arg);
    return f->fs->type->fsync(f, done, arg);
}

enum gw_err fs_fstat_now(struct fs_file *f, struct fs_attr *attr)
{
    if (f->fs->type->fstat_now == NULL)
        return GW_BUSY;
    return f->fs->type->fstat_now(f, attr);
}

struct op *fs_fstat(struct fs_file *f, fs_done_fn *done, void *arg)
{
    if (f->fs->type->fstat == NULL)
        return unsupported(f->fs, done, arg);
    return f->fs->type->fstat(f, done, arg);
}

struct op *fs_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    if (f->fs->type->fsetstat == NULL)
        return unsupported(f->fs, done, arg);
    return f->fs->type->fsetstat(f, attr, done, arg);
}

struct op *fs_close(struct fs_file **fp, fs_done_fn *done, void *arg)
{
    struct fs_file *f = *fp;
    *fp = NULL;
    return f->fs->type->close(f, done, arg);
}

void fs_abort(struct fs_file **fp)
{
    struct fs_file *f = *fp;
    *fp = NULL;
    if (f != NULL)
        f->fs->type->abort(f);
}

enum gw_err fs_stat_now(struct fs *fs, const char *path, bool follow, struct fs_attr *attr)
{
    if (fs->type->stat_now == NULL)
        return GW_BUSY;
    return fs->type->stat_now(fs, path, follow, attr);
}

struct op *fs_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done, void *arg)
{
    if (fs->type->stat == NULL)
        return unsupported(fs, done, arg);
    return fs->type->stat(fs, path, follow, done, arg);
}

struct op *fs_setstat(struct fs *fs, const char *path, bool follow, const struct fs_attr *attr,
                      fs_done_fn *done, void *arg)
{
    if (fs->type->setstat == NULL)
        return unsupported(fs, done, arg);
    return fs->type->setstat(fs, path, follow, attr, done, arg);
}

struct op *fs_opendir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    if (fs->type->opendir == NULL)
        return unsupported(fs, done, arg);
    return fs->type->opendir(fs, path, done, arg);
}

struct op *fs_readdir(struct fs_dir *d, size_t want, fs_done_fn *done, void *arg)
{
    return d->fs->type->readdir(d, want, done, arg);
}

void fs_closedir(struct fs_dir **dp)
{
    struct fs_dir *d = *dp;
    *dp = NULL;
    if (d != NULL)
        d->fs->type->closedir(d);
}

struct op *fs_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    if (fs->type->remove == NULL)
        return unsupported(fs, done, arg);
    return fs->type->remove(fs, path, done, arg);
}

struct op *fs_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr, fs_done_fn *done,
                    void *arg)
{
    if (fs->type->mkdir == NULL)
        return unsupported(fs, done, arg);
    return fs->type->mkdir(fs, path, attr, done, arg);
}

struct op *fs_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    if (fs->type->rmdir == NULL)
        return unsupported(fs, done, arg);
    return fs->type->rmdir(fs, path, done, arg);
}

struct op *fs_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                     fs_done_fn *done, void *arg)
{
    if (fs->type->rename == NULL)
        return unsupported(fs, done, arg);
    return fs->type->rename(fs, from, to, flags, done, arg);
}

struct op *fs_readlink(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    if (fs->type->readlink == NULL)
        return unsupported(fs, done, arg);
    return fs->type->readlink(fs, path, done, arg);
}

struct op *fs_symlink(struct fs *fs, const char *target, const char *path, fs_done_fn *done,
                      void *arg)
{
    if (fs->type->symlink == NULL)
        return unsupported(fs, done, arg);
    return fs->type->symlink(fs, target, path, done, arg);
}

struct op *fs_hardlink(struct fs *fs, const char *from, const char *to, fs_done_fn *done, void *arg)
{
    if (fs->type->hardlink == NULL)
        return unsupported(fs, done, arg);
    return fs->type->hardlink(fs, from, to, done, arg);
}

struct op *fs_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    if (fs->type->statvfs == NULL)
        return unsupported(fs, done, arg);
    return fs->type->statvfs(fs, path, done, arg);
}

struct op *fs_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                   uint64_t to_off, fs_done_fn *done, void *arg)
{
    if (from->fs->type->copy == NULL || from->fs != to->fs)
        return unsupported(from->fs, done, arg);
    return from->fs->type->copy(from, off, len, to, to_off, done, arg);
}
