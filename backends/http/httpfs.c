#include "backends/http/httpfs.h"

#include <stdio.h>
#include <string.h>

#include "backends/http/web_answer.h"
#include "backends/remote_meta.h"
#include "gateway/base/mem.h"
#include "gateway/base/percent.h"
#include "gateway/base/rfc3339.h"
#include "gateway/base/utf8.h"

#define TARGET_MAX (64u << 10)
#define ANSWER_MAX (64u << 10)
#define TIME_MAX   96u
/* Go's os flags: O_WRONLY|O_CREATE|O_TRUNC, and O_EXCL. */
#define FLAGS_CREATE 577u
#define FLAG_EXCL    128u

/* Go's FileMode. */
#define MODE_DIR     0x80000000u
#define MODE_SYMLINK 0x08000000u
#define MODE_DEVICE  0x04000000u
#define MODE_PIPE    0x02000000u
#define MODE_SOCKET  0x01000000u

void httpfs_target(const struct web_store *s, const char *call, const char *path,
                   struct gw_buf *out)
{
    gw_buf_init(out, TARGET_MAX);
    gw_buf_printf(out, "%s/%s/", s->url.path, call);
    percent_encode(gw_span_str(*path == '\0' ? "/" : path), false, out);
}

static struct op *start(struct web_access *a, const struct remote_req *req, struct gw_buf *target,
                        const char *path, remote_done_fn *done, void *arg)
{
    struct remote_req mine = *req;
    mine.target = gw_buf_cstr(target);
    mine.name = *path == '\0' ? "/" : path;
    mine.max_body = mine.max_body != 0 ? mine.max_body : ANSWER_MAX;
    mine.broken = target->failed == GW_TOO_LARGE ? GW_BAD_NAME : target->failed;
    struct op *op = web_access_start(a, &mine, done, arg);
    gw_buf_free(target);
    return op;
}

/* ---- answers ---- */

/* The server's own words: printable, on one line. */
static void read_message(struct gw_span body, struct remote_answer *out)
{
    json_t *obj = json_loadb((const char *)body.ptr, body.len, 0, NULL);
    const char *s = json_string_value(json_object_get(obj, "message"));
    size_t left = s != NULL ? strlen(s) : 0, n = 0, len;
    char text[FS_TEXT_MAX];
    uint32_t cp;
    while (left > 0 && (len = utf8_decode((const uint8_t *)s, left, &cp)) > 0 &&
           n + len < sizeof text) {
        if (utf8_printable(cp)) {
            memcpy(text + n, s, len);
            n += len;
        }
        s += len;
        left -= len;
    }
    text[n] = '\0';
    if (n > 0)
        memcpy(out->text, text, n + 1);
    json_decref(obj);
}

static void read_answer(void *store, const struct remote_question *q, const struct http_res *res,
                        struct gw_span body, struct remote_answer *out)
{
    unsigned status = http_res_status(res);
    if (status / 100 == 2 && status != 202)
        return;
    web_answer_read(store, q, res, out);
    if (status == 409)
        out->err = GW_EXISTS;
    if (body.len > 0)
        read_message(body, out);
}

static const struct remote_type httpfs_remote = {
    .name = "the server",
    .events = {.retry = "http_retry", .error = "http_error", .slow_down = "http_slow_down"},
    .read = read_answer,
};

bool httpfs_attr(const json_t *info, struct fs_attr *out)
{
    const json_t *size = json_object_get(info, "size");
    const json_t *mode = json_object_get(info, "mode");
    const char *modified = json_string_value(json_object_get(info, "last_modified"));
    json_int_t bits = json_integer_value(mode);
    int64_t s = 0;
    if (!json_is_integer(mode) || bits < 0 || bits > UINT32_MAX || json_integer_value(size) < 0)
        return false;
    /* Of a file an absent size is one that is not known, which is not 0. */
    bool sized = json_is_integer(size) || (bits & MODE_DIR);
    if (!sized && size != NULL)
        return false;
    if (modified == NULL || !rfc3339_parse(modified, &s))
        s = 0;
    remote_meta_attr_file((uint64_t)json_integer_value(size), s, out);
    if (!sized)
        out->set &= ~(uint32_t)FS_ATTR_SIZE;
    out->mode = (uint32_t)bits & 0777;
    if (bits & MODE_DIR)
        out->kind = FS_KIND_DIR;
    else if (bits & MODE_SYMLINK)
        out->kind = FS_KIND_LINK;
    else if (bits & (MODE_DEVICE | MODE_PIPE | MODE_SOCKET))
        out->kind = FS_KIND_UNKNOWN;
    return true;
}

/* ---- questions that are answered in JSON ---- */

struct json_op {
    struct fs_task task;
};

static json_t *read_json(struct fs_task *t, const struct remote_res *res)
{
    t->step = NULL;
    if (res->err != GW_OK) {
        fs_task_fail(t, res->err, res->text);
        return NULL;
    }
    json_t *obj = json_loadb((const char *)res->body.ptr, res->body.len, 0, NULL);
    if (json_is_object(obj))
        return obj;
    json_decref(obj);
    fs_task_fail(t, GW_UPSTREAM, "the server's answer is no httpfs: check `url` and `dialect`");
    return NULL;
}

