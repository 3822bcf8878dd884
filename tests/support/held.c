#include "tests/support/held.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

struct held_backend {
    struct backend base;
    struct held *h;
    struct backend *inner;
};

struct held_fs {
    struct fs base;
    struct held *h;
    struct fs *inner;
};

struct held_file {
    struct fs_file base;
    struct held *h;
    struct fs_file *inner;
};

struct held_dir {
    struct fs_dir base;
    struct fs_dir *inner;
};

struct held_op;
typedef struct op *start_fn(struct held_op *o);

/* One operation with all that its start was given. */
struct held_op {
    struct op op;
    struct list node; /* held.waiting */
    const char *name;
    struct held *h;
    struct held_fs *fs;
    start_fn *start;
    struct op *inner;
    struct fs_file *file; /* the inner one; of a close: taken */
    struct fs_file *file2;
    struct fs_dir *dir;
    char *path, *path2;
    uint8_t *data;
    uint64_t off, off2, len;
    uint32_t flags;
    bool follow, closes, has_attr;
    struct fs_attr attr;
    fs_done_fn *done;
    void *arg;
};

static struct held_fs *fs_of(struct fs *fs)
{
    return (struct held_fs *)fs;
}

static void op_free(struct held_op *o)
{
    if (o->node.next != NULL && !list_empty(&o->node))
        o->h->nwaiting--;
    list_remove(&o->node);
    if (o->closes && o->file != NULL) {
        fs_abort(&o->file);
        o->h->aborted++;
    }
    mem_free(o->path);
    mem_free(o->path2);
    mem_free(o->data);
    mem_free(o);
}

static void cancel(struct op *op)
{
    struct held_op *o = (struct held_op *)op;
    op_cancel(&o->inner);
    op_free(o);
}

static const struct op_type held_op_type = {"held", cancel};

static void inner_done(void *arg, const struct fs_res *res)
{
    struct held_op *o = arg;
    struct fs_res told = *res;
    o->inner = NULL;
    if (res->err == GW_OK && res->file != NULL) {
        struct held_file *f = mem_zalloc(sizeof *f);
        *f = (struct held_file){.base.fs = &o->fs->base, .h = o->h, .inner = res->file};
        o->h->files++;
        told.file = &f->base;
    }
    if (res->err == GW_OK && res->dir != NULL) {
        struct held_dir *d = mem_zalloc(sizeof *d);
        *d = (struct held_dir){.base.fs = &o->fs->base, .inner = res->dir};
        told.dir = &d->base;
    }
    if (o->closes && res->err == GW_OK)
        o->h->committed++;
    o->done(o->arg, &told);
    op_free(o);
}

static void let_go(struct held_op *o)
{
    list_remove(&o->node);
    o->h->nwaiting--;
    o->inner = o->start(o);
}

static struct op *begin(struct held_op *o, const char *name, struct held_fs *fs, start_fn *start)
{
    o->op.type = &held_op_type;
    o->name = name;
    o->h = fs->h;
    o->fs = fs;
    o->start = start;
    o->h->started++;
    list_push(&o->h->waiting, &o->node);
    o->h->nwaiting++;
    if (!o->h->hold)
        let_go(o);
    return &o->op;
}

static struct held_op *op_new(fs_done_fn *done, void *arg)
{
    struct held_op *o = mem_zalloc(sizeof *o);
    o->done = done;
    o->arg = arg;
    return o;
}

static struct held_op *path_op(const char *path, fs_done_fn *done, void *arg)
{
    struct held_op *o = op_new(done, arg);
    o->path = mem_strdup(path);
    return o;
}

static struct held_op *file_op(struct fs_file *file, fs_done_fn *done, void *arg)
{
    struct held_op *o = op_new(done, arg);
    o->file = ((struct held_file *)file)->inner;
    return o;
}

static void set_attr(struct held_op *o, const struct fs_attr *attr)
{
    o->has_attr = attr != NULL;
    if (attr != NULL)
        o->attr = *attr;
}

