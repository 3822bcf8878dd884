#include "backends/read_ahead_impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"

/* Read-ahead: blocks double from the smallest to the largest as the reader goes on in order. */
#define AHEAD_MIN ((size_t)256 * 1024)
#define AHEAD_MAX ((size_t)4 * 1024 * 1024)
/* One read; the engine's are smaller. A demand's block is of the budget's small class. */
#define READ_MAX ((size_t)256 * 1024)
/* Blocks whose reader went elsewhere: the oldest goes when there are more. */
#define STRAY_MAX 4u
/* What nobody read for so long is given back to the budget. */
#define IDLE_MS 10000u

struct read_op {
    struct op op;
    struct list node; /* in reader->waiting, in order of arrival */
    struct read_ahead *reader;
    uint64_t off;
    size_t len;
    fs_done_fn *done;
    void *arg;
};

/* The first GET. */
struct first_op {
    struct op op;
    struct read_ahead *reader;
    struct op *step; /* the budget */
    remote_done_fn *done;
    void *arg;
};

static void serve(void *arg);

void read_ahead_wake(struct read_ahead *r)
{
    if (r->turn == NULL)
        r->turn = loop_defer(r->conf.loop, serve, r);
}

void read_ahead_fail(struct read_ahead *r, enum gw_err err, const char *text)
{
    if (r->err == GW_OK) {
        r->err = err;
        snprintf(r->text, sizeof r->text, "%s", text != NULL ? text : gw_err_text(err));
    }
    read_ahead_wake(r);
}

void read_ahead_free(struct read_ahead **rp)
{
    struct read_ahead *r = *rp;
    *rp = NULL;
    if (r == NULL)
        return;
    assert(list_empty(&r->waiting));
    op_cancel(&r->turn);
    op_cancel(&r->budget);
    op_cancel(&r->idle);
    while (!list_empty(&r->blocks))
        read_ahead_block_free(LIST_ENTRY(list_first(&r->blocks), struct read_ahead_block, node));
    mem_free(r);
}

/* What is here, what is coming, and what is to be asked for. */

static bool running(const struct read_ahead_block *b)
{
    return b->step != NULL;
}

static unsigned count_running(const struct read_ahead *r)
{
    unsigned n = 0;
    LIST_EACH(it, &r->blocks)
    n += running(LIST_ENTRY(it, struct read_ahead_block, node));
    return n;
}

/* The first byte from off on that is in no block, up to end; *ready likewise for bytes that are
 * here. */
static uint64_t covered(const struct read_ahead *r, uint64_t off, uint64_t end, uint64_t *ready)
{
    uint64_t claimed = off;
    *ready = off;
    LIST_EACH(it, &r->blocks)
    {
        const struct read_ahead_block *b = LIST_ENTRY(it, struct read_ahead_block, node);
        if (b->off > claimed || claimed >= end)
            break;
        if (b->off + b->len <= claimed)
            continue;
        if (*ready == claimed && b->off + b->have > *ready)
            *ready = b->off + b->have;
        claimed = b->off + b->len;
    }
    return claimed;
}

static uint64_t next_block_off(const struct read_ahead *r, uint64_t off)
{
    LIST_EACH(it, &r->blocks)
    {
        const struct read_ahead_block *b = LIST_ENTRY(it, struct read_ahead_block, node);
        if (b->off > off)
            return b->off;
    }
    return UINT64_MAX;
}

static bool wanted(const struct read_ahead *r, const struct read_ahead_block *b)
{
    LIST_EACH(it, &r->waiting)
    {
        const struct read_op *w = LIST_ENTRY(it, struct read_op, node);
        if (w->off < b->off + b->len && b->off < w->off + w->len)
            return true;
    }
    return false;
}

/* Gives back blocks that nobody waits for, the longest untouched first, until at most `keep` of
 * those that are not ahead of the reader are left. keep 0: those ahead as well. */
static void drop_strays(struct read_ahead *r, unsigned keep)
{
    for (;;) {
        struct read_ahead_block *oldest = NULL;
        unsigned n = 0;
        LIST_EACH(it, &r->blocks)
        {
            struct read_ahead_block *b = LIST_ENTRY(it, struct read_ahead_block, node);
            bool ahead = r->ahead > 0 && b->off + b->len > r->next;
            if (wanted(r, b) || (keep > 0 && ahead) || (keep == 0 && running(b)))
                continue;
            n++;
            if (oldest == NULL || b->touched < oldest->touched)
                oldest = b;
        }
        if (oldest == NULL || n <= keep)
            return;
        read_ahead_block_free(oldest);
    }
}

