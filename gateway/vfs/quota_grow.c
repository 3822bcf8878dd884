/* What makes an open file larger, or smaller: writes, sizes that are set, copies. */
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/vfs/quota_impl.h"

static struct quota_file *of(struct fs_file *f)
{
    return (struct quota_file *)f;
}

/*
 * Of one that is alone with its name, as much has been counted as it has written: in place, or as
 * what is reserved. Where others may have cut it, or it was cut in place or in a spool, that is not
 * known: what it writes from now on, it pays for.
 */
void quota_file_rebase(struct quota_file *f)
{
    uint64_t now = f->in_place && f->q->usage != NULL ? usage_generation(f->q->usage) : 0;
    if (now == f->generation || !f->in_place)
        return;
    f->generation = now;
    bool sure = !f->unsure && usage_hold_good(f->hold) && usage_hold_alone(f->hold);
    if (f->reserves && sure && !f->cut)
        return;
    f->old.is_file = true;
    f->charged.files = 0;
    if (!f->reserves) {
        f->charged.bytes = 0;
        f->old.freed = (int64_t)f->size;
        if (sure)
            return;
    }
    f->apart += f->append ? f->size : 0;
    f->size = 0;
    f->old.freed = -f->charged.bytes;
}

/* Takes it that the file will be `size` bytes long, if it may. */
static enum gw_err will_be(struct quota_file *f, uint64_t size)
{
    struct quota *q = f->q;
    enum gw_err err = size > f->size ? quota_fits(q, size + f->apart) : GW_OK;
    int64_t need = (int64_t)size - f->old.freed;
    struct usage_sum more = {(need > 0 ? need : 0) - f->charged.bytes, 0};
    if (err == GW_OK && more.bytes != 0)
        err = f->reserves ? quota_reserve(q, more) : quota_charge(q, more);
    if (err != GW_OK)
        return err;
    f->charged.bytes += more.bytes;
    f->size = size;
    return GW_OK;
}

static enum gw_err will_hold(struct quota_file *f, uint64_t off, uint64_t len)
{
    uint64_t end = f->append ? f->size + len : off + len;
    if (len == 0 || (!f->append && end <= f->size))
        return GW_OK;
    return will_be(f, end);
}

/* No count goes on while it changes under the reader's eyes. */
static bool is_gated(const struct quota_file *f)
{
    return f->in_place && f->q->usage != NULL;
}

/* An append to a file that others may append to as well: how large it is by now says the store. */
static bool asks_size(const struct quota_file *f)
{
    return f->append && f->in_place && f->q->max_file > 0;
}

/* ---- one change: asks for room, waits for a count where there is none, and is made ---- */

struct growth {
    struct op op;
    struct op *step;
    struct quota_file *file;
    bool inside, again;
    void (*go)(struct growth *g);   /* the first step */
    void (*make)(struct growth *g); /* the last: `off` and `len` are what it will write */
    fs_done_fn *done;
    void *arg;
    struct quota_file *from; /* of a copy */
    uint64_t from_off;
    uint64_t off, len;
    struct fs_attr attr; /* to be set */
    uint64_t before;     /* the size, then */
    uint8_t data[];      /* to be written */
};

static void leave(struct growth *g)
{
    if (g->inside)
        quota_leave(g->file->q);
    g->inside = false;
}

static void cancel(struct op *op)
{
    struct growth *g = (struct growth *)op;
    if (g->inside) {
        g->file->unsure = true; /* it may come about */
        quota_doubt(g->file->q);
    }
    op_cancel(&g->step);
    leave(g);
    mem_free(g);
}

static const struct op_type growth_type = {"quota_growth", cancel};

static void finished(void *arg, const struct fs_res *res)
{
    struct growth *g = arg;
    g->step = NULL;
    g->file->unsure = g->file->unsure || res->err != GW_OK;
    leave(g);
    g->done(g->arg, res);
    mem_free(g);
}

static void begin(void *arg)
{
    struct growth *g = arg;
    struct quota *q = g->file->q;
    g->step = NULL;
    if (is_gated(g->file)) {
        g->inside = quota_enter(q) == USAGE_KNOWN;
        if (!g->inside) {
            g->step = quota_wait(q, begin, g);
            return;
        }
        quota_file_rebase(g->file);
    }
    g->go(g);
}

/* Nothing was done. For want of room: after a new count only, where one may be made. */
static void refuse(struct growth *g, enum gw_err err, const char *text)
{
    struct quota *q = g->file->q;
    char mine[FS_TEXT_MAX];
    bool again = g->again;
    g->again = true;
    if (err == GW_QUOTA && !again) {
        leave(g);
        if (quota_recount(q)) {
            g->step = quota_wait(q, begin, g);
            return;
        }
    }
    const char *words = quota_text(q, err, mine);
    g->step = fs_fail(q->fs.loop, err, words != NULL ? words : text, finished, g);
}

static struct growth *growth_new(struct quota_file *f, struct gw_span data, fs_done_fn *done,
                                 void *arg)
{
    struct growth *g = mem_try_alloc(sizeof *g + data.len);
    if (g == NULL)
        return NULL;
    *g = (struct growth){
        .op.type = &growth_type, .file = f, .done = done, .arg = arg, .len = data.len};
    if (data.len > 0)
        memcpy(g->data, data.ptr, data.len);
    return g;
}

