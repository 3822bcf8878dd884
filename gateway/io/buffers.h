/*
 * Large buffers for bytes on their way, used again while transfers go on. Fresh from the system
 * each would cost a page fault and a cleared page for every 4 KiB, a third of what a download
 * costs; kept in the allocator they would stay resident for ever. The first ones of a transfer are
 * fresh: large pages make that a fault each 2 MiB. Any thread. Sizes in bytes.
 */
#ifndef GATEWAY_IO_BUFFERS_H
#define GATEWAY_IO_BUFFERS_H

#include <stddef.h>
#include <stdint.h>

/* What is smaller is the allocator's, which keeps it by itself. */
#define BUFFERS_LEAST ((size_t)512 * 1024)

struct buffers;

/* keep: how much may lie unused while other buffers are out. When none is out nothing is kept. */
struct buffers *buffers_new(size_t keep);
/* After the last one came back. */
void buffers_free(struct buffers **bp);

/* n bytes, not zeroed; NULL: no memory. */
uint8_t *buffers_get(struct buffers *b, size_t n);
/* NULL-safe, nulls *p. n as it was asked for. */
void buffers_put(struct buffers *b, uint8_t **p, size_t n);
/* What lies unused. */
size_t buffers_kept(struct buffers *b);

#endif