static struct op *ask(struct web_access *a, const char *call, const char *path,
                      const struct log_ctx *log, remote_done_fn *answered, fs_done_fn *done,
                      void *arg)
{
    struct json_op *o = fs_task_new(sizeof *o, &a->store->base, log, done, arg);
    struct gw_buf target;
    httpfs_target(a->store, call, path, &target);
    const struct remote_req req = {.method = "GET", .log = log};
    o->task.step = start(a, &req, &target, path, answered, o);
    return &o->task.op;
}

static void looked(void *arg, const struct remote_res *res)
{
    struct json_op *o = arg;
    json_t *obj = read_json(&o->task, res);
    struct fs_attr attr;
    if (obj == NULL)
        return;
    bool ok = httpfs_attr(obj, &attr);
    json_decref(obj);
    if (ok)
        fs_task_end(&o->task, &(struct fs_res){.attr = &attr});
    else
        fs_task_fail(&o->task, GW_UPSTREAM,
                     "the server's answer has no `mode`, or a wrong one or a wrong `size`");
}

static struct op *httpfs_look(struct web_access *a, const char *path, const struct log_ctx *log,
                              fs_done_fn *done, void *arg)
{
    return ask(a, "stat", path, log, looked, done, arg);
}

static uint64_t number(const json_t *obj, const char *key)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_integer(v) ? (uint64_t)json_integer_value(v) : UINT64_MAX;
}

static void space_answered(void *arg, const struct remote_res *res)
{
    struct json_op *o = arg;
    json_t *obj = read_json(&o->task, res);
    if (obj == NULL)
        return;
    const struct fs_space space = {.bsize = number(obj, "bsize"),
                                   .frsize = number(obj, "frsize"),
                                   .blocks = number(obj, "blocks"),
                                   .bfree = number(obj, "bfree"),
                                   .bavail = number(obj, "bavail"),
                                   .files = number(obj, "files"),
                                   .ffree = number(obj, "ffree"),
                                   .favail = number(obj, "favail"),
                                   .namemax = number(obj, "namemax")};
    json_decref(obj);
    if (space.bsize == UINT64_MAX || space.bsize == 0)
        fs_task_fail(&o->task, GW_UPSTREAM, "the server's answer has no `bsize`");
    else
        fs_task_end(&o->task, &(struct fs_res){.space = &space});
}

static struct op *httpfs_space(struct web_access *a, const char *path, const struct log_ctx *log,
                               fs_done_fn *done, void *arg)
{
    return ask(a, "statvfs", path, log, space_answered, done, arg);
}

/* ---- bytes ---- */

static struct op *get(void *src, const struct read_ahead_range *range, http_head_fn *on_head,
                      http_body_fn *on_body, remote_done_fn *done, void *arg)
{
    struct remote_file *f = src;
    struct web_access *a = web_access_of(f);
    struct gw_buf target;
    char bytes[TIME_MAX];
    httpfs_target(a->store, "open", f->name, &target);
    if (range->off > 0)
        gw_buf_printf(&target, "?offset=%llu", (unsigned long long)range->off);
    snprintf(bytes, sizeof bytes, "Range: bytes=%llu-%llu", (unsigned long long)range->off,
             (unsigned long long)(range->off + range->len - 1));
    const char *headers[] = {bytes};
    const struct remote_req req = {.method = "GET",
                                   .headers = headers,
                                   .nheaders = 1,
                                   .on_head = on_head,
                                   .on_body = on_body,
                                   .log = f->log};
    return start(a, &req, &target, f->name, done, arg);
}

static bool get_attr(void *src, const struct http_res *res, struct fs_attr *out)
{
    const struct remote_file *f = src;
    if (http_res_status(res) == 206)
        web_access_of(f)->store->knows_ranges = true;
    if (!remote_meta_attr(res, out))
        *out = f->attr;
    return out->set & FS_ATTR_SIZE;
}

static const struct read_ahead_type httpfs_ahead = {
    .name = "the server", .get = get, .attr = get_attr, .starts_at_offset = true};

static struct op *httpfs_put(struct web_access *a, const struct web_put *put, remote_done_fn *done,
                             void *arg)
{
    static const char *const headers[] = {"Content-Type: application/octet-stream"};
    struct gw_buf target;
    httpfs_target(a->store, "create", put->path, &target);
    gw_buf_printf(&target, "?flags=%u&checks=1", FLAGS_CREATE | (put->exclusive ? FLAG_EXCL : 0u));
    const struct remote_req req = {.method = "POST",
                                   .headers = headers,
                                   .nheaders = 1,
                                   .send = put->send,
                                   .rewind = put->exclusive ? NULL : put->rewind,
                                   .on_head = put->on_head,
                                   .send_bytes = put->bytes,
                                   .fresh = put->rewind == NULL || put->exclusive,
                                   .flags = REMOTE_ERROR_IN_200,
                                   .log = put->log};
    return start(a, &req, &target, put->path, done, arg);
}

