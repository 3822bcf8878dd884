/*
 * Requests to one bucket: what a request of S3 is beyond backends/remote.h, which sends it: the URL
 * of a key, the signature, the clock, the meaning of an answer. One client a store and loop.
 */
#ifndef BACKENDS_S3_S3_CLIENT_H
#define BACKENDS_S3_S3_CLIENT_H

#include "backends/remote.h"
#include "backends/s3/s3_sign.h"

#define S3_KEY_MAX 1024u

struct s3_client;
struct s3_conf; /* backends/s3/s3.h */
struct s3_conf_credentials;

/* A remote_req whose target is made of a key and a query. */
struct s3_req {
    const char *method;
    const char *key;              /* byte for byte, at most S3_KEY_MAX; NULL = the bucket itself */
    const struct s3_param *query; /* as they are; encoded by the client */
    size_t nquery;
    const char *const *headers; /* "name: value", signed and sent */
    size_t nheaders;
    const struct gw_span *body;
    size_t nbody;
    const char *body_sha256; /* hex, when the caller has it; NULL = hashed here if it is needed */
    http_send_fn *send;
    remote_rewind_fn *rewind;
    int64_t send_bytes;
    http_head_fn *on_head;
    http_body_fn *on_body;
    size_t max_body;
    uint64_t stall_ms;
    unsigned flags;
    const struct log_ctx *log;
};

/* Borrows conf and its strings for the client's life. */
enum gw_err s3_client_new(struct loop *l, const struct s3_conf *conf, struct s3_client **out,
                          struct gw_errmsg *msg);
/* Another of the same store and configuration, with these credentials: it shares `other`'s
 * connections, and goes before it. */
enum gw_err s3_client_twin(struct s3_client *other, const struct s3_conf_credentials *given,
                           struct s3_client **out, struct gw_errmsg *msg);
bool s3_client_has_credentials(const struct s3_client *c, const struct s3_conf_credentials *given);
void s3_client_free(struct s3_client **cp); /* every op of it is done or cancelled */

/*
 * Copies the request's strings. on_head, on_body, send, rewind and done get `arg`.
 * Errors: GW_NOT_FOUND (NoSuchKey, a bare 404 on a key), GW_DENIED (401,
 * 403), GW_EXISTS (412 or 409 to a request with If-None-Match), GW_CHANGED (412 otherwise),
 * GW_UNSUPPORTED (501, 405), GW_TOO_LARGE (EntityTooLarge), GW_QUOTA, GW_TIMEOUT, GW_IO (no
 * connection, cut off), GW_EOF (416 InvalidRange), GW_UPSTREAM (everything else): never
 * GW_NOT_FOUND for a fault.
 */
struct op *s3_client_start(struct s3_client *c, const struct s3_req *req, remote_done_fn *done,
                           void *arg);

/* "/bucket/encoded-key", as x-amz-copy-source wants it. */
void s3_client_copy_source(const struct s3_client *c, const char *key, struct gw_buf *out);
/* Of the key, beyond this store: gives where it is, to be freed. */
char *s3_client_name(const struct s3_client *c, const char *key);
const struct s3_conf *s3_client_conf(const struct s3_client *c);
struct loop *s3_client_loop(const struct s3_client *c);
/* The server's clock in Unix seconds, as far as it is known: for ages of uploads. */
int64_t s3_client_now_s(const struct s3_client *c);

#endif