static const struct fs_attr *attr_of(const struct held_op *o)
{
    return o->has_attr ? &o->attr : NULL;
}

static struct op *start_open(struct held_op *o)
{
    return fs_open(o->fs->inner, o->path, o->flags, attr_of(o), inner_done, o);
}

static struct op *held_open(struct fs *fs, const char *path, uint32_t flags,
                            const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct held_op *o = path_op(path, done, arg);
    o->flags = flags;
    set_attr(o, attr);
    return begin(o, "open", fs_of(fs), start_open);
}

static enum gw_err held_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len,
                                 size_t *n)
{
    struct held_file *hf = (struct held_file *)f;
    return hf->h->hold ? GW_BUSY : fs_read_now(hf->inner, off, to, len, n);
}

static struct op *start_read(struct held_op *o)
{
    return fs_read(o->file, o->off, (size_t)o->len, inner_done, o);
}

static struct op *held_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done,
                            void *arg)
{
    struct held_op *o = file_op(f, done, arg);
    o->off = off;
    o->len = len;
    return begin(o, "read", fs_of(f->fs), start_read);
}

static enum gw_err held_write_now(struct fs_file *f, uint64_t off, struct gw_span data)
{
    struct held_file *hf = (struct held_file *)f;
    return hf->h->hold ? GW_BUSY : fs_write_now(hf->inner, off, data);
}

static struct op *start_write(struct held_op *o)
{
    return fs_write(o->file, o->off, gw_span_of(o->data, (size_t)o->len), inner_done, o);
}

static struct op *held_write(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                             void *arg)
{
    struct held_op *o = file_op(f, done, arg);
    o->off = off;
    o->len = data.len;
    o->data = mem_alloc(data.len);
    memcpy(o->data, data.ptr, data.len);
    return begin(o, "write", fs_of(f->fs), start_write);
}

static struct op *start_fsync(struct held_op *o)
{
    return fs_fsync(o->file, inner_done, o);
}

static struct op *held_fsync(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return begin(file_op(f, done, arg), "fsync", fs_of(f->fs), start_fsync);
}

static struct op *start_fstat(struct held_op *o)
{
    return fs_fstat(o->file, inner_done, o);
}

static struct op *held_fstat(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return begin(file_op(f, done, arg), "fstat", fs_of(f->fs), start_fstat);
}

static struct op *start_fsetstat(struct held_op *o)
{
    return fs_fsetstat(o->file, &o->attr, inner_done, o);
}

static struct op *held_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done,
                                void *arg)
{
    struct held_op *o = file_op(f, done, arg);
    set_attr(o, attr);
    return begin(o, "fsetstat", fs_of(f->fs), start_fsetstat);
}

static struct op *start_close(struct held_op *o)
{
    return fs_close(&o->file, inner_done, o);
}

static struct op *held_close(struct fs_file *f, fs_done_fn *done, void *arg)
{
    struct held_op *o = file_op(f, done, arg);
    struct held_fs *fs = fs_of(f->fs);
    o->closes = true;
    fs->h->files--;
    mem_free(f);
    return begin(o, "close", fs, start_close);
}

static void held_abort(struct fs_file *f)
{
    struct held_file *hf = (struct held_file *)f;
    hf->h->files--;
    hf->h->aborted++;
    fs_abort(&hf->inner);
    mem_free(hf);
}

static struct op *start_stat(struct held_op *o)
{
    return fs_stat(o->fs->inner, o->path, o->follow, inner_done, o);
}

static struct op *held_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done,
                            void *arg)
{
    struct held_op *o = path_op(path, done, arg);
    o->follow = follow;
    return begin(o, "stat", fs_of(fs), start_stat);
}

static struct op *start_setstat(struct held_op *o)
{
    return fs_setstat(o->fs->inner, o->path, o->follow, &o->attr, inner_done, o);
}

