#include "tests/support/fail_fs.h"

#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"

struct fail_fs {
    struct fs base;
    struct fs *inner;
    struct fail_fs_rule rules[FAIL_FS_CALL_COUNT];
    bool has_rule[FAIL_FS_CALL_COUNT];
    unsigned seen[FAIL_FS_CALL_COUNT]; /* since its rule was set */
    unsigned calls[FAIL_FS_CALL_COUNT];
    unsigned open_files;
    uint32_t last_flags;
    bool allow_now;
    struct list held; /* struct call */
};

struct fail_file {
    struct fs_file base;
    struct fs_file *inner;
};

struct fail_dir {
    struct fs_dir base;
    struct fs_dir *inner;
};

/* A call with all its arguments, for it may be made later. */
struct call {
    struct op op;
    struct list node;   /* in held */
    struct op *waiting; /* a delay or the next turn */
    struct op *inner;
    struct fail_fs *fs;
    fs_done_fn *done;
    void *arg;
    enum fail_fs_call what;
    const struct fail_fs_rule *rule; /* NULL = none */
    struct fail_file *file, *to_file;
    struct fail_dir *dir;
    char *path, *path2;
    struct fs_attr attr;
    bool has_attr, follow;
    uint32_t flags;
    uint64_t off, off2, len;
    uint8_t *data;
    size_t n;
};

static void file_free(struct fail_fs *fs, struct fail_file *f)
{
    fs->open_files--;
    mem_free(f);
}

static void call_free(struct call *c)
{
    list_remove(&c->node);
    if (c->what == FAIL_FS_CLOSE && c->file != NULL) {
        fs_abort(&c->file->inner); /* NULL once the inner close has it */
        file_free(c->fs, c->file);
    }
    mem_free(c->path);
    mem_free(c->path2);
    mem_free(c->data);
    mem_free(c);
}

static void call_cancel(struct op *op)
{
    struct call *c = (struct call *)op;
    op_cancel(&c->waiting);
    op_cancel(&c->inner);
    call_free(c);
}

static const struct op_type call_type = {"fail_fs", call_cancel};

static void finish(struct call *c, const struct fs_res *res)
{
    c->done(c->arg, res);
    call_free(c);
}

static void finish_err(struct call *c)
{
    const struct fs_res res = {.err = c->rule->err, .text = c->rule->text};
    finish(c, &res);
}

static void wrap_open(struct call *c, struct fs_res *res)
{
    if (res->file != NULL) {
        struct fail_file *f = mem_zalloc(sizeof *f);
        *f = (struct fail_file){{&c->fs->base}, res->file};
        res->file = &f->base;
        c->fs->open_files++;
    }
    if (res->dir != NULL) {
        struct fail_dir *d = mem_zalloc(sizeof *d);
        *d = (struct fail_dir){{&c->fs->base}, res->dir};
        res->dir = &d->base;
        c->fs->open_files++;
    }
}

static void inner_done(void *arg, const struct fs_res *inner)
{
    struct call *c = arg;
    struct fs_res res = *inner;
    c->inner = NULL;
    bool lost = c->rule != NULL && c->rule->how == FAIL_FS_AFTER;
    bool cut = c->rule != NULL && c->rule->how == FAIL_FS_TRUNCATE;
    if (lost || (cut && c->what == FAIL_FS_WRITE)) {
        fs_abort(&res.file);
        fs_closedir(&res.dir);
        finish_err(c);
        return;
    }
    if (cut && res.data.len > c->rule->keep)
        res.data.len = c->rule->keep;
    if (cut && res.nentries > c->rule->keep)
        res.nentries = c->rule->keep;
    if (cut && (c->rule->keep == 0) && res.err == GW_OK)
        res.err = GW_EOF;
    wrap_open(c, &res);
    finish(c, &res);
}

