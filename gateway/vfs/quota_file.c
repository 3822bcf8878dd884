/* Open files: each holds the tree's. One that is written knows how large it will be, and what of
 * that the usage has been charged. */
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/vfs/quota_impl.h"

enum { WRITES = FS_WRITE | FS_APPEND | FS_TRUNC | FS_CREATE };

struct file {
    struct fs_file base;
    struct fs_file *inner;
    struct quota *q;
    bool writes;
    bool append;
    bool in_place;            /* what is written is there at once, and stays if this is aborted */
    char *path;               /* of one that writes */
    struct quota_seen old;    /* what its close replaces */
    uint64_t size;            /* once all that was taken is written */
    struct usage_sum charged; /* beyond `old` */
    struct usage_hold *hold;  /* of the path, while this may change it in place */
    uint64_t apart;           /* of an append: bytes before it that are not in `size` */
    uint64_t changes;         /* usage_changes() when `old` was seen */
};

static struct file *of(struct fs_file *f)
{
    return (struct file *)f;
}

static struct quota *quota_of(struct fs *fs)
{
    return (struct quota *)fs;
}

static void file_free(struct file *f)
{
    fs_abort(&f->inner);
    quota_let_go(f->q, &f->hold);
    mem_free(f->path);
    mem_free(f);
}

/* ---- open ---- */

static void open_drop(struct quota_call *c)
{
    struct file *f = c->data;
    if (f != NULL)
        file_free(f);
}

static void open_tell(struct quota_call *c, struct fs_res *res)
{
    struct file *f = c->data;
    if (res->err != GW_OK)
        return;
    f->inner = res->file;
    res->file = &f->base;
    c->data = NULL; /* the opener's */
}

