#include "gateway/io/http.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

/* Idle connections that are kept, and idle easy handles (about 6 KiB each). */
#define CONNECTIONS_KEPT 256L
#define EASY_KEPT        64u
#define HEADERS_MAX      (64u * 1024)
#define CONNECT_MS       10000u
/* libcurl allocates these for the time of a transfer, outside the budget: small where nothing large
 * is expected. One recv() or send() moves at most so much. */
#define RECV_LARGE_BYTES (256L * 1024)
#define RECV_SMALL_BYTES (16L * 1024)
#define SEND_BYTES       (64L * 1024)
#define STALL_CHECK_MS   1000u

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
    struct op *turn;    /* the next turn looks at `queued` */
    unsigned in_curl;   /* depth of calls into libcurl: it must not be entered again */
    CURL *spare[EASY_KEPT];
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
    bool sent;
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
    bool idempotent, head_done, recv_paused, send_paused, resume;
    uint64_t stall_ms, moved_at_ms;
    curl_off_t moved; /* bytes, as of moved_at_ms */
    struct http_res res;
};

struct sock {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t fd;
};

static void process(struct http_client *hc);

static void global_init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort(); /* only when memory is out */
}

static void enter(struct http_client *hc)
{
    hc->in_curl++;
}

static void leave(struct http_client *hc)
{
    assert(hc->in_curl > 0);
    hc->in_curl--;
}

static void sock_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

static void sock_event(uv_poll_t *poll, int status, int events)
{
    struct sock *s = poll->data;
    struct http_client *hc = s->client;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    int running;
    enter(hc);
    curl_multi_socket_action(hc->multi, s->fd, flags, &running);
    leave(hc);
    process(hc);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
    (void)easy;
    struct http_client *hc = arg;
    struct sock *s = sock_arg;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL) {
            uv_close((uv_handle_t *)&s->poll, sock_closed);
            curl_multi_assign(hc->multi, fd, NULL);
        }
        return 0;
    }
    if (s == NULL) {
        s = mem_zalloc(sizeof *s);
        if (uv_poll_init_socket(loop_uv(hc->loop), &s->poll, fd) != 0) {
            mem_free(s);
            return -1;
        }
        s->poll.data = s;
        s->client = hc;
        s->fd = fd;
        curl_multi_assign(hc->multi, fd, s);
    }
    int events = 0;
    if (what != CURL_POLL_IN)
        events |= UV_WRITABLE;
    if (what != CURL_POLL_OUT)
        events |= UV_READABLE;
    return uv_poll_start(&s->poll, events, sock_event) == 0 ? 0 : -1;
}

