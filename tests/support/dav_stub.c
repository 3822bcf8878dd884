#include "tests/support/dav_stub.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/base/percent.h"
#include "tests/support/http_stub.h"

#define NAME_MAX_BYTES 512u

struct file {
    struct list node;
    char name[NAME_MAX_BYTES];
    uint8_t *data;
    size_t len;
    unsigned version;
};

struct dav_stub {
    struct http_stub *http;
    pthread_mutex_t lock; /* guards all below */
    struct list files;
    unsigned versions, written, requests;
    unsigned counts[8]; /* by the order of `methods` */
    enum dav_stub_fault fault;
    char method[16];
    unsigned skip, times, value;
    const char *text;
    bool wants_length;
    char head[4096];
};

static const char *const methods[8] = {"GET",  "PUT",   "DELETE",   "MOVE",
                                       "COPY", "MKCOL", "PROPFIND", "PROPPATCH"};

/* One request, decoded. */
struct call {
    struct dav_stub *s;
    struct http_stub_conn *c;
    const struct http_stub_req *r;
    char name[NAME_MAX_BYTES]; /* below /dav/; "" = the folder */
    enum dav_stub_fault fault;
    unsigned value;
    const char *text;
};

static struct file *file_of(struct dav_stub *s, const char *name)
{
    LIST_EACH(it, &s->files)
    {
        struct file *f = LIST_ENTRY(it, struct file, node);
        if (strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}

static void drop(struct file *f)
{
    list_remove(&f->node);
    mem_free(f->data);
    mem_free(f);
}

static void put(struct dav_stub *s, const char *name, const void *data, size_t n)
{
    struct file *f = file_of(s, name);
    if (f == NULL) {
        f = mem_zalloc(sizeof *f);
        snprintf(f->name, sizeof f->name, "%s", name);
        list_push(&s->files, &f->node);
    }
    mem_free(f->data);
    f->data = mem_alloc(n + 1);
    if (n > 0)
        memcpy(f->data, data, n);
    f->len = n;
    f->version = ++s->versions;
}

static void name_of(const char *target, char *out)
{
    const char *at = strstr(target, "/dav");
    struct gw_buf b;
    gw_buf_init(&b, NAME_MAX_BYTES - 1);
    if (at != NULL && at[4] == '/')
        (void)percent_decode(gw_span_str(at + 5), &b);
    snprintf(out, NAME_MAX_BYTES, "%s", gw_buf_cstr(&b));
    size_t n = strlen(out);
    if (n > 0 && out[n - 1] == '/')
        out[n - 1] = '\0';
    gw_buf_free(&b);
}

static bool status(const struct call *k, unsigned code)
{
    return http_stub_reply(k->c, code, "", "", 0);
}

static void put_response(struct gw_buf *out, const char *name, const struct file *f)
{
    gw_buf_put_text(out, "<D:response><D:href>/dav/");
    percent_encode(gw_span_str(name), true, out);
    gw_buf_put_text(out, "</D:href><D:propstat><D:prop>");
    if (f == NULL)
        gw_buf_put_text(out, "<D:resourcetype><D:collection/></D:resourcetype>");
    else
        gw_buf_printf(out,
                      "<D:resourcetype/><D:getcontentlength>%zu</D:getcontentlength>"
                      "<D:getetag>\"v%u\"</D:getetag>",
                      f->len, f->version);
    gw_buf_put_text(out, "<D:getlastmodified>Sun, 22 Nov 2026 13:57:59 GMT</D:getlastmodified>"
                         "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>");
}

#define MULTI_HEAD "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">"
#define MULTI_TAIL "</D:multistatus>"

/* Never all at once: after the first pieces the reader must have them, or the stub waits long. */
static bool many(const struct call *k)
{
    struct gw_buf out;
    gw_buf_init(&out, 1u << 20);
    bool ok = http_stub_text(k->c, "HTTP/1.1 207 Multi\r\nConnection: close\r\n\r\n" MULTI_HEAD);
    put_response(&out, "", NULL);
    const struct file one = {.len = 1};
    for (unsigned i = 0; ok && i < k->value; i++) {
        char name[32];
        snprintf(name, sizeof name, "file%06u", i);
        put_response(&out, name, &one);
        if (i % 100 == 99) {
            ok = http_stub_send(k->c, out.data, out.len);
            gw_buf_reset(&out);
            pthread_mutex_lock(&k->s->lock);
            k->s->written = i + 1;
            pthread_mutex_unlock(&k->s->lock);
            if (i < 1000)
                http_stub_pause(k->c, 20);
        }
    }
    if (ok)
        ok = http_stub_send(k->c, out.data, out.len) && http_stub_text(k->c, MULTI_TAIL);
    gw_buf_free(&out);
    return false;
}

static bool propfind(const struct call *k)
{
    char depth[8] = "";
    struct gw_buf out;
    http_stub_header(k->r, "Depth", depth, sizeof depth);
    pthread_mutex_lock(&k->s->lock);
    const struct file *f = file_of(k->s, k->name);
    bool folder = k->name[0] == '\0' || strcmp(k->name, "d") == 0;
    gw_buf_init(&out, 1u << 20);
    gw_buf_put_text(&out, MULTI_HEAD);
    put_response(&out, k->name, folder ? NULL : f);
    if (k->name[0] == '\0' && depth[0] == '1') {
        LIST_EACH(it, &k->s->files)
        {
            const struct file *each = LIST_ENTRY(it, struct file, node);
            put_response(&out, each->name, each);
        }
        put_response(&out, "d/", NULL);
    }
    gw_buf_put_text(&out, MULTI_TAIL);
    pthread_mutex_unlock(&k->s->lock);
    bool ok =
        folder || f != NULL ? http_stub_reply(k->c, 207, "", out.data, out.len) : status(k, 404);
    gw_buf_free(&out);
    return ok;
}

static bool get(const struct call *k)
{
    char range[64] = "", match[64] = "", etag[32], head[256];
    http_stub_header(k->r, "If-Match", match, sizeof match);
    bool ranged = http_stub_header(k->r, "Range", range, sizeof range);
    pthread_mutex_lock(&k->s->lock);
    const struct file *f = file_of(k->s, k->name);
    size_t size = f != NULL ? f->len : 0, first = 0, last = size > 0 ? size - 1 : 0;
    uint8_t *data = mem_alloc(size + 1);
    if (size > 0)
        memcpy(data, f->data, size);
    snprintf(etag, sizeof etag, "\"v%u%s\"", f != NULL ? f->version : 0,
             k->fault == DAV_STUB_OTHER_ETAG ? "x" : "");
    pthread_mutex_unlock(&k->s->lock);
    if (ranged && k->fault != DAV_STUB_NO_RANGE) {
        char *end;
        first = strtoul(range + strlen("bytes="), &end, 10);
        unsigned long to = *end == '-' ? strtoul(end + 1, NULL, 10) : last;
        last = to < last ? to : last;
        if (k->fault == DAV_STUB_OTHER_RANGE)
            first++;
        if (k->fault == DAV_STUB_SHORT)
            last = first + (last - first) / 2;
    }
    bool ok = false;
    size_t n = size > 0 && last >= first ? last + 1 - first : 0;
    if (f == NULL) {
        ok = status(k, 404);
    } else if (match[0] != '\0' && strcmp(match, etag) != 0 && k->fault == DAV_STUB_NONE) {
        ok = status(k, 412);
    } else if (k->fault == DAV_STUB_NO_SIZE) {
        http_stub_text(k->c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
    } else {
        snprintf(head, sizeof head, "HTTP/1.1 %s\r\nETag: %s\r\nContent-Length: %zu\r\n%s%s",
                 ranged && k->fault != DAV_STUB_NO_RANGE ? "206 Partial" : "200 OK", etag, n, "",
                 "");
        if (ranged && k->fault != DAV_STUB_NO_RANGE)
            snprintf(head + strlen(head), sizeof head - strlen(head),
                     "Content-Range: bytes %zu-%zu/%zu\r\n", first, last, size);
        ok = http_stub_text(k->c, "%s\r\n", head) &&
             http_stub_send(k->c, data + first, k->fault == DAV_STUB_TRUNCATE ? n / 2 : n) &&
             k->fault != DAV_STUB_TRUNCATE;
    }
    mem_free(data);
    return ok;
}

static bool transfer(const struct call *k, bool moves)
{
    char destination[1024] = "", overwrite[8] = "T", to[NAME_MAX_BYTES];
    http_stub_header(k->r, "Destination", destination, sizeof destination);
    http_stub_header(k->r, "Overwrite", overwrite, sizeof overwrite);
    name_of(destination, to);
    struct file *from = file_of(k->s, k->name), *old = file_of(k->s, to);
    if (from == NULL)
        return status(k, 404);
    if (old != NULL && overwrite[0] == 'F')
        return status(k, 412);
    put(k->s, to, from->data, from->len);
    if (moves)
        drop(from);
    return status(k, old != NULL ? 204 : 201);
}

static bool change(const struct call *k)
{
    const char *m = k->r->method;
    char encoding[16] = "", none_match[8] = "";
    struct file *f = file_of(k->s, k->name);
    if (strcmp(m, "PUT") == 0) {
        if (k->s->wants_length &&
            http_stub_header(k->r, "Transfer-Encoding", encoding, sizeof encoding))
            return status(k, 411);
        if (f != NULL && http_stub_header(k->r, "If-None-Match", none_match, sizeof none_match))
            return status(k, 412);
        put(k->s, k->name, k->r->body, k->r->body_len);
        return status(k, f != NULL ? 204 : 201);
    }
    if (strcmp(m, "DELETE") == 0) {
        if (f == NULL && strcmp(k->name, "d") != 0)
            return status(k, 404);
        if (f != NULL)
            drop(f);
        return status(k, 204);
    }
    if (strcmp(m, "MKCOL") == 0)
        return status(k, f != NULL || strcmp(k->name, "d") == 0 ? 405 : 201);
    if (strcmp(m, "MOVE") == 0 || strcmp(m, "COPY") == 0)
        return transfer(k, m[0] == 'M');
    return status(k, 405);
}

static bool serve(void *arg, struct http_stub_conn *c, const struct http_stub_req *r)
{
    struct dav_stub *s = arg;
    struct call k = {.s = s, .c = c, .r = r};
    name_of(r->target, k.name);
    pthread_mutex_lock(&s->lock);
    s->requests++;
    snprintf(s->head, sizeof s->head, "%s", r->head);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        s->counts[i] += strcmp(methods[i], r->method) == 0;
    if (s->times > 0 && (s->method[0] == '\0' || strcmp(s->method, r->method) == 0)) {
        if (s->skip > 0) {
            s->skip--;
        } else {
            s->times--;
            k.fault = s->fault;
            k.value = s->value;
            k.text = s->text;
        }
    }
    pthread_mutex_unlock(&s->lock);
    char line[512];
    switch (k.fault) {
    case DAV_STUB_STATUS:
        return status(&k, k.value);
    case DAV_STUB_REDIRECT:
        snprintf(line, sizeof line, "Location: %s\r\n", k.text);
        return http_stub_reply(c, 302, line, "", 0);
    case DAV_STUB_TEXT:
        return http_stub_reply(c, 207, "", k.text, strlen(k.text));
    case DAV_STUB_MANY:
        return many(&k);
    case DAV_STUB_HANG:
        http_stub_pause(c, 4000); /* longer than a client waits here */
        return false;
    default:
        break;
    }
    if (strcmp(r->method, "PROPFIND") == 0)
        return propfind(&k);
    if (strcmp(r->method, "GET") == 0)
        return get(&k);
    pthread_mutex_lock(&s->lock);
    struct call quiet = k;
    bool ok = k.fault == DAV_STUB_LOSE_ANSWER ? (change(&quiet), false) : change(&k);
    pthread_mutex_unlock(&s->lock);
    return ok;
}

static size_t before_body(void *arg, const struct http_stub_req *r)
{
    struct dav_stub *s = arg;
    size_t take = SIZE_MAX;
    pthread_mutex_lock(&s->lock);
    if (s->times > 0 && s->fault == DAV_STUB_CUT_REQUEST && strcmp(r->method, "PUT") == 0) {
        s->times--;
        take = 10;
    }
    pthread_mutex_unlock(&s->lock);
    return take;
}

struct dav_stub *dav_stub_start(void)
{
    struct dav_stub *s = mem_zalloc(sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->files);
    s->http = http_stub_start(serve, before_body, s);
    return s;
}

void dav_stub_stop(struct dav_stub **sp)
{
    struct dav_stub *s = *sp;
    *sp = NULL;
    http_stub_stop(&s->http);
    while (!list_empty(&s->files))
        drop(LIST_ENTRY(list_first(&s->files), struct file, node));
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

unsigned dav_stub_port(const struct dav_stub *s)
{
    return http_stub_port(s->http);
}

void dav_stub_fail(struct dav_stub *s, enum dav_stub_fault fault, const char *method, unsigned skip,
                   unsigned times, unsigned value, const char *text)
{
    http_stub_settle(s->http); /* what was cancelled is not to meet it */
    pthread_mutex_lock(&s->lock);
    s->fault = fault;
    snprintf(s->method, sizeof s->method, "%s", method != NULL ? method : "");
    s->skip = skip;
    s->times = times;
    s->value = value;
    s->text = text;
    pthread_mutex_unlock(&s->lock);
}

void dav_stub_wants_length(struct dav_stub *s, bool on)
{
    pthread_mutex_lock(&s->lock);
    s->wants_length = on;
    pthread_mutex_unlock(&s->lock);
}

int64_t dav_stub_file(struct dav_stub *s, const char *name, const uint8_t **data)
{
    pthread_mutex_lock(&s->lock);
    const struct file *f = file_of(s, name);
    int64_t size = f != NULL ? (int64_t)f->len : -1;
    if (f != NULL && data != NULL)
        *data = f->data;
    pthread_mutex_unlock(&s->lock);
    return size;
}

void dav_stub_put(struct dav_stub *s, const char *name, const void *data, size_t n)
{
    pthread_mutex_lock(&s->lock);
    put(s, name, data, n);
    pthread_mutex_unlock(&s->lock);
}

size_t dav_stub_files(struct dav_stub *s)
{
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    LIST_EACH(it, &s->files)
    n++;
    pthread_mutex_unlock(&s->lock);
    return n;
}

unsigned dav_stub_requests(struct dav_stub *s, const char *method)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = method == NULL ? s->requests : 0;
    for (size_t i = 0; method != NULL && i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i], method) == 0)
            n = s->counts[i];
    pthread_mutex_unlock(&s->lock);
    return n;
}

unsigned dav_stub_written(struct dav_stub *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->written;
    pthread_mutex_unlock(&s->lock);
    return n;
}

bool dav_stub_header(struct dav_stub *s, const char *name, char *out, size_t cap)
{
    pthread_mutex_lock(&s->lock);
    const struct http_stub_req r = {.head = s->head};
    bool there = http_stub_header(&r, name, out, cap);
    pthread_mutex_unlock(&s->lock);
    return there;
}
