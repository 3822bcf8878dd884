#include "gateway/io/deadline.h"

#include "gateway/base/mem.h"

struct deadline {
    struct op op;
    uv_timer_t timer;
    loop_fn *fn;
    void *arg;
};

static void closed(uv_handle_t *h)
{
    mem_free(h->data);
}

static void cancel(struct op *op)
{
    struct deadline *d = (struct deadline *)op;
    uv_close((uv_handle_t *)&d->timer, closed);
}

static const struct op_type deadline_type = {"deadline", cancel};

static void fire(uv_timer_t *t)
{
    struct deadline *d = t->data;
    loop_fn *fn = d->fn;
    void *arg = d->arg;
    uv_close((uv_handle_t *)t, closed);
    fn(arg);
}

struct op *deadline_start(struct loop *l, uint64_t after_ms, loop_fn *fn, void *arg)
{
    struct deadline *d = mem_zalloc(sizeof *d);
    d->op.type = &deadline_type;
    d->fn = fn;
    d->arg = arg;
    uv_timer_init(loop_uv(l), &d->timer);
    d->timer.data = d;
    uv_update_time(loop_uv(l));
    /* At least 1: libuv runs a timer of 0 ms that a timer starts in the same pass, and two that
     * start each other would hold the loop for ever. */
    uv_timer_start(&d->timer, fire, after_ms == 0 ? 1 : after_ms, 0);
    return &d->op;
}
