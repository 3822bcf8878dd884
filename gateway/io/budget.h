/*
 * The process's memory for transfers (limits.memory_mb): S3 parts, read-ahead, spools' buffers.
 * Nothing fails for lack of it: who cannot take waits, first come first served across all loops,
 * and the wait closes the client's SSH window. Sizes in bytes. budget_take/give/used: any thread.
 * The wait's op: its loop's thread.
 *
 * There are two classes, told apart by size, so that what is small neither blocks nor is blocked:
 *   small (n <= BUDGET_SMALL): first buffers, single reads. At most a quarter of the whole.
 *   large: parts. At most three quarters of the whole; what the small leave of the last quarter
 * makes up for what a session holds uncounted while it waits (its SSH window above all). The rule
 * that keeps all moving: whoever waits for a large piece holds at most one small one, and whoever
 * holds a large piece needs nothing more to finish with it and give it back. Small holders can then
 * never starve the large (they have three quarters for themselves), nor the large the small.
 *
 * Sessions take from a share of their own (budget_share). A client that opens many files and then
 * sits still keeps what they hold for as long as it likes: the last quarter of each class is for
 * shares that hold little of it, so that others go on, if slower.
 */
#ifndef GATEWAY_IO_BUDGET_H
#define GATEWAY_IO_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/io/buffers.h"
#include "gateway/io/loop.h"

#define BUDGET_SMALL ((size_t)256 * 1024)

struct budget;

struct budget *budget_new(size_t bytes);
/* What the other functions take as well; budget_used() and budget_total() tell of the whole. */
struct budget *budget_share(struct budget *whole);
/* The whole: after all that was taken came back. A share: at any time, when nothing waits; it may
 * not be named again but by giving back. */
void budget_free(struct budget **bp);

/* True: n bytes are yours until budget_give(). False: not now (also while others of the class wait:
 * no overtaking). */
bool budget_take(struct budget *b, size_t n);
/* What one call took, one call gives back: n tells the class. */
void budget_give(struct budget *b, size_t n);
/* Of n that one call took, less is needed now: `left` is what there is to give from here on. Both
 * are of the small class. */
void budget_shrink(struct budget *b, size_t n, size_t left);
/* done(arg) once n bytes are taken on the caller's behalf. A cancel gives back what a race had
 * taken. n above the class's share is granted when nothing else of the class is out, so that one
 * transfer always moves. */
struct op *budget_wait(struct loop *l, struct budget *b, size_t n, loop_fn *done, void *arg);
size_t budget_used(struct budget *b);
size_t budget_total(struct budget *b);
/* Where to get the bytes that were taken, if they are one piece. */
struct buffers *budget_buffers(struct budget *b);

#endif
