#include "auth/verifier_http.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auth/dialect.h"
#include "auth/guard.h"
#include "auth/http_sign.h"
#include "config/http_conf.h"
#include "gateway/base/mem.h"
#include "gateway/io/http.h"
#include "gateway/io/http_tls.h"
#include "gateway/io/http_url.h"

struct conf {
    struct verifier_common common;
    struct dialect_conf dialect;
    char *url;
    struct opt_map headers;
    struct http_conf_auth auth;
    char *hmac;
    struct http_conf_tls tls;
};

struct http {
    struct verifier v;
    struct loop *loop;
    const struct conf *conf; /* the settings' */
    struct http_client *client;
    struct dialect *dialect;
    char **lines; /* headers of every request */
    size_t nlines;
};

struct check {
    struct op op;
    struct http *v;
    const struct auth_req *req; /* NULL = a probe */
    struct dialect_ask ask;
    struct dialect_verdict verdict;
    struct op *call;  /* the request */
    struct op *turn;  /* or an answer that needed none */
    unsigned nprobed; /* URLs that a probe has asked */
    auth_done_fn *done;
    void *arg;
};

static void check_free(struct check *c)
{
    op_cancel(&c->call);
    op_cancel(&c->turn);
    dialect_verdict_free(&c->verdict);
    dialect_ask_free(&c->ask);
    mem_free(c);
}

static void cancel(struct op *op)
{
    check_free((struct check *)op);
}

static const struct op_type check_type = {"verifier_http", cancel};

static void finish(struct check *c, struct auth_res *res)
{
    c->done(c->arg, res); /* may end everything but c */
    check_free(c);
}

static void fault(struct check *c, bool down, const char *why)
{
    struct auth_res res = {.verdict = AUTH_FAULT, .down = down, .why = why};
    finish(c, &res);
}

static bool is_redirect(unsigned status)
{
    return status >= 300 && status < 400;
}

/* What proxies say in place of a server that is not there, and servers that have too much to do.
 * 500 is none of them: it may be one user's. */
static bool is_down(unsigned status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* True: an answer came, whatever it says. */
static bool arrived(struct check *c, const struct http_res *res)
{
    struct gw_errmsg why;
    enum gw_err err = http_res_err(res);
    unsigned status = http_res_status(res);
    if (err == GW_OK && !is_redirect(status))
        return true;
    if (err == GW_OK)
        gw_err_set(&why, err,
                   "HTTP status %u, a redirect, which is not followed: `url` must be the address "
                   "that it leads to",
                   status);
    else if (err == GW_TOO_LARGE)
        gw_err_set(&why, err, "an answer of more than %u bytes", DIALECT_ANSWER_MAX_BYTES);
    else
        gw_err_set(&why, err, "%s", http_res_errtext(res));
    fault(c, err != GW_OK && err != GW_TOO_LARGE, why.text);
    return false;
}

static void ask(struct check *c);

static void answered(void *arg, const struct http_res *http)
{
    struct check *c = arg;
    c->call = NULL;
    if (!arrived(c, http))
        return;
    const struct dialect_got got = {.status = http_res_status(http), .body = http_res_body(http)};
    dialect_verdict_free(&c->verdict);
    dialect_answer(c->v->dialect, c->req, &c->ask, &got, &c->verdict);
    if (c->verdict.more) {
        ask(c);
        return;
    }
    struct auth_res res = dialect_res(&c->verdict);
    res.down = res.verdict == AUTH_FAULT && is_down(got.status);
    finish(c, &res);
}

/* Without a question: what the dialect says by itself. */
static void answer_unasked(void *arg)
{
    struct check *c = arg;
    c->turn = NULL;
    struct auth_res res = dialect_res(&c->verdict);
    finish(c, &res);
}

static void say_fault(struct check *c, const char *why)
{
    dialect_verdict_free(&c->verdict);
    c->verdict.verdict = AUTH_FAULT;
    gw_err_set(&c->verdict.why, GW_CONFIG, "%s", why);
    c->turn = loop_defer(c->v->loop, answer_unasked, c);
}

/* Starts the request of c->ask. sign: NULL = none. */
static void start(struct check *c, const struct http_url *url, const struct http_sign *sign,
                  http_done_fn *done)
{
    struct http *v = c->v;
    size_t n = 0;
    const char **lines = mem_array(v->nlines + c->ask.nheaders + 2, sizeof *lines);
    for (size_t i = 0; i < v->nlines; i++)
        lines[n++] = v->lines[i];
    for (size_t i = 0; i < c->ask.nheaders; i++)
        lines[n++] = c->ask.headers[i];
    if (sign != NULL) {
        lines[n++] = sign->timestamp;
        lines[n++] = sign->signature;
    }
    const struct gw_span body = gw_buf_span(&c->ask.body);
    const struct http_req req = {
        .method = c->ask.method,
        .url = url->url,
        .unix_socket = url->unix_socket,
        .headers = lines,
        .nheaders = n,
        .body = &body,
        .nbody = body.len > 0,
        .max_body = DIALECT_ANSWER_MAX_BYTES,
        .connect_timeout_ms = v->conf->common.timeout_ms,
    };
    c->call = http_start(v->client, &req, done, c);
    mem_free(lines);
}

static int64_t now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec;
}