static bool httpfs_put_kept_time(const struct remote_res *res)
{
    (void)res;
    return false;
}

/* ---- names ---- */

/* A word of the contract that takes a name and nothing else. */
struct word {
    const char *method, *name;
    bool repeatable;
};
static const struct word word_remove = {"DELETE", "remove", true};
static const struct word word_mkdir = {"POST", "mkdir", false};

static struct op *say(struct web_access *a, const struct word *w, const char *path,
                      const struct log_ctx *log, remote_done_fn *done, void *arg)
{
    struct gw_buf target;
    httpfs_target(a->store, w->name, path, &target);
    const struct remote_req req = {
        .method = w->method, .flags = w->repeatable ? 0 : REMOTE_NO_RETRY, .log = log};
    return start(a, &req, &target, path, done, arg);
}

/* Whether it is a folder and what it may replace, the callers have looked: the contract has no such
 * words. */
static struct op *httpfs_move(struct web_access *a, const struct web_move *m, remote_done_fn *done,
                              void *arg)
{
    struct gw_buf target;
    httpfs_target(a->store, "rename", m->from, &target);
    gw_buf_put_text(&target, "?target=");
    percent_encode(gw_span_str(m->to), false, &target);
    const struct remote_req req = {
        .method = "PATCH", .flags = REMOTE_NO_RETRY | REMOTE_ERROR_IN_200, .log = m->log};
    return start(a, &req, &target, m->from, done, arg);
}

static struct op *httpfs_remove(struct web_access *a, const char *path, bool folder,
                                const struct log_ctx *log, remote_done_fn *done, void *arg)
{
    (void)folder;
    return say(a, &word_remove, path, log, done, arg);
}

static struct op *httpfs_mkdir(struct web_access *a, const char *path, const struct log_ctx *log,
                               remote_done_fn *done, void *arg)
{
    return say(a, &word_mkdir, path, log, done, arg);
}

/* ---- attributes ---- */

struct set_op {
    struct fs_task task;
    struct web_access *access;
    char *path;
    struct fs_attr attr; /* set: what is still to be done */
};

static void set_release(struct fs_task *t)
{
    struct set_op *o = (struct set_op *)t;
    web_access_unref(&o->access);
    mem_free(o->path);
}

static void set_next(struct set_op *o);

static void set_answered(void *arg, const struct remote_res *res)
{
    struct set_op *o = arg;
    o->task.step = NULL;
    if (res->err != GW_OK)
        fs_task_fail(&o->task, res->err, res->text);
    else
        set_next(o);
}

static void put_time(struct gw_buf *out, const char *key, int64_t s, uint32_t ns)
{
    char text[32];
    rfc3339_format(s, text);
    text[strlen(text) - 1] = '\0'; /* its Z */
    char coded[TIME_MAX];
    snprintf(coded, sizeof coded, "%s.%09uZ", text, (unsigned)(ns < 1000000000u ? ns : 0));
    gw_buf_put_text(out, key);
    percent_encode(gw_span_str(coded), false, out);
}

static void set_next(struct set_op *o)
{
    struct gw_buf target;
    struct fs_attr *a = &o->attr;
    if (a->set & FS_ATTR_MODE) {
        a->set &= ~(uint32_t)FS_ATTR_MODE;
        httpfs_target(o->access->store, "chmod", o->path, &target);
        gw_buf_printf(&target, "?mode=%u", a->mode & 0777u);
    } else if (a->set & FS_ATTR_MTIME) {
        bool atime = a->set & FS_ATTR_ATIME;
        a->set = 0;
        httpfs_target(o->access->store, "chtimes", o->path, &target);
        put_time(&target, "?access_time=", atime ? a->atime_s : a->mtime_s,
                 atime ? a->atime_ns : a->mtime_ns);
        put_time(&target, "&modification_time=", a->mtime_s, a->mtime_ns);
    } else {
        fs_task_ok(&o->task);
        return;
    }
    const struct remote_req req = {.method = "PATCH", .log = o->task.log};
    o->task.step = start(o->access, &req, &target, o->path, set_answered, o);
}

static struct op *httpfs_set(struct web_access *a, const char *path, const struct fs_attr *attr,
                             const struct log_ctx *log, fs_done_fn *done, void *arg)
{
    struct set_op *o = fs_task_new(sizeof *o, &a->store->base, log, done, arg);
    o->task.release = set_release;
    o->access = web_access_ref(a);
    o->path = mem_strdup(path);
    o->attr = *attr;
    set_next(o);
    return &o->task.op;
}

const struct web_dialect httpfs_dialect = {
    .name = "httpfs",
    .remote = &httpfs_remote,
    .ahead = &httpfs_ahead,
    .keeps_modes = true,
    .moves_onto = true,
    .look = httpfs_look,
    .put = httpfs_put,
    .put_kept_time = httpfs_put_kept_time,
    .move = httpfs_move,
    .remove = httpfs_remove,
    .mkdir = httpfs_mkdir,
    .set = httpfs_set,
    .space = httpfs_space,
    .listing = &httpfs_listing,
};