static struct op *on_file(struct call *c)
{
    struct fs_file *f = c->file->inner;
    switch (c->what) {
    case FAIL_FS_READ:
        return fs_read(f, c->off, (size_t)c->len, inner_done, c);
    case FAIL_FS_WRITE:
        return fs_write(f, c->off, gw_span_of(c->data, c->n), inner_done, c);
    case FAIL_FS_FSYNC:
        return fs_fsync(f, inner_done, c);
    case FAIL_FS_FSTAT:
        return fs_fstat(f, inner_done, c);
    case FAIL_FS_FSETSTAT:
        return fs_fsetstat(f, &c->attr, inner_done, c);
    case FAIL_FS_COPY:
        return fs_copy(f, c->off, c->len, c->to_file->inner, c->off2, inner_done, c);
    default:
        return fs_close(&c->file->inner, inner_done, c);
    }
}

static struct op *on_path(struct call *c)
{
    struct fs *fs = c->fs->inner;
    const struct fs_attr *attr = c->has_attr ? &c->attr : NULL;
    switch (c->what) {
    case FAIL_FS_OPEN:
        return fs_open(fs, c->path, c->flags, attr, inner_done, c);
    case FAIL_FS_STAT:
        return fs_stat(fs, c->path, c->follow, inner_done, c);
    case FAIL_FS_SETSTAT:
        return fs_setstat(fs, c->path, c->follow, &c->attr, inner_done, c);
    case FAIL_FS_OPENDIR:
        return fs_opendir(fs, c->path, inner_done, c);
    case FAIL_FS_REMOVE:
        return fs_remove(fs, c->path, inner_done, c);
    case FAIL_FS_MKDIR:
        return fs_mkdir(fs, c->path, attr, inner_done, c);
    case FAIL_FS_RMDIR:
        return fs_rmdir(fs, c->path, inner_done, c);
    case FAIL_FS_RENAME:
        return fs_rename(fs, c->path, c->path2, c->flags, inner_done, c);
    case FAIL_FS_READLINK:
        return fs_readlink(fs, c->path, inner_done, c);
    case FAIL_FS_SYMLINK:
        return fs_symlink(fs, c->path2, c->path, inner_done, c);
    case FAIL_FS_HARDLINK:
        return fs_hardlink(fs, c->path, c->path2, inner_done, c);
    default:
        return fs_statvfs(fs, c->path, inner_done, c);
    }
}

static void go(void *arg)
{
    struct call *c = arg;
    c->waiting = NULL;
    if (c->what == FAIL_FS_READDIR)
        c->inner = fs_readdir(c->dir->inner, c->n, inner_done, c);
    else
        c->inner = c->file != NULL ? on_file(c) : on_path(c);
}

static void refuse(void *arg)
{
    struct call *c = arg;
    c->waiting = NULL;
    finish_err(c);
}

/* The rule that applies to this call of `what`, NULL = none. */
static const struct fail_fs_rule *count(struct fail_fs *fs, enum fail_fs_call what)
{
    fs->calls[what]++;
    if (!fs->has_rule[what])
        return NULL;
    const struct fail_fs_rule *r = &fs->rules[what];
    unsigned n = fs->seen[what]++;
    bool applies = n >= r->skip && (r->times == 0 || n < r->skip + r->times);
    return applies ? r : NULL;
}

static struct call *call_new(struct fs *fs, enum fail_fs_call what, const char *path,
                             fs_done_fn *done, void *arg)
{
    struct call *c = mem_zalloc(sizeof *c);
    c->op.type = &call_type;
    c->fs = (struct fail_fs *)fs;
    c->what = what;
    c->path = mem_strdup(path);
    c->done = done;
    c->arg = arg;
    return c;
}

static struct op *start(struct call *c)
{
    struct loop *l = c->fs->base.loop;
    c->rule = count(c->fs, c->what);
    if (c->rule == NULL || c->rule->how == FAIL_FS_AFTER) {
        go(c);
    } else if (c->rule->how == FAIL_FS_TRUNCATE) {
        if (c->what == FAIL_FS_WRITE && c->n > c->rule->keep)
            c->n = c->rule->keep;
        go(c);
    } else if (c->rule->how == FAIL_FS_BEFORE) {
        c->waiting = loop_defer(l, refuse, c);
    } else if (c->rule->how == FAIL_FS_DELAY) {
        c->waiting = deadline_start(l, c->rule->after_ms, go, c);
    } else {
        list_push(&c->fs->held, &c->node);
    }
    return &c->op;
}

static void set_attr(struct call *c, const struct fs_attr *attr)
{
    c->has_attr = attr != NULL;
    if (attr != NULL)
        c->attr = *attr;
}

