#include "backends/remote.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "backends/retry.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"
#include "gateway/io/http_tls.h"

/* Requests at once of one store and loop; SlowDown lowers it for a while. */
#define SLOTS_MAX      512u
#define SLOTS_MIN      8u
#define ERROR_BODY_MAX (64u << 10)
#define HEADERS_MAX    (256u << 10)
#define REDIRECTS_MAX  5u

struct remote {
    struct remote_conf conf;
    char *base;
    struct http_client *http;
    unsigned slots; /* how many requests may run now */
    unsigned running;
    unsigned good; /* successes since `slots` last changed */
    struct list waiting;
    char cause[256]; /* of the last fault */
};

enum state {
    STATE_WAITING,    /* for a slot */
    STATE_STARTING,   /* for the next turn: a slot was free */
    STATE_SENT,       /* for the answer */
    STATE_BACKOFF,    /* for the time of the next attempt */
    STATE_REFRESHING, /* for other credentials */
};

struct call {
    struct op op;
    struct remote *remote;
    struct list node; /* in remote->waiting */
    enum state state;
    bool has_slot;
    struct op *step; /* what the state waits for */

    char *method, *target, *name;
    struct gw_buf headers; /* "name: value" NUL ... */
    size_t nheaders;
    struct gw_span *body;
    size_t nbody;
    struct remote_req req; /* its callbacks, bounds and flags; the pointers to the caller's data are
                          not used */
    remote_done_fn *done;
    void *arg;

    unsigned attempts;
    uint64_t first_fault_ms; /* 0 = none yet */
    unsigned redirects;
    bool clock_cured, creds_cured, maybe_done, twice, if_none_match;
    bool streamed;          /* on_body had a byte */
    bool refused;           /* on_head stopped it */
    bool success;           /* this attempt's status */
    struct gw_buf err_body; /* with on_body: the body of an error */
    struct remote_answer answer;
};

static void pump(struct remote *r);
static void attempt(void *arg);

#define BIT(s) (1u << (s))
static const unsigned successors[] __attribute__((unused)) = {
    /* used by an assert alone */
    [STATE_WAITING] = BIT(STATE_STARTING),
    [STATE_STARTING] = BIT(STATE_SENT),
    [STATE_SENT] = BIT(STATE_BACKOFF) | BIT(STATE_WAITING) | BIT(STATE_REFRESHING),
    [STATE_BACKOFF] = BIT(STATE_WAITING),
    [STATE_REFRESHING] = BIT(STATE_WAITING),
};

static void set_state(struct call *k, enum state next)
{
    assert(successors[k->state] & BIT(next));
    k->state = next;
}

/* ---- slots ---- */

static void slot_give(struct call *k)
{
    if (!k->has_slot)
        return;
    k->has_slot = false;
    k->remote->running--;
    pump(k->remote);
}

/* Half as many after a SlowDown, one more after as many successes as there are slots. */
static void slot_learn(struct remote *r, bool slow, const struct log_ctx *log)
{
    if (slow) {
        unsigned half = (r->running < r->slots ? r->running : r->slots) / 2;
        unsigned next = half < SLOTS_MIN ? SLOTS_MIN : half;
        if (next < r->slots)
            LOG_EVENT(LOG_LVL_WARN, log, r->conf.type->events.slow_down,
                      log_str(r->conf.log_key, r->conf.log_value),
                      log_u64("requests_at_once", next));
        r->slots = next < r->slots ? next : r->slots;
        r->good = 0;
    } else if (r->slots < SLOTS_MAX && ++r->good >= r->slots) {
        r->slots++;
        r->good = 0;
    }
}

static void pump(struct remote *r)
{
    while (r->running < r->slots && !list_empty(&r->waiting)) {
        struct call *k = LIST_ENTRY(list_first(&r->waiting), struct call, node);
        list_remove(&k->node);
        k->has_slot = true;
        r->running++;
        set_state(k, STATE_STARTING);
        k->step = loop_defer(r->conf.loop, attempt, k);
    }
}

static void enqueue(struct call *k)
{
    list_push(&k->remote->waiting, &k->node);
    pump(k->remote);
}

/* ---- the end of a call ---- */

