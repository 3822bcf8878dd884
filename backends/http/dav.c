#include "backends/http/dav.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backends/http/web_answer.h"
#include "backends/remote_meta.h"
#include "gateway/base/mem.h"
#include "gateway/base/percent.h"

#define TARGET_MAX (64u << 10)
#define RANGE_MAX  80u
#define MATCH_MAX  320u
#define TIME_MAX   64u

/* ---- building requests ---- */

void dav_target(const struct web_store *s, const char *path, bool folder, struct gw_buf *out)
{
    gw_buf_init(out, TARGET_MAX);
    gw_buf_put_text(out, s->url.path);
    percent_encode(gw_span_str(path), true, out);
    if (folder || *path == '\0')
        gw_buf_put_u8(out, '/');
}

struct gw_span dav_properties(void)
{
    return gw_span_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>"
                       "<propfind xmlns=\"DAV:\"><prop><resourcetype/><getcontentlength/>"
                       "<getlastmodified/><getetag/></prop></propfind>");
}

/* One request about a path, with what it has to say; `done` gets `arg`. */
static struct op *start(struct web_access *a, const struct remote_req *req, const char *path,
                        bool folder, remote_done_fn *done, void *arg)
{
    struct gw_buf target;
    struct remote_req mine = *req;
    dav_target(a->store, path, folder, &target);
    mine.target = gw_buf_cstr(&target);
    mine.name = *path == '\0' ? "/" : path;
    mine.broken = target.failed == GW_TOO_LARGE ? GW_BAD_NAME : target.failed;
    struct op *op = web_access_start(a, &mine, done, arg);
    gw_buf_free(&target);
    return op;
}

void dav_attr(const struct dav_item *item, struct fs_attr *out)
{
    if (item->dir) {
        remote_meta_attr_dir(item->mtime_s, out);
        return;
    }
    remote_meta_attr_file(item->size, item->mtime_s, out);
    if (!item->has_size)
        out->set &= ~(uint32_t)FS_ATTR_SIZE;
}

/* ---- a PROPFIND or PROPPATCH about one thing ---- */

struct prop_op {
    struct fs_task task;
    char *path;
    struct web_access *access;
    struct gw_buf body;
    struct gw_span body_span;
    unsigned seen;
    struct fs_attr attr;
    int64_t mtime_s; /* that was set */
    struct fs_space space;
    bool has_space;
    unsigned status, refused;
};

static void prop_release(struct fs_task *t)
{
    struct prop_op *p = (struct prop_op *)t;
    mem_free(p->path);
    gw_buf_free(&p->body);
    web_access_unref(&p->access);
}

static struct prop_op *prop_new(struct web_access *a, const char *path, const struct log_ctx *log,
                                fs_done_fn *done, void *arg)
{
    struct prop_op *p = fs_task_new(sizeof *p, &a->store->base, log, done, arg);
    p->task.release = prop_release;
    p->path = mem_strdup(path);
    p->access = web_access_ref(a);
    gw_buf_init(&p->body, 4096);
    return p;
}

static uint64_t blocks(uint64_t bytes)
{
    return bytes / 4096;
}

static bool on_item(void *arg, const struct dav_item *item)
{
    struct prop_op *p = arg;
    if (p->seen++ > 0)
        return true;
    dav_attr(item, &p->attr);
    p->status = item->status;
    p->refused = item->refused;
    p->has_space = item->has_available;
    uint64_t used = item->has_used ? item->used : 0;
    p->space = (struct fs_space){.bsize = 4096,
                                 .frsize = 4096,
                                 .blocks = blocks(item->available) + blocks(used),
                                 .bfree = blocks(item->available),
                                 .bavail = blocks(item->available),
                                 .files = UINT64_MAX,
                                 .ffree = UINT64_MAX,
                                 .favail = UINT64_MAX,
                                 .namemax = 255};
    return true;
}

/* Reads a multistatus about one thing. False: the task has ended. */
static bool read_one(struct prop_op *p, const struct remote_res *res)
{
    p->task.step = NULL;
    if (res->err != GW_OK) {
        fs_task_fail(&p->task, res->err, res->text);
        return false;
    }
    struct dav_xml *x = dav_xml_new(on_item, p);
    enum gw_err err = GW_NO_MEMORY;
    if (x != NULL && (err = dav_xml_feed(x, res->body)) == GW_OK)
        err = dav_xml_end(x);
    dav_xml_free(&x);
    if (err == GW_OK && p->seen > 0)
        return true;
    fs_task_fail(&p->task, err == GW_NO_MEMORY ? err : GW_UPSTREAM,
                 "the server's answer is no WebDAV: check `url` and `dialect`");
    return false;
}

