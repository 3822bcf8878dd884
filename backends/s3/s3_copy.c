#include "backends/s3/s3_copy.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "backends/attr_cache.h"
#include "backends/s3/s3_abort.h"
#include "backends/s3/s3_initiate.h"
#include "backends/s3/s3_journal.h"
#include "backends/s3/s3_meta.h"
#include "backends/s3/s3_same.h"
#include "backends/s3/s3_upload.h"
#include "backends/s3/s3_xml.h"
#include "gateway/base/mem.h"

#define MIB            (UINT64_C(1) << 20)
#define PARTS_MAX      10000u
#define PART_PREFERRED (512 * MIB) /* several at once, and a part that fails costs little */
#define PARTS_AT_ONCE  4u
#define HEADERS_MAX    64u
/* A server copies in silence: it answers when it is through with 5 GiB. */
#define COPY_STALL_MS (15 * 60 * 1000u)

struct part {
    struct copy *copy;
    struct op *request;
    uint32_t number; /* from 1; 0 = idle */
};

struct copy {
    struct fs_task task;
    struct s3_copy_args args;
    char *from, *to, *etag; /* etag: of the source, with its quotes; NULL until known */
    uint64_t size;
    bool no_match;      /* the server compares ETags wrongly: see mistrust() */
    struct gw_buf kept; /* the source's metadata as header lines, each with a NUL */
    size_t nkept;
    char *named;          /* the ETag in the answer to the copy; NULL = none */
    struct s3_same *same; /* of a copy onto itself: for those that read it */
    struct fs_attr attr;
    /* A copy in parts. */
    char *upload_id;
    uint64_t part_bytes;
    uint32_t nparts, next_part, finished;
    char **etags; /* by number - 1 */
    struct part parts[PARTS_AT_ONCE];
};

/* Not to be completed any more. */
static void abandon_upload(struct copy *c)
{
    if (c->upload_id != NULL)
        (void)s3_abort_start(s3_store_of(&c->task), c->to, c->upload_id, NULL, NULL);
    mem_free(c->upload_id);
    c->upload_id = NULL;
}

static void free_etags(struct copy *c)
{
    for (uint32_t i = 0; c->etags != NULL && i < c->nparts; i++)
        mem_free(c->etags[i]);
    mem_free(c->etags);
    c->etags = NULL;
}

static void look_at_source(struct copy *c);

static void copy_release(struct fs_task *t)
{
    struct copy *c = (struct copy *)t;
    for (size_t i = 0; i < PARTS_AT_ONCE; i++)
        op_cancel(&c->parts[i].request);
    abandon_upload(c);
    free_etags(c);
    s3_same_end(&c->same, NULL);
    mem_free(c->from);
    mem_free(c->to);
    mem_free(c->etag);
    mem_free(c->named);
    gw_buf_free(&c->kept);
}

/* Nothing may still run when done is called. */
static void fail(struct copy *c, enum gw_err err, const char *text)
{
    char kept[FS_TEXT_MAX] = "";
    if (text != NULL)
        snprintf(kept, sizeof kept, "%s", text);
    for (size_t i = 0; i < PARTS_AT_ONCE; i++)
        op_cancel(&c->parts[i].request);
    attr_cache_forget(s3_store_of(&c->task)->cache, c->to);
    fs_task_fail(&c->task, err, kept[0] != '\0' ? kept : NULL);
}

/* ---- the headers ---- */

/* What a copy with its own metadata has to say again, besides x-amz-meta-*. */
static bool is_kept(const char *line, bool set_mtime)
{
    static const char *const names[] = {"content-type",        "content-encoding",
                                        "content-language",    "content-disposition",
                                        "cache-control",       "expires",
                                        "x-amz-storage-class", "x-amz-website-redirect-location"};
    size_t n = strcspn(line, ":");
    if (n == strlen(S3_META_MTIME) && strncasecmp(line, S3_META_MTIME, n) == 0)
        return !set_mtime;
    if (strncasecmp(line, "x-amz-meta-", 11) == 0)
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == n && strncasecmp(line, names[i], n) == 0)
            return true;
    return false;
}

static void keep_headers(struct copy *c, const struct http_res *http)
{
    const char *line;
    for (size_t i = 0; (line = http_res_line(http, i)) != NULL; i++) {
        if (!is_kept(line, c->args.set_mtime))
            continue;
        gw_buf_put(&c->kept, line, strlen(line) + 1);
        c->nkept++;
    }
    if (c->args.set_mtime) {
        char mtime[S3_META_MTIME_MAX];
        s3_meta_mtime_format(c->args.mtime_s, c->args.mtime_ns, mtime);
        gw_buf_printf(&c->kept, S3_META_MTIME ": %s", mtime);
        gw_buf_put_u8(&c->kept, 0);
        c->nkept++;
    }
}

