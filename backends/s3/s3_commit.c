#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "backends/remote_commit.h"
#include "backends/s3/s3_copy.h"
#include "backends/s3/s3_meta.h"
#include "backends/s3/s3_writer.h"

#define ETAG_HEX_MAX 33u

enum commit_state {
    COMMIT_PARTS,    /* for the parts that are being sent */
    COMMIT_LOOK,     /* for HEAD: exclusive, and the server knows no conditions */
    COMMIT_PUT,      /* for PutObject */
    COMMIT_CONFIRM,  /* for HEAD: the answer to PutObject was lost */
    COMMIT_COMPLETE, /* for the upload's completion */
    COMMIT_COPY,     /* for a copy that is the whole content */
    COMMIT_MTIME,    /* for the metadata that came after the upload had begun */
};

struct commit {
    struct remote_commit base;
    enum commit_state state;
    char etag[S3_ETAG_MAX]; /* of what the upload has become; "" = not known */
};

static struct s3_writer *writer_of(const struct commit *c)
{
    return (struct s3_writer *)c->base.file;
}

static struct s3_store *store_of(const struct commit *c)
{
    return s3_store_of(&c->base.task);
}

static void end(struct commit *c, enum gw_err err, const char *text)
{
    remote_commit_end(&c->base, err, text);
}

static void head(struct commit *c, enum commit_state state, remote_done_fn *done)
{
    c->state = state;
    const struct s3_req req = {
        .method = "HEAD", .key = c->base.file->name, .log = c->base.task.log};
    c->base.task.step = s3_client_start(store_of(c)->client, &req, done, c);
}

/* One PutObject. */

static void put(struct commit *c);

/* The part that is the whole object; NULL = it is empty. */
static struct part *only_part(const struct commit *c)
{
    return writer_of(c)->first;
}

static void md5_of(struct part *p, char out[ETAG_HEX_MAX])
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    size_t n = 0;
    const struct gw_span *body = p != NULL ? part_body(p, &n) : NULL;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md != NULL && EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = EVP_DigestUpdate(md, body[i].ptr, body[i].len) == 1;
    out[0] = '\0';
    if (ok && EVP_DigestFinal_ex(md, sum, &len) == 1)
        for (unsigned i = 0; i < len && 2 * i + 2 < ETAG_HEX_MAX; i++)
            snprintf(out + (size_t)2 * i, 3, "%02x", sum[i]);
    EVP_MD_CTX_free(md);
}

static void put_confirmed(void *arg, const struct remote_res *res)
{
    struct commit *c = arg;
    c->base.task.step = NULL;
    char md5[ETAG_HEX_MAX];
    struct fs_attr attr;
    struct part *p = only_part(c);
    const char *etag = res->err == GW_OK ? http_res_header(res->http, "ETag") : NULL;
    if (etag != NULL && s3_meta_attr(res->http, &attr) &&
        attr.size == (p != NULL ? part_filled(p) : 0)) {
        md5_of(p, md5);
        if (strncmp(etag + (*etag == '"'), md5, strlen(md5)) == 0) {
            end(c, GW_OK, NULL);
            return;
        }
    }
    end(c, c->base.err, c->base.text);
}

static void put_done(void *arg, const struct remote_res *res)
{
    struct commit *c = arg;
    struct s3_store *s = store_of(c);
    c->base.task.step = NULL;
    if (res->err == GW_OK) {
        end(c, GW_OK, NULL);
        return;
    }
    if (res->err == GW_UNSUPPORTED && c->base.file->exclusive && !s->no_write_conditions) {
        s->no_write_conditions = true;
        put(c);
        return;
    }
    /* After a lost answer only: a condition that failed may then be due to what we have stored.
     * Without one the file is somebody else's, even if it holds the same. */
    remote_commit_keep(&c->base, res->err, res->text);
    if (res->maybe_done)
        head(c, COMMIT_CONFIRM, put_confirmed);
    else
        end(c, c->base.err, c->base.text);
}