static void call_free(struct call *k)
{
    gw_buf_free_secret(&k->headers);
    gw_buf_free(&k->err_body);
    mem_free(k->method);
    mem_free(k->target);
    mem_free(k->name);
    mem_free(k->answer.target);
    mem_free(k->body);
    mem_free(k);
}

static void call_cancel(struct op *op)
{
    struct call *k = (struct call *)op;
    list_remove(&k->node);
    op_cancel(&k->step);
    slot_give(k);
    call_free(k);
}

static const struct op_type call_type = {"remote", call_cancel};

static void finish(struct call *k, const struct http_res *http)
{
    const struct remote_answer *a = &k->answer;
    struct remote_res res = {.err = a->err,
                             .text = a->text[0] != '\0' ? a->text : NULL,
                             .code = a->code,
                             .maybe_done = k->maybe_done,
                             .twice = k->twice};
    if (http != NULL) {
        res.status = http_res_status(http);
        res.http = http;
        if (k->req.on_body == NULL)
            res.body = http_res_body(http);
    }
    slot_give(k);
    k->done(k->arg, &res);
    call_free(k);
}

static void finish_with(struct call *k, enum gw_err err, const char *text)
{
    k->answer.err = err;
    snprintf(k->answer.text, sizeof k->answer.text, "%s", text);
    finish(k, NULL);
}

/* ---- attempts ---- */

static bool may_retry(struct call *k)
{
    const struct remote_conf *conf = &k->remote->conf;
    uint64_t now = loop_now_ms(k->remote->conf.loop);
    if (k->first_fault_ms == 0)
        k->first_fault_ms = now > 0 ? now : 1;
    if ((k->req.flags & REMOTE_NO_RETRY) || k->streamed || k->refused ||
        (k->req.send != NULL && k->req.rewind == NULL))
        return false;
    return k->attempts <= conf->max_retries && now - k->first_fault_ms < conf->timeout_ms;
}

static void back_off_over(void *arg)
{
    struct call *k = arg;
    k->step = NULL;
    set_state(k, STATE_WAITING);
    enqueue(k);
}

static void back_off(struct call *k)
{
    uint32_t random = 0;
    uint64_t gone = loop_now_ms(k->remote->conf.loop) - k->first_fault_ms;
    uint64_t timeout = k->remote->conf.timeout_ms;
    (void)RAND_bytes((unsigned char *)&random, (int)sizeof random);
    set_state(k, STATE_BACKOFF);
    slot_give(k);
    k->step = deadline_start(
        k->remote->conf.loop,
        retry_pause_ms(k->attempts, random, timeout > gone ? timeout - gone : 0), back_off_over, k);
}

static void refreshed(void *arg, bool changed)
{
    struct call *k = arg;
    k->step = NULL;
    if (!changed) {
        finish(k, NULL);
        return;
    }
    set_state(k, STATE_WAITING);
    enqueue(k);
}

static void send_again(struct call *k)
{
    slot_give(k);
    set_state(k, STATE_WAITING);
    enqueue(k);
}

/* True: another attempt is on its way. */
static bool cure(struct call *k)
{
    const struct remote_conf *conf = &k->remote->conf;
    struct remote_answer *a = &k->answer;
    if (a->cure == REMOTE_CURE_CLOCK && !k->clock_cured) {
        LOG_EVENT(LOG_LVL_WARN, k->req.log, conf->type->events.clock,
                  log_str(conf->log_key, conf->log_value),
                  log_i64("off_by_s", (int64_t)time(NULL) - a->server_time_s),
                  log_str("msg", "this machine's clock differs from the server's"));
        k->clock_cured = true;
        conf->type->set_clock(conf->store, a->server_time_s);
        send_again(k);
        return true;
    }
    if (a->cure == REMOTE_CURE_CREDENTIALS && !k->creds_cured) {
        k->creds_cured = true;
        set_state(k, STATE_REFRESHING);
        slot_give(k);
        k->step = conf->type->refresh(conf->store, refreshed, k);
        return true;
    }
    if (a->cure == REMOTE_CURE_TARGET && k->redirects++ < REDIRECTS_MAX) {
        mem_free(k->target);
        k->target = a->target;
        a->target = NULL;
        send_again(k);
        return true;
    }
    return false;
}

