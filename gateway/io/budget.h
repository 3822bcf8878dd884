/*
 * The process's memory for transfers (limits.memory_mb): S3 parts, read-ahead, spools' buffers.
 * Nothing fails for lack of it: who cannot take waits, first come first served across all loops,
 * and the wait closes the client's SSH window. Sizes in bytes. budget_take/give/used: any thread.
 * The wait's op: its loop's thread.
 */
#ifndef GATEWAY_IO_BUDGET_H
#define GATEWAY_IO_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/io/loop.h"

struct budget;

struct budget *budget_new(size_t bytes);
void budget_free(struct budget **bp); /* after all that was taken came back */

/* True: n bytes are yours until budget_give(). False: not now (also while others wait: no
 * overtaking). */
bool budget_take(struct budget *b, size_t n);
void budget_give(struct budget *b, size_t n);
/* done(arg) once n bytes are taken on the caller's behalf. A cancel gives back what a race had
 * taken. n above the whole budget is granted when nothing else is out, so that one transfer always
 * moves. */
struct op *budget_wait(struct loop *l, struct budget *b, size_t n, loop_fn *done, void *arg);
size_t budget_used(struct budget *b);
size_t budget_total(struct budget *b);

#endif
