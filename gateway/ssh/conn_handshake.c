#include <string.h>

#include "gateway/io/work.h"
#include "gateway/ssh/conn_impl.h"

/* What a peer has sent is taken in small steps, and after so many it goes to the end of the line.
 */
#define ROUNDS_A_VISIT 8

static uint64_t moved(const struct conn *c)
{
    return c->sock.in_bytes + c->sock.out_bytes;
}

/* These send data between their KEXINIT and NEWKEYS, against RFC 4253 section 7.1, and libssh ends
 * the session for it: keys are changed when they ask, or at the limit of the cipher. */
static void spare_rekeying(struct conn *c)
{
    const uint64_t no_bytes = 0;
    const uint32_t no_s = 0;
    const char *version = ssh_get_clientbanner(c->ssh);
    if (version == NULL || strstr(version, "-AsyncSSH_") == NULL)
        return;
    (void)ssh_options_set(c->ssh, SSH_OPTIONS_REKEY_DATA, &no_bytes);
    (void)ssh_options_set(c->ssh, SSH_OPTIONS_REKEY_TIME, &no_s);
}

/* SSH_OK: the keys are in use. SSH_AGAIN: not yet. */
static int one_round(struct conn *c)
{
    if (c->event != NULL && ssh_event_dopoll(c->event, 0) == SSH_ERROR)
        return SSH_ERROR;
    if (ssh_get_status(c->ssh) & (SSH_CLOSED | SSH_CLOSED_ERROR))
        return SSH_ERROR;
    int rc = ssh_handle_key_exchange(c->ssh);
    spare_rekeying(c); /* counts from the first NEWKEYS on, so before it */
    if (c->event != NULL || rc == SSH_ERROR)
        return rc;
    /* Not before the first call: the session has no poll handle until then. */
    c->event = ssh_event_new();
    if (c->event == NULL || ssh_event_add_session(c->event, c->ssh) != SSH_OK)
        return SSH_ERROR;
    return rc;
}

/* On a pool thread. Until done() the connection's libssh session is this thread's alone. */
static void run(void *arg)
{
    struct conn *c = arg;
    uint64_t before, now = moved(c);
    int rounds = 0;
    do {
        before = now;
        c->exchange_rc = one_round(c);
        now = moved(c);
    } while (c->exchange_rc == SSH_AGAIN && now != before && ++rounds < ROUNDS_A_VISIT);
    c->exchange_moved = now != before;
}

static void begin_login(struct conn *c)
{
    const char *version = ssh_get_clientbanner(c->ssh);
    size_t n = version != NULL ? strnlen(version, sizeof c->client_version - 1) : 0;
    if (n > 0)
        memcpy(c->client_version, version, n);
    conn_set_state(c, CONN_LOGIN);
    conn_set_clock(c);
    conn_auth_start(c);
}

static void done(void *arg)
{
    struct conn *c = arg;
    gate_give(c->env->exchanges);
    if (c->end_why == NULL && conn_pump_alive(c, c->exchange_rc) && c->exchange_rc == SSH_OK)
        begin_login(c);
    c->pumping = false;
    if (c->end_why != NULL) {
        conn_pump_end(c);
    } else if (c->state != CONN_HANDSHAKE) {
        conn_pump(c); /* what came behind the keys */
    } else {
        conn_pump_watch(c);
        if (c->again || c->exchange_moved)
            conn_pump_soon(c);
    }
}

/* Never cancelled: it ends in milliseconds, and the session is not ours before. */
static const struct work_fns visit = {.run = run, .done = done};

static void on_place(void *arg)
{
    struct conn *c = arg;
    c->place = NULL;
    c->again = c->writable = false;
    c->pumping = true; /* nobody else touches libssh, and an end waits */
    (void)work_start(c->env->loop, &visit, c);
}

void conn_handshake_go_on(struct conn *c)
{
    op_cancel(&c->wake);
    if (c->end_why == NULL && c->drain)
        conn_end(c, "drained", true);
    if (c->end_why != NULL) {
        op_cancel(&c->place);
        conn_pump_end(c);
        return;
    }
    conn_pump_unwatch(c);
    if (c->place == NULL)
        c->place = gate_wait(c->env->loop, c->env->exchanges, on_place, c);
}