static void open_act(struct quota_call *c)
{
    struct file *f = c->data;
    struct quota *q = c->q;
    if (f->writes && q->usage != NULL) {
        f->hold = c->hold;
        c->hold = NULL;
        f->old = c->seen;
        if (f->hold != NULL && !usage_hold_good(f->hold))
            f->old.freed = 0; /* somebody else's to give back: this one pays for all it writes */
        f->changes = usage_changes(q->usage);
        bool makes_one = !c->seen.is_file && (c->flags & FS_CREATE);
        enum gw_err err = GW_OK;
        if (makes_one)
            err = quota_charge(q, (struct usage_sum){0, 1});
        if (err != GW_OK) {
            quota_call_refuse(c, err, NULL);
            return;
        }
        if (makes_one)
            f->charged.files = c->charged.files = 1; /* the call's until the file is open */
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
    struct file *f = mem_zalloc(sizeof *f);
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
    c->follow = true;
    c->holds = f->in_place || !(flags & FS_TRUNC);
    c->hold_for = USAGE_HOLD_OPEN;
    if (q->usage != NULL || !(flags & FS_TRUNC))
        c->look = c->path[0];
    return quota_call_start(c);
}

/* ---- growing ---- */

/* Takes it that the file will be `size` bytes long, if it may. */
static enum gw_err will_be(struct file *f, uint64_t size)
{
    struct quota *q = f->q;
    enum gw_err err = size > f->size ? quota_fits(q, size + f->apart) : GW_OK;
    int64_t need = (int64_t)size - f->old.freed;
    struct usage_sum more = {(need > 0 ? need : 0) - f->charged.bytes, 0};
    if (err == GW_OK && more.bytes != 0)
        err = quota_charge(q, more);
    if (err != GW_OK)
        return err;
    f->charged.bytes += more.bytes;
    f->size = size;
    return GW_OK;
}

static enum gw_err will_hold(struct file *f, uint64_t off, uint64_t len)
{
    uint64_t end = f->append ? f->size + len : off + len;
    if (len == 0 || (!f->append && end <= f->size))
        return GW_OK;
    return will_be(f, end);
}

static struct op *refuse(struct quota *q, enum gw_err err, fs_done_fn *done, void *arg)
{
    char text[FS_TEXT_MAX];
    return fs_fail(q->fs.loop, err, quota_text(q, err, text), done, arg);
}

enum gw_err quota_file_write_now(struct fs_file *file, uint64_t off, struct gw_span data)
{
    struct file *f = of(file);
    /* An append counts when it is taken, so it is asked about once only; and write() has words. */
    if (f->append || will_hold(f, off, data.len) != GW_OK)
        return GW_BUSY;
    return fs_write_now(f->inner, off, data);
}

/* An append to a file that others may append to as well: how large it is by now says the store. */
static bool asks_size(const struct file *f)
{
    return f->append && f->in_place && f->q->max_file > 0;
}

struct appending {
    struct op op;
    struct op *step;
    struct file *file;
    fs_done_fn *done;
    void *arg;
    size_t len;
    uint8_t data[];
};

static void appending_cancel(struct op *op)
{
    struct appending *a = (struct appending *)op;
    op_cancel(&a->step);
    mem_free(a);
}

static const struct op_type appending_type = {"quota_append", appending_cancel};

static void appended(void *arg, const struct fs_res *res)
{
    struct appending *a = arg;
    a->step = NULL;
    a->done(a->arg, res);
    mem_free(a);
}

static void append_sized(void *arg, const struct fs_res *res)
{
    struct appending *a = arg;
    struct file *f = a->file;
    char text[FS_TEXT_MAX];
    a->step = NULL;
    struct fs_res mine = {.err = res->err, .text = res->text};
    if (res->err == GW_OK) {
        mine.err = quota_fits(f->q, res->attr->size + a->len);
        if (mine.err == GW_OK)
            mine.err = will_hold(f, 0, a->len);
        mine.text = quota_text(f->q, mine.err, text);
    }
    if (mine.err == GW_OK)
        a->step = fs_write(f->inner, 0, gw_span_of(a->data, a->len), appended, a);
    else
        appended(a, &mine);
}

static struct op *append_start(struct file *f, struct gw_span data, fs_done_fn *done, void *arg)
{
    struct appending *a = mem_try_alloc(sizeof *a + data.len);
    if (a == NULL)
        return refuse(f->q, GW_NO_MEMORY, done, arg);
    *a = (struct appending){
        .op.type = &appending_type, .file = f, .done = done, .arg = arg, .len = data.len};
    memcpy(a->data, data.ptr, data.len);
    a->step = fs_fstat(f->inner, append_sized, a);
    return &a->op;
}

struct op *quota_file_write(struct fs_file *file, uint64_t off, struct gw_span data,
                            fs_done_fn *done, void *arg)
{
    struct file *f = of(file);
    if (asks_size(f) && data.len > 0)
        return append_start(f, data, done, arg);
    enum gw_err err = will_hold(f, off, data.len);
    if (err != GW_OK)
        return refuse(f->q, err, done, arg);
    return fs_write(f->inner, off, data, done, arg);
}

/* ---- a size that is set: more counts at once, less when it is so ---- */

struct sizing {
    struct op op;
    struct op *step;
    struct file *file;
    uint64_t before, after;
    fs_done_fn *done;
    void *arg;
};

static void sizing_cancel(struct op *op)
{
    struct sizing *c = (struct sizing *)op;
    op_cancel(&c->step);
    mem_free(c);
}

static const struct op_type sizing_type = {"quota_sizing", sizing_cancel};

static void sized(void *arg, const struct fs_res *res)
{
    struct sizing *c = arg;
    c->step = NULL;
    /* What shrinks, or is so already, always fits. */
    (void)will_be(c->file, res->err == GW_OK ? c->after : c->before);
    c->done(c->arg, res);
    mem_free(c);
}

struct op *quota_file_fsetstat(struct fs_file *file, const struct fs_attr *attr, fs_done_fn *done,
                               void *arg)
{
    struct file *f = of(file);
    if (!f->writes || !(attr->set & FS_ATTR_SIZE))
        return fs_fsetstat(f->inner, attr, done, arg);
    uint64_t before = f->size;
    enum gw_err err = attr->size > INT64_MAX ? GW_TOO_LARGE : GW_OK;
    if (err == GW_OK && attr->size > before)
        err = will_be(f, attr->size);
    if (err != GW_OK)
        return refuse(f->q, err, done, arg);
    struct sizing *c = mem_zalloc(sizeof *c);
    *c = (struct sizing){.op.type = &sizing_type,
                         .file = f,
                         .before = before,
                         .after = attr->size,
                         .done = done,
                         .arg = arg};
    c->step = fs_fsetstat(f->inner, attr, sized, c);
    return &c->op;
}

/* ---- copy: how much it will be only the source knows ---- */

struct copy {
    struct op op;
    struct op *step;
    struct file *from, *to;
    uint64_t off, len, to_off;
    fs_done_fn *done;
    void *arg;
};

static void copy_cancel(struct op *op)
{
    struct copy *c = (struct copy *)op;
    op_cancel(&c->step);
    mem_free(c);
}

static const struct op_type copy_type = {"quota_copy", copy_cancel};

static void copied(void *arg, const struct fs_res *res)
{
    struct copy *c = arg;
    c->step = NULL;
    c->done(c->arg, res);
    mem_free(c);
}

static void copy_refused(struct copy *c, enum gw_err err, const char *text)
{
    char mine[FS_TEXT_MAX];
    const char *words = quota_text(c->to->q, err, mine);
    copied(c, &(struct fs_res){.err = err, .text = words != NULL ? words : text});
}

/* No more than was charged: the source may be growing. */
static void copy_begin(struct copy *c)
{
    enum gw_err err = will_hold(c->to, c->to_off, c->len);
    if (err != GW_OK || c->len == 0)
        copy_refused(c, err, NULL);
    else
        c->step = fs_copy(c->from->inner, c->off, c->len, c->to->inner, c->to_off, copied, c);
}

static void copy_target_sized(void *arg, const struct fs_res *res)
{
    struct copy *c = arg;
    c->step = NULL;
    enum gw_err err = res->err;
    if (err == GW_OK)
        err = quota_fits(c->to->q, res->attr->size + c->len);
    if (err != GW_OK)
        copy_refused(c, err, res->text);
    else
        copy_begin(c);
}

static void copy_sized(void *arg, const struct fs_res *res)
{
    struct copy *c = arg;
    c->step = NULL;
    if (res->err != GW_OK) {
        copy_refused(c, res->err, res->text);
        return;
    }
    uint64_t left = res->attr->size > c->off ? res->attr->size - c->off : 0;
    c->len = c->len == 0 || c->len > left ? left : c->len;
    if (asks_size(c->to))
        c->step = fs_fstat(c->to->inner, copy_target_sized, c);
    else
        copy_begin(c);
}

struct op *quota_file_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                           uint64_t to_off, fs_done_fn *done, void *arg)
{
    struct copy *c = mem_zalloc(sizeof *c);
    *c = (struct copy){.op.type = &copy_type,
                       .from = of(from),
                       .to = of(to),
                       .off = off,
                       .len = len,
                       .to_off = to_off,
                       .done = done,
                       .arg = arg};
    c->step = fs_fstat(c->from->inner, copy_sized, c);
    return &c->op;
}

