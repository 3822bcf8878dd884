#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/ssh/conn_impl.h"
#include "gateway/vfs/quota.h"

/* Held inside libssh while reading goes on. An honest client stays under it: the window is 1.28 MB,
 * and libssh grows it again while at most half of that is unread. */
#define UNREAD_MAX (2560u * 1024u)
#define READ_CHUNK (32u * 1024u)
/* Refused channels and requests in one connection: more is no client. */
#define OPENS_MAX 1000u

static void on_sftpd_wake(void *arg)
{
    struct conn_channel *ch = arg;
    conn_pump(ch->conn); /* a turn of its own already */
}

/* What is not taken stays inside libssh, which then does not grow the window. */
static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t len,
                   int is_stderr, void *userdata)
{
    struct conn_channel *ch = userdata;
    struct conn *c = ch->conn;
    (void)session, (void)channel;
    c->active_ms = loop_now_ms(c->env->loop);
    if (is_stderr || c->end_why != NULL || ch->close_sent || conn_pump_overrun(c))
        return (int)len;
    size_t took = 0;
    if (!ch->busy && ch->sftpd != NULL && ch->carry.len == 0)
        took = sftpd_feed(ch->sftpd, gw_span_of(data, len));
    ch->unread = len - took;
    ch->stalled = ch->unread > 0;
    if (ch->unread > UNREAD_MAX)
        conn_end(c, "client ignores the window", true);
    return (int)took;
}

static void on_eof(ssh_session session, ssh_channel channel, void *userdata)
{
    struct conn_channel *ch = userdata;
    (void)session, (void)channel;
    ch->eof = true;
}

static void on_close(ssh_session session, ssh_channel channel, void *userdata)
{
    struct conn_channel *ch = userdata;
    (void)session, (void)channel;
    ch->eof = ch->peer_closed = true;
}

static bool may_open(struct conn *c)
{
    if (++c->opens > OPENS_MAX) {
        conn_end(c, "too many channels asked for", true);
        return false;
    }
    if (!maxpacket_needed())
        return c->nchannels < c->settings->limits.channels_per_connection;
    if (c->guard == NULL)
        return false; /* the one channel that could be checked has been opened */
    bool ok = maxpacket_ok(c->guard);
    maxpacket_free(&c->guard, c->ssh);
    if (!ok)
        conn_end(c, "maximum packet of the channel is too small", true);
    return ok;
}

static bool open_channel(struct conn *c, ssh_message m)
{
    if (!may_open(c))
        return false;
    ssh_channel channel = ssh_message_channel_request_open_reply_accept(m);
    if (channel == NULL)
        return false;
    struct conn_channel *ch = mem_zalloc(sizeof *ch);
    ch->conn = c;
    ch->ssh = channel;
    gw_buf_init(&ch->carry, READ_CHUNK);
    ch->cb.userdata = ch;
    ch->cb.channel_data_function = on_data;
    ch->cb.channel_eof_function = on_eof;
    ch->cb.channel_close_function = on_close;
    ssh_callbacks_init(&ch->cb);
    ssh_set_channel_callbacks(channel, &ch->cb);
    list_push(&c->channels, &ch->node);
    c->nchannels++;
    return true;
}

static struct conn_channel *find(struct conn *c, ssh_channel channel)
{
    LIST_EACH(it, &c->channels)
    {
        struct conn_channel *ch = LIST_ENTRY(it, struct conn_channel, node);
        if (ch->ssh == channel)
            return ch;
    }
    return NULL;
}

static bool start_sftp(struct conn *c, ssh_message m)
{
    struct conn_channel *ch = find(c, ssh_message_channel_request_channel(m));
    const char *name = ssh_message_channel_request_subsystem(m);
    if (ch == NULL || ch->sftpd != NULL || ch->close_sent || name == NULL ||
        strcmp(name, "sftp") != 0)
        return false;
    const struct settings *s = c->settings;
    struct sftpd_env env = {
        .loop = c->env->loop,
        .vfs = c->vfs,
        .fs = c->quota,
        .up = c->up,
        .down = c->down,
        .log = &c->log,
        .max_requests = s->limits.requests_in_flight,
        .max_handles = s->limits.handles_per_session,
        .dir_page_entries = s->sftp.dir_page_entries,
        .ordered_replies = s->sftp.ordered_replies != 0,
        .client_version = c->client_version,
        .wake = on_sftpd_wake,
        .arg = ch,
    };
    ch->sftpd = sftpd_new(&env);
    (void)ssh_message_channel_request_reply_success(m);
    c->again = true; /* an INIT may wait inside libssh already */
    return true;
}

