#include "backends/s3/s3_read.h"

#include <stdio.h>
#include <string.h>

#include "backends/attr_cache.h"
#include "backends/remote_open.h"
#include "backends/s3/s3_look.h"
#include "backends/s3/s3_meta.h"
#include "backends/s3/s3_same.h"
#include "backends/s3/s3_stat.h"
#include "gateway/base/mem.h"

#define MATCH_MAX 320u

static struct op *get(void *src, const struct read_ahead_range *range, http_head_fn *on_head,
                      http_body_fn *on_body, remote_done_fn *done, void *arg)
{
    const struct remote_file *f = src;
    char bytes[80], match[MATCH_MAX];
    snprintf(bytes, sizeof bytes, "Range: bytes=%llu-%llu", (unsigned long long)range->off,
             (unsigned long long)(range->off + range->len - 1));
    snprintf(match, sizeof match, "If-Match: %s", range->etag != NULL ? range->etag : "");
    const char *headers[] = {bytes, match};
    const struct s3_req req = {
        .method = "GET",
        .key = f->name,
        .headers = headers,
        .nheaders = range->etag != NULL ? 2 : 1,
        .on_head = on_head,
        .on_body = on_body,
        .log = f->log,
    };
    return s3_client_start(s3_store_of_file(f)->client, &req, done, arg);
}

static bool attr_of(void *src, const struct http_res *res, struct fs_attr *out)
{
    (void)src;
    return s3_meta_attr(res, out);
}

/* After a copy of ours onto itself, which sets a time: of whatever loop and session. */
static enum read_ahead_same same(void *src, const char *etag, char out[READ_AHEAD_ETAG_MAX])
{
    static const enum read_ahead_same answers[] = {[S3_SAME_NO] = READ_AHEAD_OTHER,
                                                   [S3_SAME_SOON] = READ_AHEAD_SOON,
                                                   [S3_SAME_YES] = READ_AHEAD_SAME};
    _Static_assert(S3_SAME_ETAG_MAX <= READ_AHEAD_ETAG_MAX, "what is found fits");
    const struct remote_file *f = src;
    char *name = s3_client_name(s3_store_of_file(f)->client, f->name);
    enum s3_same_answer answer = s3_same_find(name, etag, out);
    mem_free(name);
    return answers[answer];
}

static const struct read_ahead_type s3_ahead = {
    .name = "S3", .get = get, .attr = attr_of, .same = same};

static struct op *set(struct remote_file *f, const struct fs_attr *attr, fs_done_fn *done,
                      void *arg)
{
    return s3_stat_set_open((struct s3_view *)f->base.fs, f->name, f->ahead, attr, done, arg);
}

static const struct remote_file_type s3_read_type = {.set = set};

/* Opening. */

static void opened(struct remote_open *o)
{
    struct remote_file *f = o->file;
    f->attr = *read_ahead_attr(f->ahead);
    attr_cache_put(s3_store_of(&o->task)->cache, f->name, &f->attr, o->since);
    remote_open_end(o, GW_OK, NULL);
}

static void open_folder_seen(void *arg, const struct s3_look_res *res)
{
    struct remote_open *o = arg;
    o->task.step = NULL;
    if (res->err != GW_OK && res->err != GW_DENIED)
        remote_open_end(o, res->err, res->text);
    else
        remote_open_end(o, res->kind == FS_KIND_DIR ? GW_IS_DIR : GW_NOT_FOUND, NULL);
}

/* Of an object that holds no byte to ask for. */
static void open_head_seen(void *arg, const struct remote_res *res)
{
    struct remote_open *o = arg;
    o->task.step = NULL;
    struct fs_attr attr;
    if (res->err != GW_OK)
        remote_open_end(o, res->err, res->text);
    else if (!s3_meta_attr(res->http, &attr) ||
             !read_ahead_know(o->file->ahead, &attr, http_res_header(res->http, "ETag")))
        remote_open_end(o, GW_UPSTREAM, "S3 answered without a usable size or ETag");
    else
        opened(o);
}

static void open_head(struct remote_open *o)
{
    const struct s3_req req = {.method = "HEAD", .key = o->file->name, .log = o->task.log};
    o->task.step = s3_client_start(s3_store_of(&o->task)->client, &req, open_head_seen, o);
}

static void open_answered(void *arg, const struct remote_res *res)
{
    struct remote_open *o = arg;
    o->task.step = NULL;
    if (res->err == GW_OK)
        opened(o);
    else if (res->err == GW_EOF)
        open_head(o);
    else if (res->err == GW_NOT_FOUND)
        o->task.step = s3_look_start(s3_store_of(&o->task), o->file->name, S3_LOOK_FOLDER,
                                     o->task.log, open_folder_seen, o);
    else
        remote_open_end(o, res->err, res->text);
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

    struct remote_file *f = remote_file_new(sizeof *f, &s3_read_type, &v->fs, key, v->log);
    f->ahead = read_ahead_new(&(struct read_ahead_conf){
        .type = &s3_ahead,
        .src = f,
        .loop = l,
        .budget = v->budget,
        .concurrency = store->conf->download_concurrency,
    });
    struct remote_open *o = remote_open_new(f, FS_READ, &store->base, done, arg);
    size_t first = cached && seen.size < READ_AHEAD_FIRST ? (size_t)seen.size : READ_AHEAD_FIRST;
    if (first == 0)
        open_head(o);
    else
        o->task.step = read_ahead_first(f->ahead, first, open_answered, o);
    return &o->task.op;
}
