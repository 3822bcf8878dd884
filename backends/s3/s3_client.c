#include "backends/s3/s3_client.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "backends/s3/s3.h"
#include "backends/s3/s3_answer.h"
#include "backends/s3/s3_creds.h"
#include "backends/s3/s3_endpoint.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"

/* Requests at once of one store and loop; SlowDown lowers it for a while. */
#define SLOTS_MAX      512u
#define SLOTS_MIN      8u
#define BACKOFF_MS     100u
#define BACKOFF_MAX_MS 10000u
#define ERROR_BODY_MAX (64u << 10)
#define OWN_HEADERS    4u /* that are signed: host, date, hash, token */
#define EXTRA_HEADERS  2u /* that are not: authorization, no content type */
#define HEADERS_MAX    (256u << 10)
#define URL_MAX        (128u << 10)

struct s3_client {
    struct loop *loop;
    const struct s3_conf *conf;
    struct s3_endpoint endpoint;
    struct http_client *http;
    struct s3_creds *creds;
    int64_t skew_s; /* the server's clock minus ours */
    unsigned slots; /* how many requests may run now */
    unsigned running;
    unsigned good; /* successes since `slots` last changed */
    struct list waiting;
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
    struct s3_client *client;
    struct list node; /* in client->waiting */
    enum state state;
    bool has_slot;
    struct op *step; /* what the state waits for */

    char *method, *key, *path, *query;
    char body_sha256[S3_SIGN_HASH_MAX]; /* "" = not known beforehand */
    struct gw_buf headers;              /* "name: value" NUL ... */
    size_t nheaders;
    struct gw_span *body;
    size_t nbody;
    struct s3_req req; /* its callbacks, bounds and flags; the pointers to the caller's data are
                          not used */
    s3_done_fn *done;
    void *arg;

    unsigned attempts;
    uint64_t first_fault_ms; /* 0 = none yet */
    enum gw_err broken;      /* it cannot be sent at all */
    bool clock_cured, creds_cured, maybe_done, if_none_match, has_type;
    bool streamed;          /* on_body had a byte */
    bool refused;           /* on_head stopped it */
    bool success;           /* this attempt's status */
    struct gw_buf err_body; /* with on_body: the body of an error */
    struct s3_answer answer;
};

static void pump(struct s3_client *c);
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

int64_t s3_client_now_s(const struct s3_client *c)
{
    return (int64_t)time(NULL) + c->skew_s;
}

/* ---- slots ---- */

static void slot_give(struct call *k)
{
    if (!k->has_slot)
        return;
    k->has_slot = false;
    k->client->running--;
    pump(k->client);
}

/* Half as many after a SlowDown, one more after as many successes as there are slots. */
static void slot_learn(struct s3_client *c, bool slow, const struct log_ctx *log)
{
    if (slow) {
        unsigned half = (c->running < c->slots ? c->running : c->slots) / 2;
        unsigned next = half < SLOTS_MIN ? SLOTS_MIN : half;
        if (next < c->slots)
            LOG_EVENT(LOG_LVL_WARN, log, "s3_slow_down", log_str("bucket", c->conf->bucket),
                      log_u64("requests_at_once", next));
        c->slots = next < c->slots ? next : c->slots;
        c->good = 0;
    } else if (c->slots < SLOTS_MAX && ++c->good >= c->slots) {
        c->slots++;
        c->good = 0;
    }
}

static void pump(struct s3_client *c)
{
    while (c->running < c->slots && !list_empty(&c->waiting)) {
        struct call *k = LIST_ENTRY(list_first(&c->waiting), struct call, node);
        list_remove(&k->node);
        k->has_slot = true;
        c->running++;
        set_state(k, STATE_STARTING);
        k->step = loop_defer(c->loop, attempt, k);
    }
}

static void enqueue(struct call *k)
{
    list_push(&k->client->waiting, &k->node);
    pump(k->client);
}

/* ---- the end of a call ---- */