struct headers {
    struct gw_buf conf, source;
    const char *v[HEADERS_MAX + S3_WRITE_HEADERS_MAX + 4];
    size_t n;
};

/* The store's own headers; the source's where `metadata`. Tags of the configuration are for new
 * files: a copy keeps those of its source. */
static bool build_headers(struct copy *c, bool metadata, struct headers *h)
{
    size_t at[S3_WRITE_HEADERS_MAX];
    *h = (struct headers){0};
    gw_buf_init(&h->conf, 64u << 10);
    gw_buf_init(&h->source, 16u << 10);
    size_t n = s3_write_headers(s3_store_of(&c->task)->conf, &h->conf, at);
    bool class = false;
    for (size_t i = 0; i < n; i++) {
        const char *line = (const char *)h->conf.data + at[i];
        class |= strncasecmp(line, "x-amz-storage-class:", 20) == 0;
        if (strncasecmp(line, "x-amz-tagging:", 14) != 0)
            h->v[h->n++] = line;
    }
    const char *line = (const char *)c->kept.data;
    for (size_t i = 0; metadata && i < c->nkept; i++, line += strlen(line) + 1)
        if (!class || strncasecmp(line, "x-amz-storage-class:", 20) != 0)
            h->v[h->n++] = line;
    gw_buf_put_text(&h->source, "x-amz-copy-source: ");
    s3_client_copy_source(s3_store_of(&c->task)->client, c->from, &h->source);
    gw_buf_put_u8(&h->source, 0);
    return h->conf.failed == GW_OK && h->source.failed == GW_OK;
}

static void headers_free(struct headers *h)
{
    gw_buf_free(&h->conf);
    gw_buf_free(&h->source);
}

/* ---- the end: is it there, and is it whole? ---- */

/* There are servers that leave the quotes out of their XML. */
static bool same_etag(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    bool qa = n >= 2 && a[0] == '"' && a[n - 1] == '"',
         qb = m >= 2 && b[0] == '"' && b[m - 1] == '"';
    n -= qa ? 2 : 0;
    m -= qb ? 2 : 0;
    return n == m && memcmp(a + qa, b + qb, n) == 0;
}

/* What HEAD sees may be somebody else's already. There are servers that name no ETag when a copy in
 * parts is complete: then it is ours if it has the time that was set. */
static bool is_ours(const struct copy *c, const char *etag)
{
    if (c->named != NULL && c->named[0] != '\0')
        return same_etag(etag, c->named);
    return c->args.set_mtime && (c->attr.set & FS_ATTR_MTIME) &&
           c->attr.mtime_s == c->args.mtime_s && c->attr.mtime_ns == c->args.mtime_ns;
}

/* Beyond doubt: a time could have been set by somebody else, too. */
static bool is_proven(const struct copy *c, const char *etag)
{
    char made[S3_UPLOAD_ETAG_MAX] = "";
    if (c->named != NULL && c->named[0] != '\0')
        return same_etag(etag, c->named);
    if (c->etags != NULL)
        s3_upload_etag((const char *const *)c->etags, c->nparts, made);
    return made[0] != '\0' && same_etag(etag, made);
}

static void tell_made(struct copy *c, const struct http_res *http)
{
    const char *etag = http_res_header(http, "ETag");
    bool usable = etag != NULL && strlen(etag) < S3_COPY_ETAG_MAX;
    s3_same_end(&c->same, usable && is_proven(c, etag) ? etag : NULL);
    if (c->args.made != NULL)
        snprintf(c->args.made, S3_COPY_ETAG_MAX, "%s", usable && is_ours(c, etag) ? etag : "");
}

static void verified(void *arg, const struct remote_res *res)
{
    struct copy *c = arg;
    c->task.step = NULL;
    attr_cache_forget(s3_store_of(&c->task)->cache, c->to);
    if (res->err != GW_OK) {
        fail(c, res->err == GW_NOT_FOUND ? GW_UPSTREAM : res->err,
             res->err == GW_NOT_FOUND ? "S3 lost the copy" : res->text);
        return;
    }
    if (!s3_meta_attr(res->http, &c->attr) || c->attr.size != c->size) {
        fail(c, GW_UPSTREAM, "the copy in S3 has another size");
        return;
    }
    tell_made(c, res->http);
    fs_task_end(&c->task, &(struct fs_res){.attr = &c->attr, .bytes = c->size});
}

