#include "tests/support/s3_stub.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/buf.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "tests/support/http_stub.h"

#define ETAG_MAX  64u
#define PARTS_MAX 256u

struct blob {
    uint8_t *data;
    size_t len;
    char etag[ETAG_MAX]; /* without quotes */
};

struct object {
    struct list node;
    char *key;
    struct blob blob;
    char mtime[64];
};

struct upload {
    struct list node;
    char *key;
    unsigned id;
    int64_t time_s;
    char mtime[64];
    struct blob parts[PARTS_MAX];
};

struct s3_stub {
    struct http_stub *http;
    pthread_mutex_t lock; /* guards all below */
    struct list objects, uploads;
    unsigned ids;
    enum s3_stub_fault fault;
    char method[16], part[64];
    bool any_but_uploads;
    bool encrypts;
    unsigned skip, times, failed;
    unsigned puts, gets, heads, posts, deletes;
};

/* One request, decoded. */
struct call {
    struct s3_stub *s;
    struct http_stub_conn *c;
    const struct http_stub_req *r;
    char key[2048], query[2048];
    enum s3_stub_fault fault;
};

static void blob_set(struct blob *b, const void *data, size_t n)
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    mem_free(b->data);
    b->data = mem_alloc(n);
    if (n > 0)
        memcpy(b->data, data, n);
    b->len = n;
    EVP_Digest(data, n, sum, &len, EVP_md5(), NULL);
    for (unsigned i = 0; i < len; i++)
        snprintf(b->etag + (size_t)2 * i, 3, "%02x", sum[i]);
}

static struct object *object_of(struct s3_stub *s, const char *key)
{
    LIST_EACH(it, &s->objects)
    {
        struct object *o = LIST_ENTRY(it, struct object, node);
        if (strcmp(o->key, key) == 0)
            return o;
    }
    return NULL;
}

static struct object *object_make(struct s3_stub *s, const char *key)
{
    struct object *o = object_of(s, key);
    if (o == NULL) {
        o = mem_zalloc(sizeof *o);
        o->key = mem_strdup(key);
        list_push(&s->objects, &o->node);
    }
    o->mtime[0] = '\0';
    return o;
}

static void object_free(struct object *o)
{
    list_remove(&o->node);
    mem_free(o->key);
    mem_free(o->blob.data);
    mem_free(o);
}

static void upload_free(struct upload *u)
{
    list_remove(&u->node);
    mem_free(u->key);
    for (size_t i = 0; i < PARTS_MAX; i++)
        mem_free(u->parts[i].data);
    mem_free(u);
}

static void decode(const char *from, size_t n, char *to, size_t cap)
{
    size_t at = 0;
    for (size_t i = 0; i < n && at + 1 < cap; i++) {
        if (from[i] == '%' && i + 2 < n) {
            const char hex[3] = {from[i + 1], from[i + 2], '\0'};
            to[at++] = (char)strtoul(hex, NULL, 16);
            i += 2;
        } else {
            to[at++] = from[i];
        }
    }
    to[at] = '\0';
}

/* The value of a query's parameter, decoded; false = it is not there. */
static bool param(const struct call *k, const char *name, char *out, size_t cap)
{
    size_t n = strlen(name);
    for (const char *p = k->query; *p != '\0';) {
        size_t len = strcspn(p, "&");
        if (strncmp(p, name, n) == 0 && (p[n] == '=' || len == n)) {
            decode(p + n + (p[n] == '='), len - n - (p[n] == '='), out, cap);
            return true;
        }
        p += len + (p[len] == '&');
    }
    return false;
}

static bool error(struct call *k, unsigned status, const char *code)
{
    char body[256];
    int n = snprintf(body, sizeof body,
                     "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message/>"
                     "<RequestId>stub</RequestId></Error>",
                     code);
    if (strcmp(k->r->method, "HEAD") == 0)
        return http_stub_reply(k->c, status, "", NULL, 0);
    return http_stub_reply(k->c, status, "Content-Type: application/xml\r\n", body, (size_t)n);
}

