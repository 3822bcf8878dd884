/* A timer that is an op. */
#ifndef GATEWAY_IO_DEADLINE_H
#define GATEWAY_IO_DEADLINE_H

#include <stdint.h>

#include "gateway/io/loop.h"

/* fn(arg) once, after_ms from now. */
struct op *deadline_start(struct loop *l, uint64_t after_ms, loop_fn *fn, void *arg);

#endif