static struct op *propfind(struct prop_op *p, struct gw_span body, remote_done_fn *done)
{
    static const char *const headers[] = {"Depth: 0", "Content-Type: application/xml"};
    p->body_span = body;
    const struct remote_req req = {.method = "PROPFIND",
                                   .headers = headers,
                                   .nheaders = 2,
                                   .body = &p->body_span,
                                   .nbody = 1,
                                   .log = p->task.log};
    return start(p->access, &req, p->path, false, done, p);
}

static void look_answered(void *arg, const struct remote_res *res)
{
    struct prop_op *p = arg;
    if (!read_one(p, res))
        return;
    struct fs_res out = {.attr = &p->attr};
    if (p->status != 0 && p->status / 100 != 2) {
        out.attr = NULL;
        out.err = web_answer_err(p->status, "PROPFIND", &out.text);
    }
    fs_task_end(&p->task, &out);
}

static struct op *dav_look(struct web_access *a, const char *path, const struct log_ctx *log,
                           fs_done_fn *done, void *arg)
{
    struct prop_op *p = prop_new(a, path, log, done, arg);
    p->task.step = propfind(p, dav_properties(), look_answered);
    return &p->task.op;
}

static void space_answered(void *arg, const struct remote_res *res)
{
    struct prop_op *p = arg;
    if (!read_one(p, res))
        return;
    if (p->has_space)
        fs_task_end(&p->task, &(struct fs_res){.space = &p->space});
    else
        fs_task_fail(&p->task, GW_UNSUPPORTED, "the server does not tell how much space it has");
}

static struct op *dav_space(struct web_access *a, const char *path, const struct log_ctx *log,
                            fs_done_fn *done, void *arg)
{
    struct prop_op *p = prop_new(a, path, log, done, arg);
    p->task.step = propfind(
        p,
        gw_span_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>"
                    "<propfind xmlns=\"DAV:\"><prop><resourcetype/><quota-available-bytes/>"
                    "<quota-used-bytes/></prop></propfind>"),
        space_answered);
    return &p->task.op;
}

/* ---- times ---- */

static const char NO_TIMES[] = "the server keeps no times that it is given";

/* Apache takes any property, and keeps it as a mere note beside the file. */
static void set_looked(void *arg, const struct remote_res *res)
{
    struct prop_op *p = arg;
    struct web_store *s = p->access->store;
    if (!read_one(p, res))
        return;
    s->keeps_times = (p->attr.set & FS_ATTR_MTIME) && p->attr.mtime_s == p->mtime_s;
    s->no_times = !s->keeps_times;
    fs_task_fail(&p->task, s->no_times ? GW_UNSUPPORTED : GW_OK, s->no_times ? NO_TIMES : NULL);
}

static void set_answered(void *arg, const struct remote_res *res)
{
    struct prop_op *p = arg;
    if (res->err == GW_UNSUPPORTED || res->err == GW_DENIED) {
        p->task.step = NULL;
        fs_task_fail(&p->task, GW_UNSUPPORTED, NO_TIMES);
        return;
    }
    if (!read_one(p, res))
        return;
    if (p->refused != 0 || (p->status != 0 && p->status / 100 != 2)) {
        fs_task_fail(&p->task, GW_UNSUPPORTED, NO_TIMES);
    } else if (p->access->store->keeps_times) {
        fs_task_ok(&p->task);
    } else {
        p->seen = 0;
        p->task.step = propfind(p, dav_properties(), set_looked);
    }
}

static bool http_date(int64_t s, char out[TIME_MAX])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t = (time_t)s;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || tm.tm_year < -1899 || tm.tm_year > 8099)
        return false;
    snprintf(out, TIME_MAX, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return true;
}

/* `lastmodified` is the property that Nextcloud and ownCloud let clients set. */
static struct op *dav_set(struct web_access *a, const char *path, const struct fs_attr *attr,
                          const struct log_ctx *log, fs_done_fn *done, void *arg)
{
    static const char *const headers[] = {"Content-Type: application/xml"};
    char date[TIME_MAX];
    if (!(attr->set & FS_ATTR_MTIME) || a->store->no_times || !http_date(attr->mtime_s, date))
        return fs_fail(remote_loop(a->store->remote), GW_UNSUPPORTED,
                       "the server keeps no permissions and no such times", done, arg);
    struct prop_op *p = prop_new(a, path, log, done, arg);
    p->mtime_s = attr->mtime_s;
    gw_buf_printf(&p->body,
                  "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
                  "<propertyupdate xmlns=\"DAV:\"><set><prop><lastmodified>%lld</lastmodified>"
                  "</prop></set></propertyupdate>",
                  (long long)attr->mtime_s);
    p->body_span = gw_buf_span(&p->body);
    const struct remote_req req = {.method = "PROPPATCH",
                                   .headers = headers,
                                   .nheaders = 1,
                                   .body = &p->body_span,
                                   .nbody = 1,
                                   .log = log};
    p->task.step = start(a, &req, path, false, set_answered, p);
    return &p->task.op;
}

/* ---- bytes ---- */

