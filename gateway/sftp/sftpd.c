#include "gateway/sftp/sftpd.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"
#include "gateway/sftp/bind.h"
#include "gateway/sftp/request.h"
#include "gateway/sftp/run.h"

/* Bytes of WRITEs that no store has taken yet; above, the client waits. Two of the largest, so that
 * one is on its way while the other is written. */
#define WRITES_UNDER_WAY_MAX ((size_t)512 * 1024)
#define VERSION_ROOM         2048u
#define IDLE_TRIM_MS         2000u

/* These need replies in the order of their requests. pscp is one: a DATA that is not the next it
 * waits for makes it say "Lost connection"; its banner is PuTTY's, as psftp's is.
 * paramiko drops the status of a pipelined WRITE that comes before an earlier one's, and then waits
 * for it for ever. */
static bool wants_order(const char *client_version)
{
    static const char *const names[] = {
        "ws_ftp", "WS_FTP",  "WinSCP_release_3", "WinSCP_release_4", "WinSCP_release_5.0",
        "PuTTY",  "paramiko"};
    if (client_version == NULL)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strstr(client_version, names[i]) != NULL)
            return true;
    }
    return false;
}

struct sftpd *sftpd_new(const struct sftpd_env *env)
{
    struct sftpd *s = mem_zalloc(sizeof *s);
    s->env = *env;
    s->fs = env->fs != NULL ? env->fs : vfs_fs(env->vfs);
    s->in_turn = env->ordered_replies || wants_order(env->client_version);
    s->env.client_version = NULL; /* lent for this call only */
    gw_buf_init(&s->in, SFTPD_PACKET_MAX + 4u);
    output_init(&s->out, SFTPD_OUTPUT_MAX);
    handles_init(&s->handles, env->max_handles);
    list_init(&s->requests);
    list_init(&s->spare);
    return s;
}

static void free_spare(struct sftpd *s)
{
    while (!list_empty(&s->spare)) {
        struct request *r = LIST_ENTRY(list_first(&s->spare), struct request, node);
        list_remove(&r->node);
        mem_free(r);
    }
    s->nspare = 0;
}

void sftpd_free(struct sftpd **sp)
{
    struct sftpd *s = *sp;
    *sp = NULL;
    if (s == NULL)
        return;
    op_cancel(&s->wake);
    op_cancel(&s->idle);
    while (!list_empty(&s->requests)) {
        struct request *r = LIST_ENTRY(list_first(&s->requests), struct request, node);
        request_drop(&r);
    }
    while (!list_empty(&s->handles.open)) {
        struct handle *h = LIST_ENTRY(list_first(&s->handles.open), struct handle, node);
        run_abandon(s, &h);
    }
    handles_free(&s->handles);
    free_spare(s);
    gw_buf_free(&s->in);
    output_free(&s->out);
    mem_free(s);
}

/* Those before the one that it waited for need not be looked at again: with hundreds under way,
 * each end would cost the square of them. */
static bool must_wait(struct request *r)
{
    struct sftpd *s = r->s;
    if (r->row->follows_writer) {
        struct handle *h = handles_writer(&s->handles, r->path[0]);
        if (h != r->h[0])
            r->behind = 0;
        r->h[0] = h;
        r->claim.handle[0] = h;
        r->claim.on_handle[0] = r->row->order;
    }
    LIST_EACH(it, &s->requests)
    {
        const struct request *earlier = LIST_ENTRY(it, struct request, node);
        if (earlier == r)
            return false;
        if (earlier->number >= r->behind && order_conflict(&earlier->claim, &r->claim)) {
            r->behind = earlier->number;
            return true;
        }
    }
    return false;
}

/* The packet's memory will not wait with it. */
static bool keep_data(struct request *r)
{
    struct gw_span data = r->q.u.write.data;
    if (r->q.shape != WIRE_WRITE || data.len == 0 || r->data != NULL)
        return true;
    r->data = mem_try_alloc(data.len);
    if (r->data == NULL)
        return false;
    memcpy(r->data, data.ptr, data.len);
    r->q.u.write.data.ptr = r->data;
    return true;
}

