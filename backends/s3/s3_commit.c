#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "backends/attr_cache.h"
#include "backends/s3/s3_copy.h"
#include "backends/s3/s3_meta.h"
#include "backends/s3/s3_write.h"
#include "backends/s3/s3_writer.h"
#include "gateway/base/mem.h"

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
    struct op op;
    struct writer *writer;
    enum commit_state state;
    struct op *step;
    char etag[S3_ETAG_MAX]; /* of what the upload has become; "" = not known */
    struct s3_object_headers headers;
    enum gw_err put_err; /* what PutObject said */
    char put_text[FS_TEXT_MAX];
    fs_done_fn *done;
    void *arg;
};

static void commit_free(struct commit *c)
{
    struct writer *w = c->writer;
    op_cancel(&c->step);
    s3_object_headers_free(&c->headers);
    attr_cache_forget(w->store->cache, w->file.key);
    s3_writer_free(w);
    mem_free(c);
}

static void cancel(struct op *op)
{
    commit_free((struct commit *)op);
}

static const struct op_type commit_type = {"s3_commit", cancel};

static void end(struct commit *c, enum gw_err err, const char *text)
{
    const struct fs_res res = {.err = err, .text = text};
    fs_done_fn *done = c->done;
    void *arg = c->arg;
    attr_cache_forget(c->writer->store->cache, c->writer->file.key);
    done(arg, &res);
    commit_free(c);
}

/* One PutObject. */

static void put(struct commit *c);

/* The part that is the whole object; NULL = it is empty. */
static struct part *only_part(const struct commit *c)
{
    return c->writer->first;
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
    c->step = NULL;
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
    end(c, c->put_err, c->put_text);
}

static void put_done(void *arg, const struct remote_res *res)
{
    struct commit *c = arg;
    struct s3_store *s = c->writer->store;
    c->step = NULL;
    if (res->err == GW_OK) {
        end(c, GW_OK, NULL);
        return;
    }
    if (res->err == GW_UNSUPPORTED && c->writer->exclusive && !s->no_write_conditions) {
        s->no_write_conditions = true;
        put(c);
        return;
    }
    /* After a lost answer only: a condition that failed may then be due to what we have stored.
     * Without one the file is somebody else's, even if it holds the same. */
    c->put_err = res->err;
    snprintf(c->put_text, sizeof c->put_text, "%s",
             res->text != NULL ? res->text : gw_err_text(res->err));
    if (!res->maybe_done) {
        end(c, c->put_err, c->put_text);
        return;
    }
    c->state = COMMIT_CONFIRM;
    const struct s3_req req = {.method = "HEAD", .key = c->writer->file.key, .log = c->writer->log};
    c->step = s3_client_start(s->client, &req, put_confirmed, c);
}

static void put_send(struct commit *c)
{
    struct writer *w = c->writer;
    struct part *p = only_part(c);
    size_t n = 0;
    s3_object_headers_free(&c->headers);
    s3_object_headers_init(&c->headers, w->store, w->file.key, &w->meta);
    if (w->exclusive && !w->store->no_write_conditions)
        c->headers.v[c->headers.n++] = "If-None-Match: *";
    c->state = COMMIT_PUT;
    struct s3_req req = {.method = "PUT",
                         .key = w->file.key,
                         .headers = c->headers.v,
                         .nheaders = c->headers.n,
                         .body_sha256 = p != NULL ? part_hash(p) : NULL,
                         .log = w->log};
    if (p != NULL)
        req.body = part_body(p, &n);
    req.nbody = n;
    c->step = s3_client_start(w->store->client, &req, put_done, c);
}

static void put_looked(void *arg, const struct remote_res *res)
{
    struct commit *c = arg;
    c->step = NULL;
    if (res->err == GW_NOT_FOUND)
        put_send(c);
    else
        end(c, res->err == GW_OK ? GW_EXISTS : res->err, res->text);
}

