/*
 * One SSH connection, from the accepted socket to the log line of its end. It lives and dies on one
 * loop. libssh is named in gateway/ssh only. The recipe and the traps: docs/architecture.md.
 */
#ifndef GATEWAY_SSH_CONN_H
#define GATEWAY_SSH_CONN_H

#include "auth/auth.h"
#include "auth/throttle.h"
#include "backends/backends.h"
#include "backends/stores.h"
#include "config/settings.h"
#include "gateway/io/gate.h"
#include "gateway/io/loop.h"
#include "gateway/ssh/host_keys.h"
#include "gateway/ssh/lobby.h"
#include "gateway/ssh/turns.h"

struct conn;

/* An upload that outlives its session has so long to be stored, then it is thrown away. */
#define CONN_KEEP_MS 30000u

/* What the connections of a loop share. Borrowed for their lives. */
struct conn_env {
    struct loop *loop;
    struct turns *turns;       /* the loop's */
    struct lobby *lobby;       /* the loop's */
    struct gate *exchanges;    /* the process's: first key exchanges at a time */
    struct settings *settings; /* each connection takes a reference */
    struct auth *auth;
    struct throttle *throttle;
    struct host_keys *host_keys;
    struct backend *(*backend)(void *arg, const char *name);
    struct stores *stores; /* of users that bring their own */
    /* The login is over (it counts no more as unauthenticated). False: this user has as many
     * sessions as the identity allows. Once at most; NULL = no. */
    bool (*authenticated)(void *tag, const struct identity *id);
    /* The connection is gone; its pointer is dead when this returns. Once, never before
     * conn_start() returned. */
    void (*closed)(void *tag);
    void *arg; /* of backend() */
};

/* Takes fd (also on failure): accepted, any flags. `tag` comes back in the callbacks.
 * Errors: GW_IO, GW_NO_MEMORY, logged. */
enum gw_err conn_start(const struct conn_env *env, int fd, void *tag, struct conn **out);
/* Idempotent; why is logged ("drained", "shutdown", ...). Ends on a later turn with closed(), when
 * the uploads that it keeps are stored. */
void conn_close(struct conn *c, const char *why);
/* The same, and keeps none; also where they are being stored already. */
void conn_close_now(struct conn *c, const char *why);
/* Close it as soon as no transfer is open and no request under way. */
void conn_drain(struct conn *c);
/* Has it an upload that would outlive it? */
bool conn_keeps(const struct conn *c);

#endif