static void call_free(struct call *k)
{
    gw_buf_free_secret(&k->headers);
    gw_buf_free(&k->err_body);
    mem_free(k->method);
    mem_free(k->key);
    mem_free(k->path);
    mem_free(k->query);
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

static const struct op_type call_type = {"s3", call_cancel};

static void finish(struct call *k, const struct http_res *http)
{
    const struct s3_answer *a = &k->answer;
    struct s3_res res = {.err = a->err,
                         .text = a->text[0] != '\0' ? a->text : NULL,
                         .code = a->code,
                         .maybe_done = k->maybe_done};
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

static uint64_t jitter(uint64_t below)
{
    uint32_t r = 0;
    if (RAND_bytes((unsigned char *)&r, (int)sizeof r) != 1)
        r = (uint32_t)below;
    return r % (below + 1);
}

static bool may_retry(struct call *k)
{
    const struct s3_conf *conf = k->client->conf;
    uint64_t now = loop_now_ms(k->client->loop);
    if (k->first_fault_ms == 0)
        k->first_fault_ms = now > 0 ? now : 1;
    if ((k->req.flags & S3_REQ_NO_RETRY) || k->streamed || k->refused ||
        (k->req.send != NULL && k->req.rewind == NULL))
        return false;
    return k->attempts <= conf->max_retries &&
           now - k->first_fault_ms < (uint64_t)conf->request_timeout_s * 1000;
}

static void back_off_over(void *arg)
{
    struct call *k = arg;
    k->step = NULL;
    set_state(k, STATE_WAITING);
    enqueue(k);
}

/* Full jitter: anything from 0 to the doubled bound, so that clients do not come back in step. */
static void back_off(struct call *k)
{
    uint64_t bound = BACKOFF_MAX_MS;
    if (k->attempts < 8 && BACKOFF_MS << k->attempts < bound)
        bound = BACKOFF_MS << k->attempts;
    set_state(k, STATE_BACKOFF);
    slot_give(k);
    k->step = deadline_start(k->client->loop, jitter(bound), back_off_over, k);
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

/* True: another attempt is on its way. */
static bool cure(struct call *k)
{
    struct s3_client *c = k->client;
    const struct s3_answer *a = &k->answer;
    bool repeatable = !(k->req.send != NULL && k->req.rewind == NULL);
    if (a->cure == S3_CURE_CLOCK && !k->clock_cured && repeatable) {
        int64_t skew = a->server_time_s - (int64_t)time(NULL);
        LOG_EVENT(LOG_LVL_WARN, k->req.log, "s3_clock", log_str("bucket", c->conf->bucket),
                  log_i64("off_by_s", -skew),
                  log_str("msg", "this machine's clock differs from the server's"));
        k->clock_cured = true;
        c->skew_s = skew;
        slot_give(k);
        set_state(k, STATE_WAITING);
        enqueue(k);
        return true;
    }
    if (a->cure == S3_CURE_CREDENTIALS && !k->creds_cured && repeatable) {
        k->creds_cured = true;
        set_state(k, STATE_REFRESHING);
        slot_give(k);
        k->step = s3_creds_refresh(c->creds, refreshed, k);
        return true;
    }
    return false;
}

static void log_fault(const struct call *k, const struct http_res *http, bool again)
{
    const struct s3_answer *a = &k->answer;
    /* What a client asks about and is not there is no fault. */
    if (a->err == GW_NOT_FOUND || a->err == GW_EXISTS || a->err == GW_EOF ||
        strcmp(a->code, "NoSuchUpload") == 0)
        return;
    LOG_EVENT(again ? LOG_LVL_INFO : LOG_LVL_WARN, k->req.log, again ? "s3_retry" : "s3_error",
              log_str("bucket", k->client->conf->bucket), log_str("method", k->method),
              log_str("key", k->key), log_str("text", a->text),
              log_str("cause", http_res_err(http) != GW_OK ? http_res_errtext(http) : NULL),
              log_u64("attempt", k->attempts));
}

static void answered(void *arg, const struct http_res *http)
{
    struct call *k = arg;
    k->step = NULL;
    const struct s3_answer_ctx ctx = {.has_key = k->key != NULL,
                                      .if_none_match = k->if_none_match,
                                      .error_in_200 = k->req.flags & S3_REQ_ERROR_IN_200,
                                      .now_s = s3_client_now_s(k->client)};
    struct gw_span body = k->req.on_body != NULL ? gw_buf_span(&k->err_body) : http_res_body(http);
    s3_answer_read(&ctx, http, body, &k->answer);
    if (k->refused)
        snprintf(k->answer.text, sizeof k->answer.text, "%s",
                 "S3 answered with something else than was asked for");
    k->maybe_done |= k->answer.maybe_done;
    slot_learn(k->client, k->answer.cure == S3_CURE_SLOWER, k->req.log);
    if (k->answer.err == GW_OK) {
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
    return k->req.send(k->arg, to, cap);
}

/* ---- building and sending ---- */

static bool payload_hash(const struct call *k, char hash[S3_SIGN_HASH_MAX])
{
    const struct s3_client *c = k->client;
    int mode = c->conf->payload_signing;
    bool sign = mode == S3_PAYLOAD_ALWAYS || (mode == S3_PAYLOAD_AUTO && !c->endpoint.tls);
    /* Nothing to protect costs nothing to sign; a stream cannot be known before it is sent. */
    if ((!sign && k->nbody > 0) || k->req.send != NULL) {
        snprintf(hash, S3_SIGN_HASH_MAX, "%s", S3_SIGN_UNSIGNED);
        return true;
    }
    if (k->body_sha256[0] != '\0') {
        memcpy(hash, k->body_sha256, S3_SIGN_HASH_MAX);
        return true;
    }
    return s3_sign_hash(k->body, k->nbody, hash);
}

/* Everything that one attempt sends; owned until http_start() has copied it. */
struct outgoing {
    struct s3_sign_header signed_headers[S3_SIGN_HEADERS_MAX];
    const char *lines[S3_SIGN_HEADERS_MAX + EXTRA_HEADERS];
    char *owned[S3_SIGN_HEADERS_MAX + EXTRA_HEADERS]; /* what lines and headers point to */
    size_t nsigned, nlines, nowned;
};

static char *own(struct outgoing *o, char *s)
{
    o->owned[o->nowned++] = s;
    return s;
}

static void add(struct outgoing *o, const char *name, const char *value)
{
    o->signed_headers[o->nsigned++] = (struct s3_sign_header){name, value};
    o->lines[o->nlines++] = own(o, mem_printf("%s: %s", name, value));
}

static void outgoing_free(struct outgoing *o)
{
    for (size_t i = 0; i < o->nowned; i++)
        mem_free_secret_str(&o->owned[i]);
}

static enum gw_err sign(struct call *k, struct outgoing *o)
{
    const struct s3_client *c = k->client;
    const struct s3_sign_key key = s3_creds_key(c->creds);
    char date[S3_SIGN_TIME_MAX];
    char hash[S3_SIGN_HASH_MAX];
    int64_t now = s3_client_now_s(c);
    if (!s3_sign_time(now, date) || !payload_hash(k, hash))
        return GW_INTERNAL;
    add(o, "Host", c->endpoint.host);
    add(o, "x-amz-date", date);
    add(o, "x-amz-content-sha256", hash);
    if (key.session_token != NULL)
        add(o, "x-amz-security-token", key.session_token);
    const char *line = (const char *)k->headers.data;
    for (size_t i = 0; i < k->nheaders; i++, line += strlen(line) + 1) {
        const char *colon = strchr(line, ':');
        char *name = own(o, mem_strndup(line, (size_t)(colon - line)));
        o->signed_headers[o->nsigned++] = (struct s3_sign_header){name, colon + 1};
        o->lines[o->nlines++] = line;
    }
    struct s3_sign_req req = {.method = k->method,
                              .path = k->path,
                              .query = k->query,
                              .headers = o->signed_headers,
                              .nheaders = o->nsigned,
                              .payload_hash = hash,
                              .region = c->conf->region,
                              .service = "s3",
                              .time_s = now};
    struct gw_buf auth;
    gw_buf_init(&auth, 16384);
    gw_buf_put_text(&auth, "Authorization: ");
    enum gw_err err = s3_sign_authorization(&key, &req, &auth);
    if (err == GW_OK)
        o->lines[o->nlines++] = own(o, mem_strdup(gw_buf_cstr(&auth)));
    /* libcurl's own type for a POST would become that of the object. */
    if (!k->has_type)
        o->lines[o->nlines++] = "Content-Type:";
    gw_buf_free_secret(&auth);
    return err;
}

static void attempt(void *arg)
{
    struct call *k = arg;
    const struct s3_client *c = k->client;
    k->step = NULL;
    struct outgoing o = {0};
    enum gw_err err = k->broken != GW_OK ? k->broken : sign(k, &o);
    if (err != GW_OK) {
        outgoing_free(&o);
        finish_with(k, err, "the request to S3 could not be made");
        return;
    }
    if (k->attempts++ > 0 && k->req.rewind != NULL)
        k->req.rewind(k->arg);
    k->success = k->refused = false;
    gw_buf_reset(&k->err_body);
    char *url = mem_printf("%s://%s%s%s%s", c->endpoint.tls ? "https" : "http", c->endpoint.host,
                           k->path, *k->query != '\0' ? "?" : "", k->query);
    uint64_t stall = (uint64_t)c->conf->request_timeout_s * 1000;
    struct http_req http = {.method = k->method,
                            .url = url,
                            .headers = o.lines,
                            .nheaders = o.nlines,
                            .body = k->body,
                            .nbody = k->nbody,
                            .send = k->req.send != NULL ? on_send : NULL,
                            .send_bytes = k->req.send_bytes,
                            .max_body = k->req.max_body != 0 ? k->req.max_body : S3_ANSWER_MAX,
                            .on_head = on_head,
                            .on_body = k->req.on_body != NULL ? on_body : NULL,
                            .connect_timeout_ms = stall < 10000 ? stall : 10000,
                            .stall_ms = k->req.stall_ms != 0 ? k->req.stall_ms : stall};
    set_state(k, STATE_SENT);
    k->step = http_start(c->http, &http, answered, k);
    mem_free(url);
    outgoing_free(&o);
}

/* The encoded path and query, as they are both signed and sent. */
static void build_url(struct call *k, const struct s3_req *req)
{
    const struct s3_client *c = k->client;
    struct gw_buf text;
    gw_buf_init(&text, URL_MAX);
    gw_buf_put_text(&text, c->endpoint.base);
    if (req->key != NULL) {
        gw_buf_put_u8(&text, '/');
        s3_sign_encode(gw_span_str(req->key), true, &text);
    } else if (text.len == 0) {
        gw_buf_put_u8(&text, '/');
    }
    k->path = mem_strdup(gw_buf_cstr(&text));
    k->broken = text.failed;
    gw_buf_reset(&text);
    s3_sign_query(req->query, req->nquery, &text);
    k->query = mem_strdup(gw_buf_cstr(&text));
    if (text.failed != GW_OK)
        k->broken = text.failed;
    gw_buf_free(&text);
}

static void copy_headers(struct call *k, const struct s3_req *req)
{
    if (req->nheaders > S3_SIGN_HEADERS_MAX - OWN_HEADERS) {
        k->broken = GW_TOO_LARGE;
        return;
    }
    for (size_t i = 0; i < req->nheaders; i++) {
        const char *line = req->headers[i];
        assert(strchr(line, ':') != NULL);
        k->if_none_match |= strncasecmp(line, "if-none-match:", 14) == 0;
        k->has_type |= strncasecmp(line, "content-type:", 13) == 0;
        gw_buf_put(&k->headers, line, strlen(line) + 1);
    }
    k->nheaders = req->nheaders;
    if (k->headers.failed != GW_OK)
        k->broken = k->headers.failed;
}

struct op *s3_client_start(struct s3_client *c, const struct s3_req *req, s3_done_fn *done,
                           void *arg)
{
    struct call *k = mem_zalloc(sizeof *k);
    k->op.type = &call_type;
    k->client = c;
    k->req = *req;
    k->done = done;
    k->arg = arg;
    k->method = mem_strdup(req->method);
    k->key = mem_strdup(req->key);
    gw_buf_init(&k->err_body, ERROR_BODY_MAX);
    gw_buf_init(&k->headers, HEADERS_MAX);
    build_url(k, req);
    copy_headers(k, req);
    if (req->body_sha256 != NULL)
        snprintf(k->body_sha256, sizeof k->body_sha256, "%s", req->body_sha256);
    if (req->nbody > 0) {
        k->body = mem_array(req->nbody, sizeof *k->body);
        memcpy(k->body, req->body, req->nbody * sizeof *k->body);
        k->nbody = req->nbody;
    }
    enqueue(k);
    return &k->op;
}

void s3_client_resume(struct op *op)
{
    struct call *k = (struct call *)op;
    if (k->state == STATE_SENT)
        http_resume(k->step);
}

void s3_client_copy_source(const struct s3_client *c, const char *key, struct gw_buf *out)
{
    gw_buf_put_u8(out, '/');
    s3_sign_encode(gw_span_str(c->conf->bucket), false, out);
    gw_buf_put_u8(out, '/');
    s3_sign_encode(gw_span_str(key), true, out);
}

const struct s3_conf *s3_client_conf(const struct s3_client *c)
{
    return c->conf;
}

struct loop *s3_client_loop(const struct s3_client *c)
{
    return c->loop;
}

struct fs_res s3_client_fs_res(const struct s3_res *res)
{
    return (struct fs_res){.err = res->err, .text = res->text};
}

/* ---- the client ---- */

enum gw_err s3_client_new(struct loop *l, const struct s3_conf *conf, struct s3_client **out,
                          struct gw_errmsg *msg)
{
    struct s3_client *c = mem_zalloc(sizeof *c);
    c->loop = l;
    c->conf = conf;
    c->slots = SLOTS_MAX;
    list_init(&c->waiting);
    const struct http_tls tls = {.ca_file = conf->tls.ca_file,
                                 .cert_file = conf->tls.cert_file,
                                 .key_file = conf->tls.key_file,
                                 .insecure = conf->tls.insecure};
    enum gw_err err = s3_endpoint_init(&c->endpoint, conf, msg);
    if (err == GW_OK)
        err = s3_creds_new(l, conf, &c->creds, msg);
    if (err == GW_OK)
        err = http_client_new(l, &tls, &c->http, msg);
    if (err != GW_OK)
        s3_client_free(&c);
    *out = c;
    return err;
}

void s3_client_free(struct s3_client **cp)
{
    struct s3_client *c = *cp;
    *cp = NULL;
    if (c == NULL)
        return;
    assert(list_empty(&c->waiting) && c->running == 0);
    if (c->http != NULL)
        http_client_free(&c->http);
    s3_creds_free(&c->creds);
    s3_endpoint_free(&c->endpoint);
    mem_free(c);
}
