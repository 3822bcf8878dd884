/*
 * Requests to one bucket: builds the URL, signs, sends, retries, and turns every answer that is no
 * success into an error with words for a client ("S3 AccessDenied, request 44..."; never a URL or a
 * secret). One client a store and loop; the loop's thread only. Times in ms, sizes in bytes.
 */
#ifndef BACKENDS_S3_S3_CLIENT_H
#define BACKENDS_S3_S3_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/fs.h"
#include "backends/s3/s3_sign.h"
#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/log.h"
#include "gateway/io/http.h"
#include "gateway/io/loop.h"

#define S3_KEY_MAX    1024u
#define S3_ANSWER_MAX (4u << 20) /* of a collected body: a page of 1,000 long keys fits */

struct s3_client;
struct s3_conf; /* backends/s3/s3.h */

typedef void s3_rewind_fn(void *arg);

struct s3_res {
    enum gw_err err;
    const char *text;            /* with err: for the client; NULL = err's own words */
    const char *code;            /* with err: S3's ("NoSuchKey"); "" when the answer had none */
    unsigned status;             /* HTTP's; 0 = no answer came */
    struct gw_span body;         /* of a success, without on_body */
    const struct http_res *http; /* for its headers; NULL when no answer came */
    /* With err: the request may have had its effect (the answer was lost, or the server failed). */
    bool maybe_done;
};
/* Everything in res is valid during the callback. */
typedef void s3_done_fn(void *arg, const struct s3_res *res);

enum {
    S3_REQ_NO_RETRY = 1u << 0,     /* once only */
    S3_REQ_ERROR_IN_200 = 1u << 1, /* Complete, Copy: a 200 whose body is an <Error> is one */
};

struct s3_req {
    const char *method;
    const char *key;              /* byte for byte, at most S3_KEY_MAX; NULL = the bucket itself */
    const struct s3_param *query; /* as they are; encoded by the client */
    size_t nquery;
    const char *const *headers; /* "name: value", signed and sent */
    size_t nheaders;
    const struct gw_span *body; /* pieces of one body; borrowed until done or cancel */
    size_t nbody;
    const char *body_sha256; /* hex, when the caller has it; NULL = hashed here if it is needed */
    /* Or a body that is produced while it is sent; its length is send_bytes. Repeated after a fault
     * only when `rewind` is there: it is called before every attempt but the first. */
    http_send_fn *send;
    s3_rewind_fn *rewind;
    int64_t send_bytes;
    /* Of a success (2xx) only; an error's body never comes here. Once on_body had a byte there is
     * no retry: its owner continues by range. on_head runs before the first byte. */
    http_head_fn *on_head;
    http_body_fn *on_body;
    size_t max_body;   /* without on_body; 0 = S3_ANSWER_MAX */
    uint64_t stall_ms; /* give an attempt up when no byte moves so long; 0 = request_timeout_s. For
                          what a server does in silence: copy, complete */
    unsigned flags;
    const struct log_ctx *log; /* borrowed until done or cancel; NULL = none */
};

/* Borrows conf and its strings for the client's life. */
enum gw_err s3_client_new(struct loop *l, const struct s3_conf *conf, struct s3_client **out,
                          struct gw_errmsg *msg);
void s3_client_free(struct s3_client **cp); /* every op of it is done or cancelled */

/*
 * Copies the request's strings. on_head, on_body, send, rewind and done get `arg`.
 * Errors: GW_NOT_FOUND (NoSuchKey, a bare 404 on a key), GW_NO_PATH (NoSuchBucket), GW_DENIED (401,
 * 403), GW_EXISTS (412 or 409 to a request with If-None-Match), GW_CHANGED (412 otherwise),
 * GW_UNSUPPORTED (501, 405), GW_TOO_LARGE (EntityTooLarge), GW_QUOTA, GW_TIMEOUT, GW_IO (no
 * connection, cut off), GW_EOF (416 InvalidRange), GW_UPSTREAM (everything else): never
 * GW_NOT_FOUND for a fault.
 */
struct op *s3_client_start(struct s3_client *c, const struct s3_req *req, s3_done_fn *done,
                           void *arg);
/* After on_body or send paused. */
void s3_client_resume(struct op *op);

/* "/bucket/encoded-key", as x-amz-copy-source wants it. */
void s3_client_copy_source(const struct s3_client *c, const char *key, struct gw_buf *out);
const struct s3_conf *s3_client_conf(const struct s3_client *c);
struct loop *s3_client_loop(const struct s3_client *c);
/* The server's clock in Unix seconds, as far as it is known: for ages of uploads. */
int64_t s3_client_now_s(const struct s3_client *c);
/* An fs_res with res's err and text. */
struct fs_res s3_client_fs_res(const struct s3_res *res);

#endif