static void lost(struct request *r)
{
    r->h[0]->broken = GW_NO_MEMORY;
    request_status(r, GW_NO_MEMORY, NULL);
}

/* How many bytes of file data it is about, and which way they go. */
static size_t rate_of(const struct request *r, struct rate **rate)
{
    size_t n = 0;
    *rate = NULL;
    if (r->q.shape == WIRE_WRITE) {
        *rate = r->s->env.up;
        n = r->q.u.write.data.len;
    } else if (r->q.shape == WIRE_READ) {
        *rate = r->s->env.down;
        n = r->q.u.read.len < WIRE_DATA_MAX ? r->q.u.read.len : WIRE_DATA_MAX;
    }
    return *rate == NULL ? 0 : n;
}

static void rate_came(void *arg)
{
    struct request *r = arg;
    struct sftpd *s = r->s;
    r->op = NULL;
    r->rated = rate_of(r, &r->rate);
    r->row->run(r);
    sftpd_settle(s);
}

static void start(struct request *r)
{
    r->claim.started = true;
    r->s->nwaiting--;
    size_t n = rate_of(r, &r->rate);
    if (n > 0)
        r->op = r->q.shape == WIRE_WRITE ? rate_pay(r->rate, n, rate_came, r)
                                         : rate_take(r->rate, n, rate_came, r);
    if (r->op == NULL) {
        r->rated = n;
        r->row->run(r);
    } else if (!keep_data(r)) {
        op_cancel(&r->op);
        lost(r);
    }
}

/* In order of arrival. A request that starts can only free later ones, so one pass is enough. */
static void start_waiting(struct sftpd *s)
{
    if (s->nwaiting == 0)
        return;
    LIST_EACH_SAFE(it, tmp, &s->requests)
    {
        struct request *r = LIST_ENTRY(it, struct request, node);
        if (!r->claim.started && !must_wait(r))
            start(r);
        if (s->nwaiting == 0)
            return;
    }
}

static void begin(struct request *r)
{
    const char *text = NULL;
    enum gw_err err = bind_request(r, &text);
    if (err != GW_OK)
        request_status(r, err, text);
    else if (!must_wait(r)) {
        start(r);
    } else if (!keep_data(r)) {
        lost(r);
    }
}

static size_t reply_room(const struct rows_row *row, const struct wire_req *q)
{
    size_t n = row->reply_max;
    if (q->shape == WIRE_READ)
        n = WIRE_DATA_HEADER + (q->u.read.len < WIRE_DATA_MAX ? q->u.read.len : WIRE_DATA_MAX);
    return n < REQUEST_STATUS_MAX ? REQUEST_STATUS_MAX : n;
}

/* Answers what never becomes a request. False = no room now. */
static bool refuse(struct sftpd *s, uint32_t id, enum gw_err err)
{
    static const struct rows_row unknown = {.name = "unknown"};
    if (!output_promise(&s->out, REQUEST_STATUS_MAX))
        return false;
    s->counters.requests++;
    request_status(request_new(s, &unknown, id, REQUEST_STATUS_MAX), err, NULL);
    return true;
}

static bool admit_init(struct sftpd *s, struct gw_rd *r)
{
    uint32_t wanted = gw_rd_u32(r);
    if (r->failed) {
        s->dead = "a truncated INIT";
        return true;
    }
    if (!output_promise(&s->out, VERSION_ROOM))
        return false;
    s->version = wanted < WIRE_VERSION_MIN ? WIRE_VERSION_MIN : wanted;
    if (s->version > WIRE_VERSION_MAX)
        s->version = WIRE_VERSION_MAX;
    struct gw_buf *b = output_writer(&s->out, VERSION_ROOM);
    size_t mark = gw_buf_begin_len(b);
    gw_buf_put_u8(b, FXP_VERSION);
    gw_buf_put_u32(b, s->version);
    rows_announce(b, s->version);
    gw_buf_end_len(b, mark);
    output_settle(&s->out, VERSION_ROOM);
    return true;
}

