#include "backends/s3/s3_marker.h"

#include <string.h>

#include "backends/attr_cache.h"
#include "backends/s3/s3_look.h"
#include "gateway/base/mem.h"

#define MARKER_TYPE "content-type: application/x-directory"

struct op *s3_marker_put(struct s3_store *s, const char *prefix, const struct log_ctx *log,
                         remote_done_fn *done, void *arg)
{
    struct gw_buf text;
    size_t at[S3_WRITE_HEADERS_MAX];
    const char *headers[S3_WRITE_HEADERS_MAX + 1] = {MARKER_TYPE};
    gw_buf_init(&text, 64u << 10);
    size_t n = s3_write_headers(s->conf, &text, at);
    for (size_t i = 0; i < n; i++)
        headers[i + 1] = (const char *)text.data + at[i];
    const struct s3_req req = {
        .method = "PUT", .key = prefix, .headers = headers, .nheaders = n + 1, .log = log};
    struct op *op = s3_client_start(s->client, &req, done, arg);
    gw_buf_free(&text);
    return op;
}

struct keep {
    struct op op;
    struct op *step;
    struct s3_store *store; /* the view's, which outlives its ops */
    const struct log_ctx *log;
    char *prefix;
    loop_fn *done;
    void *arg;
};

static void keep_free(struct keep *k)
{
    mem_free(k->prefix);
    mem_free(k);
}

static void keep_cancel(struct op *op)
{
    struct keep *k = (struct keep *)op;
    op_cancel(&k->step);
    keep_free(k);
}

static const struct op_type keep_type = {"s3_marker_keep", keep_cancel};

static void keep_end(struct keep *k, enum gw_err err, const char *text)
{
    if (err != GW_OK)
        LOG_EVENT(LOG_LVL_WARN, k->log, "s3_marker", log_str("folder", k->prefix),
                  log_str("text", text != NULL ? text : gw_err_text(err)));
    k->done(k->arg);
    keep_free(k);
}

static void keep_put(void *arg, const struct remote_res *res)
{
    struct keep *k = arg;
    k->step = NULL;
    keep_end(k, res->err, res->text);
}

static void keep_looked(void *arg, const struct s3_look_res *res)
{
    struct keep *k = arg;
    k->step = NULL;
    if (res->err == GW_OK && res->kind == FS_KIND_UNKNOWN)
        k->step = s3_marker_put(k->store, k->prefix, k->log, keep_put, k);
    else
        keep_end(k, res->err, res->text);
}

struct op *s3_marker_keep_parent(struct s3_view *v, const char *key, loop_fn *done, void *arg)
{
    size_t n = strlen(key);
    if (n > 0 && key[n - 1] == '/')
        n--;
    while (n > 0 && key[n - 1] != '/')
        n--;
    if (n <= strlen(v->prefix) || !v->store->conf->directory_markers)
        return NULL;
    struct keep *k = mem_zalloc(sizeof *k);
    k->op.type = &keep_type;
    k->store = v->store;
    k->log = v->log;
    k->done = done;
    k->arg = arg;
    k->prefix = mem_strndup(key, n);
    char *folder = mem_strndup(key, n - 1);
    k->step = s3_look_start(v->store, folder, S3_LOOK_FOLDER, v->log, keep_looked, k);
    mem_free(folder);
    return &k->op;
}
