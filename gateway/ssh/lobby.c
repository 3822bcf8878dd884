#include "gateway/ssh/lobby.h"

void lobby_init(struct lobby *l, struct loop *loop)
{
    *l = (struct lobby){.loop = loop};
    list_init(&l->waiting);
}

static bool waits(const struct lobby_seat *seat)
{
    return seat->node.next != NULL && !list_empty(&seat->node);
}

static void let_in(void *arg);

static void open_soon(struct lobby *l)
{
    if (l->next == NULL && !list_empty(&l->waiting))
        l->next = loop_defer(l->loop, let_in, l);
}

/* The first one goes however long the turn is: open sessions that are busy starve no login. */
static void let_in(void *arg)
{
    struct lobby *l = arg;
    l->next = NULL;
    while (!list_empty(&l->waiting)) {
        struct lobby_seat *seat = LIST_ENTRY(list_first(&l->waiting), struct lobby_seat, node);
        list_remove(&seat->node);
        seat->fn(seat->arg);
        if (loop_turn_is_long(l->loop))
            break;
    }
    open_soon(l);
}

bool lobby_enter(struct lobby *l, struct lobby_seat *seat)
{
    if (waits(seat))
        return false;
    if (list_empty(&l->waiting) && !loop_turn_is_long(l->loop))
        return true;
    list_push(&l->waiting, &seat->node);
    open_soon(l);
    return false;
}

void lobby_leave(struct lobby_seat *seat)
{
    list_remove(&seat->node);
}