/* One packet, without its length field. False = not now: the same packet must come again. */
static bool admit(struct sftpd *s, struct gw_span packet)
{
    struct gw_rd rd = gw_rd_of(packet);
    uint8_t type = gw_rd_u8(&rd);
    if (s->version == 0 || type == FXP_INIT) {
        if (s->version == 0 && type == FXP_INIT)
            return admit_init(s, &rd);
        s->dead = type == FXP_INIT ? "a second INIT" : "a request before INIT";
        return true;
    }
    uint32_t id = gw_rd_u32(&rd);
    if (rd.failed) {
        s->dead = "a packet without a request id";
        return true;
    }
    if (s->nrequests >= s->env.max_requests || (s->in_turn && s->nrequests > 0))
        return false;
    const struct rows_row *row = type == FXP_EXTENDED
                                     ? rows_find_extension(gw_rd_str(&rd, SIZE_MAX), s->version)
                                     : rows_find(type, s->version);
    if (rd.failed)
        return refuse(s, id, GW_BAD_MESSAGE);
    if (row == NULL)
        return refuse(s, id, GW_UNSUPPORTED);
    struct wire_req q = {0};
    if (wire_decode(row->shape, s->version, &rd, &q) != GW_OK)
        return refuse(s, id, GW_BAD_MESSAGE);
    size_t writes = q.shape == WIRE_WRITE ? q.u.write.data.len : 0;
    if (s->writes_under_way > 0 && s->writes_under_way + writes > WRITES_UNDER_WAY_MAX)
        return false;
    size_t room = reply_room(row, &q);
    if (!output_promise(&s->out, room))
        return false;
    struct request *r = request_new(s, row, id, room);
    r->q = q;
    s->writes_under_way += writes;
    s->counters.requests++;
    begin(r);
    if (s->out.b.failed != GW_OK && s->dead == NULL)
        s->dead = "no memory for an answer";
    return true;
}

static uint32_t packet_length(struct gw_span in)
{
    struct gw_rd r = gw_rd_of(in);
    return gw_rd_u32(&r);
}

/* Is the packet that begins with `in` whole? Also: it cannot be one at all. */
static bool whole(struct sftpd *s, struct gw_span in)
{
    if (in.len < 4)
        return false;
    uint32_t n = packet_length(in);
    if (n == 0 || n > SFTPD_PACKET_MAX) {
        s->dead = n == 0 ? "a packet of length 0" : "a packet over the maximum";
        return false;
    }
    return in.len - 4 >= n;
}

/* Adds to s->in what its packet still lacks. Returns the bytes used. */
static size_t top_up(struct sftpd *s, struct gw_span in)
{
    size_t used = 0;
    while (used < in.len && s->dead == NULL && !whole(s, gw_buf_span(&s->in)) && s->dead == NULL) {
        size_t want = s->in.len < 4 ? 4 - s->in.len
                                    : 4 + (size_t)packet_length(gw_buf_span(&s->in)) - s->in.len;
        size_t n = want < in.len - used ? want : in.len - used;
        gw_buf_put(&s->in, in.ptr + used, n);
        used += n;
        if (s->in.failed != GW_OK)
            s->dead = "no memory for a packet";
    }
    return used;
}

/* The packet that was put together in s->in, if it is whole and can be taken now. */
static bool take_kept(struct sftpd *s)
{
    struct gw_span kept = gw_buf_span(&s->in);
    if (s->dead != NULL || !whole(s, kept))
        return false;
    if (!admit(s, gw_span_of(kept.ptr + 4, kept.len - 4)))
        return false;
    gw_buf_reset(&s->in);
    return true;
}

/* Whole packets from the front of `in`, until one has to wait. What is left of a packet that is not
 * whole yet is kept. */
static size_t take_packets(struct sftpd *s, struct gw_span in)
{
    size_t used = 0;
    while (s->dead == NULL && s->closing == NULL) {
        struct gw_span rest = gw_span_of(used == 0 ? in.ptr : in.ptr + used, in.len - used);
        if (s->in.len > 0) {
            used += top_up(s, rest);
            if (!take_kept(s))
                return used;
        } else if (whole(s, rest)) {
            uint32_t n = packet_length(rest);
            if (!admit(s, gw_span_of(rest.ptr + 4, n)))
                return used;
            used += 4 + (size_t)n;
        } else {
            gw_buf_put(&s->in, rest.ptr, s->dead != NULL ? 0 : rest.len);
            if (s->in.failed != GW_OK)
                s->dead = "no memory for a packet";
            return in.len;
        }
    }
    return used;
}

