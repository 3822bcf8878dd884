/*
 * One loop with its thread, its own stores and verifiers, and the sessions that live on it.
 * Functions marked "any thread" post to the loop; the others are for before worker_start() and
 * after worker_join().
 */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H

#include "auth/throttle.h"
#include "backends/spool/spool.h"
#include "gateway/admission.h"
#include "gateway/io/budget.h"
#include "gateway/io/gate.h"
#include "gateway/io/loop.h"
#include "gateway/snapshot.h"

struct worker;

struct worker_env {
    unsigned index;
    struct budget *budget; /* borrowed for the worker's life, as the next three */
    struct throttle *throttle;
    struct gate *exchanges; /* connections that are at their first key exchange */
    struct spool_space *spool;
    void (*drained)(void *arg); /* on the worker's thread: no session is left and none will come */
    void *arg;
};

/* Takes a reference of sn. Errors: GW_CONFIG, GW_IO with *msg. */
enum gw_err worker_new(const struct worker_env *env, struct snapshot *sn, struct worker **out,
                       struct gw_errmsg *msg);
struct loop *worker_loop(struct worker *w);
/* Its own thread runs its loop. The first worker is not started: its owner runs worker_loop(). */
enum gw_err worker_start(struct worker *w);
void worker_join(struct worker *w); /* after drained() */
void worker_free(struct worker **wp);

/* Any thread: how many sessions it has or was given. */
unsigned worker_load(struct worker *w);
/* Any thread. Takes fd and ticket. */
void worker_give(struct worker *w, int fd, struct admission_ticket *ticket);
/* Any thread. New sessions use sn from then on; Takes a reference. */
void worker_reload(struct worker *w, struct snapshot *sn);
/* Any thread. Idle sessions end now, the others when they become idle, all of them after grace_ms.
 */
void worker_drain(struct worker *w, uint64_t grace_ms);
/* Any thread, after worker_drain(). All sessions end now, and what they have open is thrown away.
 */
void worker_end(struct worker *w);

/* On the loop's thread, once, before sessions come: removes what a killed process left in the
 * stores. */
void worker_sweep(struct worker *w);

#endif
