/*
 * A token bucket: how fast file data may go one way. Shared by the engines of one connection; the
 * loop's thread only. A tenth of a second's worth may go at once; who takes more than is there
 * leaves a debt, and the next one waits for it, or waits itself: nothing is ever cut, and nothing
 * polls.
 */
#ifndef GATEWAY_SFTP_RATE_H
#define GATEWAY_SFTP_RATE_H

#include <stddef.h>

#include "gateway/io/loop.h"

struct rate;

struct rate *rate_new(struct loop *l, uint64_t bytes_s);
void rate_free(struct rate **rp); /* nobody waits; NULL-safe */
/* NULL: n bytes may go now, and are counted. Else fn(arg) when they may; in order of arrival. For
 * at most n bytes: what did not go is given back, and a READ at the end of a file waits for
 * nothing. */
struct op *rate_take(struct rate *r, size_t n, loop_fn *fn, void *arg);
/* The same for just n bytes, which leave no debt: a client whose file is one WRITE would be gone
 * before it is paid. */
struct op *rate_pay(struct rate *r, size_t n, loop_fn *fn, void *arg);
/* Of what was counted n bytes did not go. */
void rate_give_back(struct rate *r, size_t n);

#endif
