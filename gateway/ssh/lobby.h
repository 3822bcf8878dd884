/*
 * Where connections that log in wait for their turn, and those that end. The check of a signature
 * and the making of a session are the dearest things that a loop does in one piece, and whoever can
 * connect can ask for a thousand at once: one of them has its step each turn of the loop, further
 * ones as long as the turn is short, in the order in which they came. Sessions at work never wait
 * here.
 */
#ifndef GATEWAY_SSH_LOBBY_H
#define GATEWAY_SSH_LOBBY_H

#include <stdbool.h>

#include "gateway/base/list.h"
#include "gateway/io/loop.h"

/* One a loop. */
struct lobby {
    struct loop *loop;
    struct list waiting; /* struct lobby_seat.node */
    struct op *next;     /* lets some of them in on the next turn; NULL = nobody waits */
};

/* One a connection, a member of it; zeroed at first. */
struct lobby_seat {
    struct list node;
    loop_fn *fn;
    void *arg;
};

void lobby_init(struct lobby *l, struct loop *loop);

/* True: go on. False: seat->fn(seat->arg) is called on one of the next turns, once. To ask again
 * while waiting changes nothing. Borrows: *seat until then, or until lobby_leave(). */
bool lobby_enter(struct lobby *l, struct lobby_seat *seat);
void lobby_leave(struct lobby_seat *seat); /* idempotent */

#endif