static void target_sized(void *arg, const struct fs_res *res)
{
    struct growth *g = arg;
    g->step = NULL;
    enum gw_err err = res->err;
    if (err == GW_OK)
        err = quota_fits(g->file->q, res->attr->size + g->len);
    if (err != GW_OK)
        refuse(g, err, res->text);
    else
        g->make(g);
}

static void make(struct growth *g)
{
    if (asks_size(g->file) && g->len > 0)
        g->step = fs_fstat(g->file->inner, target_sized, g);
    else
        g->make(g);
}

/* ---- write ---- */

static void write_make(struct growth *g)
{
    struct quota_file *f = g->file;
    enum gw_err err = will_hold(f, g->off, g->len);
    if (err != GW_OK)
        refuse(g, err, NULL);
    else
        g->step = fs_write(f->inner, g->off, gw_span_of(g->data, g->len), finished, g);
}

enum gw_err quota_file_write_now(struct fs_file *file, uint64_t off, struct gw_span data)
{
    struct quota_file *f = of(file);
    bool gated = is_gated(f);
    enum gw_err err = GW_BUSY;
    /* An append counts when it is taken, so it is asked about once only; and write() has words. */
    if (f->append || (gated && quota_enter(f->q) != USAGE_KNOWN))
        return err;
    if (gated)
        quota_file_rebase(f);
    if (will_hold(f, off, data.len) == GW_OK)
        err = fs_write_now(f->inner, off, data);
    f->unsure = f->unsure || (err != GW_OK && err != GW_BUSY);
    if (gated)
        quota_leave(f->q);
    return err;
}

struct op *quota_file_write(struct fs_file *file, uint64_t off, struct gw_span data,
                            fs_done_fn *done, void *arg)
{
    struct quota_file *f = of(file);
    if (!is_gated(f) && !asks_size(f) && will_hold(f, off, data.len) == GW_OK)
        return fs_write(f->inner, off, data, done, arg);
    struct growth *g = growth_new(f, data, done, arg);
    if (g == NULL)
        return fs_fail(f->q->fs.loop, GW_NO_MEMORY, NULL, done, arg);
    g->off = off;
    g->go = make;
    g->make = write_make;
    begin(g);
    return &g->op;
}

/* ---- a size that is set: more counts at once, less when it is so ---- */

static void sized(void *arg, const struct fs_res *res)
{
    struct growth *g = arg;
    g->file->cut = g->file->cut || g->attr.size < g->before;
    /* What shrinks, or is so already, always fits. */
    (void)will_be(g->file, res->err == GW_OK ? g->attr.size : g->before);
    finished(g, res);
}

static void set_size_go(struct growth *g)
{
    struct quota_file *f = g->file;
    enum gw_err err = g->attr.size > INT64_MAX ? GW_TOO_LARGE : GW_OK;
    g->before = f->size;
    if (err == GW_OK && g->attr.size > f->size)
        err = will_be(f, g->attr.size);
    if (err != GW_OK)
        refuse(g, err, NULL);
    else
        g->step = fs_fsetstat(f->inner, &g->attr, sized, g);
}

struct op *quota_file_fsetstat(struct fs_file *file, const struct fs_attr *attr, fs_done_fn *done,
                               void *arg)
{
    struct quota_file *f = of(file);
    if (!f->writes || !(attr->set & FS_ATTR_SIZE))
        return fs_fsetstat(f->inner, attr, done, arg);
    struct growth *g = growth_new(f, (struct gw_span){NULL, 0}, done, arg);
    if (g == NULL)
        return fs_fail(f->q->fs.loop, GW_NO_MEMORY, NULL, done, arg);
    g->attr = *attr;
    g->go = set_size_go;
    begin(g);
    return &g->op;
}

/* ---- copy: how much it will be only the source knows ---- */

/* No more than was charged: the source may be growing. */
static void copy_make(struct growth *g)
{
    struct quota_file *f = g->file;
    enum gw_err err = will_hold(f, g->off, g->len);
    if (err != GW_OK || g->len == 0)
        refuse(g, err, NULL);
    else
        g->step = fs_copy(g->from->inner, g->from_off, g->len, f->inner, g->off, finished, g);
}

static void copy_sized(void *arg, const struct fs_res *res)
{
    struct growth *g = arg;
    g->step = NULL;
    if (res->err != GW_OK) {
        refuse(g, res->err, res->text);
        return;
    }
    uint64_t left = res->attr->size > g->from_off ? res->attr->size - g->from_off : 0;
    g->len = g->len == 0 || g->len > left ? left : g->len;
    make(g);
}

static void copy_go(struct growth *g)
{
    g->step = fs_fstat(g->from->inner, copy_sized, g);
}

struct op *quota_file_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                           uint64_t to_off, fs_done_fn *done, void *arg)
{
    struct quota_file *f = of(to);
    struct growth *g = growth_new(f, (struct gw_span){NULL, 0}, done, arg);
    if (g == NULL)
        return fs_fail(f->q->fs.loop, GW_NO_MEMORY, NULL, done, arg);
    g->from = of(from);
    g->from_off = off;
    g->off = to_off;
    g->len = len;
    g->go = copy_go;
    g->make = copy_make;
    begin(g);
    return &g->op;
}
