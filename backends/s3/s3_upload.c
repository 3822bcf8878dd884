#include "backends/s3/s3_upload.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "backends/s3/s3_abort.h"
#include "backends/s3/s3_initiate.h"
#include "backends/s3/s3_journal.h"
#include "backends/s3/s3_meta.h"
#include "backends/s3/s3_xml.h"
#include "gateway/base/mem.h"

/* A server may take minutes to join 10,000 parts; some send spaces meanwhile. */
#define COMPLETE_STALL_MS (10u * 60 * 1000)
#define XML_MAX           (4u << 20)
#define MD5_BYTES         16u

enum upload_state {
    UPLOAD_NEW,        /* nothing was asked of the server */
    UPLOAD_CREATING,   /* for the answer to CreateMultipartUpload */
    UPLOAD_OPEN,       /* for parts */
    UPLOAD_LOOKING,    /* exclusive: for the HEAD before the completion */
    UPLOAD_COMPLETING, /* for the answer to CompleteMultipartUpload */
    UPLOAD_CONFIRMING, /* for the HEAD that tells whether it happened */
};

struct sending {
    struct s3_upload *upload;
    struct part *part; /* NULL = idle */
    struct op *step;
};

struct s3_upload {
    struct op op; /* once it is being completed */
    struct s3_store *store;
    const struct log_ctx *log;
    char *key, *id;
    struct fs_attr attr; /* what the object is to have */
    enum upload_state state;
    struct op *step;
    s3_upload_fn *moved;
    void *arg;
    struct part **parts;      /* in order */
    size_t nparts, cap, next; /* next: the first that was not sent */
    size_t stored;
    struct sending *lanes; /* upload_concurrency of them */
    enum gw_err err;
    char text[FS_TEXT_MAX];
    bool exclusive; /* completing */
    bool spent;     /* an answer was lost, and then the server knew of no such upload */
    struct gw_buf xml;
    struct gw_span xml_span;
    fs_done_fn *done; /* NULL = nobody waits */
    void *done_arg;
    char *etag; /* the caller's room; NULL likewise */
};

static void send_parts(struct s3_upload *u);
static void send_complete(struct s3_upload *u);

static const struct {
    const char *ext, *type;
} types[] = {
    {"csv", "text/csv"},        {"gif", "image/gif"},         {"gz", "application/gzip"},
    {"htm", "text/html"},       {"html", "text/html"},        {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},      {"json", "application/json"}, {"pdf", "application/pdf"},
    {"png", "image/png"},       {"txt", "text/plain"},        {"xml", "application/xml"},
    {"zip", "application/zip"},
};

static const char *type_of(const char *key)
{
    const char *dot = strrchr(key, '.'), *slash = strrchr(key, '/');
    for (size_t i = 0;
         dot != NULL && (slash == NULL || dot > slash) && i < sizeof types / sizeof types[0]; i++)
        if (strcasecmp(dot + 1, types[i].ext) == 0)
            return types[i].type;
    return "application/octet-stream";
}

void s3_object_headers_init(struct s3_object_headers *h, const struct s3_store *s, const char *key,
                            const struct fs_attr *attr)
{
    size_t offsets[S3_WRITE_HEADERS_MAX];
    char mtime[S3_META_MTIME_MAX];
    gw_buf_init(&h->text, 64u << 10);
    size_t own = s3_write_headers(s->conf, &h->text, offsets);
    size_t type_at = h->text.len;
    gw_buf_printf(&h->text, "Content-Type: %s", type_of(key));
    gw_buf_put_u8(&h->text, 0);
    size_t mtime_at = h->text.len;
    if (attr->set & FS_ATTR_MTIME) {
        s3_meta_mtime_format(attr->mtime_s, attr->mtime_ns, mtime);
        gw_buf_printf(&h->text, "%s: %s", S3_META_MTIME, mtime);
        gw_buf_put_u8(&h->text, 0);
    }
    const char *text = (const char *)h->text.data;
    h->n = 0;
    for (size_t i = 0; i < own; i++)
        h->v[h->n++] = text + offsets[i];
    h->v[h->n++] = text + type_at;
    if (attr->set & FS_ATTR_MTIME)
        h->v[h->n++] = text + mtime_at;
}

void s3_object_headers_free(struct s3_object_headers *h)
{
    gw_buf_free(&h->text);
}