static void timer_event(uv_timer_t *timer)
{
    struct http_client *hc = timer->data;
    int running;
    enter(hc);
    curl_multi_socket_action(hc->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    leave(hc);
    process(hc);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct http_client *hc = arg;
    if (timeout_ms < 0)
        uv_timer_stop(&hc->timer);
    else
        uv_timer_start(&hc->timer, timer_event, (uint64_t)timeout_ms, 0);
    return 0;
}

static void turn(void *arg)
{
    struct http_client *hc = arg;
    hc->turn = NULL;
    process(hc);
}

static void queue(struct http_op *o)
{
    struct http_client *hc = o->client;
    list_remove(&o->todo);
    list_push(&hc->queued, &o->todo);
    if (hc->in_curl == 0 && hc->turn == NULL)
        hc->turn = loop_defer(hc->loop, turn, hc);
}

static void easy_release(struct http_client *hc, CURL *easy)
{
    if (hc->nspare < EASY_KEPT) {
        curl_easy_reset(easy);
        hc->spare[hc->nspare++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

/* Outside libcurl only. */
static void take_out(struct http_op *o)
{
    struct http_client *hc = o->client;
    if (o->easy == NULL)
        return;
    if (o->state != HTTP_STARTING) {
        enter(hc);
        curl_multi_remove_handle(hc->multi, o->easy);
        leave(hc);
    }
    easy_release(hc, o->easy);
    o->easy = NULL;
}

static void op_free(struct http_op *o)
{
    take_out(o);
    curl_slist_free_all(o->headers);
    curl_slist_free_all(o->connect_to);
    list_remove(&o->node);
    list_remove(&o->todo);
    gw_buf_free(&o->res.headers);
    gw_buf_free(&o->res.body);
    mem_free(o->body);
    mem_free(o);
}

static void cancel(struct op *op)
{
    struct http_op *o = (struct http_op *)op;
    if (o->client->in_curl == 0) {
        op_free(o);
        return;
    }
    /* From a callback: libcurl is on the stack. What it still asks of o is answered by an abort. */
    if (o->state == HTTP_STARTING) {
        curl_easy_cleanup(o->easy);
        o->easy = NULL;
    }
    o->state = HTTP_CANCELLED;
    queue(o);
}

static const struct op_type http_type = {"http", cancel};

static enum gw_err err_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return GW_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return GW_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return GW_NO_MEMORY;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: /* also an answer of HTTP/0.9 */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return GW_UPSTREAM;
    default:
        return GW_IO;
    }
}

static void start_now(struct http_op *o)
{
    struct http_client *hc = o->client;
    o->state = HTTP_RUNNING;
    o->moved_at_ms = loop_now_ms(hc->loop);
    enter(hc);
    CURLMcode rc = curl_multi_add_handle(hc->multi, o->easy);
    leave(hc);
    if (rc != CURLM_OK) {
        o->fault = GW_INTERNAL;
        o->state = HTTP_STARTING;
        queue(o);
    }
}

/* A kept connection that the server has just closed shows as a fault of the next request. libcurl
 * starts over by itself only when the end was clean; this is for the reset. */
static bool start_over(struct http_op *o, CURLcode code)
{
    if (o->fault != GW_OK || !o->idempotent || o->send != NULL || o->easy == NULL ||
        (code != CURLE_SEND_ERROR && code != CURLE_RECV_ERROR && code != CURLE_GOT_NOTHING))
        return false;
    long connects = 1, answer_bytes = 0;
    curl_easy_getinfo(o->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(o->easy, CURLINFO_HEADER_SIZE, &answer_bytes);
    if (connects > 0 || answer_bytes > 0)
        return false;
    enter(o->client);
    curl_multi_remove_handle(o->client->multi, o->easy);
    leave(o->client);
    curl_easy_setopt(o->easy, CURLOPT_FRESH_CONNECT, 1L);
    o->piece = o->piece_at = 0;
    o->res.errtext[0] = '\0';
    start_now(o);
    return true;
}

static void finish(struct http_op *o, CURLcode code)
{
    if (start_over(o, code))
        return;
    long status = 0, request_bytes = 0;
    if (o->easy != NULL) {
        curl_easy_getinfo(o->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(o->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    }
    o->res.status = status > 0 ? (unsigned)status : 0;
    o->res.sent = request_bytes > 0;
    o->res.err = o->fault != GW_OK ? o->fault : err_of(code);
    if (o->res.err != GW_OK && o->res.errtext[0] == '\0')
        snprintf(o->res.errtext, sizeof o->res.errtext, "%s",
                 o->fault != GW_OK ? gw_err_text(o->fault) : curl_easy_strerror(code));
    take_out(o);
    list_remove(&o->node);
    list_remove(&o->todo);
    o->done(o->arg, &o->res);
    op_free(o);
}

static void resume_now(struct http_op *o)
{
    o->resume = o->recv_paused = o->send_paused = false;
    o->moved_at_ms = loop_now_ms(o->client->loop);
    enter(o->client);
    curl_easy_pause(o->easy, CURLPAUSE_CONT);
    leave(o->client);
}

/* What callbacks asked for while libcurl was on the stack, then what libcurl has finished. A done
 * may free the client: hc->multi is NULL then, the memory lasts until its handles have closed. */
static void process(struct http_client *hc)
{
    if (hc->in_curl > 0)
        return;
    while (hc->multi != NULL) {
        if (!list_empty(&hc->queued)) {
            struct http_op *o = LIST_ENTRY(list_first(&hc->queued), struct http_op, todo);
            list_remove(&o->todo);
            if (o->state == HTTP_CANCELLED)
                op_free(o);
            else if (o->fault != GW_OK && o->state == HTTP_STARTING)
                finish(o, CURLE_FAILED_INIT);
            else if (o->state == HTTP_STARTING)
                start_now(o);
            else if (o->resume)
                resume_now(o);
            continue;
        }
        int left;
        CURLMsg *msg = curl_multi_info_read(hc->multi, &left);
        if (msg == NULL)
            return;
        struct http_op *o = NULL;
        CURLcode code = msg->data.result;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&o);
        finish(o, code);
    }
}

static size_t fail(struct http_op *o, enum gw_err err)
{
    if (o->fault == GW_OK)
        o->fault = err;
    return 0;
}

static size_t head_complete(struct http_op *o, size_t n)
{
    long status = 0;
    curl_easy_getinfo(o->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200) /* an interim answer; the real one follows */
        return n;
    o->head_done = true;
    o->res.status = (unsigned)status;
    if (o->on_head != NULL && !o->on_head(o->arg, &o->res))
        return fail(o, GW_UPSTREAM);
    return o->state == HTTP_CANCELLED ? 0 : n;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct http_op *o = arg;
    size_t n = size * count;
    if (o->state == HTTP_CANCELLED)
        return 0;
    if (o->head_done) /* a trailer */
        return n;
    size_t len = n;
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
        len--;
    if (len == 0)
        return head_complete(o, n);
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
        gw_buf_reset(&o->res.headers);
    gw_buf_put(&o->res.headers, line, len);
    gw_buf_put_u8(&o->res.headers, 0);
    return o->res.headers.failed == GW_OK ? n : fail(o, GW_UPSTREAM);
}

static size_t on_write(char *data, size_t size, size_t count, void *arg)
{
    struct http_op *o = arg;
    size_t n = size * count;
    if (o->state == HTTP_CANCELLED)
        return n == 0 ? 1 : 0;
    if (o->on_body != NULL) {
        bool taken = o->on_body(o->arg, gw_span_of(data, n));
        if (o->state == HTTP_CANCELLED)
            return n == 0 ? 1 : 0;
        if (taken)
            return n;
        o->recv_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    gw_buf_put(&o->res.body, data, n);
    return o->res.body.failed == GW_OK ? n : fail(o, o->res.body.failed);
}

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
    struct http_op *o = arg;
    size_t cap = size * count, n = 0;
    if (o->state == HTTP_CANCELLED)
        return CURL_READFUNC_ABORT;
    if (o->send != NULL) {
        n = o->send(o->arg, (uint8_t *)to, cap);
        if (o->state == HTTP_CANCELLED)
            return CURL_READFUNC_ABORT;
        if (n != HTTP_SEND_PAUSE)
            return n;
        o->send_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    while (n < cap && o->piece < o->nbody) {
        struct gw_span s = o->body[o->piece];
        size_t part = s.len - o->piece_at;
        if (part > cap - n)
            part = cap - n;
        if (part > 0)
            memcpy(to + n, s.ptr + o->piece_at, part);
        n += part;
        o->piece_at += part;
        if (o->piece_at == s.len) {
            o->piece++;
            o->piece_at = 0;
        }
    }
    return n;
}

/* libcurl starts over when a kept connection turns out to be closed. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct http_op *o = arg;
    if (o->send != NULL || origin != SEEK_SET || offset != 0)
        return CURL_SEEKFUNC_CANTSEEK;
    o->piece = o->piece_at = 0;
    return CURL_SEEKFUNC_OK;
}

/* Stalls: libcurl's own low-speed check counts in seconds and counts our pauses as stalls. */
static void stall_check(uv_timer_t *timer)
{
    struct http_client *hc = timer->data;
    uint64_t now = loop_now_ms(hc->loop);
    struct list late;
    list_init(&late);
    bool any = false;
    LIST_EACH_SAFE(it, tmp, &hc->all)
    {
        struct http_op *o = LIST_ENTRY(it, struct http_op, node);
        if (o->stall_ms == 0 || o->state != HTTP_RUNNING)
            continue;
        any = true;
        curl_off_t up = 0, down = 0;
        long head = 0;
        curl_easy_getinfo(o->easy, CURLINFO_SIZE_UPLOAD_T, &up);
        curl_easy_getinfo(o->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
        curl_easy_getinfo(o->easy, CURLINFO_HEADER_SIZE, &head);
        if (up + down + head != o->moved || o->recv_paused || o->send_paused) {
            o->moved = up + down + head;
            o->moved_at_ms = now;
        } else if (now - o->moved_at_ms >= o->stall_ms) {
            o->fault = GW_TIMEOUT;
            list_remove(&o->node);
            list_push(&late, &o->node);
        }
    }
    if (!any)
        uv_timer_stop(timer);
    while (hc->multi != NULL && !list_empty(&late))
        finish(LIST_ENTRY(list_first(&late), struct http_op, node), CURLE_OPERATION_TIMEDOUT);
}

static void watch_stall(struct http_client *hc, uint64_t stall_ms)
{
    uint64_t every = stall_ms / 4 < STALL_CHECK_MS ? stall_ms / 4 + 1 : STALL_CHECK_MS;
    if (!uv_is_active((uv_handle_t *)&hc->stall) || uv_timer_get_repeat(&hc->stall) > every)
        uv_timer_start(&hc->stall, stall_check, every, every);
}

static void add_header(struct http_op *o, const char *text)
{
    struct curl_slist *l = curl_slist_append(o->headers, text);
    if (l == NULL)
        o->fault = GW_NO_MEMORY;
    else
        o->headers = l;
}

static bool has_header(const struct http_req *req, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < req->nheaders; i++)
        if (strncasecmp(req->headers[i], name, n) == 0 && req->headers[i][n] == ':')
            return true;
    return false;
}

/* The certificate is checked against the URL's host, so that becomes the configured name; the
 * connection and the Host header keep the real one. */
static void set_url_server_name(struct http_op *o, const struct http_req *req)
{
    CURLU *u = curl_url();
    char *host = NULL, *port = NULL, *given_port = NULL, *url = NULL, *text = NULL;
    if (u == NULL || curl_url_set(u, CURLUPART_URL, req->url, CURLU_PATH_AS_IS) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        curl_url_set(u, CURLUPART_HOST, o->client->server_name, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_URL, &url, CURLU_PATH_AS_IS) != CURLUE_OK) {
        o->fault = GW_UPSTREAM;
    } else {
        curl_easy_setopt(o->easy, CURLOPT_URL, url);
        text = mem_printf("::%s:%s", host, port);
        o->connect_to = curl_slist_append(NULL, text);
        curl_easy_setopt(o->easy, CURLOPT_CONNECT_TO, o->connect_to);
        mem_free(text);
        bool shown = curl_url_get(u, CURLUPART_PORT, &given_port, 0) == CURLUE_OK;
        text = mem_printf("Host: %s%s%s", host, shown ? ":" : "", shown ? given_port : "");
        if (!has_header(req, "Host"))
            add_header(o, text);
        mem_free(text);
    }
    curl_free(given_port);
    curl_free(port);
    curl_free(host);
    curl_free(url);
    curl_url_cleanup(u);
}

static void set_tls(struct http_op *o)
{
    struct http_client *hc = o->client;
    CURL *e = o->easy;
    if (hc->ca_file != NULL)
        curl_easy_setopt(e, CURLOPT_CAINFO, hc->ca_file);
    /* With a CAPATH libcurl parses the whole bundle again for every connection. */
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    if (hc->cert_file != NULL)
        curl_easy_setopt(e, CURLOPT_SSLCERT, hc->cert_file);
    if (hc->key_file != NULL)
        curl_easy_setopt(e, CURLOPT_SSLKEY, hc->key_file);
    if (hc->insecure) {
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static void set_transport(struct http_op *o, const struct http_req *req)
{
    CURL *e = o->easy;
    curl_easy_setopt(e, CURLOPT_SHARE, o->client->share);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    /* A cancel during a name look-up must not wait for the resolver's thread. */
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE,
                     req->on_body != NULL ? RECV_LARGE_BYTES : RECV_SMALL_BYTES);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(req->connect_timeout_ms > 0 ? req->connect_timeout_ms : CONNECT_MS));
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
    if (req->unix_socket != NULL)
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, req->unix_socket);
    set_tls(o);
    if (o->client->server_name != NULL)
        set_url_server_name(o, req);
    else
        curl_easy_setopt(e, CURLOPT_URL, req->url);
}

static void set_body(struct http_op *o, const struct http_req *req)
{
    CURL *e = o->easy;
    o->idempotent = strcmp(req->method, "POST") != 0 && strcmp(req->method, "PATCH") != 0;
    bool wants_length = strcmp(req->method, "PUT") == 0 || strcmp(req->method, "POST") == 0 ||
                        strcmp(req->method, "PATCH") == 0;
    if (strcmp(req->method, "HEAD") == 0)
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    else if (req->send != NULL || req->nbody > 0 || wants_length)
        curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, req->method);

    curl_off_t length = 0;
    for (size_t i = 0; i < req->nbody; i++)
        length += (curl_off_t)req->body[i].len;
    if (req->send != NULL)
        length = (curl_off_t)req->send_bytes;
    curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, length);
    if (length != 0)
        curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BYTES);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(e, CURLOPT_READDATA, o);
    curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(e, CURLOPT_SEEKDATA, o);
}

static void set_callbacks(struct http_op *o)
{
    CURL *e = o->easy;
    curl_easy_setopt(e, CURLOPT_PRIVATE, o);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, o->res.errtext);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, o);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, o);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, o->headers);
}