static const char *target(const struct check *c)
{
    const struct conf *conf = c->v->conf;
    if (c->ask.url != NULL)
        return c->ask.url;
    return c->ask.target == DIALECT_TARGET_DIALOG ? conf->dialect.keyboard_interactive_url
                                                  : conf->url;
}

static void ask(struct check *c)
{
    const char *hmac = c->v->conf->hmac;
    struct http_url url;
    struct http_sign sign;
    dialect_verdict_free(&c->verdict);
    if (!dialect_ask(c->v->dialect, c->req, &c->ask, &c->verdict)) {
        c->turn = loop_defer(c->v->loop, answer_unasked, c);
        return;
    }
    if (http_url_parse(target(c), &url, NULL) != GW_OK)
        say_fault(c, "the URL of this request cannot be one");
    else if (hmac != NULL && http_sign(hmac, now_s(), gw_buf_span(&c->ask.body), url.path, &sign))
        say_fault(c, "the request cannot be signed");
    else
        start(c, &url, hmac == NULL ? NULL : &sign, answered);
    http_url_free(&url);
}

static struct check *check_new(struct verifier *vp, auth_done_fn *done, void *arg)
{
    struct check *c = mem_zalloc(sizeof *c);
    c->op.type = &check_type;
    c->v = (struct http *)vp;
    c->done = done;
    c->arg = arg;
    return c;
}

static struct op *verify(struct verifier *vp, const struct auth_req *req, auth_done_fn *done,
                         void *arg)
{
    struct check *c = check_new(vp, done, arg);
    c->req = req;
    ask(c);
    return &c->op;
}

/* Whose servers are asked: what of each URL of the logins stands before a query or a variable. */
static bool probe_url(const struct conf *conf, unsigned i, struct http_url *url)
{
    const struct dialect_conf *d = &conf->dialect;
    const char *const texts[] = {d->request.url != NULL ? d->request.url : conf->url,
                                 d->keyboard_interactive_url};
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        if (texts[k] == NULL || i-- > 0)
            continue;
        char *fixed = mem_strndup(texts[k], strcspn(texts[k], "?$"));
        bool ok = http_url_parse(fixed, url, NULL) == GW_OK;
        mem_free(fixed);
        return ok;
    }
    return false;
}

static void probed(void *arg, const struct http_res *http);

/* Any answer says that the server is there and that TLS holds. By OPTIONS and without a body, for
 * it must not look like a login that failed. False: there is no further URL. */
static bool probe_next(struct check *c)
{
    struct http_url url;
    if (!probe_url(c->v->conf, c->nprobed, &url))
        return false;
    c->nprobed++;
    c->ask.method = "OPTIONS";
    start(c, &url, NULL, probed);
    http_url_free(&url);
    return true;
}

static void probed(void *arg, const struct http_res *http)
{
    struct check *c = arg;
    char why[32];
    c->call = NULL;
    if (!arrived(c, http))
        return;
    unsigned status = http_res_status(http);
    snprintf(why, sizeof why, "HTTP status %u", status);
    struct auth_res res = {.verdict = AUTH_ACCEPT};
    if (is_down(status))
        fault(c, true, why);
    else if (!probe_next(c))
        finish(c, &res);
}

static void probe_unasked(void *arg)
{
    struct check *c = arg;
    struct auth_res res = {.verdict = AUTH_ACCEPT};
    c->turn = NULL;
    finish(c, &res);
}

