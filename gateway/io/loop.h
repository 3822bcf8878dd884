/*
 * One event loop: a libuv loop, what is to run on its next turn, and what other threads post to it.
 * Everything here but loop_post() belongs to the loop's own thread.
 */
#ifndef GATEWAY_IO_LOOP_H
#define GATEWAY_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "gateway/base/err.h"
#include "gateway/io/op.h"

struct loop;
typedef void loop_fn(void *arg);

enum gw_err loop_new(struct loop **out);
/* Runs the loop until nothing is active any more (orphans finish), then frees it. */
void loop_free(struct loop **lp);

uv_loop_t *loop_uv(struct loop *l);
void loop_run(struct loop *l);        /* until loop_stop() */
void loop_stop(struct loop *l);       /* from the loop's thread; from others by loop_post() */
void loop_turn(struct loop *l);       /* one turn, waits for an event: tests */
void loop_poll(struct loop *l);       /* one turn that does not wait: tests */
uint64_t loop_now_ms(struct loop *l); /* monotonic, as of this turn */

/* How long others have had to wait at most for what one turn did, since loop_run(). Any thread. */
uint64_t loop_longest_turn_us(struct loop *l);
/* Not this turn: for what a signal starts. libuv forgets how long a poll that is interrupted had
 * waited. */
void loop_turn_uncounted(struct loop *l);
/* Which turn this is: no two have the same number. */
uint64_t loop_turn_number(struct loop *l);
/* This turn has worked for long enough: what can wait for the next one lets it go first. */
bool loop_turn_is_long(struct loop *l);

/* fn(arg) on the next turn. */
struct op *loop_defer(struct loop *l, loop_fn *fn, void *arg);
/* fn(arg) on the loop's thread, soon. From any thread; in order. Not after loop_free(). */
void loop_post(struct loop *l, loop_fn *fn, void *arg);

#endif
