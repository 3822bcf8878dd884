#include "backends/s3/s3_look.h"

#include <stdio.h>
#include <string.h>

#include "backends/s3/s3_list.h"
#include "backends/s3/s3_meta.h"
#include "gateway/base/mem.h"

struct look {
    struct op op;
    struct op *head, *list;
    struct s3_store *store;
    struct s3_list_trail trail;
    const struct log_ctx *log;
    char prefix[S3_KEY_MAX + 2];
    bool root;
    bool is_file;
    enum gw_err head_err, list_err;
    char text[FS_TEXT_MAX]; /* of the first fault */
    size_t keys;
    int64_t time_s; /* of the marker, or of the first key below */
    struct s3_look_res res;
    s3_look_done_fn *done;
    void *arg;
};

enum gw_err s3_look_prefix(const char *key, char out[S3_KEY_MAX + 2])
{
    size_t n = strlen(key);
    if (n > S3_KEY_MAX)
        return GW_BAD_NAME;
    memmove(out, key, n + 1); /* out may be key */
    if (n == 0 || key[n - 1] == '/')
        return GW_OK;
    if (n + 1 > S3_KEY_MAX)
        return GW_BAD_NAME;
    out[n] = '/';
    out[n + 1] = '\0';
    return GW_OK;
}

static void look_free(struct look *k)
{
    op_cancel(&k->head);
    op_cancel(&k->list);
    s3_list_trail_free(&k->trail);
    mem_free(k);
}

static void look_cancel(struct op *op)
{
    look_free((struct look *)op);
}

static const struct op_type look_type = {"s3_look", look_cancel};

static void finish(struct look *k)
{
    op_cancel(&k->head);
    op_cancel(&k->list);
    k->done(k->arg, &k->res);
    look_free(k);
}

static void keep_text(struct look *k, const char *text)
{
    if (text != NULL && k->text[0] == '\0')
        snprintf(k->text, sizeof k->text, "%s", text);
}

/* A folder is known at once; the rest needs both answers. A name that may be read but whose bucket
 * may not be listed is a file. */
static void decide(struct look *k)
{
    if (k->list == NULL && k->list_err == GW_OK && (k->keys > 0 || k->root)) {
        k->res.kind = FS_KIND_DIR;
        remote_meta_attr_dir(k->time_s != 0 ? k->time_s : s3_client_now_s(k->store->client),
                             &k->res.attr);
    } else if (k->head != NULL || k->list != NULL) {
        return;
    } else if (k->is_file && (k->list_err == GW_OK || k->list_err == GW_DENIED)) {
        k->res.kind = FS_KIND_REG;
    } else if (k->head_err != GW_OK || k->list_err != GW_OK) {
        k->res.err = k->head_err != GW_OK ? k->head_err : k->list_err;
        k->res.text = k->text[0] != '\0' ? k->text : NULL;
    }
    finish(k);
}

static void head_done(void *arg, const struct remote_res *res)
{
    struct look *k = arg;
    k->head = NULL;
    k->head_err = res->err == GW_NOT_FOUND ? GW_OK : res->err;
    if (res->err == GW_OK) {
        k->is_file = s3_meta_attr(res->http, &k->res.attr);
        if (!k->is_file) {
            k->head_err = GW_UPSTREAM;
            keep_text(k, "S3 answered without a size");
        }
    } else if (k->head_err != GW_OK) {
        keep_text(k, res->text);
    }
    decide(k);
}

static bool on_key(void *arg, const struct s3_xml_item *item)
{
    struct look *k = arg;
    bool marker = strcmp(item->key, k->prefix) == 0 && item->key_len == strlen(k->prefix);
    k->res.marker |= marker;
    k->res.filled |= !marker;
    if (k->keys++ == 0 || marker)
        k->time_s = item->time_s;
    return true;
}

static void list_done(void *arg, const struct s3_list_res *res);

static void list(struct look *k, const char *token)
{
    const struct s3_list_args args = {
        .prefix = k->prefix, .max_keys = 2, .token = token, .trail = &k->trail, .log = k->log};
    k->list = s3_list_start(k->store, &args, on_key, list_done, k);
}

/* A page may hold less than it was asked for, or nothing, and yet not be the last. */
static void list_done(void *arg, const struct s3_list_res *res)
{
    struct look *k = arg;
    k->list = NULL;
    if (res->err == GW_OK && res->truncated && !k->res.filled) {
        list(k, res->token);
        return;
    }
    k->list_err = res->err;
    if (res->err != GW_OK)
        keep_text(k, res->text);
    decide(k);
}

static void nothing(void *arg)
{
    struct look *k = arg;
    k->list = NULL;
    decide(k);
}

struct op *s3_look_start(struct s3_store *s, const char *key, enum s3_look_what what,
                         const struct log_ctx *log, s3_look_done_fn *done, void *arg)
{
    struct look *k = mem_zalloc(sizeof *k);
    k->op.type = &look_type;
    k->store = s;
    k->log = log;
    k->done = done;
    k->arg = arg;
    size_t n = strlen(key);
    k->root = n == 0 || key[n - 1] == '/';
    bool may_be_folder = s3_look_prefix(key, k->prefix) == GW_OK;
    if (may_be_folder)
        list(k, NULL);
    if (what == S3_LOOK_ANY && !k->root) {
        const struct s3_req req = {.method = "HEAD", .key = key, .log = log};
        k->head = s3_client_start(s->client, &req, head_done, k);
    }
    if (k->head == NULL && k->list == NULL) /* a folder whose name is too long for one */
        k->list = loop_defer(s3_client_loop(s->client), nothing, k);
    return &k->op;
}
