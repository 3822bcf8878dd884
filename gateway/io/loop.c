#include "gateway/io/loop.h"

#include <assert.h>
#include <sched.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/core.h"

/* An open session's request waits for a turn or two: for several round trips, several times. */
#define LONG_TURN_US 100u

struct loop {
    uv_loop_t uv;
    uv_idle_t idle;   /* active while `deferred` holds something: the poll then does not wait */
    uv_async_t async; /* wakes the loop for `posted` */
    struct list deferred;
    uv_mutex_t lock; /* guards posted */
    struct list posted;
    uv_prepare_t turned;           /* runs before each poll */
    uint64_t turned_ns, waited_ns; /* as of the last poll; 0 = there was none */
    uint64_t longest_turn_us;      /* atomic */
    uint64_t turns;                /* polls so far */
    struct core_place place;
};

struct deferred {
    struct op op;
    struct list node;
    struct loop *loop;
    loop_fn *fn;
    void *arg;
};

static void deferred_cancel(struct op *op)
{
    struct deferred *d = (struct deferred *)op;
    list_remove(&d->node);
    mem_free(d);
}

static const struct op_type deferred_type = {"deferred", deferred_cancel};

/* Runs what was there when the turn began: what these defer in turn waits for the next one. */
static void run_deferred(uv_idle_t *idle)
{
    struct loop *l = idle->data;
    struct deferred mark = {.fn = NULL};
    list_push(&l->deferred, &mark.node);
    while (list_first(&l->deferred) != &mark.node) {
        struct deferred *d = LIST_ENTRY(list_first(&l->deferred), struct deferred, node);
        loop_fn *fn = d->fn;
        void *arg = d->arg;
        list_remove(&d->node);
        mem_free(d);
        fn(arg);
    }
    list_remove(&mark.node);
    if (list_empty(&l->deferred))
        uv_idle_stop(&l->idle);
}

struct op *loop_defer(struct loop *l, loop_fn *fn, void *arg)
{
    struct deferred *d = mem_zalloc(sizeof *d);
    d->op.type = &deferred_type;
    d->loop = l;
    d->fn = fn;
    d->arg = arg;
    list_push(&l->deferred, &d->node);
    uv_idle_start(&l->idle, run_deferred);
    return &d->op;
}

/* What was there, in order; once the turn is long, the rest waits for the next one. False: there
 * was nothing. */
static bool run_posted(uv_async_t *async)
{
    struct loop *l = async->data;
    struct list mine;
    bool some = false;
    list_init(&mine);
    uv_mutex_lock(&l->lock);
    list_move(&mine, &l->posted);
    uv_mutex_unlock(&l->lock);
    while (!list_empty(&mine) && !(some && loop_turn_is_long(l))) {
        struct deferred *d = LIST_ENTRY(list_first(&mine), struct deferred, node);
        list_remove(&d->node);
        d->fn(d->arg);
        mem_free(d);
        some = true;
    }
    if (!list_empty(&mine)) {
        uv_mutex_lock(&l->lock);
        list_move(&mine, &l->posted); /* behind what was there before */
        list_move(&l->posted, &mine);
        uv_async_send(&l->async);
        uv_mutex_unlock(&l->lock);
    }
    return some;
}

static void on_async(uv_async_t *async)
{
    (void)run_posted(async);
}

/* A turn is what happens from one poll to the next, without what the poll has waited. */
static uint64_t turn_us(struct loop *l)
{
    uint64_t waited_ns = uv_metrics_idle_time(&l->uv);
    if (l->turned_ns == 0)
        return 0;
    return (uv_hrtime() - l->turned_ns - (waited_ns - l->waited_ns)) / 1000;
}

