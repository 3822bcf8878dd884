#include "gateway/ssh/conn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"
#include "gateway/ssh/conn_impl.h"

/* How long a peer may take to read our goodbye. */
#define LINGER_MS 2000u
/* The clock of an open connection ticks no faster, whatever is configured. */
#define TICK_LEAST_MS 50u
/* How often the wall clock is looked at where an identity expires. */
#define CLOCK_LOOK_MS 60000u

static const char *const state_names[] = {
    [CONN_HANDSHAKE] = "handshake", [CONN_LOGIN] = "login", [CONN_VERIFYING] = "verifying",
    [CONN_DELAYING] = "delaying",   [CONN_OPEN] = "open",   [CONN_CLOSING] = "closing",
    [CONN_CLOSED] = "closed",
};

#define TO(state) (1u << (state))
static const unsigned successors[] __attribute__((unused)) = {
    [CONN_HANDSHAKE] = TO(CONN_LOGIN) | TO(CONN_CLOSING) | TO(CONN_CLOSED),
    [CONN_LOGIN] = TO(CONN_VERIFYING) | TO(CONN_DELAYING) | TO(CONN_CLOSING) | TO(CONN_CLOSED),
    [CONN_VERIFYING] =
        TO(CONN_LOGIN) | TO(CONN_DELAYING) | TO(CONN_OPEN) | TO(CONN_CLOSING) | TO(CONN_CLOSED),
    [CONN_DELAYING] = TO(CONN_LOGIN) | TO(CONN_CLOSING) | TO(CONN_CLOSED),
    [CONN_OPEN] = TO(CONN_CLOSING) | TO(CONN_CLOSED),
    [CONN_CLOSING] = TO(CONN_CLOSED),
    [CONN_CLOSED] = 0,
};

void conn_set_state(struct conn *c, enum conn_state to)
{
    bool allowed = (successors[c->state] & TO(to)) != 0;
    assert(allowed);
    (void)allowed;
    LOG_DBG(&c->log, "state", "%s -> %s", state_names[c->state], state_names[to]);
    c->state = to;
}

static void free_conn(struct conn *c)
{
    const struct conn_env *env = c->env;
    void *tag = c->tag;
    maxpacket_free(&c->guard, c->ssh);
    if (c->event != NULL) {
        ssh_event_remove_session(c->event, c->ssh);
        ssh_event_free(c->event);
    }
    ssh_free(c->ssh);
    if (c->fd >= 0)
        close(c->fd);
    identity_free(&c->id);
    settings_unref(&c->settings);
    mem_free(c->user);
    mem_free(c);
    env->closed(tag);
}

void conn_keep_over(struct conn *c)
{
    if (!list_empty(&c->keeps) || c->state < CONN_CLOSING)
        return;
    conn_channel_free_tree(c);
    if (c->dismantled)
        free_conn(c);
}

static void on_poll_closed(uv_handle_t *h)
{
    struct conn *c = h->data;
    c->dismantled = true;
    conn_keep_over(c);
}

static void dismantle(struct conn *c)
{
    conn_set_state(c, CONN_CLOSED);
    op_cancel(&c->clock);
    op_cancel(&c->wake);
    wide_recv_detach(&c->wide);
    uv_close((uv_handle_t *)&c->poll, on_poll_closed);
}

static void log_end(struct conn *c)
{
    struct sftpd_counters n = conn_channel_counters(c);
    LOG_EVENT(LOG_LVL_INFO, &c->log, "disconnect", log_str("reason", c->end_why),
              log_u64("age_ms", loop_now_ms(c->env->loop) - c->started_ms),
              log_u64("bytes_in", c->sock.in_bytes), log_u64("bytes_out", c->sock.out_bytes),
              log_u64("bytes_read", n.bytes_read), log_u64("bytes_written", n.bytes_written),
              log_u64("requests", n.requests));
}

/* Reads and drops what the peer still sends, so that the kernel does not answer it with a reset
 * that overtakes our goodbye. */