static void verify(struct copy *c)
{
    if (c->args.no_verify) {
        attr_cache_forget(s3_store_of(&c->task)->cache, c->to);
        remote_meta_attr_file(c->size, 0, &c->attr);
        fs_task_end(&c->task, &(struct fs_res){.attr = &c->attr, .bytes = c->size});
        return;
    }
    const struct s3_req req = {.method = "HEAD", .key = c->to, .log = c->task.log};
    c->task.step = s3_client_start(s3_store_of(&c->task)->client, &req, verified, c);
}

/*
 * Swift holds the ETag of an object in parts against another one than HEAD tells, and so refuses
 * every copy of it. When the source still has the ETag that it is to have, it is copied without
 * that condition.
 */
static bool mistrust(struct copy *c, const struct remote_res *res)
{
    if (res->err != GW_CHANGED || c->no_match || c->etag == NULL)
        return false;
    c->no_match = true;
    s3_same_end(&c->same, NULL);
    for (size_t i = 0; i < PARTS_AT_ONCE; i++)
        op_cancel(&c->parts[i].request);
    abandon_upload(c);
    free_etags(c);
    c->next_part = c->finished = 0;
    look_at_source(c);
    return true;
}

/* Takes what head holds. */
static void name_etag(struct copy *c, enum gw_err err, struct s3_xml_head *head)
{
    mem_free(c->named);
    c->named = err == GW_OK ? mem_strdup(head->etag) : NULL;
    s3_xml_head_free(head);
}

/* ---- one request ---- */

static void copied(void *arg, const struct remote_res *res)
{
    struct copy *c = arg;
    c->task.step = NULL;
    struct s3_xml_head head;
    if (mistrust(c, res))
        return;
    if (res->err != GW_OK) {
        fail(c, res->err, res->text);
        return;
    }
    enum gw_err err = s3_xml_parse(S3_XML_COPY, res->body, NULL, NULL, &head);
    name_etag(c, err, &head);
    if (err != GW_OK)
        fail(c, GW_UPSTREAM, "S3 answered a copy with something else");
    else
        verify(c);
}

static void copy_whole(struct copy *c)
{
    struct headers h;
    bool replace = c->args.set_mtime || strcmp(c->from, c->to) == 0;
    bool ok = build_headers(c, replace, &h);
    char *match = NULL;
    if (!ok) {
        headers_free(&h);
        fail(c, GW_NO_MEMORY, NULL);
        return;
    }
    h.v[h.n++] = (const char *)h.source.data;
    if (replace)
        h.v[h.n++] = "x-amz-metadata-directive: REPLACE";
    if (c->etag != NULL && !c->no_match)
        h.v[h.n++] = match = mem_printf("x-amz-copy-source-if-match: %s", c->etag);
    const struct s3_req req = {.method = "PUT",
                               .key = c->to,
                               .headers = h.v,
                               .nheaders = h.n,
                               .stall_ms = COPY_STALL_MS,
                               .flags = REMOTE_ERROR_IN_200,
                               .log = c->task.log};
    c->task.step = s3_client_start(s3_store_of(&c->task)->client, &req, copied, c);
    mem_free(match);
    headers_free(&h);
}

/* ---- in parts ---- */

static void completed(void *arg, const struct remote_res *res)
{
    struct copy *c = arg;
    c->task.step = NULL;
    /* A lost answer is a failure too: what is at the target may be what was there before. */
    if (res->err != GW_OK) {
        fail(c, res->err, res->text);
        return;
    }
    struct s3_xml_head head;
    enum gw_err err = s3_xml_parse(S3_XML_COMPLETE, res->body, NULL, NULL, &head);
    name_etag(c, err, &head);
    s3_journal_remove(s3_store_of(&c->task), c->to, c->upload_id);
    mem_free(c->upload_id);
    c->upload_id = NULL;
    verify(c);
}