static struct op *probe(struct verifier *vp, auth_done_fn *done, void *arg)
{
    struct check *c = check_new(vp, done, arg);
    if (!probe_next(c))
        c->turn = loop_defer(c->v->loop, probe_unasked, c);
    return &c->op;
}

static void http_free(struct verifier *vp)
{
    struct http *v = (struct http *)vp;
    http_client_free(&v->client);
    dialect_free(&v->dialect);
    http_conf_lines_free(&v->lines, v->nlines);
    mem_free(v);
}

static const struct verifier_type http_type = {
    .name = "http", .verify = verify, .probe = probe, .free = http_free};

static enum gw_err make_client(struct http *v, struct gw_errmsg *msg)
{
    const struct http_conf_tls *c = &v->conf->tls;
    const struct http_tls tls = {.ca_file = c->ca_file,
                                 .cert_file = c->cert_file,
                                 .key_file = c->key_file,
                                 .server_name = c->server_name};
    struct gw_errmsg why;
    bool any = c->ca_file != NULL || c->cert_file != NULL || c->server_name != NULL;
    if (any && v->conf->url != NULL && strncmp(v->conf->url, "https://", 8) != 0)
        return gw_err_set(msg, GW_CONFIG, "tls: is for an https:// URL");
    if (http_tls_check(&tls, &why) != GW_OK)
        return gw_err_set(msg, GW_CONFIG, "tls.%.480s", why.text);
    return http_client_new(v->loop, &tls, &v->client, msg);
}

/* Reads the files of `tls`, which blocks: this is the start, and a missing one must end it. */
static enum gw_err make(const struct verifier_env *env, const void *conf, struct verifier **out,
                        struct gw_errmsg *msg)
{
    struct http *v = mem_zalloc(sizeof *v);
    v->v.type = &http_type;
    v->loop = env->loop;
    v->conf = conf;
    const struct dialect_args args = {.conf = &v->conf->dialect,
                                      .transport = DIALECT_HTTP,
                                      .has_target = v->conf->url != NULL,
                                      .url = v->conf->url,
                                      .users = env->users,
                                      .backends = env->backends};
    struct gw_errmsg why;
    enum gw_err err = dialect_new(&args, &v->dialect, msg);
    if (err == GW_OK && http_conf_headers_check(&v->conf->headers, &why) != GW_OK)
        err = gw_err_set(msg, GW_CONFIG, "headers: %.480s", why.text);
    if (err == GW_OK)
        err = make_client(v, msg);
    if (err != GW_OK) {
        http_free(&v->v);
        return err;
    }
    v->nlines = http_conf_lines(&v->conf->headers, &v->conf->auth, &v->lines);
    *out = &v->v;
    return GW_OK;
}

#define AT(member) .offset = offsetof(struct conf, member)

static const struct opt_spec options[] = {
    VERIFIER_COMMON_OPTIONS,
    GUARD_OPTIONS,
    {.key = "url",
     .type = OPT_STR,
     AT(url),
     .min = 1,
     .max = 4095,
     .check = http_url_check,
     .help = "Who is asked: https://, http://, or http+unix://SOCKET:PATH for a Unix socket. "
             "Redirects are not followed."},
    {.key = "headers",
     .type = OPT_SECRETS,
     AT(headers),
     .max = 64,
     .check = http_conf_value_check,
     .help = "Headers of every request, {\"Name\": \"value\"}."},
    {.key = "auth",
     .type = OPT_OBJECT,
     AT(auth),
     .sub = http_conf_auth_table,
     .check = http_conf_auth_check,
     .help = "How the server knows that it is postern that asks."},
    {.key = "hmac",
     .type = OPT_SECRET,
     AT(hmac),
     .min = 16,
     .max = 4096,
     .help = "Signs every request with this secret, by HMAC-SHA256 in X-Postern-Signature: "
             "docs/authentication.md."},
    {.key = "tls",
     .type = OPT_OBJECT,
     AT(tls),
     .sub = http_conf_tls_table,
     .help = "For an https URL."},
    DIALECT_OPTIONS(struct conf, dialect),
    {.key = NULL},
};

const struct verifier_kind verifier_http_kind = {
    .opt = {.name = "http",
            .help =
                "An HTTP service decides. docs/authentication.md has its questions and answers.",
            .tab = options,
            .size = sizeof(struct conf)},
    .make = make,
};