static struct op *fail_open(struct fs *fs, const char *path, uint32_t flags,
                            const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct call *c = call_new(fs, FAIL_FS_OPEN, path, done, arg);
    c->flags = c->fs->last_flags = flags;
    set_attr(c, attr);
    return start(c);
}

static enum gw_err fail_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len,
                                 size_t *n)
{
    struct fail_fs *fs = (struct fail_fs *)f->fs;
    if (!fs->allow_now || fs->has_rule[FAIL_FS_READ])
        return GW_BUSY;
    enum gw_err err = fs_read_now(((struct fail_file *)f)->inner, off, to, len, n);
    fs->calls[FAIL_FS_READ] += err != GW_BUSY;
    return err;
}

static struct call *file_call(struct fs_file *f, enum fail_fs_call what, fs_done_fn *done,
                              void *arg)
{
    struct call *c = call_new(f->fs, what, NULL, done, arg);
    c->file = (struct fail_file *)f;
    return c;
}

static struct op *fail_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done,
                            void *arg)
{
    struct call *c = file_call(f, FAIL_FS_READ, done, arg);
    c->off = off;
    c->len = len;
    return start(c);
}

static enum gw_err fail_write_now(struct fs_file *f, uint64_t off, struct gw_span data)
{
    struct fail_fs *fs = (struct fail_fs *)f->fs;
    if (!fs->allow_now || fs->has_rule[FAIL_FS_WRITE])
        return GW_BUSY;
    enum gw_err err = fs_write_now(((struct fail_file *)f)->inner, off, data);
    fs->calls[FAIL_FS_WRITE] += err != GW_BUSY;
    return err;
}

static struct op *fail_write(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                             void *arg)
{
    struct call *c = file_call(f, FAIL_FS_WRITE, done, arg);
    c->off = off;
    c->n = data.len;
    c->data = mem_alloc(data.len);
    if (data.len > 0)
        memcpy(c->data, data.ptr, data.len);
    return start(c);
}

static struct op *fail_fsync(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return start(file_call(f, FAIL_FS_FSYNC, done, arg));
}

static struct op *fail_fstat(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return start(file_call(f, FAIL_FS_FSTAT, done, arg));
}

static struct op *fail_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done,
                                void *arg)
{
    struct call *c = file_call(f, FAIL_FS_FSETSTAT, done, arg);
    set_attr(c, attr);
    return start(c);
}

static struct op *fail_close(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return start(file_call(f, FAIL_FS_CLOSE, done, arg));
}

static void fail_abort(struct fs_file *f)
{
    struct fail_file *file = (struct fail_file *)f;
    fs_abort(&file->inner);
    file_free((struct fail_fs *)f->fs, file);
}

static struct op *fail_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                            uint64_t to_off, fs_done_fn *done, void *arg)
{
    struct call *c = file_call(from, FAIL_FS_COPY, done, arg);
    c->to_file = (struct fail_file *)to;
    c->off = off;
    c->len = len;
    c->off2 = to_off;
    return start(c);
}

static struct op *fail_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done,
                            void *arg)
{
    struct call *c = call_new(fs, FAIL_FS_STAT, path, done, arg);
    c->follow = follow;
    return start(c);
}

static struct op *fail_setstat(struct fs *fs, const char *path, bool follow,
                               const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct call *c = call_new(fs, FAIL_FS_SETSTAT, path, done, arg);
    c->follow = follow;
    set_attr(c, attr);
    return start(c);
}

static struct op *fail_opendir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return start(call_new(fs, FAIL_FS_OPENDIR, path, done, arg));
}

static struct op *fail_readdir(struct fs_dir *d, size_t want, fs_done_fn *done, void *arg)
{
    struct call *c = call_new(d->fs, FAIL_FS_READDIR, NULL, done, arg);
    c->dir = (struct fail_dir *)d;
    c->n = want;
    return start(c);
}

static void fail_closedir(struct fs_dir *d)
{
    fs_closedir(&((struct fail_dir *)d)->inner);
    ((struct fail_fs *)d->fs)->open_files--;
    mem_free(d);
}

