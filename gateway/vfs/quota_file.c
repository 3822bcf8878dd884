/* Open files: each holds the tree's. How they grow: quota_grow.c. */
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/vfs/quota_impl.h"

enum { WRITES = FS_WRITE | FS_APPEND | FS_TRUNC | FS_CREATE };

static struct quota_file *of(struct fs_file *f)
{
    return (struct quota_file *)f;
}

static struct quota *quota_of(struct fs *fs)
{
    return (struct quota *)fs;
}

static void file_free(struct quota_file *f)
{
    fs_abort(&f->inner);
    quota_let_go(f->q, &f->hold);
    mem_free(f->path);
    mem_free(f);
}

/* ---- open ---- */

static void open_drop(struct quota_call *c)
{
    struct quota_file *f = c->data;
    if (f != NULL)
        file_free(f);
}

static void open_tell(struct quota_call *c, struct fs_res *res)
{
    struct quota_file *f = c->data;
    if (res->err != GW_OK)
        return;
    f->inner = res->file;
    res->file = &f->base;
    c->data = NULL; /* the opener's */
}

static void open_act(struct quota_call *c)
{
    struct quota_file *f = c->data;
    struct quota *q = c->q;
    if (f->writes && q->usage != NULL) {
        bool makes_one = !c->seen.is_file && (c->flags & FS_CREATE);
        struct usage_sum one = {0, makes_one ? 1 : 0};
        enum gw_err err = c->reserves ? quota_reserve(q, one) : quota_charge(q, one);
        if (err != GW_OK) {
            quota_call_refuse(c, err, NULL);
            return;
        }
        c->charged = one; /* the call's until the file is open */
        f->charged = one;
        f->hold = c->hold;
        c->hold = NULL;
        f->old = c->seen;
        if (f->hold != NULL && !usage_hold_good(f->hold))
            f->old.freed = 0; /* somebody else's to give back: this one pays for all it writes */
        f->changes = usage_changes(q->usage);
        f->generation = usage_generation(q->usage);
    }
    if (!(c->flags & FS_TRUNC)) {
        f->size = (uint64_t)(q->usage != NULL ? f->old.freed : c->seen.size);
        f->apart = f->append ? (uint64_t)c->seen.size - f->size : 0;
        f->in_place = f->in_place || c->seen.is_file;
    }
    c->step = fs_open(q->inner, c->path[0], c->flags, c->attr.set != 0 ? &c->attr : NULL,
                      quota_call_done, c);
}

struct op *quota_file_open(struct fs *fs, const char *path, uint32_t flags,
                           const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct quota *q = quota_of(fs);
    struct quota_file *f = mem_zalloc(sizeof *f);
    f->base.fs = fs;
    f->q = q;
    f->writes = (flags & WRITES) != 0;
    f->append = (flags & FS_APPEND) != 0;
    struct quota_call *c = quota_call_new(q, path, NULL, done, arg);
    c->data = f;
    c->act = open_act;
    c->tell = open_tell;
    c->drop = open_drop;
    c->flags = flags;
    if (attr != NULL)
        c->attr = *attr;
    if (!f->writes) {
        open_act(c); /* reading waits for no count */
        return &c->op;
    }
    f->path = mem_strdup(path);
    f->in_place = (vfs_caps(q->v, path) & FS_CAP_IN_PLACE) != 0;
    f->reserves = c->reserves = !f->in_place;
    c->follow = true;
    c->holds = f->in_place || !(flags & FS_TRUNC);
    c->hold_for = USAGE_HOLD_OPEN;
    if (q->usage != NULL || !(flags & FS_TRUNC))
        c->look = c->path[0];
    return quota_call_start(c);
}

/* ---- the end ---- */

struct closing {
    struct op op;
    struct op *step;
    struct quota_file *file;
    bool inside, again;
    fs_done_fn *done;
    void *arg;
};

static void give_back(struct quota_file *f)
{
    if (f->reserves)
        quota_unreserve(f->q, &f->charged);
    else
        quota_give_back(f->q, &f->charged);
}

/* What was charged stays. */
static void stored(struct quota_file *f)
{
    if (f->reserves)
        quota_stored(f->q, &f->charged);
    f->charged = (struct usage_sum){0, 0};
}

static void close_leave(struct closing *c)
{
    if (c->inside)
        quota_leave(c->file->q);
    c->inside = false;
}

static void close_free(struct closing *c)
{
    op_cancel(&c->step);
    give_back(c->file);
    close_leave(c);
    file_free(c->file);
    mem_free(c);
}

/* A close that has begun may end as it likes. */
static void close_cancel(struct op *op)
{
    struct closing *c = (struct closing *)op;
    if (c->file->inner == NULL) {
        stored(c->file);
        quota_doubt(c->file->q);
    }
    close_free(c);
}