static void on_lingering(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;
    char sink[16384];
    (void)events;
    for (int i = 0; status == 0 && i < 16; i++) {
        ssize_t n = recv(c->fd, sink, sizeof sink, MSG_DONTWAIT);
        if (n > 0)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        break;
    }
    dismantle(c);
}

static void on_linger_over(void *arg)
{
    struct conn *c = arg;
    c->clock = NULL;
    dismantle(c);
}

static void say_goodbye(struct conn *c)
{
    /* libssh drops the message unless a poll has just told it that the socket can be written: one
     * for what is unsent (an answer to a key exchange that has failed), one for the message. */
    c->pumping = true;
    for (int i = 0; i < 2 && c->event != NULL; i++)
        (void)ssh_event_dopoll(c->event, 0);
    c->pumping = false;
    (void)ssh_session_set_disconnect_message(c->ssh, c->end_why);
    ssh_disconnect(c->ssh);
    shutdown(c->fd, SHUT_WR);
}

/* What conn_end() announced. Never inside a callback of libssh: ssh_disconnect() frees what its
 * callers still use. */
static void finish(struct conn *c)
{
    log_end(c);
    conn_set_state(c, CONN_CLOSING);
    op_cancel(&c->clock);
    op_cancel(&c->wake);
    op_cancel(&c->place);
    lobby_leave(&c->seat);
    conn_auth_free(c);
    conn_channel_free_all(c);
    conn_keep_over(c);
    if (!c->say_goodbye) {
        dismantle(c);
        return;
    }
    say_goodbye(c);
    uv_poll_start(&c->poll, UV_READABLE | UV_DISCONNECT, on_lingering);
    c->clock = deadline_start(c->env->loop, LINGER_MS, on_linger_over, c);
}

void conn_finish_if_ended(struct conn *c)
{
    if (c->end_why != NULL && c->state < CONN_CLOSING)
        finish(c);
}

void conn_end(struct conn *c, const char *why, bool goodbye)
{
    if (c->end_why != NULL)
        return;
    c->end_why = why;
    c->say_goodbye = goodbye;
    if (!c->pumping)
        conn_pump_soon(c);
}

void conn_end_text(struct conn *c, const char *text, bool goodbye)
{
    if (c->end_why != NULL)
        return;
    size_t n = strnlen(text, sizeof c->end_text - 1);
    memcpy(c->end_text, text, n);
    c->end_text[n] = '\0';
    conn_end(c, c->end_text, goodbye);
}

static void on_grace_over(void *arg)
{
    struct conn *c = arg;
    c->clock = NULL;
    conn_end(c, c->state == CONN_HANDSHAKE ? "handshake took too long" : "login took too long",
             true);
}

/* One interval without a packet of the peer asks for one; `keepalive_count_max` of them in a row
 * without an answer are the end. */
static void look_for_life(struct conn *c, uint64_t now)
{
    const struct settings_ssh *ssh = &c->settings->ssh;
    if (ssh->keepalive_interval_s == 0 ||
        now - c->keepalive_ms < (uint64_t)ssh->keepalive_interval_s * 1000)
        return;
    c->keepalive_ms = now;
    bool grew = c->raw.in_packets != c->seen_packets;
    c->seen_packets = c->raw.in_packets;
    if (grew || !conn_pump_reads(c))
        c->missed = 0;
    else if (++c->missed > ssh->keepalive_count_max)
        conn_end(c, "no answer to keepalives", true);
    if (!grew) {
        c->keepalive_due = true;
        conn_pump_soon(c);
    }
}

static uint64_t idle_ms(const struct conn *c)
{
    uint32_t s = c->id != NULL && c->id->idle_s > 0 ? c->id->idle_s : c->settings->timeouts.idle_s;
    return (uint64_t)s * 1000;
}