struct op *http_start(struct http_client *hc, const struct http_req *req, http_done_fn *done,
                      void *arg)
{
    struct http_op *o = mem_zalloc(sizeof *o);
    o->op.type = &http_type;
    o->client = hc;
    o->done = done;
    o->arg = arg;
    o->send = req->send;
    o->on_head = req->on_head;
    o->on_body = req->on_body;
    o->stall_ms = req->stall_ms;
    gw_buf_init(&o->res.headers, HEADERS_MAX);
    gw_buf_init(&o->res.body, req->max_body);
    if (req->nbody > 0) {
        o->body = mem_array(req->nbody, sizeof *o->body);
        memcpy(o->body, req->body, req->nbody * sizeof *o->body);
        o->nbody = req->nbody;
    }
    list_push(&hc->all, &o->node);

    o->easy = hc->nspare > 0 ? hc->spare[--hc->nspare] : curl_easy_init();
    if (o->easy == NULL) {
        o->fault = GW_NO_MEMORY;
    } else {
        for (size_t i = 0; i < req->nheaders; i++)
            add_header(o, req->headers[i]);
        if (!has_header(req, "Expect"))
            add_header(o, "Expect:");
        set_transport(o, req);
        set_body(o, req);
        set_callbacks(o);
    }
    if (o->stall_ms > 0)
        watch_stall(hc, o->stall_ms);
    if (hc->in_curl == 0 && o->fault == GW_OK)
        start_now(o);
    else
        queue(o);
    return &o->op;
}