static struct op *held_setstat(struct fs *fs, const char *path, bool follow,
                               const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct held_op *o = path_op(path, done, arg);
    o->follow = follow;
    set_attr(o, attr);
    return begin(o, "setstat", fs_of(fs), start_setstat);
}

static struct op *start_opendir(struct held_op *o)
{
    return fs_opendir(o->fs->inner, o->path, inner_done, o);
}

static struct op *held_opendir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return begin(path_op(path, done, arg), "opendir", fs_of(fs), start_opendir);
}

static struct op *start_readdir(struct held_op *o)
{
    return fs_readdir(o->dir, (size_t)o->len, inner_done, o);
}

static struct op *held_readdir(struct fs_dir *d, size_t want, fs_done_fn *done, void *arg)
{
    struct held_op *o = op_new(done, arg);
    o->dir = ((struct held_dir *)d)->inner;
    o->len = want;
    return begin(o, "readdir", fs_of(d->fs), start_readdir);
}

static void held_closedir(struct fs_dir *d)
{
    fs_closedir(&((struct held_dir *)d)->inner);
    mem_free(d);
}

static struct op *start_remove(struct held_op *o)
{
    return fs_remove(o->fs->inner, o->path, inner_done, o);
}

static struct op *held_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return begin(path_op(path, done, arg), "remove", fs_of(fs), start_remove);
}

static struct op *start_mkdir(struct held_op *o)
{
    return fs_mkdir(o->fs->inner, o->path, attr_of(o), inner_done, o);
}

static struct op *held_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr,
                             fs_done_fn *done, void *arg)
{
    struct held_op *o = path_op(path, done, arg);
    set_attr(o, attr);
    return begin(o, "mkdir", fs_of(fs), start_mkdir);
}

static struct op *start_rmdir(struct held_op *o)
{
    return fs_rmdir(o->fs->inner, o->path, inner_done, o);
}

static struct op *held_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return begin(path_op(path, done, arg), "rmdir", fs_of(fs), start_rmdir);
}

static struct op *start_rename(struct held_op *o)
{
    return fs_rename(o->fs->inner, o->path, o->path2, o->flags, inner_done, o);
}

static struct op *held_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                              fs_done_fn *done, void *arg)
{
    struct held_op *o = path_op(from, done, arg);
    o->path2 = mem_strdup(to);
    o->flags = flags;
    return begin(o, "rename", fs_of(fs), start_rename);
}

static struct op *start_readlink(struct held_op *o)
{
    return fs_readlink(o->fs->inner, o->path, inner_done, o);
}

static struct op *held_readlink(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return begin(path_op(path, done, arg), "readlink", fs_of(fs), start_readlink);
}

static struct op *start_symlink(struct held_op *o)
{
    return fs_symlink(o->fs->inner, o->path2, o->path, inner_done, o);
}

static struct op *held_symlink(struct fs *fs, const char *target, const char *path,
                               fs_done_fn *done, void *arg)
{
    struct held_op *o = path_op(path, done, arg);
    o->path2 = mem_strdup(target);
    return begin(o, "symlink", fs_of(fs), start_symlink);
}

static struct op *start_hardlink(struct held_op *o)
{
    return fs_hardlink(o->fs->inner, o->path, o->path2, inner_done, o);
}

static struct op *held_hardlink(struct fs *fs, const char *from, const char *to, fs_done_fn *done,
                                void *arg)
{
    struct held_op *o = path_op(from, done, arg);
    o->path2 = mem_strdup(to);
    return begin(o, "hardlink", fs_of(fs), start_hardlink);
}

static struct op *start_statvfs(struct held_op *o)
{
    return fs_statvfs(o->fs->inner, o->path, inner_done, o);
}

static struct op *held_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return begin(path_op(path, done, arg), "statvfs", fs_of(fs), start_statvfs);
}