static bool answer(struct call *k, const char *headers, const char *body)
{
    if (k->fault == S3_STUB_LOSE_ANSWER)
        return false;
    return http_stub_reply(k->c, 200, headers, body, strlen(body));
}

static bool get(struct call *k)
{
    struct object *o = object_of(k->s, k->key);
    char text[128], headers[512];
    if (o == NULL)
        return error(k, 404, "NoSuchKey");
    if (http_stub_header(k->r, "If-Match", text, sizeof text) && strstr(text, o->blob.etag) == NULL)
        return error(k, 412, "PreconditionFailed");
    bool head = strcmp(k->r->method, "HEAD") == 0;
    size_t from = 0, to = o->blob.len;
    bool ranged = http_stub_header(k->r, "Range", text, sizeof text);
    if (ranged && k->fault != S3_STUB_NO_RANGE) {
        char *end;
        from = strtoul(text + strlen("bytes="), &end, 10);
        size_t last = strtoul(end + 1, NULL, 10);
        if (from >= o->blob.len)
            return error(k, 416, "InvalidRange");
        to = last + 1 < o->blob.len ? last + 1 : o->blob.len;
    } else {
        ranged = false;
    }
    if (k->fault == S3_STUB_SHORT)
        to = from + (to - from + 1) / 2;
    size_t shown = k->fault == S3_STUB_OTHER_RANGE ? from + 1 : from;
    char range[128] = "", mtime[128] = "";
    if (ranged)
        snprintf(range, sizeof range, "Content-Range: bytes %zu-%zu/%zu\r\n", shown, to - 1,
                 o->blob.len);
    if (o->mtime[0] != '\0')
        snprintf(mtime, sizeof mtime, "x-amz-meta-mtime: %s\r\n", o->mtime);
    snprintf(headers, sizeof headers,
             "ETag: \"%s%s\"\r\nLast-Modified: Sun, 22 Nov 2026 13:57:59 GMT\r\n%s%s", o->blob.etag,
             k->fault == S3_STUB_OTHER_ETAG ? "x" : "", range, mtime);
    if (!http_stub_text(k->c, "HTTP/1.1 %u Stub\r\nContent-Length: %zu\r\n%s\r\n",
                        ranged ? 206u : 200u, to - from, headers))
        return false;
    if (head)
        return true;
    if (k->fault == S3_STUB_TRUNCATE) {
        http_stub_send(k->c, o->blob.data + from, (to - from) / 2);
        return false;
    }
    return http_stub_send(k->c, o->blob.data + from, to - from);
}

/* What "/bucket/encoded-key" names. */
static const struct object *source_of(struct call *k, const char *source)
{
    char from[2048];
    const char *key = strchr(source + 1, '/');
    decode(key + 1, strlen(key + 1), from, sizeof from);
    return object_of(k->s, from);
}

static bool put_object(struct call *k)
{
    char text[64] = "", headers[128];
    bool conditional = http_stub_header(k->r, "If-None-Match", text, sizeof text);
    if (conditional && k->fault == S3_STUB_IMPLEMENTED)
        return error(k, 501, "NotImplemented");
    if (conditional && k->fault != S3_STUB_NO_CONDITION && object_of(k->s, k->key) != NULL)
        return error(k, 412, "PreconditionFailed");
    char source[2048] = "";
    const struct object *f = NULL;
    if (http_stub_header(k->r, "x-amz-copy-source", source, sizeof source) &&
        (f = source_of(k, source)) == NULL)
        return error(k, 404, "NoSuchKey");
    struct object *o = object_make(k->s, k->key);
    if (f == NULL)
        blob_set(&o->blob, k->r->body, k->r->body_len);
    else if (f != o)
        blob_set(&o->blob, f->blob.data, f->blob.len);
    http_stub_header(k->r, "x-amz-meta-mtime", o->mtime, sizeof o->mtime);
    snprintf(headers, sizeof headers, "ETag: \"%s\"\r\n", o->blob.etag);
    if (f != NULL) {
        char body[256];
        snprintf(body, sizeof body,
                 "<CopyObjectResult><LastModified>2026-11-22T13:57:59.000Z</LastModified>"
                 "<ETag>&quot;%s&quot;</ETag></CopyObjectResult>",
                 o->blob.etag);
        return answer(k, "", body);
    }
    return answer(k, headers, "");
}