/* ---- the end ---- */

struct closing {
    struct op op;
    struct op *step;
    struct file *file;
    fs_done_fn *done;
    void *arg;
};

static void close_free(struct closing *c)
{
    op_cancel(&c->step);
    quota_give_back(c->file->q, &c->file->charged);
    file_free(c->file);
    mem_free(c);
}

/* A close that has begun may end as it likes. */
static void close_cancel(struct op *op)
{
    struct closing *c = (struct closing *)op;
    if (c->file->inner == NULL)
        c->file->charged = (struct usage_sum){0, 0};
    close_free(c);
}

static const struct op_type close_type = {"quota_close", close_cancel};

/* What its end adds to, or takes from, what was charged. */
static struct usage_sum balance(const struct file *f)
{
    int64_t freed = usage_hold_good(f->hold) ? f->old.freed : 0;
    int64_t files = f->old.is_file ? 0 : 1;
    return (struct usage_sum){(int64_t)f->size - freed - f->charged.bytes,
                              files - f->charged.files};
}

static void closed(void *arg, const struct fs_res *res)
{
    struct closing *c = arg;
    struct file *f = c->file;
    c->step = NULL;
    if (f->writes && (res->err == GW_OK || f->in_place)) {
        quota_settle(f->q, res->err == GW_OK ? balance(f) : (struct usage_sum){0, 0});
        f->charged = (struct usage_sum){0, 0};
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

/* What it was to replace may have gone meanwhile: then it is more than was asked for. */
static void close_inner(struct closing *c)
{
    struct file *f = c->file;
    struct usage_sum more = balance(f);
    bool asks = f->writes && !f->in_place && f->q->usage != NULL;
    if (asks && (more.bytes > 0 || more.files > 0)) {
        more.bytes = more.bytes > 0 ? more.bytes : 0;
        more.files = more.files > 0 ? more.files : 0;
        enum gw_err err = quota_charge(f->q, more);
        if (err != GW_OK) {
            c->step = refuse(f->q, err, close_refused, c);
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
    struct file *f = c->file;
    c->step = NULL;
    if (res->err == GW_OK)
        quota_saw(&f->old, res->attr);
    else if (res->err == GW_NOT_FOUND)
        f->old = (struct quota_seen){.is_file = false};
    else
        f->old.freed = 0;
    close_inner(c);
}

struct op *quota_file_close(struct fs_file *file, fs_done_fn *done, void *arg)
{
    struct file *f = of(file);
    struct quota *q = f->q;
    struct closing *c = mem_zalloc(sizeof *c);
    *c = (struct closing){.op.type = &close_type, .file = f, .done = done, .arg = arg};
    bool counts = f->writes && q->usage != NULL;
    if (counts && f->hold == NULL)
        f->hold = usage_hold_new(q->usage, f->path, USAGE_HOLD_CHANGE);
    if (counts && !f->in_place && usage_changes(q->usage) != f->changes)
        c->step = fs_stat(q->inner, f->path, true, looked_again, c);
    else
        close_inner(c);
    return &c->op;
}

void quota_file_abort(struct fs_file *file)
{
    struct file *f = of(file);
    if (f->in_place && f->q->usage != NULL)
        quota_settle(f->q, (struct usage_sum){0, 0}); /* what was charged is there */
    else
        quota_give_back(f->q, &f->charged);
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