static const struct op_type close_type = {"quota_close", close_cancel};

/* What its end adds to, or takes from, what was charged. */
static struct usage_sum balance(const struct quota_file *f)
{
    int64_t freed = f->old.freed > 0 && !usage_hold_good(f->hold) ? 0 : f->old.freed;
    int64_t files = f->old.is_file ? 0 : 1;
    return (struct usage_sum){(int64_t)f->size - freed - f->charged.bytes,
                              files - f->charged.files};
}

static void closed(void *arg, const struct fs_res *res)
{
    struct closing *c = arg;
    struct quota_file *f = c->file;
    c->step = NULL;
    if (f->writes && (res->err == GW_OK || f->in_place)) {
        quota_settle(f->q, res->err == GW_OK ? balance(f) : (struct usage_sum){0, 0});
        stored(f);
    }
    c->done(c->arg, res);
    close_free(c);
}

static void close_refused(void *arg, const struct fs_res *res)
{
    struct closing *c = arg;
    c->step = NULL;
    c->done(c->arg, res);
    close_free(c);
}

static void close_begin(void *arg);

/* What it was to replace may have gone meanwhile: then it is more than was asked for. */
static void close_inner(struct closing *c)
{
    struct quota_file *f = c->file;
    struct usage_sum more = balance(f);
    bool asks = f->writes && !f->in_place && f->q->usage != NULL;
    if (asks && (more.bytes > 0 || more.files > 0)) {
        more.bytes = more.bytes > 0 ? more.bytes : 0;
        more.files = more.files > 0 ? more.files : 0;
        enum gw_err err = quota_reserve(f->q, more);
        if (err != GW_OK) {
            bool again = c->again;
            c->again = true;
            quota_let_go(f->q, &f->hold);
            close_leave(c);
            char text[FS_TEXT_MAX];
            c->step =
                !again && quota_recount(f->q)
                    ? quota_wait(f->q, close_begin, c)
                    : fs_fail(f->q->fs.loop, err, quota_text(f->q, err, text), close_refused, c);
            return;
        }
        f->charged.bytes += more.bytes;
        f->charged.files += more.files;
    }
    c->step = fs_close(&f->inner, closed, c);
}

/* What is there by now is what the close replaces. */
static void looked_again(void *arg, const struct fs_res *res)
{
    struct closing *c = arg;
    struct quota_file *f = c->file;
    c->step = NULL;
    if (res->err == GW_OK)
        quota_saw(&f->old, res->attr);
    else if (res->err == GW_NOT_FOUND)
        f->old = (struct quota_seen){.is_file = false};
    else
        f->old.freed = 0;
    close_inner(c);
}

static void close_begin(void *arg)
{
    struct closing *c = arg;
    struct quota_file *f = c->file;
    struct quota *q = f->q;
    c->step = NULL;
    if (!f->writes || q->usage == NULL) {
        close_inner(c);
        return;
    }
    c->inside = quota_enter(q) == USAGE_KNOWN;
    if (!c->inside) {
        c->step = quota_wait(q, close_begin, c);
        return;
    }
    quota_file_rebase(f);
    if (f->hold == NULL)
        f->hold = usage_hold_new(q->usage, f->path, USAGE_HOLD_CHANGE);
    if (!f->in_place && usage_changes(q->usage) != f->changes)
        c->step = fs_stat(q->inner, f->path, true, looked_again, c);
    else
        close_inner(c);
}

struct op *quota_file_close(struct fs_file *file, fs_done_fn *done, void *arg)
{
    struct closing *c = mem_zalloc(sizeof *c);
    *c = (struct closing){.op.type = &close_type, .file = of(file), .done = done, .arg = arg};
    close_begin(c);
    return &c->op;
}

void quota_file_abort(struct fs_file *file)
{
    struct quota_file *f = of(file);
    if (f->in_place && f->q->usage != NULL) {
        quota_settle(f->q, (struct usage_sum){0, 0}); /* what was charged is there */
        stored(f);
    } else {
        give_back(f);
    }
    file_free(f);
}

/* ---- handed on ---- */

enum gw_err quota_file_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n)
{
    return fs_read_now(of(f)->inner, off, to, len, n);
}

struct op *quota_file_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg)
{
    return fs_read(of(f)->inner, off, len, done, arg);
}

struct op *quota_file_fsync(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return fs_fsync(of(f)->inner, done, arg);
}

enum gw_err quota_file_fstat_now(struct fs_file *f, struct fs_attr *attr)
{
    return fs_fstat_now(of(f)->inner, attr);
}

struct op *quota_file_fstat(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return fs_fstat(of(f)->inner, done, arg);
}