static void log_fault(const struct call *k, const struct http_res *http, bool again)
{
    const struct remote_answer *a = &k->answer;
    const char *cause = http_res_err(http) != GW_OK ? http_res_errtext(http) : NULL;
    snprintf(k->remote->cause, sizeof k->remote->cause, "%s", cause == NULL ? "" : cause);
    /* What a client asks about and is not there is no fault. */
    if (a->err == GW_NOT_FOUND || a->err == GW_EXISTS || a->err == GW_EOF || a->expected)
        return;
    if (a->cure == REMOTE_CURE_TARGET && k->redirects < REDIRECTS_MAX)
        return; /* followed */
    const struct remote_conf *conf = &k->remote->conf;
    LOG_EVENT(again ? LOG_LVL_INFO : LOG_LVL_WARN, k->req.log,
              again ? conf->type->events.retry : conf->type->events.error,
              log_str(conf->log_key, conf->log_value), log_str("method", k->method),
              log_str("key", k->name), log_str("text", a->text), log_str("cause", cause),
              log_u64("attempt", k->attempts));
}

/* The answer did not come, or not whole. */
static void read_transport(const char *name, const struct http_res *res, struct remote_answer *out)
{
    out->err = http_res_err(res);
    out->maybe_done = http_res_sent(res);
    switch (out->err) {
    case GW_TIMEOUT:
        snprintf(out->text, sizeof out->text, "%s did not answer in time", name);
        out->retry = true;
        break;
    case GW_IO:
        snprintf(out->text, sizeof out->text, "the connection to %s failed", name);
        out->retry = true;
        break;
    case GW_UPSTREAM:
        snprintf(out->text, sizeof out->text, "%s could not be spoken to: no valid TLS or HTTP",
                 name);
        break;
    case GW_TOO_LARGE:
        out->err = GW_UPSTREAM;
        snprintf(out->text, sizeof out->text, "the answer of %s is too large", name);
        break;
    default:
        snprintf(out->text, sizeof out->text, "%s", gw_err_text(out->err));
        break;
    }
}

/* What was sent as it came cannot be sent again, to no place and under no other signature. */
static void read_incurable(struct call *k)
{
    struct remote_answer *a = &k->answer;
    if (k->req.send == NULL || k->req.rewind != NULL)
        return;
    if (a->cure == REMOTE_CURE_TARGET)
        snprintf(a->text, sizeof a->text, "%s redirects an upload, which cannot be sent again",
                 k->remote->conf.type->name);
    if (a->cure != REMOTE_CURE_SLOWER)
        a->cure = REMOTE_CURE_NONE;
}

static void read_answer(struct call *k, const struct http_res *http)
{
    const struct remote_conf *conf = &k->remote->conf;
    unsigned status = http_res_status(http);
    bool success = status / 100 == 2;
    mem_free(k->answer.target);
    k->answer = (struct remote_answer){0};
    if (http_res_err(http) != GW_OK && (success || status == 0)) {
        read_transport(conf->type->name, http, &k->answer);
    } else if (!success || (k->req.flags & REMOTE_ERROR_IN_200)) {
        const struct remote_question q = {.method = k->method,
                                          .target = k->target,
                                          .has_name = k->name != NULL,
                                          .if_none_match = k->if_none_match,
                                          .flags = k->req.flags};
        struct gw_span body =
            k->req.on_body != NULL ? gw_buf_span(&k->err_body) : http_res_body(http);
        conf->type->read(conf->store, &q, http, body, &k->answer);
    }
    read_incurable(k);
    if (k->refused)
        snprintf(k->answer.text, sizeof k->answer.text,
                 "%s answered with something else than was asked for", conf->type->name);
}

static void answered(void *arg, const struct http_res *http)
{
    struct call *k = arg;
    k->step = NULL;
    read_answer(k, http);
    k->maybe_done |= k->answer.maybe_done;
    slot_learn(k->remote, k->answer.cure == REMOTE_CURE_SLOWER, k->req.log);
    if (k->answer.err == GW_OK) {
        k->twice = k->maybe_done || (http != NULL && http_res_repeated(http));
        k->maybe_done = false;
        finish(k, http);
        return;
    }
    bool again = k->answer.retry && may_retry(k);
    log_fault(k, http, again);
    if (again)
        back_off(k);
    else if (!cure(k))
        finish(k, http);
}

