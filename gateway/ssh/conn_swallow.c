#include "gateway/io/deadline.h"
#include "gateway/ssh/conn_impl.h"

/* A packet without a message may be an SSH_MSG_IGNORE before the request that it belongs to. */
#define SWALLOW_LEAST_MS 250u
/* No request with a key in it is shorter; asyncssh's SSH_MSG_IGNORE before each packet is. */
#define SWALLOW_LEAST_BYTES 64u
/* Packets without a message in one login: more is no client. */
#define DOUBTED_MAX 64u

/* Packets since the service request that no message came from. */
static uint64_t doubted(struct conn *c)
{
    struct conn_login *in = c->login;
    /* Requests that came in one read with the service request are in base already. */
    if (in->base + in->explained > c->raw.in_packets)
        in->base = c->raw.in_packets - in->explained;
    return c->raw.in_packets - in->base - in->explained;
}

/* A request has come: what came before it was no request that still waits for an answer. */
void conn_swallow_settle(struct conn *c)
{
    struct conn_login *in = c->login;
    in->explained++;
    in->doubted = doubted(c);
    in->seen_bytes = c->raw.in_bytes;
    op_cancel(&in->swallow);
}

void conn_swallow_explain(struct conn *c)
{
    c->login->explained++;
}

void conn_swallow_service(struct conn *c, bool first)
{
    struct conn_login *in = c->login;
    if (first)
        in->base = c->raw.in_packets;
    else
        in->explained++;
    in->seen_bytes = c->raw.in_bytes;
}

static void on_swallowed(void *arg)
{
    struct conn *c = arg;
    c->login->swallow = NULL;
    conn_auth_swallowed(c);
}

void conn_swallow_look(struct conn *c)
{
    struct conn_login *in = c->login;
    uint64_t now = in->service ? doubted(c) : 0;
    if (now == in->doubted)
        return;
    uint64_t bytes = c->raw.in_bytes - in->seen_bytes;
    in->doubted = now;
    in->seen_bytes = c->raw.in_bytes;
    if (now > DOUBTED_MAX) {
        conn_end(c, "too many packets that ask for nothing", true);
        return;
    }
    if (bytes < SWALLOW_LEAST_BYTES)
        return;
    uint32_t ms = c->settings->auth.failure_delay_ms;
    op_cancel(&in->swallow);
    in->swallow = deadline_start(c->env->loop, ms > SWALLOW_LEAST_MS ? ms : SWALLOW_LEAST_MS,
                                 on_swallowed, c);
}
