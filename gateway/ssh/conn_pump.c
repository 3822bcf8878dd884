#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/ssh/conn_impl.h"

/* libssh reads 4 KiB (0.10) or more a poll. */
#define POLLS_A_ROUND 64
/* Before the login is over a client has nothing to pipeline: few bytes a round keep the list of
 * messages short that libssh fills while we look at the first. */
#define POLLS_BEFORE_LOGIN 1
/* Answers that the peer does not read (libssh keeps them without a bound). */
#define BACKLOG_MAX     (1024u * 1024u)
#define PACKET_OVERHEAD 32u
/* From here on an engine that is full stops the reading of the socket. */
#define UNREAD_PAUSE (64u * 1024u)

/* What libssh was given to send: it counts payloads, which length, padding and MAC come on top of.
 */
static uint64_t produced(const struct conn *c)
{
    return c->raw.out_bytes + c->raw.out_packets * PACKET_OVERHEAD;
}

static int64_t backlog(const struct conn *c)
{
    return (int64_t)(produced(c) - c->backlog_raw) - (int64_t)(c->sock.out_bytes - c->backlog_sock);
}

/* A reply is owed: libssh would queue pipelined requests without a bound. */
static bool held(const struct conn *c)
{
    return c->state == CONN_VERIFYING || c->state == CONN_DELAYING;
}

bool conn_pump_reads(const struct conn *c)
{
    if (held(c))
        return false;
    if ((ssh_get_status(c->ssh) & SSH_WRITE_PENDING) && backlog(c) > (int64_t)BACKLOG_MAX)
        return false;
    if (c->nchannels != 1)
        return true;
    const struct conn_channel *ch = LIST_ENTRY(c->channels.next, struct conn_channel, node);
    /* Where output waits for the peer it has to read on. Output that is only not sent yet must not
     * count: an upload's statuses are always there, and what is read meanwhile would pile up. */
    return !ch->stalled || ch->unread < UNREAD_PAUSE || ch->owed;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;
    if (status < 0 || ((events & UV_DISCONNECT) && !conn_pump_reads(c)))
        conn_end(c, "connection lost", false);
    c->writable = (events & UV_WRITABLE) != 0;
    conn_pump(c);
}

void conn_pump_watch(struct conn *c)
{
    int events = conn_pump_reads(c) ? UV_READABLE : UV_DISCONNECT;
    /* Sending is a poll of libssh, which reads as well: not while a reply is held. */
    if ((ssh_get_status(c->ssh) & SSH_WRITE_PENDING) && !held(c))
        events |= UV_WRITABLE;
    if (events != c->watched) /* each start is a system call */
        uv_poll_start(&c->poll, events, on_socket);
    c->watched = events;
}

void conn_pump_unwatch(struct conn *c)
{
    if (c->watched != 0)
        uv_poll_stop(&c->poll);
    c->watched = 0;
}

static void on_wake(void *arg)
{
    struct conn *c = arg;
    c->wake = NULL;
    conn_pump(c);
}

void conn_pump_soon(struct conn *c)
{
    if (c->pumping)
        c->again = true;
    else if (c->wake == NULL && c->state < CONN_CLOSING)
        c->wake = loop_defer(c->env->loop, on_wake, c);
}

bool conn_pump_overrun(const struct conn *c)
{
    return ssh_get_error_code(c->ssh) == SSH_FATAL &&
           strstr(ssh_get_error(c->ssh), "Window exceeded") != NULL;
}

bool conn_pump_alive(struct conn *c, int rc)
{
    if (c->state == CONN_OPEN && conn_pump_overrun(c)) {
        conn_end(c, "client ignores the window", true);
        return false;
    }
    if (rc != SSH_ERROR && !(ssh_get_status(c->ssh) & (SSH_CLOSED | SSH_CLOSED_ERROR)))
        return true;
    const char *text = ssh_get_error(c->ssh);
    if (strstr(text, "SSH_MSG_DISCONNECT") != NULL)
        conn_end(c, "client disconnected", false);
    else if (text[0] == '\0' || strstr(text, "ocket error") != NULL)
        conn_end(c, "connection lost", false);
    else
        conn_end_text(c, text, true); /* the peer broke the protocol, and is told so */
    return false;
}

