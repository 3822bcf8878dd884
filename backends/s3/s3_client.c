#include "backends/s3/s3_client.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "backends/s3/s3.h"
#include "backends/s3/s3_answer.h"
#include "backends/s3/s3_creds.h"
#include "backends/s3/s3_endpoint.h"
#include "gateway/base/mem.h"
#include "gateway/base/percent.h"

#define OWN_HEADERS 5u /* that are signed: hash, host, date, token, and no content type */
#define TARGET_MAX  (128u << 10)
#define HASH_HEADER "x-amz-content-sha256"

struct s3_client {
    const struct s3_conf *conf;
    struct s3_endpoint endpoint;
    struct remote *remote;
    struct s3_creds *creds;
    int64_t skew_s; /* the server's clock minus ours */
};

int64_t s3_client_now_s(const struct s3_client *c)
{
    return (int64_t)time(NULL) + c->skew_s;
}

/* ---- what every attempt needs ---- */

static void add(struct remote_lines *lines, const char *name, const char *value)
{
    remote_lines_take(lines, mem_printf("%s: %s", name, value));
}

/* The lines as the signature takes them; the names are the caller's to free. */
static size_t split(const struct remote_lines *lines,
                    struct s3_sign_header headers[S3_SIGN_HEADERS_MAX],
                    char *names[S3_SIGN_HEADERS_MAX])
{
    size_t n = 0;
    for (; n < lines->n && n < S3_SIGN_HEADERS_MAX; n++) {
        const char *colon = strchr(lines->v[n], ':');
        names[n] = mem_strndup(lines->v[n], (size_t)(colon - lines->v[n]));
        headers[n] = (struct s3_sign_header){names[n], colon + 1 + strspn(colon + 1, " ")};
    }
    return n;
}

static enum gw_err sign(void *store, const char *method, const char *target,
                        struct remote_lines *lines)
{
    struct s3_client *c = store;
    const struct s3_sign_key key = s3_creds_key(c->creds);
    char date[S3_SIGN_TIME_MAX];
    int64_t now = s3_client_now_s(c);
    if (!s3_sign_time(now, date))
        return GW_INTERNAL;
    add(lines, "Host", c->endpoint.host);
    add(lines, "x-amz-date", date);
    if (key.session_token != NULL)
        add(lines, "x-amz-security-token", key.session_token);
    struct s3_sign_header headers[S3_SIGN_HEADERS_MAX];
    char *names[S3_SIGN_HEADERS_MAX];
    size_t n = split(lines, headers, names);
    const char *hash = "";
    bool has_type = false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(headers[i].name, HASH_HEADER) == 0)
            hash = headers[i].value;
        has_type |= strcasecmp(headers[i].name, "content-type") == 0;
    }
    size_t path_len = strcspn(target, "?");
    char *path = mem_strndup(target, path_len);
    struct s3_sign_req req = {.method = method,
                              .path = path,
                              .query = target[path_len] == '?' ? target + path_len + 1 : "",
                              .headers = headers,
                              .nheaders = n,
                              .payload_hash = hash,
                              .region = c->conf->region,
                              .service = "s3",
                              .time_s = now};
    struct gw_buf auth;
    gw_buf_init(&auth, 16384);
    gw_buf_put_text(&auth, "Authorization: ");
    enum gw_err err = s3_sign_authorization(&key, &req, &auth);
    if (err == GW_OK)
        remote_lines_take(lines, mem_strdup(gw_buf_cstr(&auth)));
    /* libcurl's own type for a POST would become that of the object. */
    if (!has_type)
        remote_lines_add(lines, "Content-Type:");
    gw_buf_free_secret(&auth);
    mem_free(path);
    for (size_t i = 0; i < n; i++)
        mem_free(names[i]);
    return err;
}

static void read_answer(void *store, const struct remote_question *q, const struct http_res *res,
                        struct gw_span body, struct remote_answer *out)
{
    const struct s3_answer_ctx ctx = {.has_key = q->has_name,
                                      .if_none_match = q->if_none_match,
                                      .error_in_200 = q->flags & REMOTE_ERROR_IN_200,
                                      .now_s = s3_client_now_s(store)};
    s3_answer_read(&ctx, res, body, out);
}

static void set_clock(void *store, int64_t server_time_s)
{
    struct s3_client *c = store;
    c->skew_s = server_time_s - (int64_t)time(NULL);
}

static struct op *refresh(void *store, void (*done)(void *arg, bool changed), void *arg)
{
    struct s3_client *c = store;
    return s3_creds_refresh(c->creds, done, arg);
}

static const struct remote_type s3_remote = {
    .name = "S3",
    .events = {.retry = "s3_retry",
               .error = "s3_error",
               .slow_down = "s3_slow_down",
               .clock = "s3_clock"},
    .sign = sign,
    .read = read_answer,
    .set_clock = set_clock,
    .refresh = refresh,
};

/* ---- a request ---- */

static bool payload_hash(const struct s3_client *c, const struct s3_req *req,
                         char hash[S3_SIGN_HASH_MAX])
{
    int mode = c->conf->payload_signing;
    bool sign_it = mode == S3_PAYLOAD_ALWAYS || (mode == S3_PAYLOAD_AUTO && !c->endpoint.tls);
    /* Nothing to protect costs nothing to sign; a stream cannot be known before it is sent. */
    if ((!sign_it && req->nbody > 0) || req->send != NULL) {
        snprintf(hash, S3_SIGN_HASH_MAX, "%s", S3_SIGN_UNSIGNED);
        return true;
    }
    if (req->body_sha256 != NULL) {
        snprintf(hash, S3_SIGN_HASH_MAX, "%s", req->body_sha256);
        return true;
    }
    return s3_sign_hash(req->body, req->nbody, hash);
}