static void upload_free(struct s3_upload *u)
{
    op_cancel(&u->step);
    for (size_t i = 0; i < u->store->conf->upload_concurrency; i++)
        op_cancel(&u->lanes[i].step);
    for (size_t i = 0; i < u->nparts; i++)
        part_free(&u->parts[i]);
    mem_free(u->parts);
    mem_free(u->lanes);
    gw_buf_free(&u->xml);
    mem_free(u->key);
    mem_free(u->id);
    s3_store_unref(&u->store);
    mem_free(u);
}

/* Frees it and leaves the abort to an orphan. */
static void upload_drop(struct s3_upload *u)
{
    struct s3_store *s = s3_store_ref(u->store);
    char *key = u->key, *id = u->id;
    u->key = u->id = NULL;
    upload_free(u); /* first: what is still being sent is cut off before the abort */
    if (id != NULL)
        (void)s3_abort_start(s, key, id, NULL, NULL);
    mem_free(key);
    mem_free(id);
    s3_store_unref(&s);
}

static void fail(struct s3_upload *u, enum gw_err err, const char *text)
{
    if (u->err == GW_OK) {
        u->err = err;
        snprintf(u->text, sizeof u->text, "%s", text != NULL ? text : gw_err_text(err));
    }
}

static void created(void *arg, enum gw_err err, const char *text, const char *upload_id)
{
    struct s3_upload *u = arg;
    u->step = NULL;
    if (err != GW_OK)
        fail(u, err, text);
    else
        u->id = mem_strdup(upload_id);
    u->state = UPLOAD_OPEN;
    send_parts(u);
    u->moved(u->arg);
}

static void create(struct s3_upload *u)
{
    u->state = UPLOAD_CREATING;
    struct s3_object_headers h;
    s3_object_headers_init(&h, u->store, u->key, &u->attr);
    u->step = s3_initiate_start(u->store, u->key, h.v, h.n, created, u);
    s3_object_headers_free(&h);
}

static void part_sent(void *arg, const struct remote_res *res)
{
    struct sending *lane = arg;
    struct s3_upload *u = lane->upload;
    struct part *p = lane->part;
    lane->step = NULL;
    lane->part = NULL;
    if (res->err != GW_OK)
        fail(u, res->err == GW_NOT_FOUND ? GW_UPSTREAM : res->err, res->text);
    else if (!part_set_etag(p, http_res_header(res->http, "ETag")))
        fail(u, GW_UPSTREAM, "S3 stored a part without an ETag");
    else
        u->stored++;
    part_drop(p);
    send_parts(u);
    u->moved(u->arg);
}

static void send_part(struct sending *lane, struct part *p)
{
    struct s3_upload *u = lane->upload;
    char number[12];
    snprintf(number, sizeof number, "%u", part_number(p));
    const struct s3_param query[] = {{"partNumber", number}, {"uploadId", u->id}};
    size_t n;
    const struct gw_span *body = part_body(p, &n);
    const struct s3_req req = {.method = "PUT",
                               .key = u->key,
                               .query = query,
                               .nquery = 2,
                               .body = body,
                               .nbody = n,
                               .body_sha256 = part_hash(p),
                               .log = u->log};
    lane->part = p;
    lane->step = s3_client_start(u->store->client, &req, part_sent, lane);
}

static void send_parts(struct s3_upload *u)
{
    if (u->err != GW_OK)
        return;
    if (u->state == UPLOAD_NEW)
        create(u);
    for (size_t i = 0; i < u->store->conf->upload_concurrency; i++)
        if (u->state == UPLOAD_OPEN && u->lanes[i].part == NULL && u->next < u->nparts)
            send_part(&u->lanes[i], u->parts[u->next++]);
}

struct s3_upload *s3_upload_new(struct s3_store *s, const char *key, const struct fs_attr *attr,
                                const struct log_ctx *log, s3_upload_fn *moved, void *arg)
{
    struct s3_upload *u = mem_zalloc(sizeof *u);
    u->store = s3_store_ref(s);
    u->key = mem_strdup(key);
    u->attr = *attr;
    u->log = log;
    u->moved = moved;
    u->arg = arg;
    u->lanes = mem_array(s->conf->upload_concurrency, sizeof *u->lanes);
    for (size_t i = 0; i < s->conf->upload_concurrency; i++)
        u->lanes[i].upload = u;
    gw_buf_init(&u->xml, XML_MAX);
    return u;
}

void s3_upload_add(struct s3_upload *u, struct part **pp)
{
    if (u->nparts == u->cap) {
        size_t cap = u->cap > 0 ? 2 * u->cap : 16;
        struct part **grown = mem_array(cap, sizeof(struct part *));
        if (u->nparts > 0)
            memcpy(grown, u->parts, u->nparts * sizeof(struct part *));
        mem_free(u->parts);
        u->parts = grown;
        u->cap = cap;
    }
    u->parts[u->nparts++] = *pp;
    *pp = NULL;
    send_parts(u);
}

