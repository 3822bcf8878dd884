#include "gateway/io/gate.h"

#include <assert.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

struct gate {
    uv_mutex_t lock; /* guards all below and waiter.granted */
    unsigned left;
    struct list waiting;
};

/* In the line, or granted and on its way to its loop by loop_post(): fire() then frees it. */
struct waiter {
    struct op op;
    struct list node;
    struct gate *gate;
    struct loop *loop;
    loop_fn *done; /* NULL = cancelled after the grant */
    void *arg;
    bool granted;
};

struct gate *gate_new(unsigned n)
{
    struct gate *g = mem_zalloc(sizeof *g);
    uv_mutex_init(&g->lock);
    g->left = n;
    list_init(&g->waiting);
    return g;
}

void gate_free(struct gate **gp)
{
    struct gate *g = *gp;
    *gp = NULL;
    if (g == NULL)
        return;
    assert(list_empty(&g->waiting));
    uv_mutex_destroy(&g->lock);
    mem_free(g);
}

static void fire(void *arg)
{
    struct waiter *w = arg;
    loop_fn *done = w->done;
    void *done_arg = w->arg;
    mem_free(w);
    if (done != NULL)
        done(done_arg);
}

/* Under the lock. */
static void let_in(struct gate *g)
{
    while (g->left > 0 && !list_empty(&g->waiting)) {
        struct waiter *w = LIST_ENTRY(list_first(&g->waiting), struct waiter, node);
        list_remove(&w->node);
        g->left--;
        w->granted = true;
        loop_post(w->loop, fire, w);
    }
}

void gate_give(struct gate *g)
{
    uv_mutex_lock(&g->lock);
    g->left++;
    let_in(g);
    uv_mutex_unlock(&g->lock);
}

static void cancel(struct op *op)
{
    struct waiter *w = (struct waiter *)op;
    struct gate *g = w->gate;
    uv_mutex_lock(&g->lock);
    bool granted = w->granted;
    if (granted) {
        w->done = NULL;
        g->left++;
        let_in(g);
    } else {
        list_remove(&w->node);
    }
    uv_mutex_unlock(&g->lock);
    if (!granted)
        mem_free(w);
}

static const struct op_type wait_type = {"gate", cancel};

struct op *gate_wait(struct loop *l, struct gate *g, loop_fn *done, void *arg)
{
    struct waiter *w = mem_zalloc(sizeof *w);
    w->op.type = &wait_type;
    w->gate = g;
    w->loop = l;
    w->done = done;
    w->arg = arg;
    uv_mutex_lock(&g->lock);
    list_push(&g->waiting, &w->node);
    let_in(g);
    uv_mutex_unlock(&g->lock);
    return &w->op;
}