static void idle_check(void *arg)
{
    struct read_ahead *r = arg;
    r->idle = NULL;
    if (r->idle_clock == r->clock && list_empty(&r->waiting)) {
        drop_strays(r, 0);
        r->ahead = 0;
    }
    r->idle_clock = r->clock;
    if (!list_empty(&r->blocks))
        r->idle = deadline_start(r->conf.loop, IDLE_MS, idle_check, r);
}

/* Keeps up to `concurrency` ranges under way before a reader that reads in order. Only what
 * the budget has at once: nobody waits for memory to read ahead. */
static void look_ahead(struct read_ahead *r)
{
    if (r->ahead == 0 || r->err != GW_OK || r->holds > 0)
        return;
    struct budget *budget = r->conf.budget;
    unsigned most = r->conf.concurrency;
    for (;;) {
        uint64_t ready;
        uint64_t at = covered(r, r->next, r->attr.size, &ready);
        if (at >= r->attr.size || count_running(r) >= most || at - r->next >= most * r->ahead)
            break;
        size_t free_bytes = budget_total(budget) - budget_used(budget);
        size_t len = r->ahead;
        while (len > AHEAD_MIN && len > free_bytes / 8)
            len /= 2;
        uint64_t limit =
            next_block_off(r, at) < r->attr.size ? next_block_off(r, at) : r->attr.size;
        if (len > limit - at)
            len = (size_t)(limit - at);
        if (!budget_take(budget, len) || read_ahead_block_new(r, at, len, len) == NULL)
            break;
        if (r->ahead < AHEAD_MAX)
            r->ahead *= 2;
    }
    if (r->idle == NULL && !list_empty(&r->blocks))
        r->idle = deadline_start(r->conf.loop, IDLE_MS, idle_check, r);
}

static void demand_granted(void *arg)
{
    struct read_ahead *r = arg;
    r->budget = NULL;
    /* The reads may have been cancelled, or the bytes have come from elsewhere: then it is a read
     * too much, once. */
    uint64_t limit = next_block_off(r, r->demand_off), ready;
    size_t len = r->budget_bytes;
    if (covered(r, r->demand_off, r->demand_off + 1, &ready) > r->demand_off ||
        list_empty(&r->waiting)) {
        budget_give(r->conf.budget, r->budget_bytes);
    } else {
        if (len > limit - r->demand_off)
            len = (size_t)(limit - r->demand_off);
        if (read_ahead_block_new(r, r->demand_off, len, r->budget_bytes) == NULL)
            read_ahead_fail(r, GW_NO_MEMORY, NULL);
    }
    read_ahead_wake(r);
}

/* Asks for what [off, end) still lacks. */
static void demand(struct read_ahead *r, uint64_t off, uint64_t end)
{
    uint64_t ready, at;
    while (r->budget == NULL && r->err == GW_OK && (at = covered(r, off, end, &ready)) < end) {
        uint64_t limit =
            next_block_off(r, at) < r->attr.size ? next_block_off(r, at) : r->attr.size;
        uint64_t want = r->ahead > 0 && end - at < AHEAD_MIN ? AHEAD_MIN : end - at;
        size_t len = (size_t)(want < limit - at ? want : limit - at);
        assert(len <= BUDGET_SMALL);
        if (!budget_take(r->conf.budget, len)) {
            drop_strays(r, 0);
            r->demand_off = at;
            r->budget_bytes = len;
            r->budget = budget_wait(r->conf.loop, r->conf.budget, len, demand_granted, r);
            return;
        }
        if (read_ahead_block_new(r, at, len, len) == NULL)
            read_ahead_fail(r, GW_NO_MEMORY, NULL);
    }
}

/* A read that starts where one has ended, or within what is on its way, is in order. */
static void learn(struct read_ahead *r, uint64_t off, uint64_t end)
{
    r->clock++;
    uint64_t slack = r->ahead > 0 ? 2 * (uint64_t)AHEAD_MAX : READ_MAX;
    bool in_order =
        off <= r->next ? r->next - off <= slack : r->ahead > 0 && off - r->next <= slack;
    if (!in_order) {
        r->ahead = 0;
        r->next = end;
        return;
    }
    if (r->ahead == 0 && (off == r->next || end > r->next))
        r->ahead = AHEAD_MIN;
    if (end > r->next)
        r->next = end;
}