/* The encoded path and query, as they are both signed and sent. */
static void put_target(const struct s3_client *c, const struct s3_req *req, struct gw_buf *out)
{
    gw_buf_put_text(out, c->endpoint.base);
    if (req->key != NULL) {
        gw_buf_put_u8(out, '/');
        percent_encode(gw_span_str(req->key), true, out);
    } else if (out->len == 0) {
        gw_buf_put_u8(out, '/');
    }
    if (req->nquery > 0) {
        gw_buf_put_u8(out, '?');
        s3_sign_query(req->query, req->nquery, out);
    }
}

struct op *s3_client_start(struct s3_client *c, const struct s3_req *req, remote_done_fn *done,
                           void *arg)
{
    const char *headers[S3_SIGN_HEADERS_MAX];
    char hash[S3_SIGN_HASH_MAX];
    char hash_line[sizeof HASH_HEADER + 2 + S3_SIGN_HASH_MAX];
    struct gw_buf target;
    gw_buf_init(&target, TARGET_MAX);
    put_target(c, req, &target);
    struct remote_req out = {.method = req->method,
                             .target = gw_buf_cstr(&target),
                             .name = req->key,
                             .headers = headers,
                             .body = req->body,
                             .nbody = req->nbody,
                             .send = req->send,
                             .rewind = req->rewind,
                             .send_bytes = req->send_bytes,
                             .on_head = req->on_head,
                             .on_body = req->on_body,
                             .max_body = req->max_body,
                             .stall_ms = req->stall_ms,
                             .flags = req->flags,
                             .log = req->log,
                             .broken = target.failed};
    if (!payload_hash(c, req, hash))
        out.broken = GW_INTERNAL;
    snprintf(hash_line, sizeof hash_line, "%s: %s", HASH_HEADER, hash);
    headers[out.nheaders++] = hash_line;
    if (req->nheaders > S3_SIGN_HEADERS_MAX - OWN_HEADERS)
        out.broken = GW_TOO_LARGE;
    for (size_t i = 0; i < req->nheaders && out.broken == GW_OK; i++)
        headers[out.nheaders++] = req->headers[i];
    struct op *op = remote_start(c->remote, &out, done, arg);
    gw_buf_free(&target);
    return op;
}

void s3_client_copy_source(const struct s3_client *c, const char *key, struct gw_buf *out)
{
    gw_buf_put_u8(out, '/');
    percent_encode(gw_span_str(c->conf->bucket), false, out);
    gw_buf_put_u8(out, '/');
    percent_encode(gw_span_str(key), true, out);
}

char *s3_client_name(const struct s3_client *c, const char *key)
{
    return mem_printf("%s://%s%s/%s", c->endpoint.tls ? "https" : "http", c->endpoint.host,
                      c->endpoint.base, key);
}

const struct s3_conf *s3_client_conf(const struct s3_client *c)
{
    return c->conf;
}

struct loop *s3_client_loop(const struct s3_client *c)
{
    return remote_loop(c->remote);
}

/* ---- the client ---- */

/* c has its conf and credentials. connections: of another client to use; NULL = its own. */
static enum gw_err connect_to(struct s3_client *c, struct loop *l, struct remote *connections,
                              struct gw_errmsg *msg)
{
    const struct s3_conf *conf = c->conf;
    enum gw_err err = s3_endpoint_init(&c->endpoint, conf, msg);
    if (err != GW_OK)
        return err;
    char *base = mem_printf("%s://%s", c->endpoint.tls ? "https" : "http", c->endpoint.host);
    const struct remote_conf remote = {.loop = l,
                                       .type = &s3_remote,
                                       .store = c,
                                       .base = base,
                                       .connections = connections,
                                       .tls = &conf->tls.common,
                                       .insecure = conf->tls.insecure,
                                       .max_retries = conf->max_retries,
                                       .timeout_ms = (uint64_t)conf->request_timeout_s * 1000,
                                       .log_key = "bucket",
                                       .log_value = conf->bucket};
    err = remote_new(&remote, &c->remote, msg);
    mem_free(base);
    return err;
}

enum gw_err s3_client_new(struct loop *l, const struct s3_conf *conf, struct s3_client **out,
                          struct gw_errmsg *msg)
{
    struct s3_client *c = mem_zalloc(sizeof *c);
    c->conf = conf;
    enum gw_err err = s3_creds_new(l, conf, &c->creds, msg);
    if (err == GW_OK)
        err = connect_to(c, l, NULL, msg);
    if (err != GW_OK)
        s3_client_free(&c);
    *out = c;
    return err;
}

enum gw_err s3_client_twin(struct s3_client *other, const struct s3_conf_credentials *given,
                           struct s3_client **out, struct gw_errmsg *msg)
{
    struct loop *l = s3_client_loop(other);
    struct s3_client *c = mem_zalloc(sizeof *c);
    c->conf = other->conf;
    c->skew_s = other->skew_s;
    c->creds = s3_creds_given(l, given);
    enum gw_err err = connect_to(c, l, other->remote, msg);
    if (err != GW_OK)
        s3_client_free(&c);
    *out = c;
    return err;
}

bool s3_client_has_credentials(const struct s3_client *c, const struct s3_conf_credentials *given)
{
    return s3_creds_are(c->creds, given);
}

void s3_client_free(struct s3_client **cp)
{
    struct s3_client *c = *cp;
    *cp = NULL;
    if (c == NULL)
        return;
    remote_free(&c->remote);
    s3_creds_free(&c->creds);
    s3_endpoint_free(&c->endpoint);
    mem_free(c);
}
