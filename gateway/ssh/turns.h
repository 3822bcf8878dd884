/*
 * How much a connection may move in one turn of its loop before the others are served. Pure: it
 * counts turns and bytes, and knows no clock.
 *
 * Whoever has the loop to himself takes large turns, which cost less CPU a byte. While others are
 * served too, be it one small request now and then, turns are small: what they ask for waits a
 * turn or two of each transfer. Sizes in bytes.
 */
#ifndef GATEWAY_SSH_TURNS_H
#define GATEWAY_SSH_TURNS_H

#include <stddef.h>

#define TURNS_ALONE_BYTES  ((size_t)256 * 1024)
#define TURNS_SHARED_BYTES ((size_t)64 * 1024)
/* Turns in a row after which a connection counts as alone: 4 MiB in small ones. */
#define TURNS_ALONE_AFTER 64u

/* One a loop; zeroed at first. */
struct turns {
    const void *last; /* who had the last turn; compared only */
    unsigned in_row;  /* turns that it has had since another's */
};

/* A turn of `who` begins: the bytes that it may move. */
size_t turns_begin(struct turns *t, const void *who);

#endif
