#include "gateway/io/budget.h"

#include <assert.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

enum { SMALL, LARGE, CLASSES };

struct budget {
    uv_mutex_t lock; /* guards all below but total and limit */
    size_t total;
    size_t limit[CLASSES];
    size_t used[CLASSES];
    struct list waiting[CLASSES];
};

/* A waiter's life: in the list, or granted and on its way to its loop by loop_post(). */
struct waiter {
    struct op op;
    struct list node;
    struct budget *budget;
    struct loop *loop;
    size_t n;
    loop_fn *done; /* NULL = cancelled after the grant */
    void *arg;
    bool granted;
};

static int class_of(size_t n)
{
    return n <= BUDGET_SMALL ? SMALL : LARGE;
}

struct budget *budget_new(size_t bytes)
{
    struct budget *b = mem_zalloc(sizeof *b);
    uv_mutex_init(&b->lock);
    b->total = bytes;
    b->limit[SMALL] = bytes / 4;
    b->limit[LARGE] = bytes - bytes / 4;
    for (int c = 0; c < CLASSES; c++)
        list_init(&b->waiting[c]);
    return b;
}

void budget_free(struct budget **bp)
{
    struct budget *b = *bp;
    *bp = NULL;
    if (b == NULL)
        return;
    assert(b->used[SMALL] == 0 && b->used[LARGE] == 0);
    assert(list_empty(&b->waiting[SMALL]) && list_empty(&b->waiting[LARGE]));
    uv_mutex_destroy(&b->lock);
    mem_free(b);
}

static bool fits(const struct budget *b, size_t n)
{
    int c = class_of(n);
    if (b->used[c] == 0)
        return true;
    size_t all = b->used[SMALL] + b->used[LARGE];
    return n <= b->limit[c] && b->used[c] <= b->limit[c] - n && all <= b->total &&
           n <= b->total - all;
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
static void grant(struct budget *b, struct waiter *w)
{
    b->used[class_of(w->n)] += w->n;
    w->granted = true;
    loop_post(w->loop, fire, w);
}

/* Under the lock. What one class gives back may be room for the other. */
static void grant_waiting(struct budget *b)
{
    for (int c = 0; c < CLASSES; c++) {
        while (!list_empty(&b->waiting[c])) {
            struct waiter *w = LIST_ENTRY(list_first(&b->waiting[c]), struct waiter, node);
            if (!fits(b, w->n))
                break;
            list_remove(&w->node);
            grant(b, w);
        }
    }
}

bool budget_take(struct budget *b, size_t n)
{
    int c = class_of(n);
    uv_mutex_lock(&b->lock);
    bool ok = list_empty(&b->waiting[c]) && fits(b, n);
    if (ok)
        b->used[c] += n;
    uv_mutex_unlock(&b->lock);
    return ok;
}

void budget_give(struct budget *b, size_t n)
{
    int c = class_of(n);
    uv_mutex_lock(&b->lock);
    assert(b->used[c] >= n);
    b->used[c] -= n;
    grant_waiting(b);
    uv_mutex_unlock(&b->lock);
}

static void cancel(struct op *op)
{
    struct waiter *w = (struct waiter *)op;
    struct budget *b = w->budget;
    uv_mutex_lock(&b->lock);
    bool granted = w->granted;
    if (granted) {
        /* fire() is posted already: it frees the waiter. */
        w->done = NULL;
        b->used[class_of(w->n)] -= w->n;
    } else {
        list_remove(&w->node);
    }
    grant_waiting(b);
    uv_mutex_unlock(&b->lock);
    if (!granted)
        mem_free(w);
}

static const struct op_type wait_type = {"budget_wait", cancel};

struct op *budget_wait(struct loop *l, struct budget *b, size_t n, loop_fn *done, void *arg)
{
    struct waiter *w = mem_zalloc(sizeof *w);
    w->op.type = &wait_type;
    w->budget = b;
    w->loop = l;
    w->n = n;
    w->done = done;
    w->arg = arg;
    uv_mutex_lock(&b->lock);
    list_push(&b->waiting[class_of(n)], &w->node);
    grant_waiting(b);
    uv_mutex_unlock(&b->lock);
    return &w->op;
}

size_t budget_used(struct budget *b)
{
    uv_mutex_lock(&b->lock);
    size_t n = b->used[SMALL] + b->used[LARGE];
    uv_mutex_unlock(&b->lock);
    return n;
}

size_t budget_total(struct budget *b)
{
    return b->total;
}
