/*
 * HTTP requests of one loop over libcurl's multi interface. libcurl is named in gateway/io/http*.c
 * only. Paths go out byte for byte (no dot-segment removal), "Expect:" is off, redirects are not
 * followed, only http and https are spoken, connections are kept alive and shared by all requests
 * of the client. Times in ms, sizes in bytes.
 */
#ifndef GATEWAY_IO_HTTP_H
#define GATEWAY_IO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/io/loop.h"

struct http_client; /* one a loop and TLS setting */
struct http_res;

struct http_tls {
    const char *ca_file;              /* NULL = the system's */
    const char *cert_file, *key_file; /* client certificate, PEM; NULL = none */
    const char *server_name;          /* checked instead of the URL's host; NULL = the URL's host */
    bool insecure;                    /* no verification at all: tests and demos */
};

typedef void http_done_fn(void *arg, const struct http_res *res);
/* More of the answer's body. Returns true when it was taken whole, false = pause: the same bytes
 * come again after http_resume(). */
typedef bool http_body_fn(void *arg, struct gw_span part);
/* Status and headers are in, the body is not: http_res_* work on res. False stops the request:
 * GW_CANCELLED never, done gets GW_UPSTREAM. */
typedef bool http_head_fn(void *arg, const struct http_res *res);
/* Bytes of the request's body: fills at most cap and returns how many; 0 = the end; HTTP_SEND_PAUSE
 * = none now, http_resume() when there are. */
#define HTTP_SEND_PAUSE ((size_t)-1)
typedef size_t http_send_fn(void *arg, uint8_t *to, size_t cap);

struct http_req {
    const char *method;
    const char *url;            /* already percent-encoded */
    const char *unix_socket;    /* connect there instead; NULL = TCP */
    const char *const *headers; /* "Name: value"; "Name:" removes one that libcurl would add */
    size_t nheaders;
    const struct gw_span
        *body; /* nbody pieces, sent one after the other, Content-Length from their sum */
    size_t nbody;
    http_send_fn *send; /* instead of body */
    int64_t send_bytes; /* with send: its length; -1 = unknown (chunked) */
    bool http2;         /* over TLS, where the server has it */
    bool fresh;      /* on a new connection: a kept one may just have been closed by the server */
    size_t max_body; /* without body_fn: a longer answer is GW_TOO_LARGE */
    http_head_fn *on_head;       /* NULL = none */
    http_body_fn *on_body;       /* NULL = the body is collected for done, up to max_body */
    uint64_t connect_timeout_ms; /* 0 = 10 s */
    uint64_t timeout_ms;         /* of the whole request; 0 = none */
    uint64_t stall_ms;           /* no byte either way for so long while it is not paused by us:
                                    GW_TIMEOUT; 0 = none */
};

enum gw_err http_client_new(struct loop *l, const struct http_tls *tls, struct http_client **out,
                            struct gw_errmsg *msg);
void http_client_free(struct http_client **hcp); /* every op of it must be done or cancelled */

/*
 * Copies the request's strings and the array of spans. Borrows the spans' bytes until done runs or
 * op_cancel() returns. May be called from any callback, on_body and send included.
 * A request that meets a kept connection which the server has just closed is sent once more on a
 * new one, unless its body comes by `send` or it is a POST or PATCH: these reach a server once, and
 * are GW_IO with http_res_sent() (RFC 9112 section 9.3.1). No proxy is used, whatever the
 * environment says. Errors in done: GW_TIMEOUT, GW_IO (no connection, cut off, truncated body),
 * GW_UPSTREAM (not HTTP, TLS refused), GW_TOO_LARGE. Any HTTP status is GW_OK.
 */
struct op *http_start(struct http_client *hc, const struct http_req *req, http_done_fn *done,
                      void *arg);
/* After on_body or send paused: they are called again on a later turn. Harmless otherwise. */
void http_resume(struct op *op);

/* Of a result; valid during the callback. */
enum gw_err http_res_err(const struct http_res *res);
const char *
http_res_errtext(const struct http_res *res); /* libcurl's words: for the log, not for a client */
unsigned http_res_status(const struct http_res *res); /* 0 = none came */
struct gw_span http_res_body(const struct http_res *res);
const char *http_res_header(const struct http_res *res, const char *name); /* NULL = absent */
/* "Name: value", for those who take every header of a kind; i from 0. NULL = there are no more. */
const char *http_res_line(const struct http_res *res, size_t i);
/* The request may have reached the server: its effect is unknown when err is set. */
bool http_res_sent(const struct http_res *res);
/* It may have reached the server twice: a kept connection ended under it, and it was sent again. */
bool http_res_repeated(const struct http_res *res);

#endif