size_t conn_pump_left(const struct conn *c)
{
    uint64_t moved = c->sock.in_bytes + c->sock.out_bytes - c->turn_from;
    return moved < c->turn_bytes ? c->turn_bytes - (size_t)moved : 0;
}

static void poll_rounds(struct conn *c)
{
    int rounds = c->state == CONN_OPEN ? POLLS_A_ROUND : POLLS_BEFORE_LOGIN;
    /* A poll is also the only way to send what is unsent: one is due when the socket takes it. */
    bool send = c->writable && !held(c);
    c->writable = false;
    for (int i = 0; i < rounds && c->event != NULL; i++) {
        if (!send && (conn_pump_left(c) == 0 || !conn_pump_reads(c)))
            return;
        send = false;
        maxpacket_enter(c->guard);
        int rc = ssh_event_dopoll(c->event, 0);
        maxpacket_leave();
        if (!conn_pump_alive(c, rc) || rc != SSH_OK)
            return;
    }
}

/* A call after each one that was sent only takes in the answer. */
static void keepalive(struct conn *c)
{
    c->keepalive_due = false;
    if (c->keepalive_out && c->missed <= 1)
        (void)ssh_send_keepalive(c->ssh);
    (void)ssh_send_keepalive(c->ssh);
    c->keepalive_out = true;
}

static void round_trip(struct conn *c)
{
    poll_rounds(c);
    if (c->end_why == NULL && c->state == CONN_LOGIN)
        conn_auth_messages(c);
    if (c->end_why == NULL && c->state == CONN_OPEN) {
        if (c->keepalive_due)
            keepalive(c);
        conn_channel_move(c);
    }
}

/* False: in the lobby. Not watched meanwhile: the loop would be told on each turn that there is
 * something to read. */
static bool may_go_on(struct conn *c)
{
    if (lobby_enter(c->env->lobby, &c->seat))
        return true;
    conn_pump_unwatch(c);
    return false;
}

/* A thousand may end at once as well. */
void conn_pump_end(struct conn *c)
{
    if (may_go_on(c))
        conn_finish_if_ended(c);
}

/* One turn of the connection. */
static void take_turn(struct conn *c)
{
    op_cancel(&c->wake);
    c->pumping = true;
    uint64_t before, now = c->sock.in_bytes + c->sock.out_bytes;
    c->turn_from = now;
    c->turn_bytes = turns_begin(c->env->turns, c);
    do {
        before = now;
        c->again = false;
        if (c->end_why == NULL)
            round_trip(c);
        now = c->sock.in_bytes + c->sock.out_bytes;
    } while (c->end_why == NULL && (now != before || c->again) && conn_pump_left(c) > 0);
    c->pumping = false;

    if (!(ssh_get_status(c->ssh) & SSH_WRITE_PENDING)) {
        c->backlog_raw = produced(c);
        c->backlog_sock = c->sock.out_bytes;
    }
    if (c->end_why == NULL && c->drain && !conn_channel_busy(c) && !conn_channel_has_files(c))
        conn_end(c, "drained", true);
    if (c->end_why != NULL) {
        conn_pump_end(c);
        return;
    }
    conn_pump_watch(c);
    /* The loop is not told of what is staged. */
    if (now != before || c->again || (wide_recv_staged(&c->wide) && conn_pump_reads(c)))
        conn_pump_soon(c);
}

void conn_pump_seated(void *arg)
{
    struct conn *c = arg;
    if (c->end_why != NULL)
        conn_finish_if_ended(c);
    else
        take_turn(c);
}

void conn_pump(struct conn *c)
{
    if (c->pumping) {
        c->again = true;
        return;
    }
    if (c->state >= CONN_CLOSING)
        return;
    if (c->state == CONN_HANDSHAKE)
        conn_handshake_go_on(c);
    else if (c->state == CONN_OPEN || may_go_on(c))
        take_turn(c);
}