static void put_send(struct commit *c)
{
    struct remote_file *f = c->base.file;
    struct s3_store *s = store_of(c);
    struct s3_object_headers *headers = &writer_of(c)->headers;
    struct part *p = only_part(c);
    size_t n = 0;
    s3_object_headers_free(headers);
    s3_object_headers_init(headers, s, f->name, &f->attr);
    if (f->exclusive && !s->no_write_conditions)
        headers->v[headers->n++] = "If-None-Match: *";
    c->state = COMMIT_PUT;
    struct s3_req req = {.method = "PUT",
                         .key = f->name,
                         .headers = headers->v,
                         .nheaders = headers->n,
                         .body_sha256 = p != NULL ? part_hash(p) : NULL,
                         .log = c->base.task.log};
    if (p != NULL)
        req.body = part_body(p, &n);
    req.nbody = n;
    c->base.task.step = s3_client_start(s->client, &req, put_done, c);
}

static void put_looked(void *arg, const struct remote_res *res)
{
    struct commit *c = arg;
    c->base.task.step = NULL;
    if (res->err == GW_NOT_FOUND)
        put_send(c);
    else
        end(c, res->err == GW_OK ? GW_EXISTS : res->err, res->text);
}

static void put(struct commit *c)
{
    if (c->base.file->exclusive && store_of(c)->no_write_conditions)
        head(c, COMMIT_LOOK, put_looked);
    else
        put_send(c);
}

/* A multipart upload. */

static void mtime_done(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->base.task.step = NULL;
    /* The file is stored: its time is no reason to say that it is not. */
    if (res->err != GW_OK)
        LOG_EVENT(LOG_LVL_WARN, c->base.task.log, "s3_mtime_lost",
                  log_str("key", c->base.file->name),
                  log_str("error", res->text != NULL ? res->text : gw_err_text(res->err)));
    end(c, GW_OK, NULL);
}

/* `from`, with that ETag (NULL = any), becomes the object. */
static void copy(struct commit *c, const char *from, const char *etag, fs_done_fn *done)
{
    const struct remote_file *f = c->base.file;
    const struct s3_copy_args args = {.from = from,
                                      .to = f->name,
                                      .etag = etag,
                                      .exclusive = f->exclusive && c->state == COMMIT_COPY,
                                      .set_mtime = f->attr.set & FS_ATTR_MTIME,
                                      .mtime_s = f->attr.mtime_s,
                                      .mtime_ns = f->attr.mtime_ns,
                                      .log = c->base.task.log};
    c->base.task.step = s3_copy_start(store_of(c), &args, done, c);
}

static void complete_done(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->base.task.step = NULL;
    /* Whoever has stored another object there meanwhile keeps its time. */
    if (res->err == GW_OK && c->state == COMMIT_MTIME)
        copy(c, c->base.file->name, c->etag[0] != '\0' ? c->etag : NULL, mtime_done);
    else
        end(c, res->err, res->text);
}

static void copied(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->base.task.step = NULL;
    end(c, res->err, res->text);
}

static void advance(void *arg);

static void advance_later(void *arg)
{
    struct commit *c = arg;
    if (c->base.task.step == NULL && c->state == COMMIT_PARTS)
        c->base.task.step = loop_defer(store_of(c)->base.env.loop, advance, c);
}

static bool mtime_is_late(const struct s3_writer *w)
{
    const struct fs_attr *sent = s3_upload_attr(w->upload), *want = &w->file.attr;
    return (want->set & FS_ATTR_MTIME) &&
           (!(sent->set & FS_ATTR_MTIME) || sent->mtime_s != want->mtime_s ||
            sent->mtime_ns != want->mtime_ns);
}

static void advance(void *arg)
{
    struct commit *c = arg;
    struct s3_writer *w = writer_of(c);
    c->base.task.step = NULL;
    if (!remote_commit_seal(&c->base))
        return;
    if (w->file.source != NULL) {
        c->state = COMMIT_COPY;
        copy(c, w->file.source, w->file.source_etag, copied);
    } else if (w->upload == NULL) {
        put(c);
    } else if (s3_upload_unsent(w->upload) == 0) {
        c->state = mtime_is_late(w) ? COMMIT_MTIME : COMMIT_COMPLETE;
        c->base.task.step =
            s3_upload_complete(&w->upload, w->file.exclusive, c->etag, complete_done, c);
    }
}

struct op *s3_commit_start(struct remote_file *f, fs_done_fn *done, void *arg)
{
    struct s3_store *s = s3_store_of_file(f);
    struct commit *c = remote_commit_new(sizeof *c, f, &s->base, s->cache, done, arg);
    f->moved = advance_later;
    f->moved_arg = c;
    advance_later(c);
    return &c->base.task.op;
}
