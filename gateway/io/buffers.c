#include "gateway/io/buffers.h"

#include <assert.h>
#include <uv.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

/* An unused buffer: this stands in its first bytes. */
struct unused {
    struct list node;
    size_t n;
};

struct buffers {
    uv_mutex_t lock; /* guards all below */
    size_t keep, kept;
    size_t out;         /* buffers of BUFFERS_LEAST and more that somebody has */
    struct list unused; /* the latest first: its pages are the likeliest to be in a cache */
};

struct buffers *buffers_new(size_t keep)
{
    struct buffers *b = mem_zalloc(sizeof *b);
    uv_mutex_init(&b->lock);
    list_init(&b->unused);
    b->keep = keep;
    return b;
}

void buffers_free(struct buffers **bp)
{
    struct buffers *b = *bp;
    *bp = NULL;
    if (b == NULL)
        return;
    assert(b->out == 0 && list_empty(&b->unused));
    uv_mutex_destroy(&b->lock);
    mem_free(b);
}

/* Under the lock. */
static struct unused *find(struct buffers *b, size_t n)
{
    LIST_EACH(it, &b->unused)
    {
        struct unused *u = LIST_ENTRY(it, struct unused, node);
        if (u->n == n)
            return u;
    }
    return NULL;
}

/* One is out no more. u NULL: there was none after all. The oldest that are unused make room. */
static void came_back(struct buffers *b, struct unused *u, size_t n)
{
    struct list over;
    list_init(&over);
    uv_mutex_lock(&b->lock);
    b->out--;
    if (u != NULL) {
        u->n = n;
        list_push(b->unused.next, &u->node);
        b->kept += n;
    }
    while (b->kept > (b->out > 0 ? b->keep : 0)) {
        struct unused *oldest = LIST_ENTRY(b->unused.prev, struct unused, node);
        list_remove(&oldest->node);
        b->kept -= oldest->n;
        list_push(&over, &oldest->node);
    }
    uv_mutex_unlock(&b->lock);
    LIST_EACH_SAFE(it, next, &over)
    mem_free(LIST_ENTRY(it, struct unused, node));
}

uint8_t *buffers_get(struct buffers *b, size_t n)
{
    if (n < BUFFERS_LEAST)
        return mem_try_alloc(n);
    uv_mutex_lock(&b->lock);
    struct unused *u = find(b, n);
    if (u != NULL) {
        list_remove(&u->node);
        b->kept -= n;
    }
    b->out++;
    uv_mutex_unlock(&b->lock);
    if (u != NULL)
        return (uint8_t *)u;
    uint8_t *fresh = mem_try_large(n);
    if (fresh == NULL)
        came_back(b, NULL, n);
    return fresh;
}

void buffers_put(struct buffers *b, uint8_t **p, size_t n)
{
    struct unused *u = (struct unused *)(void *)*p;
    *p = NULL;
    if (u == NULL)
        return;
    if (n < BUFFERS_LEAST)
        mem_free(u);
    else
        came_back(b, u, n);
}

size_t buffers_kept(struct buffers *b)
{
    uv_mutex_lock(&b->lock);
    size_t n = b->kept;
    uv_mutex_unlock(&b->lock);
    return n;
}
