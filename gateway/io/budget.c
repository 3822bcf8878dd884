#include "gateway/io/budget.h"

#include <assert.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

enum { SMALL, LARGE, CLASSES };

/* A session that holds less than this fraction of a class holds little. */
#define LITTLE 16u
/* Unused buffers beside those in use: a few of the largest, and never much of a small budget. */
#define KEPT_MAX  ((size_t)16 << 20)
#define KEPT_PART 8u

/* The whole, or one session's share of it: a share counts, and the whole decides. */
struct budget {
    struct budget *whole; /* itself in the whole */
    size_t used[CLASSES]; /* of a share: what is in used of the whole as well */
    bool closed;          /* a share whose owner has gone: it ends with what is out */
    /* The rest is that of the whole. */
    uv_mutex_t lock;         /* guards all above and below but whole, buffers, total and limit */
    struct buffers *buffers; /* has a lock of its own */
    size_t total;
    size_t limit[CLASSES];
    struct list waiting[CLASSES];
};

enum room {
    ROOM,
    ROOM_SHARE_FULL, /* not for this session, whatever comes back from others */
    ROOM_NONE,
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
    b->whole = b;
    uv_mutex_init(&b->lock);
    b->total = bytes;
    b->buffers = buffers_new(bytes / KEPT_PART < KEPT_MAX ? bytes / KEPT_PART : KEPT_MAX);
    b->limit[SMALL] = bytes / 4;
    b->limit[LARGE] = bytes - bytes / 4;
    for (int c = 0; c < CLASSES; c++)
        list_init(&b->waiting[c]);
    return b;
}

struct budget *budget_share(struct budget *whole)
{
    struct budget *b = mem_zalloc(sizeof *b);
    assert(whole->whole == whole);
    b->whole = whole;
    return b;
}

/* Under the lock. */
static bool share_is_over(const struct budget *b)
{
    return b->closed && b->used[SMALL] == 0 && b->used[LARGE] == 0;
}

static void share_free(struct budget *b)
{
    uv_mutex_lock(&b->whole->lock);
    b->closed = true;
    bool over = share_is_over(b);
    uv_mutex_unlock(&b->whole->lock);
    if (over)
        mem_free(b);
}

void budget_free(struct budget **bp)
{
    struct budget *b = *bp;
    *bp = NULL;
    if (b == NULL)
        return;
    if (b->whole != b) {
        share_free(b);
        return;
    }
    assert(b->used[SMALL] == 0 && b->used[LARGE] == 0);
    assert(list_empty(&b->waiting[SMALL]) && list_empty(&b->waiting[LARGE]));
    buffers_free(&b->buffers);
    uv_mutex_destroy(&b->lock);
    mem_free(b);
}

/* Under the lock. */
static enum room room_for(const struct budget *b, size_t n)
{
    const struct budget *all = b->whole;
    int c = class_of(n);
    size_t limit = all->limit[c], used = all->used[c];
    if (used == 0)
        return ROOM;
    /* The last quarter is for sessions that hold little: whoever comes gets a first piece. */
    if (b != all && b->used[c] > 0 && b->used[c] + n > limit / LITTLE && used + n > limit / 4 * 3)
        return ROOM_SHARE_FULL;
    size_t out = all->used[SMALL] + all->used[LARGE];
    bool fits = n <= limit && used <= limit - n && out <= all->total && n <= all->total - out;
    return fits ? ROOM : ROOM_NONE;
}

/* Under the lock. */
static void count_out(struct budget *b, size_t n)
{
    b->whole->used[class_of(n)] += n;
    if (b != b->whole)
        b->used[class_of(n)] += n;
}

static void count_back(struct budget *b, size_t n)
{
    int c = class_of(n);
    assert(b->used[c] >= n && b->whole->used[c] >= n);
    b->whole->used[c] -= n;
    if (b != b->whole)
        b->used[c] -= n;
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
static void grant(struct waiter *w)
{
    count_out(w->budget, w->n);
    w->granted = true;
    loop_post(w->loop, fire, w);
}

/* Under the lock. What one class gives back may be room for the other. */
static void grant_waiting(struct budget *all)
{
    for (int c = 0; c < CLASSES; c++) {
        LIST_EACH_SAFE(it, next, &all->waiting[c])
        {
            struct waiter *w = LIST_ENTRY(it, struct waiter, node);
            enum room room = room_for(w->budget, w->n);
            if (room == ROOM_NONE)
                break;
            if (room == ROOM) {
                list_remove(&w->node);
                grant(w);
            }
        }
    }
}

/* Under the lock. Those that wait for their own session's memory are no queue for others. */
static bool anyone_waits(const struct budget *all, int c)
{
    LIST_EACH(it, &all->waiting[c])
    {
        const struct waiter *w = LIST_ENTRY(it, struct waiter, node);
        if (room_for(w->budget, w->n) != ROOM_SHARE_FULL)
            return true;
    }
    return false;
}

bool budget_take(struct budget *b, size_t n)
{
    struct budget *all = b->whole;
    uv_mutex_lock(&all->lock);
    bool ok = room_for(b, n) == ROOM && !anyone_waits(all, class_of(n));
    if (ok)
        count_out(b, n);
    uv_mutex_unlock(&all->lock);
    return ok;
}

void budget_give(struct budget *b, size_t n)
{
    struct budget *all = b->whole;
    uv_mutex_lock(&all->lock);
    count_back(b, n);
    grant_waiting(all);
    bool over = share_is_over(b);
    uv_mutex_unlock(&all->lock);
    if (over)
        mem_free(b);
}

void budget_shrink(struct budget *b, size_t n, size_t left)
{
    assert(n <= BUDGET_SMALL && left > 0 && left <= n);
    struct budget *all = b->whole;
    uv_mutex_lock(&all->lock);
    count_back(b, n);
    count_out(b, left);
    grant_waiting(all);
    uv_mutex_unlock(&all->lock);
}

static void cancel(struct op *op)
{
    struct waiter *w = (struct waiter *)op;
    struct budget *b = w->budget, *all = b->whole;
    uv_mutex_lock(&all->lock);
    bool granted = w->granted;
    if (granted) {
        /* fire() is posted already: it frees the waiter. */
        w->done = NULL;
        count_back(b, w->n);
    } else {
        list_remove(&w->node);
    }
    grant_waiting(all);
    bool over = share_is_over(b);
    uv_mutex_unlock(&all->lock);
    if (!granted)
        mem_free(w);
    if (over)
        mem_free(b);
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
    struct budget *all = b->whole;
    uv_mutex_lock(&all->lock);
    list_push(&all->waiting[class_of(n)], &w->node);
    grant_waiting(all);
    uv_mutex_unlock(&all->lock);
    return &w->op;
}

size_t budget_used(struct budget *b)
{
    struct budget *all = b->whole;
    uv_mutex_lock(&all->lock);
    size_t n = all->used[SMALL] + all->used[LARGE];
    uv_mutex_unlock(&all->lock);
    return n;
}

size_t budget_total(struct budget *b)
{
    return b->whole->total;
}

struct buffers *budget_buffers(struct budget *b)
{
    return b->whole->buffers;
}
