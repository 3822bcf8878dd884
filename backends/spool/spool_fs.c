#include "backends/spool/spool_fs.h"

#include "backends/spool/spool_file.h"
#include "gateway/base/mem.h"

static const char NO_SPOOL[] =
    "this store takes whole files, from begin to end: to change one in place, or to append to it, "
    "the gateway needs a state_dir, and none is configured";

static struct spool_fs *of(struct fs *fs)
{
    return (struct spool_fs *)fs;
}

/* One call of the store, or several in a row, behind one of the layer. */
struct call {
    struct op op;
    struct op *step;
    struct fs_file *file;
    struct fs_attr attr;
    fs_done_fn *done;
    void *arg;
};

static void call_free(struct call *c)
{
    op_cancel(&c->step);
    fs_abort(&c->file);
    mem_free(c);
}

static void call_cancel(struct op *op)
{
    call_free((struct call *)op);
}

static const struct op_type call_type = {"spool_fs", call_cancel};

static struct call *call_new(fs_done_fn *done, void *arg)
{
    struct call *c = mem_zalloc(sizeof *c);
    *c = (struct call){.op.type = &call_type, .done = done, .arg = arg};
    return c;
}

static void call_end(struct call *c, const struct fs_res *res)
{
    c->done(c->arg, res);
    call_free(c);
}

/* Without a spool the store may still do it: it is a new file, or of that size already. */
static void tried(void *arg, const struct fs_res *res)
{
    struct call *c = arg;
    c->step = NULL;
    struct fs_res told = *res;
    if (res->err == GW_UNSUPPORTED)
        told.text = NO_SPOOL;
    call_end(c, &told);
}

static bool starts_empty(uint32_t flags)
{
    return (flags & FS_TRUNC) != 0 || (flags & FS_EXCL) != 0;
}

static struct op *layer_open(struct fs *fs, const char *path, uint32_t flags,
                             const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct spool_fs *l = of(fs);
    bool writes = (flags & (FS_WRITE | FS_APPEND)) != 0;
    /* Many clients open so what they only write. It can be streamed until they read. */
    if (l->spool == NULL && writes && starts_empty(flags))
        flags &= ~(uint32_t)FS_READ;
    bool mixes = (flags & (FS_READ | FS_APPEND)) != 0;
    bool streams = l->spool == NULL || !(l->inner->caps & FS_CAP_NEEDS_LENGTH);
    if (!writes || (!mixes && starts_empty(flags) && streams))
        return fs_open(l->inner, path, flags, attr, done, arg);
    if (l->spool != NULL)
        return spool_load_start(l, path, flags, attr, done, arg);
    if (mixes)
        return fs_fail(fs->loop, GW_UNSUPPORTED, NO_SPOOL, done, arg);
    struct call *c = call_new(done, arg);
    c->step = fs_open(l->inner, path, flags, attr, tried, c);
    return &c->op;
}

/* SETSTAT with a size: the file is opened, cut or extended, and closed. */

static void resize_closed(void *arg, const struct fs_res *res)
{
    struct call *c = arg;
    c->step = NULL;
    call_end(c, res);
}

static void resized(void *arg, const struct fs_res *res)
{
    struct call *c = arg;
    c->step = NULL;
    if (res->err != GW_OK)
        call_end(c, res);
    else
        c->step = fs_close(&c->file, resize_closed, c);
}

static void resize_opened(void *arg, const struct fs_res *res)
{
    struct call *c = arg;
    c->step = NULL;
    if (res->err != GW_OK) {
        call_end(c, res);
        return;
    }
    c->file = res->file;
    c->step = fs_fsetstat(c->file, &c->attr, resized, c);
}

static struct op *layer_setstat(struct fs *fs, const char *path, bool follow,
                                const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct spool_fs *l = of(fs);
    if (!(attr->set & FS_ATTR_SIZE))
        return fs_setstat(l->inner, path, follow, attr, done, arg);
    struct call *c = call_new(done, arg);
    if (l->spool == NULL && attr->size != 0) {
        c->step = fs_setstat(l->inner, path, follow, attr, tried, c);
        return &c->op;
    }
    c->attr = *attr;
    c->step =
        layer_open(fs, path, FS_WRITE | (attr->size == 0 ? FS_TRUNC : 0u), NULL, resize_opened, c);
    return &c->op;
}

/* The rest is the store's. */

static struct op *layer_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done,
                             void *arg)
{
    return fs_stat(of(fs)->inner, path, follow, done, arg);
}

static struct op *layer_opendir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return fs_opendir(of(fs)->inner, path, done, arg);
}

static struct op *layer_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return fs_remove(of(fs)->inner, path, done, arg);
}

static struct op *layer_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr,
                              fs_done_fn *done, void *arg)
{
    return fs_mkdir(of(fs)->inner, path, attr, done, arg);
}

static struct op *layer_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return fs_rmdir(of(fs)->inner, path, done, arg);
}

static struct op *layer_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                               fs_done_fn *done, void *arg)
{
    return fs_rename(of(fs)->inner, from, to, flags, done, arg);
}

static struct op *layer_readlink(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return fs_readlink(of(fs)->inner, path, done, arg);
}

static struct op *layer_symlink(struct fs *fs, const char *target, const char *path,
                                fs_done_fn *done, void *arg)
{
    return fs_symlink(of(fs)->inner, target, path, done, arg);
}

static struct op *layer_hardlink(struct fs *fs, const char *from, const char *to, fs_done_fn *done,
                                 void *arg)
{
    return fs_hardlink(of(fs)->inner, from, to, done, arg);
}

static struct op *layer_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return fs_statvfs(of(fs)->inner, path, done, arg);
}

static void layer_free(struct fs *fs)
{
    fs_free(&of(fs)->inner);
    mem_free(of(fs));
}

/* The rows of files are for those in the spool, those of folders never called: others are the
 * store's own. A copy goes through the gateway. */
static const struct fs_type layer_type = {
    .name = "spool",
    .open = layer_open,
    .read_now = spool_file_read_now,
    .read = spool_file_read,
    .write_now = spool_file_write_now,
    .write = spool_file_write,
    .fsync = spool_file_fsync,
    .fstat = spool_file_fstat,
    .fsetstat = spool_file_fsetstat,
    .close = spool_store_start,
    .abort = spool_file_abort,
    .stat = layer_stat,
    .setstat = layer_setstat,
    .opendir = layer_opendir,
    .remove = layer_remove,
    .mkdir = layer_mkdir,
    .rmdir = layer_rmdir,
    .rename = layer_rename,
    .readlink = layer_readlink,
    .symlink = layer_symlink,
    .hardlink = layer_hardlink,
    .statvfs = layer_statvfs,
    .free = layer_free,
};

struct fs *spool_fs_new(struct fs *inner, struct spool *spool)
{
    struct spool_fs *l = mem_zalloc(sizeof *l);
    l->base.type = &layer_type;
    l->base.loop = inner->loop;
    l->base.caps = inner->caps | (spool != NULL ? (uint32_t)FS_CAP_RANDOM_WRITE : 0u);
    l->inner = inner;
    l->spool = spool;
    return &l->base;
}