/* Only session channels with SFTP on them; libssh refuses the rest where this returns 1. */
static int on_message(ssh_session session, ssh_message m, void *userdata)
{
    struct conn *c = userdata;
    (void)session;
    if (c->state != CONN_OPEN || c->end_why != NULL)
        return 1;
    int type = ssh_message_type(m), subtype = ssh_message_subtype(m);
    if (type == SSH_REQUEST_CHANNEL_OPEN && subtype == SSH_CHANNEL_SESSION)
        return open_channel(c, m) ? 0 : 1;
    if (type == SSH_REQUEST_CHANNEL && subtype == SSH_CHANNEL_REQUEST_SUBSYSTEM)
        return start_sftp(c, m) ? 0 : 1;
    return 1;
}

static struct rate *rate_of(struct conn *c, uint32_t kib_s)
{
    return kib_s == 0 ? NULL : rate_new(c->env->loop, (uint64_t)kib_s * 1024);
}

enum gw_err conn_channel_prepare(struct conn *c)
{
    const struct vfs_env env = {.loop = c->env->loop,
                                .backend = c->env->backend,
                                .arg = c->env->arg,
                                .stores = c->env->stores,
                                .log = &c->log};
    struct gw_errmsg msg = {""};
    enum gw_err err = vfs_new(&env, c->id, &c->vfs, &msg);
    if (err != GW_OK)
        LOG_EVENT(LOG_LVL_ERROR, &c->log, "mounts", log_str("error", msg.text));
    if (err != GW_OK)
        return err;
    c->quota = quota_new(c->vfs, c->id, &c->log);
    c->up = rate_of(c, c->id->limits.upload_kib_s);
    c->down = rate_of(c, c->id->limits.download_kib_s);
    if (maxpacket_needed()) {
        c->guard = maxpacket_attach(c->ssh); /* the passwords are through */
        if (c->guard == NULL)                /* whoever refuses every channel has to say why */
            LOG_EVENT(LOG_LVL_ERROR, &c->log, "no_channels",
                      log_str("reason", "libssh 0.10 needs memfd_create() and /proc to check one"));
    }
    return GW_OK;
}

void conn_channel_start(struct conn *c)
{
    /* What libssh has queued by now are requests of the login behind the one that has succeeded: it
     * takes nothing else before. They are to be ignored (RFC 4252 section 5.3). */
    ssh_set_message_callback(c->ssh, on_message, c);
    wide_recv_attach(&c->wide, ssh_get_fd(c->ssh));
}

/* Tells the engine's output to libssh, as far as the window is open and nothing is unsent. At
 * window 0 ssh_channel_write() would handle packets inside, and wait. */
static void flush(struct conn_channel *ch)
{
    struct conn *c = ch->conn;
    ch->owed = false;
    while (ch->sftpd != NULL && !ch->close_sent) {
        struct gw_span out = sftpd_output(ch->sftpd);
        size_t left = conn_pump_left(c);
        if (out.len == 0 || left == 0 ||
            (ssh_get_status(c->ssh) & (SSH_WRITE_PENDING | SSH_CLOSED_ERROR)))
            return;
        size_t n = ssh_channel_window_size(ch->ssh);
        ch->owed = true;
        if (n == 0)
            return;
        n = n < out.len ? n : out.len;
        n = n < left ? n : left;
        /* During a key exchange it does handle packets: `out` has to stay where it is. */
        ch->busy = true;
        int sent = ssh_channel_write(ch->ssh, out.ptr, (uint32_t)n);
        ch->busy = false;
        if (sent <= 0)
            return;
        ch->owed = false;
        c->active_ms = loop_now_ms(c->env->loop);
        sftpd_sent(ch->sftpd, (size_t)sent);
    }
}

/* What was read but not taken. True: nothing of it is left. */
static bool feed_carry(struct conn_channel *ch)
{
    if (ch->carry.len == 0)
        return true;
    size_t took = sftpd_feed(ch->sftpd, gw_buf_span(&ch->carry));
    gw_buf_consume(&ch->carry, took);
    if (ch->carry.len > 0)
        return false;
    gw_buf_free(&ch->carry);
    gw_buf_init(&ch->carry, READ_CHUNK);
    return true;
}

/* Moves on what libssh holds since the engine was full: what is left of the turn, and a chunk of it
 * in any case. */
static void resume(struct conn_channel *ch)
{
    uint8_t chunk[READ_CHUNK];
    size_t chunks = 1 + conn_pump_left(ch->conn) / READ_CHUNK;
    for (size_t i = 0; i < chunks; i++) {
        if (!feed_carry(ch))
            return;
        ch->busy = true;
        int n = ssh_channel_read_nonblocking(ch->ssh, chunk, sizeof chunk, 0);
        ch->busy = false;
        if (n <= 0) {
            ch->stalled = false;
            ch->unread = 0;
            return;
        }
        ch->unread -= ch->unread < (size_t)n ? ch->unread : (size_t)n;
        size_t took = sftpd_feed(ch->sftpd, gw_span_of(chunk, (size_t)n));
        if (took < (size_t)n)
            gw_buf_put(&ch->carry, chunk + took, (size_t)n - took);
    }
    conn_pump_soon(ch->conn);
}

