/*
 * A stream of bytes cut into lines: at "\n", which is not part of the line, nor is a "\r" before
 * it. A line that grows past `max` bytes is handed out in pieces, so that nothing grows without
 * bound.
 */
#ifndef GATEWAY_IO_LINES_H
#define GATEWAY_IO_LINES_H

#include "gateway/base/buf.h"

struct lines {
    struct gw_buf part; /* of the line that has not ended */
};

/* whole = false: a piece of a line that is too long. False: no more for now; *l may be gone. */
typedef bool lines_fn(void *arg, struct gw_span line, bool whole);

void lines_init(struct lines *l, size_t max);
void lines_free(struct lines *l); /* wiped */
/* Gives how many bytes it took: all, unless fn said false. */
size_t lines_feed(struct lines *l, struct gw_span bytes, lines_fn *fn, void *arg);
/* The stream is over: what came after the last "\n", if anything, is a line as well. */
void lines_end(struct lines *l, lines_fn *fn, void *arg);

#endif