/* Copies [off, end), all of which is here, and gives back blocks that were read to their end. */
static void copy_out(struct read_ahead *r, uint64_t off, uint64_t end, uint8_t *to)
{
    LIST_EACH_SAFE(it, tmp, &r->blocks)
    {
        struct read_ahead_block *b = LIST_ENTRY(it, struct read_ahead_block, node);
        if (b->off + b->len <= off)
            continue;
        if (off >= end || b->off > off)
            break;
        uint64_t stop = b->off + b->len < end ? b->off + b->len : end;
        size_t n = (size_t)(stop - off);
        memcpy(to, b->data + (off - b->off), n);
        to += n;
        off = stop;
        b->served += n;
        b->touched = r->clock;
        if (b->served >= b->len && !running(b))
            read_ahead_block_free(b);
    }
}

/* Clips a read to the object. False: at or after its end. */
static bool clip(const struct read_ahead *r, uint64_t off, size_t len, uint64_t *end)
{
    if (off >= r->attr.size)
        return false;
    if (len > READ_MAX)
        len = READ_MAX;
    *end = r->attr.size - off < len ? r->attr.size : off + len;
    return true;
}

static void read_finish(struct read_op *w, const struct fs_res *res)
{
    list_remove(&w->node);
    w->done(w->arg, res);
    mem_free(w);
}

static void serve_one(struct read_ahead *r, struct read_op *w, uint64_t end)
{
    size_t n = (size_t)(end - w->off);
    uint8_t *data = mem_try_alloc(n);
    struct fs_res res = {.err = GW_NO_MEMORY};
    if (data != NULL) {
        copy_out(r, w->off, end, data);
        res = (struct fs_res){.data = {data, n}};
    }
    read_finish(w, &res);
    mem_free(data);
}

static struct read_op *next_servable(struct read_ahead *r, uint64_t *end)
{
    LIST_EACH(it, &r->waiting)
    {
        struct read_op *w = LIST_ENTRY(it, struct read_op, node);
        uint64_t ready;
        *end = w->off + w->len;
        covered(r, w->off, *end, &ready);
        if (ready >= *end || r->err != GW_OK)
            return w;
        demand(r, w->off, *end);
    }
    return NULL;
}

static void stop_surplus(struct read_ahead *r)
{
    LIST_EACH_SAFE(it, tmp, &r->blocks)
    {
        struct read_ahead_block *b = LIST_ENTRY(it, struct read_ahead_block, node);
        if (!b->surplus)
            continue;
        b->surplus = false;
        op_cancel(&b->step);
        if (b->served >= b->len)
            read_ahead_block_free(b);
    }
}

static bool all_here(const struct read_ahead *r)
{
    LIST_EACH(it, &r->blocks)
    if (running(LIST_ENTRY(it, struct read_ahead_block, node)))
        return false;
    return true;
}

static void serve(void *arg)
{
    struct read_ahead *r = arg;
    r->turn = NULL;
    stop_surplus(r);
    if (r->opening != NULL) {
        if (r->err != GW_OK || (r->known && all_here(r)))
            read_ahead_opened(r, &(struct remote_res){.err = r->err, .text = r->text, .code = ""});
        return;
    }
    uint64_t end;
    struct read_op *w = next_servable(r, &end);
    if (w == NULL) {
        look_ahead(r);
        return;
    }
    /* For the next one: a done may close the file, so nothing is touched after it. */
    read_ahead_wake(r);
    uint64_t ready;
    covered(r, w->off, end, &ready);
    if (ready >= end) {
        serve_one(r, w, end);
    } else {
        const struct fs_res res = {.err = r->err, .text = r->text};
        read_finish(w, &res);
    }
}

static void read_cancel(struct op *op)
{
    struct read_op *w = (struct read_op *)op;
    list_remove(&w->node);
    mem_free(w);
}

static const struct op_type read_type = {"read_ahead", read_cancel};

enum gw_err read_ahead_now(struct read_ahead *r, uint64_t off, uint8_t *to, size_t len, size_t *n)
{
    uint64_t end, ready;
    *n = 0;
    if (!clip(r, off, len, &end))
        return r->err != GW_OK ? r->err : GW_EOF;
    covered(r, off, end, &ready);
    if (ready < end || !list_empty(&r->waiting))
        return GW_BUSY;
    learn(r, off, end);
    copy_out(r, off, end, to);
    *n = (size_t)(end - off);
    look_ahead(r);
    return GW_OK;
}