/* How long the identity holds; 0 = no more. The wall clock may jump: it is asked again. */
static uint64_t valid_ms(const struct conn *c)
{
    if (c->id == NULL || c->id->expires_s == 0)
        return UINT64_MAX;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec >= c->id->expires_s)
        return 0;
    uint64_t ms =
        (uint64_t)(c->id->expires_s - now.tv_sec) * 1000 - (uint64_t)now.tv_nsec / 1000000;
    return ms < CLOCK_LOOK_MS ? ms : CLOCK_LOOK_MS;
}

/* Output that the peer does not take is no activity: it may keep its window closed for ever. On a
 * slow line a little of it has gone since the last look. */
static bool is_active(struct conn *c)
{
    bool moves = c->sock.out_bytes != c->seen_out && (ssh_get_status(c->ssh) & SSH_WRITE_PENDING);
    c->seen_out = c->sock.out_bytes;
    return moves || conn_channel_working(c);
}

static void on_tick(void *arg)
{
    struct conn *c = arg;
    c->clock = NULL;
    uint64_t now = loop_now_ms(c->env->loop), idle = idle_ms(c);
    if (is_active(c))
        c->active_ms = now;
    if (idle > 0 && now - c->active_ms >= idle)
        conn_end(c, "idle", true);
    if (valid_ms(c) == 0)
        conn_end(c, "the user has expired", true);
    look_for_life(c, now);
    conn_set_clock(c);
}

void conn_set_clock(struct conn *c)
{
    const struct settings_timeouts *t = &c->settings->timeouts;
    op_cancel(&c->clock);
    if (c->end_why != NULL)
        return;
    if (c->state == CONN_HANDSHAKE || c->state == CONN_LOGIN) {
        uint32_t s = c->state == CONN_HANDSHAKE ? t->handshake_s : t->login_s;
        if (s > 0)
            c->clock = deadline_start(c->env->loop, (uint64_t)s * 1000, on_grace_over, c);
        return;
    }
    uint64_t now = loop_now_ms(c->env->loop), idle = idle_ms(c), next = UINT64_MAX;
    if (idle > 0)
        next = c->active_ms + idle > now ? c->active_ms + idle - now : 0;
    uint64_t beat = (uint64_t)c->settings->ssh.keepalive_interval_s * 1000;
    if (beat > 0 && beat < next)
        next = beat;
    uint64_t valid = valid_ms(c);
    if (valid < next)
        next = valid;
    if (next != UINT64_MAX)
        c->clock =
            deadline_start(c->env->loop, next > TICK_LEAST_MS ? next : TICK_LEAST_MS, on_tick, c);
}

