/*
 * How long to wait before a request is repeated: full jitter, anything from nothing to a bound that
 * doubles with each attempt, so that clients of a store in trouble do not come back in step.
 */
#ifndef BACKENDS_RETRY_H
#define BACKENDS_RETRY_H

#include <stdint.h>

#define RETRY_FIRST_MS 100u
#define RETRY_MAX_MS   10000u

/* attempts: made so far, 1 at least. random: any number, evenly spread. left_ms: the time that the
 * caller still gives the whole. A longer pause ends then, for a last attempt: not many ever closer
 * ones. */
uint64_t retry_pause_ms(unsigned attempts, uint32_t random, uint64_t left_ms);

#endif