static struct upload *upload_of(struct call *k)
{
    char id[32];
    if (!param(k, "uploadId", id, sizeof id))
        return NULL;
    LIST_EACH(it, &k->s->uploads)
    {
        struct upload *u = LIST_ENTRY(it, struct upload, node);
        if (u->id == strtoul(id, NULL, 10))
            return u;
    }
    return NULL;
}

static bool put_part(struct call *k)
{
    char number[16] = "", headers[128];
    struct upload *u = upload_of(k);
    param(k, "partNumber", number, sizeof number);
    size_t i = strtoul(number, NULL, 10);
    if (u == NULL)
        return error(k, 404, "NoSuchUpload");
    if (i < 1 || i >= PARTS_MAX)
        return error(k, 400, "InvalidPart");
    char source[2048], range[64] = "", body[128];
    if (http_stub_header(k->r, "x-amz-copy-source", source, sizeof source)) {
        const struct object *f = source_of(k, source);
        http_stub_header(k->r, "x-amz-copy-source-range", range, sizeof range);
        size_t from = strtoul(range + strcspn(range, "=") + 1, NULL, 10);
        size_t to = strtoul(range + strcspn(range, "-") + 1, NULL, 10) + 1;
        if (f == NULL || range[0] == '\0' || from >= to || to > f->blob.len)
            return error(k, f == NULL ? 404 : 416, f == NULL ? "NoSuchKey" : "InvalidRange");
        blob_set(&u->parts[i], f->blob.data + from, to - from);
        snprintf(body, sizeof body, "<CopyPartResult><ETag>&quot;%s&quot;</ETag></CopyPartResult>",
                 u->parts[i].etag);
        return answer(k, "", body);
    }
    blob_set(&u->parts[i], k->r->body, k->r->body_len);
    snprintf(headers, sizeof headers, "ETag: \"%s%s\"\r\n", k->s->encrypts ? "sealed" : "",
             u->parts[i].etag);
    return answer(k, headers, "");
}

static bool create(struct call *k)
{
    struct upload *u = mem_zalloc(sizeof *u);
    char body[256];
    u->key = mem_strdup(k->key);
    u->id = ++k->s->ids;
    u->time_s = (int64_t)time(NULL);
    http_stub_header(k->r, "x-amz-meta-mtime", u->mtime, sizeof u->mtime);
    list_push(&k->s->uploads, &u->node);
    snprintf(body, sizeof body,
             "<InitiateMultipartUploadResult><UploadId>%u</UploadId>"
             "</InitiateMultipartUploadResult>",
             u->id);
    return answer(k, "", body);
}

static bool complete(struct call *k)
{
    struct upload *u = upload_of(k);
    char none[8];
    if (u == NULL)
        return error(k, 404, "NoSuchUpload");
    if (http_stub_header(k->r, "If-None-Match", none, sizeof none) &&
        k->fault != S3_STUB_NO_CONDITION && object_of(k->s, k->key) != NULL)
        return error(k, 412, "PreconditionFailed");
    struct gw_buf all, sums;
    gw_buf_init(&all, 1u << 30);
    gw_buf_init(&sums, 4096);
    size_t n = 0;
    for (size_t i = 1; i < PARTS_MAX && u->parts[i].data != NULL; i++, n++) {
        gw_buf_put(&all, u->parts[i].data, u->parts[i].len);
        for (size_t j = 0; j < 32; j += 2) {
            const char hex[3] = {u->parts[i].etag[j], u->parts[i].etag[j + 1], '\0'};
            gw_buf_put_u8(&sums, (uint8_t)strtoul(hex, NULL, 16));
        }
    }
    struct object *o = object_make(k->s, k->key);
    struct blob of_sums = {0};
    blob_set(&of_sums, sums.data, sums.len);
    blob_set(&o->blob, all.data, all.len);
    snprintf(o->blob.etag, sizeof o->blob.etag, "%.32s-%zu", of_sums.etag, n);
    memcpy(o->mtime, u->mtime, sizeof o->mtime);
    mem_free(of_sums.data);
    gw_buf_free(&all);
    gw_buf_free(&sums);
    upload_free(u);
    char body[256]; /* without the quotes: so do some */
    snprintf(body, sizeof body,
             "<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>",
             k->s->encrypts ? "" : o->blob.etag);
    if (k->fault == S3_STUB_OVERTAKEN) {
        blob_set(&o->blob, "other", 5);
        o->mtime[0] = '\0';
    }
    return answer(k, "", body);
}

