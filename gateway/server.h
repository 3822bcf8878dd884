/*
 * The whole gateway: listeners, loops, and their wiring. The only place that knows every other.
 * All functions belong to the thread that calls server_run().
 */
#ifndef GATEWAY_SERVER_H
#define GATEWAY_SERVER_H

#include "config/settings.h"
#include "gateway/io/loop.h"

struct server;

/* Loads the host keys, makes loops, stores and verifiers, binds. Takes a reference of s.
 * Errors: GW_CONFIG; GW_IO: an address that cannot be bound. */
enum gw_err server_new(struct settings *s, struct server **out, struct gw_errmsg *msg);
/* The first loop: for signals. */
struct loop *server_loop(struct server *srv);
/* Sweeps the stores, serves until it has drained. The calling thread is the first loop's. */
void server_run(struct server *srv);
/* Accepts no more, ends each session when it is idle, all of them after timeouts.drain_s.
 * Idempotent. */
void server_drain(struct server *srv);
/* After server_drain(): all sessions end now. */
void server_end(struct server *srv);
/*
 * New sessions use `s`, those that run keep theirs. What listens, limits.loops and limits.memory_mb
 * stay as they were at start. Takes a reference of s. Errors: GW_CONFIG, and everything stays as it
 * was.
 */
enum gw_err server_reload(struct server *srv, struct settings *s, struct gw_errmsg *msg);
void server_free(struct server **srvp); /* after server_run() returned, or instead of it */

#endif