static void on_turned(uv_prepare_t *turned)
{
    struct loop *l = turned->data;
    uint64_t us = turn_us(l);
    if (us > __atomic_load_n(&l->longest_turn_us, __ATOMIC_RELAXED))
        __atomic_store_n(&l->longest_turn_us, us, __ATOMIC_RELAXED);
    uint64_t waited_ns = uv_metrics_idle_time(&l->uv);
    if (core_gives_way(&l->place, uv_hrtime(), waited_ns != l->waited_ns))
        sched_yield();
    l->turns++;
    l->turned_ns = uv_hrtime();
    l->waited_ns = waited_ns;
}

void loop_turn_uncounted(struct loop *l)
{
    l->turned_ns = 0;
}

uint64_t loop_turn_number(struct loop *l)
{
    return l->turns;
}

bool loop_turn_is_long(struct loop *l)
{
    return turn_us(l) >= LONG_TURN_US;
}

uint64_t loop_longest_turn_us(struct loop *l)
{
    return __atomic_load_n(&l->longest_turn_us, __ATOMIC_RELAXED);
}

void loop_post(struct loop *l, loop_fn *fn, void *arg)
{
    struct deferred *d = mem_zalloc(sizeof *d);
    d->fn = fn;
    d->arg = arg;
    uv_mutex_lock(&l->lock);
    list_push(&l->posted, &d->node);
    uv_async_send(&l->async);
    uv_mutex_unlock(&l->lock);
}

enum gw_err loop_new(struct loop **out)
{
    struct loop *l = mem_zalloc(sizeof *l);
    if (uv_loop_init(&l->uv) != 0) {
        mem_free(l);
        return GW_IO;
    }
    if (uv_async_init(&l->uv, &l->async, on_async) != 0) {
        uv_loop_close(&l->uv);
        mem_free(l);
        return GW_IO;
    }
    (void)uv_loop_configure(&l->uv, UV_METRICS_IDLE_TIME);
    uv_idle_init(&l->uv, &l->idle);
    uv_prepare_init(&l->uv, &l->turned);
    uv_prepare_start(&l->turned, on_turned);
    uv_unref((uv_handle_t *)&l->turned);
    uv_mutex_init(&l->lock);
    list_init(&l->deferred);
    list_init(&l->posted);
    core_place_take(&l->place);
    l->uv.data = l->idle.data = l->async.data = l->turned.data = l;
    uv_unref((uv_handle_t *)&l->async);
    *out = l;
    return GW_OK;
}

void loop_free(struct loop **lp)
{
    struct loop *l = *lp;
    *lp = NULL;
    if (l == NULL)
        return;
    /* What is posted may start something, and what finishes may post: until both are quiet. A
     * uv_stop() from before ends a run early, and is spent by it. */
    do {
        uv_run(&l->uv, UV_RUN_DEFAULT);
    } while (run_posted(&l->async) || uv_loop_alive(&l->uv));
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_close((uv_handle_t *)&l->turned, NULL);
    uv_close((uv_handle_t *)&l->async, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0); /* a handle that its owner did not close */
    (void)rc;
    uv_mutex_destroy(&l->lock);
    mem_free(l);
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

void loop_run(struct loop *l)
{
    uv_ref((uv_handle_t *)&l->async);
    l->turned_ns = 0;
    core_short_slices();
    uv_run(&l->uv, UV_RUN_DEFAULT);
    uv_unref((uv_handle_t *)&l->async);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

void loop_turn(struct loop *l)
{
    uv_ref((uv_handle_t *)&l->async);
    /* UV_RUN_ONCE runs the timers that are due first and then waits for I/O all the same. */
    uv_update_time(&l->uv);
    uv_run(&l->uv, uv_backend_timeout(&l->uv) == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    uv_unref((uv_handle_t *)&l->async);
}

void loop_poll(struct loop *l)
{
    uv_ref((uv_handle_t *)&l->async); /* else a loop without other handles would not even poll */
    uv_run(&l->uv, UV_RUN_NOWAIT);
    uv_unref((uv_handle_t *)&l->async);
}

uint64_t loop_now_ms(struct loop *l)
{
    return uv_now(&l->uv);
}