static void put(struct commit *c)
{
    struct writer *w = c->writer;
    if (!w->exclusive || !w->store->no_write_conditions) {
        put_send(c);
        return;
    }
    c->state = COMMIT_LOOK;
    const struct s3_req req = {.method = "HEAD", .key = w->file.key, .log = w->log};
    c->step = s3_client_start(w->store->client, &req, put_looked, c);
}

/* A multipart upload. */

static void mtime_done(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->step = NULL;
    /* The file is stored: its time is no reason to say that it is not. */
    if (res->err != GW_OK)
        LOG_EVENT(LOG_LVL_WARN, c->writer->log, "s3_mtime_lost",
                  log_str("key", c->writer->file.key),
                  log_str("error", res->text != NULL ? res->text : gw_err_text(res->err)));
    end(c, GW_OK, NULL);
}

static void complete_done(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    struct writer *w = c->writer;
    c->step = NULL;
    if (res->err != GW_OK || c->state == COMMIT_COMPLETE) {
        end(c, res->err, res->text);
        return;
    }
    c->state = COMMIT_MTIME;
    /* Whoever has stored another object there meanwhile keeps its time. */
    const struct s3_copy_args args = {.from = w->file.key,
                                      .to = w->file.key,
                                      .etag = c->etag[0] != '\0' ? c->etag : NULL,
                                      .set_mtime = true,
                                      .mtime_s = w->meta.mtime_s,
                                      .mtime_ns = w->meta.mtime_ns,
                                      .log = w->log};
    c->step = s3_copy_start(w->store, &args, mtime_done, c);
}

static void copied(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->step = NULL;
    end(c, res->err, res->text);
}

static void advance(void *arg);

static void advance_later(void *arg)
{
    struct commit *c = arg;
    if (c->step == NULL && c->state == COMMIT_PARTS)
        c->step = loop_defer(c->writer->store->base.env.loop, advance, c);
}

static bool mtime_is_late(const struct writer *w)
{
    const struct s3_object_meta *m = s3_upload_meta(w->upload);
    return w->meta.has_mtime &&
           (!m->has_mtime || m->mtime_s != w->meta.mtime_s || m->mtime_ns != w->meta.mtime_ns);
}

static void advance(void *arg)
{
    struct commit *c = arg;
    struct writer *w = c->writer;
    c->step = NULL;
    part_writer_seal(w->parts);
    const char *text;
    enum gw_err err = part_writer_err(w->parts, &text);
    if (err != GW_OK) {
        end(c, err, text);
        return;
    }
    if (w->source_key != NULL) {
        c->state = COMMIT_COPY;
        const struct s3_copy_args args = {.from = w->source_key,
                                          .to = w->file.key,
                                          .etag = w->source_etag,
                                          .exclusive = w->exclusive,
                                          .set_mtime = w->meta.has_mtime,
                                          .mtime_s = w->meta.mtime_s,
                                          .mtime_ns = w->meta.mtime_ns,
                                          .log = w->log};
        c->step = s3_copy_start(w->store, &args, copied, c);
    } else if (w->upload == NULL) {
        put(c);
    } else if (s3_upload_unsent(w->upload) == 0) {
        c->state = mtime_is_late(w) ? COMMIT_MTIME : COMMIT_COMPLETE;
        c->step = s3_upload_complete(&w->upload, w->exclusive, c->etag, complete_done, c);
    }
}

struct op *s3_write_close(struct s3_file *f, fs_done_fn *done, void *arg)
{
    struct writer *w = s3_writer_of(f);
    struct commit *c = mem_zalloc(sizeof *c);
    assert(!part_writer_waits(w->parts));
    c->op.type = &commit_type;
    c->writer = w;
    c->done = done;
    c->arg = arg;
    w->moved = advance_later;
    w->moved_arg = c;
    attr_cache_forget(w->store->cache, w->file.key);
    advance_later(c);
    return &c->op;
}
