/*
 * The whole gateway: listeners, loops, and their wiring. The only place that knows every other.
 */
#ifndef GATEWAY_SERVER_H
#define GATEWAY_SERVER_H

#include "config/settings.h"

struct server;

/* Binds, makes the loops and their stores, sweeps. Takes a reference of s.
 * Errors: GW_CONFIG; GW_IO: an address that cannot be bound. */
enum gw_err server_new(struct settings *s, struct server **out, struct gw_errmsg *msg);
/* Runs until it has drained: the calling thread is the first loop. */
void server_run(struct server *srv);
/* Stop accepting, end each session when it is idle, all of them at drain_s. A second call ends at
 * once. From the first loop's thread (a signal handle). */
void server_drain(struct server *srv);
void server_free(struct server **srvp);

#endif
