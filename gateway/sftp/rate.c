#include "gateway/sftp/rate.h"

#include <assert.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"

#define BURST_MS 100

struct rate {
    struct loop *loop;
    int64_t per_ms;   /* what a millisecond adds: thousandths of a byte, which is bytes a second */
    int64_t level;    /* thousandths of a byte; negative = a debt */
    uint64_t seen_ms; /* when level was right */
    struct list waiting;
    struct op *timer;
};

struct take {
    struct op op;
    struct list node;
    struct rate *rate;
    size_t n;
    bool before, paid;
    loop_fn *fn;
    void *arg;
};

struct rate *rate_new(struct loop *l, uint64_t bytes_s)
{
    struct rate *r = mem_zalloc(sizeof *r);
    r->loop = l;
    r->per_ms = (int64_t)bytes_s;
    r->level = r->per_ms * BURST_MS;
    r->seen_ms = loop_now_ms(l);
    list_init(&r->waiting);
    return r;
}

void rate_free(struct rate **rp)
{
    struct rate *r = *rp;
    *rp = NULL;
    if (r == NULL)
        return;
    assert(list_empty(&r->waiting));
    op_cancel(&r->timer);
    mem_free(r);
}

static void refill(struct rate *r)
{
    uint64_t now = loop_now_ms(r->loop);
    int64_t full = r->per_ms * BURST_MS;
    int64_t room_ms = (full - r->level) / r->per_ms + 1;
    uint64_t passed = now - r->seen_ms;
    r->level += (passed < (uint64_t)room_ms ? (int64_t)passed : room_ms) * r->per_ms;
    if (r->level > full)
        r->level = full;
    r->seen_ms = now;
}

static void spend(struct rate *r, size_t n)
{
    r->level -= (int64_t)n * 1000;
}

/* May the first in the row go? Who pays before leaves no debt, and waits for its own. */
static bool may_go(struct rate *r, struct take *t)
{
    if (!t->before && r->level <= 0)
        return false;
    if (!t->paid)
        spend(r, t->n);
    t->paid = true;
    return !t->before || r->level >= 0;
}

static void serve(void *arg);

static void watch(struct rate *r)
{
    if (r->timer != NULL || list_empty(&r->waiting))
        return;
    /* Without a debt when serve() is at it, or when one was given back. */
    uint64_t ms = r->level > 0 ? 0 : (uint64_t)(-r->level / r->per_ms + 1);
    r->timer = deadline_start(r->loop, ms, serve, r);
}

static void serve(void *arg)
{
    struct rate *r = arg;
    r->timer = NULL;
    refill(r);
    while (!list_empty(&r->waiting)) {
        struct take *t = LIST_ENTRY(list_first(&r->waiting), struct take, node);
        if (!may_go(r, t))
            break;
        list_remove(&t->node);
        t->fn(t->arg);
        mem_free(t);
    }
    watch(r);
}

static void take_cancel(struct op *op)
{
    struct take *t = (struct take *)op;
    list_remove(&t->node);
    if (t->paid)
        rate_give_back(t->rate, t->n);
    mem_free(t);
}

static const struct op_type take_type = {"rate", take_cancel};

static struct op *take(struct rate *r, const struct take *wanted)
{
    struct take now = *wanted;
    refill(r);
    if (list_empty(&r->waiting) && may_go(r, &now))
        return NULL;
    struct take *t = mem_zalloc(sizeof *t);
    *t = now;
    list_push(&r->waiting, &t->node);
    watch(r);
    return &t->op;
}

struct op *rate_take(struct rate *r, size_t n, loop_fn *fn, void *arg)
{
    const struct take t = {.op.type = &take_type, .rate = r, .n = n, .fn = fn, .arg = arg};
    return take(r, &t);
}

struct op *rate_pay(struct rate *r, size_t n, loop_fn *fn, void *arg)
{
    const struct take t = {
        .op.type = &take_type, .rate = r, .n = n, .before = true, .fn = fn, .arg = arg};
    return take(r, &t);
}

void rate_give_back(struct rate *r, size_t n)
{
    refill(r);
    r->level += (int64_t)n * 1000;
    op_cancel(&r->timer); /* it was set for a larger debt */
    watch(r);
}