size_t s3_upload_unsent(const struct s3_upload *u)
{
    return u->nparts - u->stored;
}

enum gw_err s3_upload_err(const struct s3_upload *u, const char **text)
{
    *text = u->text;
    return u->err;
}

const struct fs_attr *s3_upload_attr(const struct s3_upload *u)
{
    return &u->attr;
}

void s3_upload_abort(struct s3_upload **up)
{
    struct s3_upload *u = *up;
    *up = NULL;
    if (u == NULL)
        return;
    upload_drop(u);
}

/* Completing. Its requests outlive a cancel and so the session: they log without its context. */

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *at = strchr(digits, c);
    return c != '\0' && at != NULL ? (int)(at - digits) : -1;
}

static bool etag_md5(const char *etag, uint8_t out[MD5_BYTES])
{
    bool quoted = *etag == '"';
    etag += quoted;
    if (strlen(etag) != 2 * MD5_BYTES + quoted)
        return false;
    for (size_t i = 0; i < MD5_BYTES; i++) {
        int hi = hex(etag[2 * i]), lo = hex(etag[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

void s3_upload_etag(const char *const *etags, size_t n, char out[S3_UPLOAD_ETAG_MAX])
{
    uint8_t sum[EVP_MAX_MD_SIZE], one[MD5_BYTES];
    unsigned len = 0;
    out[0] = '\0';
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md != NULL && EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = etag_md5(etags[i], one) && EVP_DigestUpdate(md, one, sizeof one) == 1;
    if (ok && EVP_DigestFinal_ex(md, sum, &len) == 1 && len == MD5_BYTES) {
        for (size_t i = 0; i < len; i++)
            snprintf(out + 2 * i, 3, "%02x", sum[i]);
        snprintf(out + (size_t)2 * len, S3_UPLOAD_ETAG_MAX - (size_t)2 * len, "-%zu", n);
    }
    EVP_MD_CTX_free(md);
}

static void complete_cancel(struct op *op)
{
    struct s3_upload *u = (struct s3_upload *)(void *)op;
    u->done = NULL;
    u->etag = NULL;
    u->log = NULL;
    if (u->state != UPLOAD_COMPLETING && u->state != UPLOAD_CONFIRMING)
        upload_drop(u);
}

static const struct op_type complete_type = {"s3_upload_complete", complete_cancel};

static void complete_end(struct s3_upload *u, enum gw_err err, const char *text)
{
    struct s3_store *s = u->store;
    if (err == GW_OK)
        s3_journal_remove(s, u->key, u->id);
    if (u->done != NULL) {
        const struct fs_res res = {.err = err, .text = text};
        u->done(u->done_arg, &res);
    }
    if (err == GW_OK)
        upload_free(u);
    else
        upload_drop(u);
}

static uint64_t upload_size(const struct s3_upload *u)
{
    uint64_t size = 0;
    for (size_t i = 0; i < u->nparts; i++)
        size += part_filled(u->parts[i]);
    return size;
}

/* Is what HEAD found this upload's object? */
static bool is_ours(const struct s3_upload *u, const struct remote_res *res)
{
    struct fs_attr attr;
    char want[S3_UPLOAD_ETAG_MAX], number[16];
    const char *etag = http_res_header(res->http, "ETag");
    if (etag == NULL || !s3_meta_attr(res->http, &attr) || attr.size != upload_size(u))
        return false;
    const char **etags = mem_array(u->nparts, sizeof *etags);
    for (size_t i = 0; i < u->nparts; i++)
        etags[i] = part_etag(u->parts[i]);
    s3_upload_etag(etags, u->nparts, want);
    mem_free(etags);
    if (want[0] != '\0')
        return strncmp(etag + (*etag == '"'), want, strlen(want)) == 0;
    /* Encrypted by a key of the server's: all that shows is how many parts it was made of, and the
     * object that was there before may be like that as well. */
    if (!u->spent)
        return false;
    snprintf(number, sizeof number, "-%zu\"", u->nparts);
    return strstr(etag, number) != NULL;
}

/* There are servers that leave the quotes out of their XML. */
static void tell_etag(struct s3_upload *u, const char *etag)
{
    if (u->etag == NULL || etag == NULL || etag[0] == '\0')
        return;
    const char *quote = etag[0] == '"' ? "" : "\"";
    int n = snprintf(u->etag, S3_ETAG_MAX, "%s%s%s", quote, etag, quote);
    if (n < 0 || (size_t)n >= S3_ETAG_MAX)
        u->etag[0] = '\0';
}

static void confirmed(void *arg, const struct remote_res *res)
{
    struct s3_upload *u = arg;
    u->step = NULL;
    if (res->err == GW_OK && is_ours(u, res)) {
        tell_etag(u, http_res_header(res->http, "ETag"));
        complete_end(u, GW_OK, NULL);
    } else {
        complete_end(u, u->err, u->text);
    }
}

static void completed(void *arg, const struct remote_res *res)
{
    struct s3_upload *u = arg;
    u->step = NULL;
    struct s3_xml_head head = {0};
    if (res->err == GW_OK) {
        if (s3_xml_parse(S3_XML_COMPLETE, res->body, NULL, NULL, &head) == GW_OK) {
            tell_etag(u, head.etag);
            s3_xml_head_free(&head);
            complete_end(u, GW_OK, NULL);
            return;
        }
        s3_xml_head_free(&head);
        fail(u, GW_UPSTREAM, "S3 did not confirm the completion");
    } else if (res->err == GW_UNSUPPORTED && u->exclusive && !u->store->no_write_conditions) {
        u->store->no_write_conditions = true; /* the HEAD before has to do */
        send_complete(u);
        return;
    } else {
        fail(u, res->err == GW_NOT_FOUND ? GW_UPSTREAM : res->err, res->text);
        /* NoSuchUpload may be the answer to a repetition of what had worked, and after a lost
         * answer a failed condition too. Else the file is somebody's who was quicker, even if it
         * holds the same. */
        bool no_upload = strcmp(res->code, "NoSuchUpload") == 0;
        u->spent = no_upload && res->maybe_done;
        if (!res->maybe_done && !no_upload) {
            complete_end(u, u->err, u->text);
            return;
        }
    }
    u->state = UPLOAD_CONFIRMING;
    const struct s3_req req = {.method = "HEAD", .key = u->key};
    u->step = s3_client_start(u->store->client, &req, confirmed, u);
}

static void send_complete(struct s3_upload *u)
{
    u->state = UPLOAD_COMPLETING;
    gw_buf_reset(&u->xml);
    gw_buf_put_text(&u->xml, "<CompleteMultipartUpload "
                             "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < u->nparts; i++)
        gw_buf_printf(&u->xml, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>",
                      part_number(u->parts[i]), part_etag(u->parts[i]));
    gw_buf_put_text(&u->xml, "</CompleteMultipartUpload>");
    if (u->xml.failed != GW_OK)
        fail(u, u->xml.failed, NULL);
    u->xml_span = gw_buf_span(&u->xml);
    const struct s3_param query[] = {{"uploadId", u->id}};
    static const char *const headers[] = {"Content-Type: application/xml", "If-None-Match: *"};
    const struct s3_req req = {.method = "POST",
                               .key = u->key,
                               .query = query,
                               .nquery = 1,
                               .headers = headers,
                               .nheaders = u->exclusive && !u->store->no_write_conditions ? 2 : 1,
                               .body = &u->xml_span,
                               .nbody = 1,
                               .stall_ms = COMPLETE_STALL_MS,
                               .flags = REMOTE_ERROR_IN_200};
    u->step = s3_client_start(u->store->client, &req, completed, u);
}

static void looked(void *arg, const struct remote_res *res)
{
    struct s3_upload *u = arg;
    u->step = NULL;
    if (res->err == GW_NOT_FOUND)
        send_complete(u);
    else if (res->err == GW_OK)
        complete_end(u, GW_EXISTS, NULL);
    else
        complete_end(u, res->err, res->text);
}

struct op *s3_upload_complete(struct s3_upload **up, bool exclusive, char etag[S3_ETAG_MAX],
                              fs_done_fn *done, void *arg)
{
    struct s3_upload *u = *up;
    *up = NULL;
    assert(u->state == UPLOAD_OPEN && u->err == GW_OK && u->stored == u->nparts);
    u->op.type = &complete_type;
    u->exclusive = exclusive;
    u->etag = etag;
    etag[0] = '\0';
    u->done = done;
    u->done_arg = arg;
    if (!exclusive) {
        send_complete(u);
        return &u->op;
    }
    /* There are servers that ignore the condition on a completion. */
    u->state = UPLOAD_LOOKING;
    const struct s3_req req = {.method = "HEAD", .key = u->key, .log = u->log};
    u->step = s3_client_start(u->store->client, &req, looked, u);
    return &u->op;
}
