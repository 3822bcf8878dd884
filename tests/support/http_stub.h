/*
 * An HTTP/1.1 server of a test, on 127.0.0.1 and a port of the kernel's choice, that misbehaves on
 * command. Every connection has a thread, on which the handler runs: what it shares with the test
 * it must lock or make atomic. Times in ms, sizes in bytes.
 */
#ifndef TESTS_SUPPORT_HTTP_STUB_H
#define TESTS_SUPPORT_HTTP_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_stub;
struct http_stub_conn;

struct http_stub_req {
    char method[16];
    char target[4096]; /* path and query as they came */
    const char *head;  /* all header lines, NUL-terminated */
    const uint8_t *body;
    size_t body_len;
    unsigned connection; /* counted from 0 */
};

/* False closes the connection. */
typedef bool http_stub_fn(void *arg, struct http_stub_conn *c, const struct http_stub_req *req);
/*
 * Before the body is read (req has none yet): how many bytes of it to take before the connection is
 * reset, or one of these. It may have answered: then the handler does not run.
 */
typedef size_t http_stub_head_fn(void *arg, struct http_stub_conn *c,
                                 const struct http_stub_req *req);
#define HTTP_STUB_ALL      SIZE_MAX       /* all of it, for the handler */
#define HTTP_STUB_ANSWERED (SIZE_MAX - 1) /* it is read and dropped; the connection goes on */
#define HTTP_STUB_LINGER   (SIZE_MAX - 2) /* likewise, and the connection says nothing any more */

struct http_stub *http_stub_start(http_stub_fn *fn, http_stub_head_fn *head, void *arg);
void http_stub_stop(struct http_stub **sp); /* ends all connections and joins all threads */
unsigned http_stub_port(const struct http_stub *s);
unsigned http_stub_connections(struct http_stub *s); /* how many were accepted so far */
/* Waits until all that clients have sent is dealt with: what a cancelled request has left in a
 * socket is done before this returns, and not during the test's next row. */
void http_stub_settle(struct http_stub *s);

/* For handlers. False: the peer or the test is gone. */
bool http_stub_send(struct http_stub_conn *c, const void *p, size_t n);
bool http_stub_text(struct http_stub_conn *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A whole answer. headers: "Name: value\r\n" lines or "". */
bool http_stub_reply(struct http_stub_conn *c, unsigned status, const char *headers,
                     const void *body, size_t n);
/* Waits, but not longer than the stub lives. */
void http_stub_pause(struct http_stub_conn *c, unsigned ms);
/* Copies a request's header into out; false = absent. */
bool http_stub_header(const struct http_stub_req *req, const char *name, char *out, size_t cap);

#endif