static void complete(struct copy *c)
{
    struct gw_buf body;
    gw_buf_init(&body, 4u << 20);
    gw_buf_put_text(&body, "<CompleteMultipartUpload>");
    for (uint32_t i = 0; i < c->nparts; i++)
        gw_buf_printf(&body, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>",
                      (unsigned)i + 1, c->etags[i]);
    gw_buf_put_text(&body, "</CompleteMultipartUpload>");
    if (body.failed != GW_OK) {
        gw_buf_free(&body);
        fail(c, GW_NO_MEMORY, NULL);
        return;
    }
    gw_buf_free(&c->kept); /* from here on it holds the body, which the request borrows */
    c->kept = body;
    const struct gw_span span = gw_buf_span(&c->kept);
    const char *const headers[] = {"content-type: application/xml"};
    const struct s3_param query[] = {{"uploadId", c->upload_id}};
    const struct s3_req req = {.method = "POST",
                               .key = c->to,
                               .query = query,
                               .nquery = 1,
                               .headers = headers,
                               .nheaders = 1,
                               .body = &span,
                               .nbody = 1,
                               .stall_ms = COPY_STALL_MS,
                               .flags = REMOTE_ERROR_IN_200,
                               .log = c->task.log};
    c->task.step = s3_client_start(s3_store_of(&c->task)->client, &req, completed, c);
}

static void part_next(struct part *p);

static void part_done(void *arg, const struct remote_res *res)
{
    struct part *p = arg;
    struct copy *c = p->copy;
    p->request = NULL;
    struct s3_xml_head head;
    if (mistrust(c, res))
        return;
    if (res->err != GW_OK) {
        fail(c, res->err, res->text);
        return;
    }
    enum gw_err err = s3_xml_parse(S3_XML_COPY_PART, res->body, NULL, NULL, &head);
    /* It goes into XML as it came: a quote or a bracket would be another element. */
    bool good = err == GW_OK && head.etag[0] != '\0' && strpbrk(head.etag, "<>&") == NULL;
    if (good)
        c->etags[p->number - 1] = mem_strdup(head.etag);
    s3_xml_head_free(&head);
    if (!good) {
        fail(c, GW_UPSTREAM, "S3 answered a copy with something else");
        return;
    }
    if (++c->finished == c->nparts)
        complete(c);
    else
        part_next(p);
}

static void part_next(struct part *p)
{
    struct copy *c = p->copy;
    if (c->next_part == c->nparts)
        return;
    p->number = ++c->next_part;
    uint64_t from = (p->number - 1) * c->part_bytes;
    uint64_t end = from + c->part_bytes < c->size ? from + c->part_bytes : c->size;
    char number[16];
    snprintf(number, sizeof number, "%u", (unsigned)p->number);
    char *range = mem_printf("x-amz-copy-source-range: bytes=%llu-%llu", (unsigned long long)from,
                             (unsigned long long)end - 1);
    char *match = mem_printf("x-amz-copy-source-if-match: %s", c->etag);
    struct gw_buf source;
    gw_buf_init(&source, 16u << 10);
    gw_buf_put_text(&source, "x-amz-copy-source: ");
    s3_client_copy_source(s3_store_of(&c->task)->client, c->from, &source);
    const char *const headers[] = {range, gw_buf_cstr(&source), match};
    const struct s3_param query[] = {{"partNumber", number}, {"uploadId", c->upload_id}};
    const struct s3_req req = {.method = "PUT",
                               .key = c->to,
                               .query = query,
                               .nquery = 2,
                               .headers = headers,
                               .nheaders = c->no_match ? 2 : 3,
                               .stall_ms = COPY_STALL_MS,
                               .flags = REMOTE_ERROR_IN_200,
                               .log = c->task.log};
    p->request = s3_client_start(s3_store_of(&c->task)->client, &req, part_done, p);
    mem_free(range);
    mem_free(match);
    gw_buf_free(&source);
}

static void initiated(void *arg, enum gw_err err, const char *text, const char *upload_id)
{
    struct copy *c = arg;
    c->task.step = NULL;
    if (err != GW_OK) {
        fail(c, err, text);
        return;
    }
    c->upload_id = mem_strdup(upload_id);
    c->etags = mem_array(c->nparts, sizeof *c->etags);
    for (size_t i = 0; i < PARTS_AT_ONCE; i++) {
        c->parts[i].copy = c;
        part_next(&c->parts[i]);
    }
}

static void copy_in_parts(struct copy *c)
{
    uint64_t limit = (uint64_t)s3_store_of(&c->task)->conf->copy_part_mb * MIB;
    uint64_t least = (c->size + PARTS_MAX - 1) / PARTS_MAX;
    c->part_bytes = limit < PART_PREFERRED ? limit : PART_PREFERRED;
    if (c->part_bytes < least)
        c->part_bytes = (least + MIB - 1) / MIB * MIB;
    c->nparts = (uint32_t)((c->size + c->part_bytes - 1) / c->part_bytes);
    struct headers h;
    if (!build_headers(c, true, &h)) {
        headers_free(&h);
        fail(c, GW_NO_MEMORY, NULL);
        return;
    }
    c->task.step = s3_initiate_start(s3_store_of(&c->task), c->to, h.v, h.n, initiated, c);
    headers_free(&h);
}

