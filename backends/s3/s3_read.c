#include "backends/s3/s3_read.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "backends/attr_cache.h"
#include "backends/read_ahead.h"
#include "backends/s3/s3_look.h"
#include "backends/s3/s3_meta.h"
#include "gateway/base/mem.h"

#define MATCH_MAX 320u

struct reader {
    struct s3_file file;
    struct s3_store *store;
    const struct log_ctx *log;
    uint64_t since; /* attr_cache_now() at open */
    struct read_ahead *ahead;
};

struct open_op {
    struct op op;
    struct reader *reader;
    struct op *step; /* the first GET, HEAD, or the look for a folder */
    fs_done_fn *done;
    void *arg;
};

static struct op *get(void *src, const struct read_ahead_range *range, http_head_fn *on_head,
                      http_body_fn *on_body, remote_done_fn *done, void *arg)
{
    struct reader *r = src;
    char bytes[80], match[MATCH_MAX];
    snprintf(bytes, sizeof bytes, "Range: bytes=%llu-%llu", (unsigned long long)range->off,
             (unsigned long long)(range->off + range->len - 1));
    snprintf(match, sizeof match, "If-Match: %s", range->etag != NULL ? range->etag : "");
    const char *headers[] = {bytes, match};
    const struct s3_req req = {
        .method = "GET",
        .key = r->file.key,
        .headers = headers,
        .nheaders = range->etag != NULL ? 2 : 1,
        .on_head = on_head,
        .on_body = on_body,
        .log = r->log,
    };
    return s3_client_start(r->store->client, &req, done, arg);
}

static bool attr_of(void *src, const struct http_res *res, struct fs_attr *out)
{
    (void)src;
    return s3_meta_attr(res, out);
}

static const struct read_ahead_type s3_ahead = {.name = "S3", .get = get, .attr = attr_of};

static void reader_free(struct reader *r)
{
    read_ahead_free(&r->ahead);
    s3_store_unref(&r->store);
    mem_free(r->file.key);
    mem_free(r);
}

static struct reader *reader_of(struct s3_file *f)
{
    assert(f->role == S3_ROLE_READ);
    return (struct reader *)(void *)f;
}

enum gw_err s3_read_now(struct s3_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n)
{
    return read_ahead_now(reader_of(f)->ahead, off, to, len, n);
}

struct op *s3_read_start(struct s3_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg)
{
    return read_ahead_start(reader_of(f)->ahead, off, len, done, arg);
}

struct op *s3_read_fstat(struct s3_file *f, fs_done_fn *done, void *arg)
{
    return fs_ok(f->base.fs->loop, read_ahead_attr(reader_of(f)->ahead), done, arg);
}

void s3_read_abort(struct s3_file *f)
{
    reader_free(reader_of(f));
}

struct op *s3_read_close(struct s3_file *f, fs_done_fn *done, void *arg)
{
    struct loop *l = f->base.fs->loop;
    reader_free(reader_of(f));
    return fs_ok(l, NULL, done, arg);
}

/* Opening. */

static void open_cancel(struct op *op)
{
    struct open_op *o = (struct open_op *)op;
    op_cancel(&o->step);
    reader_free(o->reader);
    mem_free(o);
}

static const struct op_type open_type = {"s3_read_open", open_cancel};

static void open_end(struct open_op *o, enum gw_err err, const char *text)
{
    struct reader *r = o->reader;
    struct fs_res res = {.err = err, .text = text};
    if (err == GW_OK) {
        attr_cache_put(r->store->cache, r->file.key, read_ahead_attr(r->ahead), r->since);
        res.file = &r->file.base;
    }
    o->done(o->arg, &res);
    if (err != GW_OK)
        reader_free(r);
    mem_free(o);
}

static void open_folder_seen(void *arg, const struct s3_look_res *res)
{
    struct open_op *o = arg;
    o->step = NULL;
    if (res->err != GW_OK && res->err != GW_DENIED)
        open_end(o, res->err, res->text);
    else
        open_end(o, res->kind == FS_KIND_DIR ? GW_IS_DIR : GW_NOT_FOUND, NULL);
}

/* Of an object that holds no byte to ask for. */
static void open_head_seen(void *arg, const struct remote_res *res)
{
    struct open_op *o = arg;
    o->step = NULL;
    struct fs_attr attr;
    if (res->err != GW_OK)
        open_end(o, res->err, res->text);
    else if (!s3_meta_attr(res->http, &attr) ||
             !read_ahead_know(o->reader->ahead, &attr, http_res_header(res->http, "ETag")))
        open_end(o, GW_UPSTREAM, "S3 answered without a usable size or ETag");
    else
        open_end(o, GW_OK, NULL);
}

static void open_head(struct open_op *o)
{
    struct reader *r = o->reader;
    const struct s3_req req = {.method = "HEAD", .key = r->file.key, .log = r->log};
    o->step = s3_client_start(r->store->client, &req, open_head_seen, o);
}

static void open_answered(void *arg, const struct remote_res *res)
{
    struct open_op *o = arg;
    struct reader *r = o->reader;
    o->step = NULL;
    if (res->err == GW_EOF)
        open_head(o);
    else if (res->err == GW_NOT_FOUND)
        o->step = s3_look_start(r->store, r->file.key, S3_LOOK_FOLDER, r->log, open_folder_seen, o);
    else
        open_end(o, res->err, res->text);
}

struct op *s3_read_open(struct s3_view *v, const char *path, fs_done_fn *done, void *arg)
{
    struct s3_store *store = v->store;
    struct loop *l = v->fs.loop;
    char key[S3_KEY_MAX + 2];
    enum gw_err err = s3_view_key(v, path, key);
    if (err != GW_OK)
        return fs_fail(l, err, NULL, done, arg);
    size_t n = strlen(key);
    struct fs_attr seen;
    bool cached = attr_cache_get(store->cache, key, &seen);
    if (n == 0 || key[n - 1] == '/' || (cached && seen.kind == FS_KIND_DIR))
        return fs_fail(l, GW_IS_DIR, NULL, done, arg);

    struct reader *r = mem_zalloc(sizeof *r);
    struct open_op *o = mem_zalloc(sizeof *o);
    r->file = (struct s3_file){
        .base.fs = &v->fs, .role = S3_ROLE_READ, .view = v, .key = mem_strdup(key)};
    r->store = s3_store_ref(store);
    r->log = v->log;
    r->since = attr_cache_now();
    r->ahead = read_ahead_new(&(struct read_ahead_conf){
        .type = &s3_ahead,
        .src = r,
        .loop = l,
        .budget = v->budget,
        .concurrency = store->conf->download_concurrency,
    });
    o->op.type = &open_type;
    o->reader = r;
    o->done = done;
    o->arg = arg;
    size_t first = cached && seen.size < READ_AHEAD_FIRST ? (size_t)seen.size : READ_AHEAD_FIRST;
    if (first == 0)
        open_head(o);
    else
        o->step = read_ahead_first(r->ahead, first, open_answered, o);
    return &o->op;
}

const char *s3_read_etag(const struct s3_file *f)
{
    return read_ahead_etag(((const struct reader *)(const void *)f)->ahead);
}

uint64_t s3_read_size(const struct s3_file *f)
{
    return read_ahead_attr(((const struct reader *)(const void *)f)->ahead)->size;
}
