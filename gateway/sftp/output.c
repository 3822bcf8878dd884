#include "gateway/sftp/output.h"

#include <assert.h>

/* Moving what is unsent to the front is worth it up to here; above, waiting for the peer is
 * cheaper. */
#define CHEAP_MOVE_BYTES ((size_t)64 * 1024)

void output_init(struct output *o, size_t max)
{
    *o = (struct output){0};
    gw_buf_init(&o->b, max);
}

void output_free(struct output *o)
{
    gw_buf_free(&o->b);
    o->head = 0;
}

void output_trim(struct output *o)
{
    if (o->b.len == 0)
        gw_buf_free(&o->b);
}

static void move_to_front(struct output *o)
{
    gw_buf_consume(&o->b, o->head);
    o->head = 0;
}

bool output_promise(struct output *o, size_t n)
{
    size_t unsent = o->b.len - o->head;
    size_t wanted = o->promised + n;
    if (unsent + wanted > o->b.max)
        return false;
    if (o->b.len + wanted > o->b.max) {
        if (unsent > CHEAP_MOVE_BYTES)
            return false;
        move_to_front(o);
    }
    o->promised = wanted;
    return true;
}

void output_settle(struct output *o, size_t n)
{
    assert(n <= o->promised);
    o->promised -= n;
}

struct gw_buf *output_writer(struct output *o, size_t n)
{
    if (o->b.len + n > o->b.max)
        move_to_front(o);
    return &o->b;
}

struct gw_span output_unsent(const struct output *o)
{
    if (o->b.data == NULL)
        return (struct gw_span){NULL, 0};
    return gw_span_of(o->b.data + o->head, o->b.len - o->head);
}

void output_sent(struct output *o, size_t n)
{
    o->head += n;
    assert(o->head <= o->b.len);
    if (o->head == o->b.len) {
        o->b.len = 0;
        o->head = 0;
    }
}