static void drop_engine(struct conn_channel *ch)
{
    if (ch->sftpd == NULL)
        return;
    struct sftpd_counters n = sftpd_counters(ch->sftpd);
    ch->conn->gone.bytes_read += n.bytes_read;
    ch->conn->gone.bytes_written += n.bytes_written;
    ch->conn->gone.requests += n.requests;
    if (!conn_keep_engine(ch->conn, &ch->sftpd))
        sftpd_free(&ch->sftpd);
}

static void free_channel(struct conn_channel *ch)
{
    drop_engine(ch);
    ssh_remove_channel_callbacks(ch->ssh, &ch->cb);
    list_remove(&ch->node);
    ch->conn->nchannels--;
    gw_buf_free(&ch->carry);
    mem_free(ch);
}

static void hang_up(struct conn_channel *ch, int status)
{
    drop_engine(ch);
    ch->close_sent = true;
    (void)ssh_channel_request_send_exit_status(ch->ssh, status);
    (void)ssh_channel_close(ch->ssh);
}

static void move(struct conn_channel *ch)
{
    flush(ch);
    if (ch->stalled && ch->sftpd != NULL) {
        resume(ch);
        flush(ch);
    }
    if (ch->eof && !ch->eof_given && !ch->stalled && !ch->peer_closed && !ch->close_sent) {
        ch->eof_given = true;
        if (ch->sftpd != NULL)
            sftpd_eof(ch->sftpd);
        else
            hang_up(ch, 0);
        flush(ch);
    }
    const char *why = NULL;
    if (ch->sftpd != NULL && sftpd_finished(ch->sftpd, &why)) {
        if (why != NULL)
            LOG_EVENT(LOG_LVL_WARN, &ch->conn->log, "protocol", log_str("reason", why));
        hang_up(ch, why != NULL);
    }
    if (ch->peer_closed) {
        ssh_channel channel = ch->ssh;
        free_channel(ch);
        ssh_channel_free(channel);
    }
}

void conn_channel_move(struct conn *c)
{
    if (c->guard != NULL && maxpacket_overrun(c->guard))
        conn_end(c, "too much before a channel", true);
    LIST_EACH_SAFE(it, next, &c->channels)
    {
        if (c->end_why == NULL)
            move(LIST_ENTRY(it, struct conn_channel, node));
    }
}

struct sftpd_counters conn_channel_counters(const struct conn *c)
{
    struct sftpd_counters sum = c->gone;
    for (struct list *it = c->channels.next; it != &c->channels; it = it->next) {
        const struct conn_channel *ch = LIST_ENTRY(it, struct conn_channel, node);
        if (ch->sftpd == NULL)
            continue;
        struct sftpd_counters n = sftpd_counters(ch->sftpd);
        sum.bytes_read += n.bytes_read;
        sum.bytes_written += n.bytes_written;
        sum.requests += n.requests;
    }
    return sum;
}

bool conn_channel_busy(const struct conn *c)
{
    for (struct list *it = c->channels.next; it != &c->channels; it = it->next) {
        const struct conn_channel *ch = LIST_ENTRY(it, struct conn_channel, node);
        if (ch->sftpd != NULL && (sftpd_busy(ch->sftpd) || ch->stalled))
            return true;
    }
    return false;
}

bool conn_channel_working(const struct conn *c)
{
    for (struct list *it = c->channels.next; it != &c->channels; it = it->next) {
        const struct conn_channel *ch = LIST_ENTRY(it, struct conn_channel, node);
        if (ch->sftpd != NULL && sftpd_working(ch->sftpd))
            return true;
    }
    return false;
}

bool conn_channel_has_files(const struct conn *c)
{
    for (struct list *it = c->channels.next; it != &c->channels; it = it->next) {
        const struct conn_channel *ch = LIST_ENTRY(it, struct conn_channel, node);
        if (ch->sftpd != NULL && sftpd_has_files(ch->sftpd))
            return true;
    }
    return false;
}

void conn_channel_free_all(struct conn *c)
{
    LIST_EACH_SAFE(it, next, &c->channels)
    {
        free_channel(LIST_ENTRY(it, struct conn_channel, node));
    }
}

void conn_channel_free_tree(struct conn *c)
{
    fs_free(&c->quota);
    vfs_free(&c->vfs);
    rate_free(&c->up);
    rate_free(&c->down);
}