/* ---- an answer that is streamed ---- */

static bool on_head(void *arg, const struct http_res *res)
{
    struct call *k = arg;
    k->success = http_res_status(res) / 100 == 2;
    if (!k->success)
        return true;
    /* A reader that is paused by its client must not hold up the others' requests. */
    if (k->req.on_body != NULL)
        slot_give(k);
    if (k->req.on_head == NULL || k->req.on_head(k->arg, res))
        return true;
    k->refused = true;
    return false;
}

static bool on_body(void *arg, struct gw_span part)
{
    struct call *k = arg;
    if (k->success) {
        k->streamed = true;
        return k->req.on_body(k->arg, part);
    }
    size_t room = ERROR_BODY_MAX - k->err_body.len;
    gw_buf_put(&k->err_body, part.ptr, part.len < room ? part.len : room);
    return true;
}

static size_t on_send(void *arg, uint8_t *to, size_t cap)
{
    struct call *k = arg;
    size_t n = k->req.send(k->arg, to, cap);
    /* Nor must a writer that waits for its client. */
    if (n == HTTP_SEND_PAUSE)
        slot_give(k);
    return n;
}

/* ---- building and sending ---- */

void remote_lines_add(struct remote_lines *l, const char *line)
{
    if (l->n == REMOTE_LINES_MAX)
        l->full = true;
    else
        l->v[l->n++] = line;
}

void remote_lines_take(struct remote_lines *l, char *line)
{
    remote_lines_add(l, line);
    if (l->full)
        mem_free_secret_str(&line);
    else
        l->owned[l->nowned++] = line;
}

static void lines_free(struct remote_lines *l)
{
    for (size_t i = 0; i < l->nowned; i++)
        mem_free_secret_str(&l->owned[i]);
}

static enum gw_err build_lines(const struct call *k, struct remote_lines *lines)
{
    const struct remote_conf *conf = &k->remote->conf;
    const char *line = (const char *)k->headers.data;
    for (size_t i = 0; i < k->nheaders; i++, line += strlen(line) + 1)
        remote_lines_add(lines, line);
    enum gw_err err = k->req.broken;
    if (err == GW_OK && conf->type->sign != NULL)
        err = conf->type->sign(conf->store, k->method, k->target, lines);
    return err == GW_OK && lines->full ? GW_TOO_LARGE : err;
}

static void attempt(void *arg)
{
    struct call *k = arg;
    const struct remote_conf *conf = &k->remote->conf;
    k->step = NULL;
    struct remote_lines lines = {0};
    enum gw_err err = build_lines(k, &lines);
    if (err != GW_OK) {
        char text[FS_TEXT_MAX];
        snprintf(text, sizeof text, "the request to %s could not be made", conf->type->name);
        lines_free(&lines);
        finish_with(k, err, text);
        return;
    }
    if (k->attempts++ > 0 && k->req.rewind != NULL)
        k->req.rewind(k->arg);
    k->success = k->refused = false;
    gw_buf_reset(&k->err_body);
    char *url = mem_printf("%s%s", k->remote->base, k->target);
    uint64_t stall = conf->timeout_ms;
    struct http_req http = {.method = k->method,
                            .url = url,
                            .unix_socket = conf->unix_socket,
                            .headers = lines.v,
                            .nheaders = lines.n,
                            .body = k->body,
                            .nbody = k->nbody,
                            .send = k->req.send != NULL ? on_send : NULL,
                            .send_bytes = k->req.send_bytes,
                            .http2 = conf->http2,
                            .fresh = k->req.fresh,
                            .max_body = k->req.max_body != 0 ? k->req.max_body : REMOTE_ANSWER_MAX,
                            .on_head = on_head,
                            .on_body = k->req.on_body != NULL ? on_body : NULL,
                            .connect_timeout_ms = stall < 10000 ? stall : 10000,
                            .stall_ms = k->req.stall_ms != 0 ? k->req.stall_ms : stall};
    set_state(k, STATE_SENT);
    k->step = http_start(k->remote->http, &http, answered, k);
    mem_free(url);
    lines_free(&lines);
}