static size_t take(struct sftpd *s, struct gw_span in)
{
    size_t used = 0;
    uint32_t before;
    do {
        used += take_packets(s, gw_span_of(used == 0 ? in.ptr : in.ptr + used, in.len - used));
        before = s->nrequests;
        start_waiting(s);
    } while (s->nrequests < before); /* what ended at once made room for more */
    /* Nothing more is wanted of a peer that broke the protocol: it must not look like a stall. */
    return s->dead != NULL || s->closing != NULL ? in.len : used;
}

static void idle_over(void *arg);

static void watch_idle(struct sftpd *s)
{
    if (s->idle != NULL)
        return;
    s->idle_mark = s->counters.requests;
    s->idle = deadline_start(s->env.loop, IDLE_TRIM_MS, idle_over, s);
}

/* An idle session keeps no buffers: there may be ten thousand of them. */
static void idle_over(void *arg)
{
    struct sftpd *s = arg;
    s->idle = NULL;
    if (s->idle_mark != s->counters.requests || sftpd_busy(s) || s->in.len > 0) {
        watch_idle(s);
        return;
    }
    output_trim(&s->out);
    gw_buf_free(&s->in);
    gw_buf_init(&s->in, SFTPD_PACKET_MAX + 4u);
    free_spare(s);
}

size_t sftpd_feed(struct sftpd *s, struct gw_span in)
{
    if (s->dead != NULL || s->closing != NULL)
        return in.len;
    watch_idle(s);
    return take(s, in);
}

struct gw_span sftpd_output(struct sftpd *s)
{
    return output_unsent(&s->out);
}

void sftpd_sent(struct sftpd *s, size_t n)
{
    output_sent(&s->out, n);
    take(s, (struct gw_span){NULL, 0});
}

void sftpd_eof(struct sftpd *s)
{
    s->eof = true;
}

static void wake_now(void *arg)
{
    struct sftpd *s = arg;
    s->wake = NULL;
    s->env.wake(s->env.arg);
}

void sftpd_settle(struct sftpd *s)
{
    take(s, (struct gw_span){NULL, 0});
    /* Once a turn: many operations may end in the same one. */
    if (s->wake == NULL)
        s->wake = loop_defer(s->env.loop, wake_now, s);
}

void sftpd_unthrottle(struct sftpd *s)
{
    s->env.up = s->env.down = NULL;
    LIST_EACH_SAFE(it, next, &s->requests)
    {
        struct request *r = LIST_ENTRY(it, struct request, node);
        if (r->rate == NULL || r->rated > 0 || r->op == NULL)
            continue;
        op_cancel(&r->op);
        r->rate = NULL;
        r->row->run(r);
    }
    sftpd_settle(s);
}

bool sftpd_finished(const struct sftpd *s, const char **why)
{
    bool drained = s->nrequests == 0 && output_unsent(&s->out).len == 0;
    *why = s->dead;
    if (s->dead != NULL)
        return true;
    if (s->closing != NULL) {
        *why = s->closing;
        return drained;
    }
    if (!s->eof || !drained)
        return false;
    if (s->in.len > 0)
        *why = "the input ended inside a packet";
    return true;
}

bool sftpd_busy(const struct sftpd *s)
{
    return s->nrequests > 0 || output_unsent(&s->out).len > 0;
}

bool sftpd_working(const struct sftpd *s)
{
    return s->nrequests > 0;
}

bool sftpd_has_files(const struct sftpd *s)
{
    LIST_EACH(it, &s->handles.open)
    {
        if (LIST_ENTRY(it, struct handle, node)->file != NULL)
            return true;
    }
    return false;
}

struct sftpd_counters sftpd_counters(const struct sftpd *s)
{
    return s->counters;
}