void http_resume(struct op *op)
{
    struct http_op *o = (struct http_op *)op;
    assert(op->type == &http_type);
    if (o->state != HTTP_RUNNING)
        return;
    o->resume = true;
    queue(o);
}

static void client_closed(uv_handle_t *h)
{
    struct http_client *hc = h->data;
    if (--hc->closing == 0)
        mem_free(hc);
}

enum gw_err http_client_new(struct loop *l, const struct http_tls *tls, struct http_client **out,
                            struct gw_errmsg *msg)
{
    static uv_once_t once = UV_ONCE_INIT;
    uv_once(&once, global_init);
    CURLM *multi = curl_multi_init();
    CURLSH *share = curl_share_init();
    if (multi == NULL || share == NULL) {
        curl_multi_cleanup(multi);
        curl_share_cleanup(share);
        return gw_err_set(msg, GW_NO_MEMORY, "libcurl cannot be initialised");
    }
    struct http_client *hc = mem_zalloc(sizeof *hc);
    hc->loop = l;
    hc->multi = multi;
    hc->share = share;
    list_init(&hc->all);
    list_init(&hc->queued);
    if (tls != NULL) {
        hc->ca_file = mem_strdup(tls->ca_file);
        hc->cert_file = mem_strdup(tls->cert_file);
        hc->key_file = mem_strdup(tls->key_file);
        hc->server_name = mem_strdup(tls->server_name);
        hc->insecure = tls->insecure;
    }
    uv_timer_init(loop_uv(l), &hc->timer);
    uv_timer_init(loop_uv(l), &hc->stall);
    hc->timer.data = hc->stall.data = hc;
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, hc);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, hc);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    *out = hc;
    return GW_OK;
}