static void copy_headers(struct call *k, const struct remote_req *req)
{
    for (size_t i = 0; i < req->nheaders; i++) {
        const char *line = req->headers[i];
        assert(strchr(line, ':') != NULL);
        k->if_none_match |= strncasecmp(line, "if-none-match:", 14) == 0;
        gw_buf_put(&k->headers, line, strlen(line) + 1);
    }
    k->nheaders = req->nheaders;
    if (k->headers.failed != GW_OK || req->nheaders > REMOTE_LINES_MAX)
        k->req.broken = GW_TOO_LARGE;
}

struct op *remote_start(struct remote *r, const struct remote_req *req, remote_done_fn *done,
                        void *arg)
{
    struct call *k = mem_zalloc(sizeof *k);
    k->op.type = &call_type;
    k->remote = r;
    k->req = *req;
    k->done = done;
    k->arg = arg;
    k->method = mem_strdup(req->method);
    k->target = mem_strdup(req->target);
    k->name = mem_strdup(req->name);
    gw_buf_init(&k->err_body, ERROR_BODY_MAX);
    gw_buf_init(&k->headers, HEADERS_MAX);
    copy_headers(k, req);
    if (req->nbody > 0) {
        k->body = mem_array(req->nbody, sizeof *k->body);
        memcpy(k->body, req->body, req->nbody * sizeof *k->body);
        k->nbody = req->nbody;
    }
    enqueue(k);
    return &k->op;
}

void remote_resume(struct op *op)
{
    struct call *k = (struct call *)op;
    if (k->state == STATE_SENT)
        http_resume(k->step);
}

const char *remote_cause(const struct remote *r)
{
    return r->cause;
}

struct loop *remote_loop(const struct remote *r)
{
    return r->conf.loop;
}

struct fs_res remote_fs_res(const struct remote_res *res)
{
    return (struct fs_res){.err = res->err, .text = res->text};
}

void remote_end_task(struct fs_task *t, const struct remote_res *res)
{
    const struct fs_res out = remote_fs_res(res);
    fs_task_end(t, &out);
}

void remote_tidy(const char *from, char *to, size_t cap)
{
    size_t n = 0;
    for (; *from != '\0' && n + 1 < cap; from++)
        if (*from > ' ' && *from < 0x7f && *from != '"' && *from != ',' && *from != '<')
            to[n++] = *from;
    to[n] = '\0';
}

/* ---- the store ---- */

static enum gw_err client_new(struct remote *r, struct gw_errmsg *msg)
{
    const struct http_conf_tls *c = r->conf.tls;
    const struct http_tls tls = {.ca_file = c->ca_file,
                                 .cert_file = c->cert_file,
                                 .key_file = c->key_file,
                                 .server_name = c->server_name,
                                 .insecure = r->conf.insecure};
    bool any =
        c->ca_file != NULL || c->cert_file != NULL || c->key_file != NULL || c->server_name != NULL;
    struct gw_errmsg why;
    if (any && strncmp(r->base, "https://", 8) != 0)
        return gw_err_set(msg, GW_CONFIG, "tls: is for an https:// URL");
    if (http_tls_check(&tls, &why) != GW_OK)
        return gw_err_set(msg, GW_CONFIG, "tls.%.480s", why.text);
    return http_client_new(r->conf.loop, &tls, &r->http, msg);
}

enum gw_err remote_new(const struct remote_conf *conf, struct remote **out, struct gw_errmsg *msg)
{
    struct remote *r = mem_zalloc(sizeof *r);
    r->conf = *conf;
    r->base = mem_strdup(conf->base);
    r->slots = SLOTS_MAX;
    list_init(&r->waiting);
    enum gw_err err = GW_OK;
    if (conf->connections != NULL)
        r->http = conf->connections->http;
    else
        err = client_new(r, msg);
    if (err != GW_OK)
        remote_free(&r);
    *out = r;
    return err;
}

void remote_free(struct remote **rp)
{
    struct remote *r = *rp;
    *rp = NULL;
    if (r == NULL)
        return;
    assert(list_empty(&r->waiting) && r->running == 0);
    if (r->http != NULL && r->conf.connections == NULL)
        http_client_free(&r->http);
    mem_free(r->base);
    mem_free(r);
}
