#include "gateway/io/lines.h"

#include <string.h>

void lines_init(struct lines *l, size_t max)
{
    gw_buf_init(&l->part, max);
}

void lines_free(struct lines *l)
{
    gw_buf_free_secret(&l->part);
}

/* The line leaves *l before fn sees it: fn may free *l. */
static bool hand_out(struct lines *l, bool whole, lines_fn *fn, void *arg)
{
    struct gw_buf line = l->part;
    gw_buf_init(&l->part, line.max);
    struct gw_span s = gw_buf_span(&line);
    if (whole && s.len > 0 && s.ptr[s.len - 1] == '\r')
        s.len--;
    bool more = fn(arg, s, whole);
    gw_buf_free_secret(&line);
    return more;
}

size_t lines_feed(struct lines *l, struct gw_span bytes, lines_fn *fn, void *arg)
{
    size_t taken = 0;
    while (taken < bytes.len) {
        const uint8_t *at = bytes.ptr + taken;
        size_t left = bytes.len - taken;
        size_t room = l->part.max - l->part.len;
        const uint8_t *end = memchr(at, '\n', left);
        size_t n = end != NULL ? (size_t)(end - at) : left;
        bool fits = n <= room;
        gw_buf_put(&l->part, at, fits ? n : room);
        taken += fits ? n : room;
        if (fits && end != NULL)
            taken++;
        bool whole = fits && end != NULL && l->part.failed == GW_OK;
        bool cut = !fits || l->part.failed != GW_OK;
        if ((whole || cut) && !hand_out(l, whole, fn, arg))
            break;
    }
    return taken;
}

void lines_end(struct lines *l, lines_fn *fn, void *arg)
{
    if (l->part.len > 0)
        (void)hand_out(l, true, fn, arg);
}