static struct op *start_copy(struct held_op *o)
{
    return fs_copy(o->file, o->off, o->len, o->file2, o->off2, inner_done, o);
}

static struct op *held_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                            uint64_t to_off, fs_done_fn *done, void *arg)
{
    struct held_op *o = file_op(from, done, arg);
    o->file2 = ((struct held_file *)to)->inner;
    o->off = off;
    o->len = len;
    o->off2 = to_off;
    return begin(o, "copy", fs_of(from->fs), start_copy);
}

static void held_free(struct fs *fs)
{
    struct held_fs *f = fs_of(fs);
    fs_free(&f->inner);
    mem_free(f);
}

static const struct fs_type held_type = {
    .name = "held",
    .open = held_open,
    .read_now = held_read_now,
    .read = held_read,
    .write_now = held_write_now,
    .write = held_write,
    .fsync = held_fsync,
    .fstat = held_fstat,
    .fsetstat = held_fsetstat,
    .close = held_close,
    .abort = held_abort,
    .stat = held_stat,
    .setstat = held_setstat,
    .opendir = held_opendir,
    .readdir = held_readdir,
    .closedir = held_closedir,
    .remove = held_remove,
    .mkdir = held_mkdir,
    .rmdir = held_rmdir,
    .rename = held_rename,
    .readlink = held_readlink,
    .symlink = held_symlink,
    .hardlink = held_hardlink,
    .statvfs = held_statvfs,
    .copy = held_copy,
    .free = held_free,
};

static enum gw_err held_view(struct backend *b, const struct backend_view *args, struct fs **out)
{
    struct held_backend *hb = (struct held_backend *)b;
    struct fs *inner;
    enum gw_err err = backend_view_new(hb->inner, args, &inner);
    if (err != GW_OK)
        return err;
    struct held_fs *f = mem_zalloc(sizeof *f);
    f->base = (struct fs){.type = &held_type, .loop = inner->loop, .caps = inner->caps};
    f->h = hb->h;
    f->inner = inner;
    *out = &f->base;
    return GW_OK;
}

static void held_backend_free(struct backend *b)
{
    struct held_backend *hb = (struct held_backend *)b;
    backend_unref(&hb->inner);
    mem_free(hb);
}

static const struct backend_type held_backend_type = {.view = held_view, .free = held_backend_free};

struct backend *held_backend(struct held *h, struct backend *inner)
{
    struct held_backend *hb = mem_zalloc(sizeof *hb);
    hb->base = (struct backend){
        .type = &held_backend_type, .name = mem_strdup("held"), .env = inner->env, .refs = 1};
    hb->h = h;
    hb->inner = backend_ref(inner);
    return &hb->base;
}

void held_init(struct held *h)
{
    *h = (struct held){.hold = false};
    list_init(&h->waiting);
}

static struct held_op *waiting(const struct held *h, unsigned i)
{
    LIST_EACH(it, &h->waiting)
    {
        if (i-- == 0)
            return LIST_ENTRY(it, struct held_op, node);
    }
    return NULL;
}

const char *held_name(const struct held *h, unsigned i)
{
    const struct held_op *o = waiting(h, i);
    return o == NULL ? NULL : o->name;
}

static struct held_op *must_wait(const struct held *h, unsigned i)
{
    struct held_op *o = waiting(h, i);
    if (o == NULL) {
        fprintf(stderr, "held: no operation %u waits\n", i);
        abort();
    }
    return o;
}

void held_release(struct held *h, unsigned i)
{
    let_go(must_wait(h, i));
}

void held_release_all(struct held *h)
{
    while (h->nwaiting > 0)
        held_release(h, 0);
}

void held_fail(struct held *h, unsigned i, enum gw_err err, const char *text)
{
    struct held_op *o = must_wait(h, i);
    const struct fs_res res = {.err = err, .text = text};
    list_remove(&o->node);
    h->nwaiting--;
    o->done(o->arg, &res);
    op_free(o);
}