/* Numeric; an IPv4 address in IPv6 clothes is shown as IPv4. */
static uint16_t name_of(const struct sockaddr_storage *ss, char *out, size_t cap)
{
    struct sockaddr_in6 six;
    struct sockaddr_in four = {.sin_family = AF_INET};
    const struct sockaddr *sa = (const struct sockaddr *)ss;
    socklen_t len = sizeof six;
    char port[16] = "0";
    memcpy(&six, ss, sizeof six);
    if (ss->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
        four.sin_port = six.sin6_port;
        memcpy(&four.sin_addr, &six.sin6_addr.s6_addr[12], 4);
        sa = (const struct sockaddr *)&four;
        len = sizeof four;
    } else if (ss->ss_family == AF_INET) {
        len = sizeof four;
    }
    if (getnameinfo(sa, len, out, (socklen_t)cap, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        out[0] = '\0';
    return (uint16_t)strtoul(port, NULL, 10);
}

static void name_ends(struct conn *c)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss;
    unsigned char id[4] = {0};
    static const char hex[] = "0123456789abcdef";
    if (getpeername(c->fd, (struct sockaddr *)&ss, &len) == 0)
        c->peer_port = name_of(&ss, c->peer, sizeof c->peer);
    memset(&ss, 0, sizeof ss);
    len = sizeof ss;
    if (getsockname(c->fd, (struct sockaddr *)&ss, &len) == 0)
        c->own_port = name_of(&ss, c->own, sizeof c->own);
    (void)RAND_bytes(id, sizeof id);
    for (size_t i = 0; i < sizeof id; i++) {
        c->sid[2 * i] = hex[id[i] >> 4];
        c->sid[2 * i + 1] = hex[id[i] & 15];
    }
    c->log_sid = (struct log_ctx){NULL, "session", c->sid};
    c->log_user = (struct log_ctx){&c->log_sid, "user", NULL};
    c->log = (struct log_ctx){&c->log_user, "peer", c->peer};
}

/* libssh tells of each step of each key exchange; at 1 new keys are in use. */
static void on_keys(void *arg, float status)
{
    struct conn *c = arg;
    if (status < 1.0f || c->state == CONN_HANDSHAKE)
        return;
    uint64_t bytes = c->sock.in_bytes + c->sock.out_bytes;
    if (!rekeys_one(&c->rekeys, loop_now_ms(c->env->loop), bytes))
        conn_end(c, "too many key exchanges", true);
}

/* libssh takes a duplicate: it closes its descriptor inside callbacks, while ours is polled. */
static enum gw_err accept_session(struct conn *c)
{
    int flags = fcntl(c->fd, F_GETFL);
    if (flags < 0 || fcntl(c->fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return GW_IO;
    c->ssh = ssh_new();
    if (c->ssh == NULL)
        return GW_NO_MEMORY;
    int twin = fcntl(c->fd, F_DUPFD_CLOEXEC, 3);
    if (twin < 0)
        return GW_IO;
    enum gw_err err = host_keys_accept(c->env->host_keys, c->ssh, twin);
    if (err != GW_OK)
        return err;
    ssh_set_blocking(c->ssh, 0);
    ssh_set_counters(c->ssh, &c->sock, &c->raw);
    c->cb.userdata = c;
    c->cb.connect_status_function = on_keys;
    ssh_callbacks_init(&c->cb);
    if (ssh_set_callbacks(c->ssh, &c->cb) != SSH_OK)
        return GW_NO_MEMORY;
    if (uv_poll_init(loop_uv(c->env->loop), &c->poll, c->fd) != 0)
        return GW_IO;
    return GW_OK;
}

enum gw_err conn_start(const struct conn_env *env, int fd, void *tag, struct conn **out)
{
    struct conn *c = mem_zalloc(sizeof *c);
    c->env = env;
    c->tag = tag;
    c->fd = fd;
    list_init(&c->channels);
    list_init(&c->keeps);
    name_ends(c);
    enum gw_err err = accept_session(c);
    if (err != GW_OK) {
        LOG_EVENT(LOG_LVL_ERROR, &c->log, "refused", log_str("reason", "no session for it"),
                  log_str("error", c->ssh != NULL ? ssh_get_error(c->ssh) : gw_err_text(err)));
        ssh_free(c->ssh);
        close(fd);
        mem_free(c);
        return err;
    }
    c->settings = settings_ref(env->settings);
    c->poll.data = c;
    c->seat = (struct lobby_seat){.fn = conn_pump_seated, .arg = c};
    c->started_ms = c->active_ms = loop_now_ms(env->loop);
    LOG_EVENT(LOG_LVL_INFO, &c->log, "connect", log_u64("peer_port", c->peer_port),
              log_str("address", c->own), log_u64("port", c->own_port));
    conn_set_clock(c);
    conn_pump_soon(c);
    *out = c;
    return GW_OK;
}

void conn_close(struct conn *c, const char *why)
{
    conn_end_text(c, why, true);
}

void conn_close_now(struct conn *c, const char *why)
{
    c->keeps_nothing = true;
    if (c->state >= CONN_CLOSING)
        conn_keep_cancel(c);
    else
        conn_end_text(c, why, true);
}

void conn_drain(struct conn *c)
{
    c->drain = true;
    conn_pump_soon(c);
}