static bool list_uploads(struct call *k)
{
    struct gw_buf b;
    gw_buf_init(&b, 1u << 20);
    char text[32] = "";
    unsigned long after =
        param(k, "upload-id-marker", text, sizeof text) ? strtoul(text, NULL, 10) : 0;
    unsigned long most =
        param(k, "max-uploads", text, sizeof text) ? strtoul(text, NULL, 10) : 1000;
    const struct upload *last = NULL;
    bool more = false;
    gw_buf_put_text(&b, "<ListMultipartUploadsResult>");
    LIST_EACH(it, &k->s->uploads) /* in order of their ids */
    {
        const struct upload *u = LIST_ENTRY(it, struct upload, node);
        struct tm tm;
        if (u->id <= after)
            continue;
        more = most-- == 0;
        if (more)
            break;
        last = u;
        time_t t = (time_t)u->time_s;
        char iso[40];
        gmtime_r(&t, &tm);
        strftime(iso, sizeof iso, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        gw_buf_printf(&b,
                      "<Upload><Key>%s</Key><UploadId>%u</UploadId><Initiated>%s</Initiated>"
                      "</Upload>",
                      u->key, u->id, iso);
    }
    if (last != NULL && more)
        gw_buf_printf(&b,
                      "<NextKeyMarker>%s</NextKeyMarker>"
                      "<NextUploadIdMarker>%u</NextUploadIdMarker>",
                      last->key, last->id);
    gw_buf_printf(&b, "<IsTruncated>%s</IsTruncated></ListMultipartUploadsResult>",
                  more ? "true" : "false");
    bool ok = answer(k, "", gw_buf_cstr(&b));
    gw_buf_free(&b);
    return ok;
}

static bool list_objects(struct call *k)
{
    struct gw_buf b;
    char prefix[2048] = "";
    param(k, "prefix", prefix, sizeof prefix);
    if (k->fault == S3_STUB_EMPTY_PAGE) {
        char body[160];
        snprintf(body, sizeof body,
                 "<ListBucketResult><IsTruncated>true</IsTruncated>"
                 "<NextContinuationToken>%u</NextContinuationToken></ListBucketResult>",
                 k->s->failed);
        return answer(k, "", body);
    }
    char token[16] = "";
    bool second = param(k, "continuation-token", token, sizeof token) && strcmp(token, "b") == 0;
    gw_buf_init(&b, 1u << 20);
    gw_buf_put_text(&b, "<ListBucketResult>");
    if (k->fault == S3_STUB_CYCLE)
        gw_buf_printf(&b,
                      "<IsTruncated>true</IsTruncated>"
                      "<NextContinuationToken>%s</NextContinuationToken>",
                      second ? "a" : "b");
    else
        gw_buf_put_text(&b, "<IsTruncated>false</IsTruncated>");
    LIST_EACH(it, &k->s->objects)
    {
        const struct object *o = LIST_ENTRY(it, struct object, node);
        if (strncmp(o->key, prefix, strlen(prefix)) == 0)
            gw_buf_printf(&b,
                          "<Contents><Key>%s</Key><Size>%zu</Size><ETag>&quot;%s&quot;</ETag>"
                          "<LastModified>2026-11-22T13:57:59.000Z</LastModified></Contents>",
                          o->key, o->blob.len, o->blob.etag);
    }
    gw_buf_put_text(&b, "</ListBucketResult>");
    bool ok = answer(k, "", gw_buf_cstr(&b));
    gw_buf_free(&b);
    return ok;
}

static bool remove_it(struct call *k)
{
    char id[32];
    if (param(k, "uploadId", id, sizeof id)) {
        struct upload *u = upload_of(k);
        if (u == NULL)
            return error(k, 404, "NoSuchUpload");
        upload_free(u);
    } else if (object_of(k->s, k->key) != NULL) {
        object_free(object_of(k->s, k->key));
    }
    return k->fault != S3_STUB_LOSE_ANSWER && http_stub_reply(k->c, 204, "", NULL, 0);
}

static bool dispatch(struct call *k)
{
    char value[2048];
    const char *m = k->r->method;
    if (strcmp(m, "GET") == 0 && param(k, "list-type", value, sizeof value))
        return list_objects(k);
    if (strcmp(m, "GET") == 0 && param(k, "uploads", value, sizeof value))
        return list_uploads(k);
    if (strcmp(m, "GET") == 0 && param(k, "uploadId", value, sizeof value))
        return upload_of(k) != NULL
                   ? answer(k, "",
                            "<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>")
                   : error(k, 404, "NoSuchUpload");
    if (strcmp(m, "GET") == 0 || strcmp(m, "HEAD") == 0)
        return get(k);
    if (strcmp(m, "PUT") == 0 && k->key[0] == '\0')
        return answer(k, "", "");
    if (strcmp(m, "PUT") == 0)
        return param(k, "partNumber", value, sizeof value) ? put_part(k) : put_object(k);
    if (strcmp(m, "POST") == 0)
        return param(k, "uploads", value, sizeof value) ? create(k) : complete(k);
    if (strcmp(m, "DELETE") == 0)
        return remove_it(k);
    return error(k, 405, "MethodNotAllowed");
}

/* Under the lock: does the rule hold for this request? */
static enum s3_stub_fault fault_of(struct s3_stub *s, const struct http_stub_req *r, bool count)
{
    if (s->times == 0 || strcmp(s->method, r->method) != 0)
        return S3_STUB_NONE;
    if (s->any_but_uploads ? strstr(r->target, "uploadId") != NULL
                           : strstr(r->target, s->part) == NULL)
        return S3_STUB_NONE;
    if (!count)
        return s->skip == 0 ? s->fault : S3_STUB_NONE;
    if (s->skip > 0) {
        s->skip--;
        return S3_STUB_NONE;
    }
    s->times--;
    s->failed++;
    return s->fault;
}

static size_t on_head(void *arg, struct http_stub_conn *c, const struct http_stub_req *r)
{
    (void)c;
    struct s3_stub *s = arg;
    pthread_mutex_lock(&s->lock);
    bool cut = fault_of(s, r, false) == S3_STUB_CUT_BODY;
    if (cut)
        (void)fault_of(s, r, true);
    pthread_mutex_unlock(&s->lock);
    return cut ? 1000 : HTTP_STUB_ALL;
}

static void count(struct s3_stub *s, const char *method)
{
    s->puts += strcmp(method, "PUT") == 0;
    s->gets += strcmp(method, "GET") == 0;
    s->heads += strcmp(method, "HEAD") == 0;
    s->posts += strcmp(method, "POST") == 0;
    s->deletes += strcmp(method, "DELETE") == 0;
}

static bool serve(void *arg, struct http_stub_conn *c, const struct http_stub_req *r)
{
    struct s3_stub *s = arg;
    struct call *k = mem_zalloc(sizeof *k);
    k->s = s;
    k->c = c;
    k->r = r;
    size_t path = strcspn(r->target, "?");
    size_t bucket = 1 + strcspn(r->target + 1, "/?");
    if (bucket < path)
        decode(r->target + bucket + 1, path - bucket - 1, k->key, sizeof k->key);
    snprintf(k->query, sizeof k->query, "%s", r->target[path] == '?' ? r->target + path + 1 : "");
    pthread_mutex_lock(&s->lock);
    count(s, r->method);
    k->fault = fault_of(s, r, true);
    bool ok;
    switch (k->fault) {
    case S3_STUB_SLOW_DOWN:
        ok = error(k, 503, "SlowDown");
        break;
    case S3_STUB_DENIED:
        ok = error(k, 403, "AccessDenied");
        break;
    case S3_STUB_ERROR_IN_200:
        ok = http_stub_reply(c, 200, "", "<Error><Code>InternalError</Code></Error>", 41);
        break;
    case S3_STUB_LOSE_REQUEST:
        ok = false;
        break;
    case S3_STUB_HANG:
        pthread_mutex_unlock(&s->lock);
        http_stub_pause(c, 120000);
        pthread_mutex_lock(&s->lock);
        ok = false;
        break;
    default:
        ok = dispatch(k);
    }
    pthread_mutex_unlock(&s->lock);
    mem_free(k);
    return ok;
}

struct s3_stub *s3_stub_start(void)
{
    struct s3_stub *s = mem_zalloc(sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->objects);
    list_init(&s->uploads);
    s->http = http_stub_start(serve, on_head, s);
    return s;
}

void s3_stub_stop(struct s3_stub **sp)
{
    struct s3_stub *s = *sp;
    *sp = NULL;
    http_stub_stop(&s->http);
    while (!list_empty(&s->objects))
        object_free(LIST_ENTRY(list_first(&s->objects), struct object, node));
    while (!list_empty(&s->uploads))
        upload_free(LIST_ENTRY(list_first(&s->uploads), struct upload, node));
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

void s3_stub_settle(struct s3_stub *s)
{
    http_stub_settle(s->http);
}

unsigned s3_stub_port(const struct s3_stub *s)
{
    return http_stub_port(s->http);
}

void s3_stub_encrypt(struct s3_stub *s, bool on)
{
    pthread_mutex_lock(&s->lock);
    s->encrypts = on;
    pthread_mutex_unlock(&s->lock);
}

void s3_stub_fail(struct s3_stub *s, enum s3_stub_fault fault, const char *method, const char *part,
                  unsigned skip, unsigned times)
{
    pthread_mutex_lock(&s->lock);
    s->fault = fault;
    snprintf(s->method, sizeof s->method, "%s", method);
    snprintf(s->part, sizeof s->part, "%s", part != NULL ? part : "");
    s->any_but_uploads = part == NULL;
    s->skip = skip;
    s->times = times;
    s->failed = 0;
    pthread_mutex_unlock(&s->lock);
}

unsigned s3_stub_failed(struct s3_stub *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->failed;
    pthread_mutex_unlock(&s->lock);
    return n;
}

int64_t s3_stub_object(struct s3_stub *s, const char *key, const uint8_t **data)
{
    pthread_mutex_lock(&s->lock);
    const struct object *o = object_of(s, key);
    int64_t n = o != NULL ? (int64_t)o->blob.len : -1;
    if (o != NULL && data != NULL)
        *data = o->blob.data;
    pthread_mutex_unlock(&s->lock);
    return n;
}

const char *s3_stub_mtime(struct s3_stub *s, const char *key)
{
    pthread_mutex_lock(&s->lock);
    const struct object *o = object_of(s, key);
    pthread_mutex_unlock(&s->lock);
    return o != NULL ? o->mtime : "";
}

void s3_stub_put(struct s3_stub *s, const char *key, const void *data, size_t n)
{
    pthread_mutex_lock(&s->lock);
    blob_set(&object_make(s, key)->blob, data, n);
    pthread_mutex_unlock(&s->lock);
}

size_t s3_stub_uploads(struct s3_stub *s)
{
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    LIST_EACH(it, &s->uploads)
    n++;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void s3_stub_age(struct s3_stub *s, int64_t seconds)
{
    pthread_mutex_lock(&s->lock);
    LIST_EACH(it, &s->uploads)
    LIST_ENTRY(it, struct upload, node)->time_s -= seconds;
    pthread_mutex_unlock(&s->lock);
}

unsigned s3_stub_requests(struct s3_stub *s, const char *method)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->puts + s->gets + s->heads + s->posts + s->deletes;
    if (method != NULL)
        n = *method == 'P'   ? (method[1] == 'U' ? s->puts : s->posts)
            : *method == 'G' ? s->gets
            : *method == 'H' ? s->heads
                             : s->deletes;
    pthread_mutex_unlock(&s->lock);
    return n;
}
