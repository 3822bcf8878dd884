/* The inside of a client and of a request: shared by http.c, which runs them on the loop, and
 * http_op.c, which tells libcurl what to send and takes what comes. */
#ifndef GATEWAY_IO_HTTP_OP_H
#define GATEWAY_IO_HTTP_OP_H

#include <curl/curl.h>

#include "gateway/base/list.h"
#include "gateway/io/http.h"

#define HTTP_EASY_KEPT   64u /* idle easy handles, about 6 KiB each */
#define HTTP_HEADERS_MAX (64u * 1024)

struct http_client {
    struct loop *loop;
    CURLM *multi;
    CURLSH *share;    /* TLS sessions: without it every easy handle would keep its own */
    uv_timer_t timer; /* libcurl's */
    uv_timer_t stall; /* runs while a request has a stall_ms */
    unsigned closing; /* uv handles that are still to close */
    char *ca_file, *cert_file, *key_file, *server_name;
    bool insecure;
    struct list all;    /* requests; by `node` */
    struct list queued; /* requests that have something to do outside libcurl; by `todo` */
    struct op *turn;    /* the next turn looks at `queued` and at what libcurl has finished */
    struct list late;   /* sockets that wait for their turn of the loop, the first first */
    struct op *catch_up;
    struct list kept; /* idle connections: http_kept.c */
    unsigned begun;   /* requests out of `queued`, in the turn of that number */
    uint64_t begun_turn;
    unsigned in_curl; /* depth of calls into libcurl: it must not be entered again */
    CURL *spare[HTTP_EASY_KEPT];
    size_t nspare;
};

/* What becomes of a request. */
enum http_state {
    HTTP_STARTING,  /* waits for curl_multi_add_handle() */
    HTTP_RUNNING,   /* libcurl's */
    HTTP_CANCELLED, /* waits to be taken out of libcurl */
};

struct http_res {
    enum gw_err err;
    unsigned status;
    bool sent, repeated;
    struct gw_buf headers; /* "Name: value" NUL ..., of the last answer */
    struct gw_buf body;
    char errtext[CURL_ERROR_SIZE];
};

struct http_op {
    struct op op;
    struct list node, todo;
    struct http_client *client;
    enum http_state state;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    struct gw_span *body;
    size_t nbody, piece, piece_at; /* where the read callback stands */
    http_send_fn *send;
    http_head_fn *on_head;
    http_body_fn *on_body;
    http_done_fn *done;
    void *arg;
    enum gw_err fault; /* ours, when we made libcurl stop */
    unsigned sends;    /* how often the request went out: libcurl starts over by itself */
    bool tls, idempotent, head_done, recv_paused, send_paused, resume;
    bool not_again; /* its connection ended before an answer, and it may be sent but once */
    bool unfit;     /* nothing was sent yet: the kept connection was not fit for it */
    bool through;   /* libcurl has done all of it: the handle may be used again */
    uint64_t stall_ms, moved_at_ms;
    curl_off_t moved; /* bytes, as of moved_at_ms */
    struct http_res res;
};

/* Options and callbacks of o->easy. o->fault is set where something is wrong. */
void http_op_setup(struct http_op *o, const struct http_req *req);

#endif
