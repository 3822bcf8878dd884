/*
 * At most n at a time, over all loops; who comes later waits in line. Wait: its loop's thread;
 * give: any thread.
 */
#ifndef GATEWAY_IO_GATE_H
#define GATEWAY_IO_GATE_H

#include "gateway/io/loop.h"

struct gate;

struct gate *gate_new(unsigned n);
void gate_free(struct gate **gp); /* all places came back, nobody waits */

/* done(arg) once a place is taken on the caller's behalf. A cancel gives it back if it was. */
struct op *gate_wait(struct loop *l, struct gate *g, loop_fn *done, void *arg);
void gate_give(struct gate *g);

#endif
