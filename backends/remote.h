/*
 * Requests to one remote store over HTTP: bounds how many run at once, repeats what failed with
 * jitter and a deadline, streams bodies both ways, and gives every answer that is no success as an
 * error with words for a client (never a URL or a secret). What the store's own protocol adds comes
 * from its remote_type. One a store and loop; the loop's thread only. Times in ms, sizes in bytes.
 */
#ifndef BACKENDS_REMOTE_H
#define BACKENDS_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/fs_task.h"
#include "config/http_conf.h"
#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/log.h"
#include "gateway/io/http.h"
#include "gateway/io/loop.h"

#define REMOTE_ANSWER_MAX (4u << 20) /* of a collected body */
#define REMOTE_LINES_MAX  160u       /* headers of an attempt */

struct remote;

typedef void remote_rewind_fn(void *arg);

struct remote_res {
    enum gw_err err;
    const char *text;            /* with err: for the client; NULL = err's own words */
    const char *code;            /* with err: the protocol's ("NoSuchKey"); "" when it has none */
    unsigned status;             /* HTTP's; 0 = no answer came */
    struct gw_span body;         /* of a success, without on_body */
    const struct http_res *http; /* for its headers; NULL when no answer came */
    /* With err: the request may have had its effect (the answer was lost, or the server failed). */
    bool maybe_done;
    bool twice; /* with GW_OK: an attempt before this one may have had its effect too */
};
/* Everything in res is valid during the callback. */
typedef void remote_done_fn(void *arg, const struct remote_res *res);

enum {
    REMOTE_NO_RETRY = 1u << 0,     /* once only */
    REMOTE_ERROR_IN_200 = 1u << 1, /* a success (2xx) may be none: read() sees it as well */
    REMOTE_OWN = 1u << 2,          /* and upwards: the type's own, for its read() */
};

struct remote_req {
    const char *method;
    const char *target; /* encoded path, with its query if it has one; begins with a slash */
    const char *name;   /* what it is about, for the log; NULL = the store itself */
    const char *const *headers; /* "name: value" */
    size_t nheaders;
    const struct gw_span *body; /* pieces of one body; borrowed until done or cancel */
    size_t nbody;
    /* Or a body that is produced while it is sent; its length is send_bytes, -1 = not known.
     * Repeated after a fault only when `rewind` is there: it is called before every attempt but the
     * first. */
    http_send_fn *send;
    remote_rewind_fn *rewind;
    int64_t send_bytes;
    /* Of a success (2xx) only; an error's body never comes here. Once on_body had a byte there is
     * no retry: its owner continues by range. on_head runs before the first byte. */
    http_head_fn *on_head;
    http_body_fn *on_body;
    size_t max_body;   /* without on_body; 0 = REMOTE_ANSWER_MAX */
    uint64_t stall_ms; /* give an attempt up when no byte moves so long; 0 = the store's. For what a
                          server does in silence */
    bool fresh;        /* on a connection of its own: an old one may just have been closed */
    unsigned flags;
    const struct log_ctx *log; /* borrowed until done or cancel; NULL = none */
    enum gw_err broken;        /* not GW_OK: it cannot be sent, done gets this */
};

enum remote_cure {
    REMOTE_CURE_NONE,
    REMOTE_CURE_SLOWER,      /* fewer requests at once */
    REMOTE_CURE_CLOCK,       /* server_time_s is the server's clock: sign with it */
    REMOTE_CURE_CREDENTIALS, /* ask their source again */
    REMOTE_CURE_TARGET,      /* the same request at `target` */
};

/* What an answer means. */
struct remote_answer {
    enum gw_err err;
    bool retry;      /* the same request may succeed a little later */
    bool maybe_done; /* with err: it may have had its effect */
    bool expected;   /* no fault: not for the log */
    enum remote_cure cure;
    int64_t server_time_s; /* 0 = not said */
    char *target;          /* mem_free() is the receiver's */
    char code[64];         /* "" = none */
    char text[FS_TEXT_MAX];
};

/* Of the request, as far as it changes the meaning of its answer. */
struct remote_question {
    const char *method, *target;
    bool has_name;
    bool if_none_match; /* 412: the name exists */
    unsigned flags;
};

/* The headers of one attempt; those that were made are wiped when it is sent. */
struct remote_lines {
    const char *v[REMOTE_LINES_MAX];
    char *owned[REMOTE_LINES_MAX];
    size_t n, nowned;
    bool full; /* one did not fit */
};
void remote_lines_add(struct remote_lines *l, const char *line); /* borrows it */
void remote_lines_take(struct remote_lines *l, char *line);      /* takes it */

struct remote_type {
    const char *name; /* in words for a client: "S3" */
    struct {
        const char *retry, *error, *slow_down, *clock;
    } events; /* names in the log */
    /* What every attempt adds to `lines`, which has the request's own: credentials, a signature.
     * NULL = nothing. */
    enum gw_err (*sign)(void *store, const char *method, const char *target,
                        struct remote_lines *lines);
    /* body: of the answer, as far as it was collected. out is zeroed. Errors of the transport, and
     * successes that cannot be errors, never come here. */
    void (*read)(void *store, const struct remote_question *q, const struct http_res *res,
                 struct gw_span body, struct remote_answer *out);
    void (*set_clock)(void *store, int64_t server_time_s);
    /* done(arg, changed). */
    struct op *(*refresh)(void *store, void (*done)(void *arg, bool changed), void *arg);
};

struct remote_conf {
    struct loop *loop;
    const struct remote_type *type;
    void *store;                     /* of the type's calls */
    const char *base;                /* "https://host:port" */
    const char *unix_socket;         /* NULL = TCP */
    struct remote *connections;      /* whose are used, and which goes later; NULL = its own */
    const struct http_conf_tls *tls; /* of `tls` in the configuration */
    bool insecure;                   /* no verification at all: tests and demos */
    bool http2;                      /* over TLS, where the server has it */
    uint32_t max_retries;
    uint64_t timeout_ms;             /* of a request in which no byte moves, and of all retries */
    const char *log_key, *log_value; /* which store it is: {"bucket", "drops"} */
};

/* Copies conf and base, borrows its other strings for the remote's life. Reads the files of tls,
 * which blocks: one that is missing or wrong is found here. Errors: GW_CONFIG, *msg begins with the
 * key; GW_NO_MEMORY. */
enum gw_err remote_new(const struct remote_conf *conf, struct remote **out, struct gw_errmsg *msg);
void remote_free(struct remote **rp); /* every op of it is done or cancelled */

/* Copies the request's strings. on_head, on_body, send, rewind and done get `arg`. */
struct op *remote_start(struct remote *r, const struct remote_req *req, remote_done_fn *done,
                        void *arg);
/* After on_body or send paused. */
void remote_resume(struct op *op);

struct loop *remote_loop(const struct remote *r);
/* Why the last attempt got no answer, in libcurl's words: it names hosts and certificates, so it is
 * for operators only. "" = it got one. */
const char *remote_cause(const struct remote *r);
/* Ends a task with res's err and text; GW_OK as well. */
void remote_end_task(struct fs_task *t, const struct remote_res *res);
/* An fs_res with res's err and text. */
struct fs_res remote_fs_res(const struct remote_res *res);
/* Copies what is printable and no delimiter of ours: for what goes to clients and logs. */
void remote_tidy(const char *from, char *to, size_t cap);

#endif