struct op *read_ahead_start(struct read_ahead *r, uint64_t off, size_t len, fs_done_fn *done,
                            void *arg)
{
    uint64_t end;
    if (r->err != GW_OK)
        return fs_fail(r->conf.loop, r->err, r->text, done, arg);
    if (!clip(r, off, len, &end))
        return fs_fail(r->conf.loop, GW_EOF, NULL, done, arg);
    struct read_op *w = mem_zalloc(sizeof *w);
    w->op.type = &read_type;
    w->reader = r;
    w->off = off;
    w->len = (size_t)(end - off);
    w->done = done;
    w->arg = arg;
    list_push(&r->waiting, &w->node);
    learn(r, off, end);
    drop_strays(r, STRAY_MAX);
    demand(r, off, end);
    read_ahead_wake(r);
    return &w->op;
}

/* The first GET. */

static void first_cancel(struct op *op)
{
    struct first_op *o = (struct first_op *)op;
    struct read_ahead *r = o->reader;
    op_cancel(&o->step);
    r->opening = NULL;
    while (!list_empty(&r->blocks))
        read_ahead_block_free(LIST_ENTRY(list_first(&r->blocks), struct read_ahead_block, node));
    mem_free(o);
}

static const struct op_type first_type = {"read_ahead_first", first_cancel};

void read_ahead_opened(struct read_ahead *r, const struct remote_res *res)
{
    struct first_op *o = r->opening;
    assert(o != NULL);
    struct remote_res out = *res;
    r->opening = NULL;
    if (r->err != GW_OK)
        out = (struct remote_res){.err = r->err, .text = r->text, .code = ""};
    else if (!r->known && out.err == GW_OK)
        out.err = GW_UPSTREAM;
    if (out.err != GW_OK)
        while (!list_empty(&r->blocks))
            read_ahead_block_free(
                LIST_ENTRY(list_first(&r->blocks), struct read_ahead_block, node));
    o->done(o->arg, &out);
    mem_free(o);
}

static void first_granted(void *arg)
{
    struct first_op *o = arg;
    struct read_ahead *r = o->reader;
    o->step = NULL;
    if (read_ahead_block_new(r, 0, r->budget_bytes, r->budget_bytes) == NULL)
        read_ahead_fail(r, GW_NO_MEMORY, NULL);
}

struct op *read_ahead_first(struct read_ahead *r, size_t len, remote_done_fn *done, void *arg)
{
    assert(len > 0 && len <= BUDGET_SMALL && !r->known && r->opening == NULL);
    struct first_op *o = mem_zalloc(sizeof *o);
    o->op.type = &first_type;
    o->reader = r;
    o->done = done;
    o->arg = arg;
    r->opening = o;
    r->budget_bytes = len;
    if (!budget_take(r->conf.budget, len))
        o->step = budget_wait(r->conf.loop, r->conf.budget, len, first_granted, o);
    else
        first_granted(o);
    return &o->op;
}

bool read_ahead_know(struct read_ahead *r, const struct fs_attr *attr, const char *etag)
{
    if (etag != NULL && strlen(etag) >= sizeof r->etag)
        return false;
    snprintf(r->etag, sizeof r->etag, "%s", etag != NULL ? etag : "");
    r->attr = *attr;
    r->known = true;
    return true;
}

const struct fs_attr *read_ahead_attr(const struct read_ahead *r)
{
    return &r->attr;
}

const char *read_ahead_etag(const struct read_ahead *r)
{
    return r->etag;
}

void read_ahead_hold(struct read_ahead *r)
{
    r->holds++;
    LIST_EACH(it, &r->blocks)
    read_ahead_block_stop(LIST_ENTRY(it, struct read_ahead_block, node));
}

void read_ahead_go_on(struct read_ahead *r, const char *etag)
{
    assert(r->holds > 0);
    r->holds--;
    if (*etag != '\0' && strlen(etag) < sizeof r->etag)
        snprintf(r->etag, sizeof r->etag, "%s", etag);
    if (r->holds > 0)
        return;
    LIST_EACH(it, &r->blocks)
    read_ahead_block_go_on(LIST_ENTRY(it, struct read_ahead_block, node));
    read_ahead_wake(r);
}

struct read_ahead *read_ahead_new(const struct read_ahead_conf *conf)
{
    struct read_ahead *r = mem_zalloc(sizeof *r);
    r->conf = *conf;
    list_init(&r->blocks);
    list_init(&r->waiting);
    return r;
}