static struct op *fail_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return start(call_new(fs, FAIL_FS_REMOVE, path, done, arg));
}

static struct op *fail_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr,
                             fs_done_fn *done, void *arg)
{
    struct call *c = call_new(fs, FAIL_FS_MKDIR, path, done, arg);
    set_attr(c, attr);
    return start(c);
}

static struct op *fail_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return start(call_new(fs, FAIL_FS_RMDIR, path, done, arg));
}

static struct op *fail_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                              fs_done_fn *done, void *arg)
{
    struct call *c = call_new(fs, FAIL_FS_RENAME, from, done, arg);
    c->path2 = mem_strdup(to);
    c->flags = flags;
    return start(c);
}

static struct op *fail_readlink(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return start(call_new(fs, FAIL_FS_READLINK, path, done, arg));
}

static struct op *fail_symlink(struct fs *fs, const char *target, const char *path,
                               fs_done_fn *done, void *arg)
{
    struct call *c = call_new(fs, FAIL_FS_SYMLINK, path, done, arg);
    c->path2 = mem_strdup(target);
    return start(c);
}

static struct op *fail_hardlink(struct fs *fs, const char *from, const char *to, fs_done_fn *done,
                                void *arg)
{
    struct call *c = call_new(fs, FAIL_FS_HARDLINK, from, done, arg);
    c->path2 = mem_strdup(to);
    return start(c);
}

static struct op *fail_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return start(call_new(fs, FAIL_FS_STATVFS, path, done, arg));
}

static void fail_free(struct fs *fs)
{
    struct fail_fs *f = (struct fail_fs *)fs;
    fs_free(&f->inner);
    mem_free(f);
}

static const struct fs_type fail_type = {
    .name = "fail_fs",
    .open = fail_open,
    .read_now = fail_read_now,
    .read = fail_read,
    .write_now = fail_write_now,
    .write = fail_write,
    .fsync = fail_fsync,
    .fstat = fail_fstat,
    .fsetstat = fail_fsetstat,
    .close = fail_close,
    .abort = fail_abort,
    .stat = fail_stat,
    .setstat = fail_setstat,
    .opendir = fail_opendir,
    .readdir = fail_readdir,
    .closedir = fail_closedir,
    .remove = fail_remove,
    .mkdir = fail_mkdir,
    .rmdir = fail_rmdir,
    .rename = fail_rename,
    .readlink = fail_readlink,
    .symlink = fail_symlink,
    .hardlink = fail_hardlink,
    .statvfs = fail_statvfs,
    .copy = fail_copy,
    .free = fail_free,
};

struct fs *fail_fs_new(struct fs *inner)
{
    struct fail_fs *f = mem_zalloc(sizeof *f);
    f->base = (struct fs){&fail_type, inner->loop, inner->caps};
    f->inner = inner;
    f->allow_now = true;
    list_init(&f->held);
    return &f->base;
}

void fail_fs_set(struct fs *fs, const struct fail_fs_rule *rule)
{
    struct fail_fs *f = (struct fail_fs *)fs;
    f->rules[rule->call] = *rule;
    f->has_rule[rule->call] = true;
    f->seen[rule->call] = 0;
}

void fail_fs_clear(struct fs *fs)
{
    struct fail_fs *f = (struct fail_fs *)fs;
    memset(f->has_rule, 0, sizeof f->has_rule);
}

void fail_fs_release(struct fs *fs)
{
    struct fail_fs *f = (struct fail_fs *)fs;
    while (!list_empty(&f->held)) {
        struct call *c = LIST_ENTRY(list_first(&f->held), struct call, node);
        list_remove(&c->node);
        c->waiting = loop_defer(fs->loop, go, c);
    }
}

void fail_fs_allow_now(struct fs *fs, bool allow)
{
    ((struct fail_fs *)fs)->allow_now = allow;
}

unsigned fail_fs_calls(struct fs *fs, enum fail_fs_call call)
{
    return ((struct fail_fs *)fs)->calls[call];
}

uint32_t fail_fs_last_flags(struct fs *fs)
{
    return ((struct fail_fs *)fs)->last_flags;
}

unsigned fail_fs_open_files(struct fs *fs)
{
    return ((struct fail_fs *)fs)->open_files;
}