static struct op *get(void *src, const struct read_ahead_range *range, http_head_fn *on_head,
                      http_body_fn *on_body, remote_done_fn *done, void *arg)
{
    struct remote_file *f = src;
    char bytes[RANGE_MAX], match[MATCH_MAX];
    snprintf(bytes, sizeof bytes, "Range: bytes=%llu-%llu", (unsigned long long)range->off,
             (unsigned long long)(range->off + range->len - 1));
    snprintf(match, sizeof match, "If-Match: %s", range->etag != NULL ? range->etag : "");
    const char *headers[] = {bytes, match};
    const struct remote_req req = {.method = "GET",
                                   .headers = headers,
                                   .nheaders = range->etag != NULL ? 2 : 1,
                                   .on_head = on_head,
                                   .on_body = on_body,
                                   .log = f->log};
    return start(web_access_of(f), &req, f->name, false, done, arg);
}

static bool get_attr(void *src, const struct http_res *res, struct fs_attr *out)
{
    (void)src;
    return remote_meta_attr(res, out);
}

static const struct read_ahead_type dav_ahead = {
    .name = "the server", .get = get, .attr = get_attr};

/* nginx gives a stored file the time of the request's Date, ownCloud and Nextcloud that of
 * X-OC-Mtime. */
static struct op *dav_put(struct web_access *a, const struct web_put *put, remote_done_fn *done,
                          void *arg)
{
    char date[TIME_MAX], line[TIME_MAX + 16], oc[TIME_MAX];
    const char *headers[4];
    size_t n = 0;
    headers[n++] = "Content-Type: application/octet-stream";
    if (put->exclusive)
        headers[n++] = "If-None-Match: *";
    if (put->has_mtime && http_date(put->mtime_s, date)) {
        snprintf(line, sizeof line, "Date: %s", date);
        snprintf(oc, sizeof oc, "X-OC-Mtime: %lld", (long long)put->mtime_s);
        headers[n++] = line;
        headers[n++] = oc;
    }
    const struct remote_req req = {.method = "PUT",
                                   .headers = headers,
                                   .nheaders = n,
                                   .send = put->send,
                                   .rewind = put->rewind,
                                   .on_head = put->on_head,
                                   .send_bytes = put->bytes,
                                   .fresh = put->rewind == NULL,
                                   .flags = REMOTE_ERROR_IN_200,
                                   .log = put->log};
    return start(a, &req, put->path, false, done, arg);
}

static bool dav_put_kept_time(const struct remote_res *res)
{
    const char *said = http_res_header(res->http, "X-OC-MTime");
    return said != NULL && strcmp(said, "accepted") == 0;
}

/* ---- names ---- */

static struct op *transfer(const char *method, struct web_access *a, const struct web_move *m,
                           remote_done_fn *done, void *arg)
{
    struct gw_buf target;
    dav_target(a->store, m->to, m->folder, &target);
    char *destination = mem_printf("Destination: %s%s", a->store->url.origin, gw_buf_cstr(&target));
    const char *headers[] = {destination, m->overwrite ? "Overwrite: T" : "Overwrite: F"};
    const struct remote_req req = {.method = method,
                                   .headers = headers,
                                   .nheaders = 2,
                                   .flags = REMOTE_ERROR_IN_200,
                                   .log = m->log};
    struct op *op = start(a, &req, m->from, m->folder, done, arg);
    gw_buf_free(&target);
    mem_free(destination);
    return op;
}

static struct op *dav_move(struct web_access *a, const struct web_move *m, remote_done_fn *done,
                           void *arg)
{
    return transfer("MOVE", a, m, done, arg);
}

static struct op *dav_copy(struct web_access *a, const struct web_move *m, remote_done_fn *done,
                           void *arg)
{
    return transfer("COPY", a, m, done, arg);
}

static struct op *dav_remove(struct web_access *a, const char *path, bool folder,
                             const struct log_ctx *log, remote_done_fn *done, void *arg)
{
    const struct remote_req req = {.method = "DELETE", .flags = REMOTE_ERROR_IN_200, .log = log};
    return start(a, &req, path, folder, done, arg);
}

static struct op *dav_mkdir(struct web_access *a, const char *path, const struct log_ctx *log,
                            remote_done_fn *done, void *arg)
{
    const struct remote_req req = {.method = "MKCOL", .log = log};
    return start(a, &req, path, true, done, arg);
}

const struct web_dialect dav_dialect = {
    .name = "webdav",
    .remote = &dav_remote,
    .ahead = &dav_ahead,
    .slash_is_folder = true,
    .look = dav_look,
    .put = dav_put,
    .put_kept_time = dav_put_kept_time,
    .move = dav_move,
    .copy = dav_copy,
    .remove = dav_remove,
    .mkdir = dav_mkdir,
    .set = dav_set,
    .space = dav_space,
    .listing = &dav_listing,
};