/* ---- the beginning ---- */

/* Only of what is held against its ETag: else it may be somebody else's bytes. */
static void begin_same(struct copy *c)
{
    if (c->same != NULL || c->no_match || c->etag == NULL || strcmp(c->from, c->to) != 0)
        return;
    char *name = s3_client_name(s3_store_of(&c->task)->client, c->to);
    c->same = s3_same_begin(name, c->etag);
    mem_free(name);
}

static void copy_now(struct copy *c)
{
    begin_same(c);
    attr_cache_forget(s3_store_of(&c->task)->cache, c->to);
    if (c->size <= (uint64_t)s3_store_of(&c->task)->conf->copy_part_mb * MIB)
        copy_whole(c);
    else
        copy_in_parts(c);
}

static void target_seen(void *arg, const struct remote_res *res)
{
    struct copy *c = arg;
    c->task.step = NULL;
    if (res->err == GW_NOT_FOUND)
        copy_now(c);
    else
        fail(c, res->err == GW_OK ? GW_EXISTS : res->err, res->text);
}

/* The source's ETag, by copies of ours. */
static bool became(const struct copy *c, const char *etag)
{
    char now[S3_SAME_ETAG_MAX];
    char *name = s3_client_name(s3_store_of(&c->task)->client, c->from);
    bool yes = s3_same_find(name, c->etag, now) == S3_SAME_YES && strcmp(now, etag) == 0;
    mem_free(name);
    return yes;
}

static void source_seen(void *arg, const struct remote_res *res)
{
    struct copy *c = arg;
    c->task.step = NULL;
    if (res->err != GW_OK) {
        fail(c, res->err, res->text);
        return;
    }
    const char *etag = http_res_header(res->http, "ETag");
    struct fs_attr attr;
    if (!s3_meta_attr(res->http, &attr) || etag == NULL) {
        fail(c, GW_UPSTREAM, "S3 answered without a size or ETag");
        return;
    }
    if (c->etag != NULL && strcmp(c->etag, etag) != 0) {
        if (!became(c, etag)) {
            fail(c, GW_CHANGED, NULL);
            return;
        }
        c->no_match = false; /* this one the server was not asked for yet */
    }
    mem_free(c->etag);
    c->etag = mem_strdup(etag);
    c->size = attr.size;
    gw_buf_reset(&c->kept);
    c->nkept = 0;
    keep_headers(c, res->http);
    if (c->kept.failed != GW_OK || c->nkept > HEADERS_MAX) {
        fail(c, GW_TOO_LARGE, "the object's metadata is too large");
        return;
    }
    if (!c->args.exclusive || c->no_match) {
        copy_now(c);
        return;
    }
    const struct s3_req req = {.method = "HEAD", .key = c->to, .log = c->task.log};
    c->task.step = s3_client_start(s3_store_of(&c->task)->client, &req, target_seen, c);
}

static void look_at_source(struct copy *c)
{
    const struct s3_req req = {.method = "HEAD", .key = c->from, .log = c->task.log};
    c->task.step = s3_client_start(s3_store_of(&c->task)->client, &req, source_seen, c);
}

struct op *s3_copy_start(struct s3_store *s, const struct s3_copy_args *args, fs_done_fn *done,
                         void *arg)
{
    struct copy *c = fs_task_new(sizeof *c, &s->base, args->log, done, arg);
    c->task.release = copy_release;
    c->args = *args;
    c->from = mem_strdup(args->from);
    c->to = mem_strdup(args->to);
    c->etag = mem_strdup(args->etag);
    c->args.from = c->args.to = c->args.etag = NULL;
    gw_buf_init(&c->kept, 64u << 10);
    /* A copy in parts, or with other metadata, has to say the source's headers again. */
    if (args->known && !args->exclusive && !args->set_mtime && strcmp(c->from, c->to) != 0 &&
        args->size <= (uint64_t)s->conf->copy_part_mb * MIB) {
        c->size = args->size;
        copy_now(c);
        return &c->task.op;
    }
    look_at_source(c);
    return &c->task.op;
}