void http_client_free(struct http_client **hcp)
{
    struct http_client *hc = *hcp;
    *hcp = NULL;
    if (hc == NULL)
        return;
    assert(hc->in_curl == 0); /* on_body, on_head and send must not free the client */
    while (!list_empty(&hc->queued))
        op_free(LIST_ENTRY(list_first(&hc->queued), struct http_op, todo));
    assert(list_empty(&hc->all));
    op_cancel(&hc->turn);
    while (hc->nspare > 0)
        curl_easy_cleanup(hc->spare[--hc->nspare]);
    curl_multi_cleanup(hc->multi);
    hc->multi = NULL;
    curl_share_cleanup(hc->share);
    mem_free(hc->ca_file);
    mem_free(hc->cert_file);
    mem_free(hc->key_file);
    mem_free(hc->server_name);
    hc->closing = 2;
    uv_close((uv_handle_t *)&hc->timer, client_closed);
    uv_close((uv_handle_t *)&hc->stall, client_closed);
}

enum gw_err http_res_err(const struct http_res *res)
{
    return res->err;
}

const char *http_res_errtext(const struct http_res *res)
{
    return res->errtext;
}

unsigned http_res_status(const struct http_res *res)
{
    return res->status;
}

struct gw_span http_res_body(const struct http_res *res)
{
    return gw_buf_span(&res->body);
}

const char *http_res_header(const struct http_res *res, const char *name)
{
    size_t n = strlen(name);
    const char *p = (const char *)res->headers.data, *end = p == NULL ? NULL : p + res->headers.len;
    while (p < end) {
        if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
            p += n + 1;
            return p + strspn(p, " \t");
        }
        p += strlen(p) + 1;
    }
    return NULL;
}

const char *http_res_line(const struct http_res *res, size_t i)
{
    const char *p = (const char *)res->headers.data, *end = p == NULL ? NULL : p + res->headers.len;
    for (size_t n = 0; p < end; p += strlen(p) + 1, n++)
        if (n == i + 1) /* behind the status line */
            return p;
    return NULL;
}

bool http_res_sent(const struct http_res *res)
{
    return res->sent;
}
