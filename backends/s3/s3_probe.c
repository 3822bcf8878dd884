#include "backends/s3/s3_probe.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"

struct probe {
    struct op op;
    struct op *request;
    const struct s3_conf *conf;
    backend_done_fn *done;
    void *arg;
};

static void probe_cancel(struct op *op)
{
    struct probe *p = (struct probe *)op;
    op_cancel(&p->request);
    mem_free(p);
}

static const struct op_type probe_type = {"s3_probe", probe_cancel};

struct hint {
    const char *code; /* NULL = by err */
    enum gw_err err;
    const char *text;
};

static const struct hint hints[] = {
    {"InvalidAccessKeyId", GW_OK, "the access key id is not known there"},
    {"SignatureDoesNotMatch", GW_OK, "the secret access key is wrong"},
    {"AccessDenied", GW_OK, "these credentials may not list the bucket"},
    {"ExpiredToken", GW_OK, "the session token has expired"},
    {"InvalidToken", GW_OK, "the session token is wrong"},
    {"NoSuchBucket", GW_OK, "there is no such bucket"},
    {"PermanentRedirect", GW_OK, "the bucket belongs to another region or endpoint"},
    {"TemporaryRedirect", GW_OK, "the bucket belongs to another region or endpoint"},
    {"AuthorizationHeaderMalformed", GW_OK, "the region is wrong"},
    {"RequestTimeTooSkewed", GW_OK, "the clock of this machine is wrong"},
    {NULL, GW_DENIED, "the credentials were refused"},
    {NULL, GW_IO, "no connection: check endpoint, port and network"},
    {NULL, GW_TIMEOUT, "no answer: check endpoint, port and network"},
    {NULL, GW_UPSTREAM, "the endpoint does not answer as S3 does"},
};

#define PATH_STYLE "does this store need \"path_style\": true?"

static const char *hint_of(const struct remote_res *res)
{
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
        if (hints[i].code != NULL ? strcmp(hints[i].code, res->code) == 0
                                  : hints[i].err == res->err)
            return hints[i].text;
    return "it does not work";
}

/* The store is not Amazon's, and was asked by a host name that it may not have. */
static bool may_need_path_style(const struct s3_conf *conf, const struct remote_res *res)
{
    return conf->endpoint != NULL && !conf->path_style &&
           (res->err == GW_IO || res->err == GW_UPSTREAM || res->err == GW_NOT_FOUND);
}

/* libcurl's words name hosts and certificates: an operator needs them, a client never sees them. */
static void answered(void *arg, const struct remote_res *res)
{
    struct probe *p = arg;
    p->request = NULL;
    char text[768];
    if (res->err == GW_OK) {
        snprintf(text, sizeof text, "bucket %s answers", p->conf->bucket);
    } else {
        const char *cause = res->http != NULL && http_res_err(res->http) != GW_OK
                                ? http_res_errtext(res->http)
                                : "";
        snprintf(text, sizeof text, "bucket %s: %s%s (%s%s%s)", p->conf->bucket, hint_of(res),
                 may_need_path_style(p->conf, res) ? "; " PATH_STYLE : "",
                 res->text != NULL ? res->text : gw_err_text(res->err), *cause != '\0' ? ": " : "",
                 cause);
    }
    p->done(p->arg, res->err, text);
    mem_free(p);
}

struct op *s3_probe_start(struct s3_store *s, backend_done_fn *done, void *arg)
{
    struct probe *p = mem_zalloc(sizeof *p);
    p->op.type = &probe_type;
    p->conf = s->conf;
    p->done = done;
    p->arg = arg;
    const struct s3_param query[] = {{"list-type", "2"},
                                     {"max-keys", "1"},
                                     {"prefix", s->conf->prefix != NULL ? s->conf->prefix : ""}};
    const struct s3_req req = {.method = "GET", .query = query, .nquery = 3};
    p->request = s3_client_start(s->client, &req, answered, p);
    return &p->op;
}
