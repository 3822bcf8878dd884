/*
 * The thread pool: for what has no non-blocking form (files, password hashes, name look-ups).
 * The job is the caller's own struct; it owns all that run() touches.
 */
#ifndef GATEWAY_IO_WORK_H
#define GATEWAY_IO_WORK_H

#include <stdbool.h>

#include "gateway/io/loop.h"

struct work_fns {
    void (*run)(void *job);  /* on a pool thread */
    void (*done)(void *job); /* on the loop, unless cancelled; frees the job */
    /* On the loop, in done's place after a cancel. ran: run() was called; undo what it made, free
     * the job. */
    void (*orphan)(void *job, bool ran);
};

/* Borrows fns for ever (static const). Takes job. */
struct op *work_start(struct loop *l, const struct work_fns *fns, void *job);
/* Sizes the pool of the process: before the first work_start(). */
void work_set_threads(unsigned n);
/* How many threads the pool has, or will have. */
unsigned work_threads(void);

#endif
