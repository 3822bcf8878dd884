/*
 * One listening socket: accepts, applies `allow` and `deny`, sets the `tcp` options, hands the
 * socket over. Limits (connections, per source) are its owner's.
 */
#ifndef GATEWAY_SSH_LISTENER_H
#define GATEWAY_SSH_LISTENER_H

#include <sys/socket.h>

#include "config/settings.h"
#include "gateway/io/loop.h"

struct listener;

/* Gives fd: non-blocking, close-on-exec, with the options of `tcp`. peer: a mapped IPv4 address is
 * plain IPv4. */
typedef void listener_fn(void *arg, int fd, const struct sockaddr_storage *peer);

/* Binds and listens. Host names of allow and deny are looked up here, once, at start (blocking).
 * Borrows conf and tcp for its life. Errors: GW_IO (cannot bind: which address, and why),
 * GW_CONFIG. */
enum gw_err listener_new(struct loop *l, const struct settings_listen *conf,
                         const struct settings_tcp *tcp, listener_fn *fn, void *arg,
                         struct listener **out, struct gw_errmsg *msg);
const char *listener_address(const struct listener *ls); /* numeric, as bound */
uint16_t listener_port(const struct listener *ls);       /* the chosen one for port 0 */
void listener_free(struct listener **lp);                /* accepts no more from now on */

#endif
