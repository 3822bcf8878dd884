#include "gateway/io/http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/io/http_kept.h"

#define CONNECTIONS_KEPT 256L /* idle ones */
#define STALL_CHECK_MS   1000u
#define CATCH_UP_NS      100000u /* a turn, for answers that the turns before have left */
#define STARTS_A_TURN    2u      /* requests: libcurl connects for all of them in one call */

struct sock {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t fd;
    int flags;        /* for libcurl, while it is late */
    struct list late; /* in its client's */
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

static void act(struct http_client *hc, curl_socket_t fd, int flags)
{
    int running;
    enter(hc);
    curl_multi_socket_action(hc->multi, fd, flags, &running);
    leave(hc);
    process(hc);
}

/* At least one a turn, in the order in which they came. */
static void catch_up(void *arg)
{
    struct http_client *hc = arg;
    uint64_t began_ns = uv_hrtime();
    hc->catch_up = NULL;
    while (hc->multi != NULL && !list_empty(&hc->late)) {
        if (uv_hrtime() - began_ns >= CATCH_UP_NS) {
            hc->catch_up = loop_defer(hc->loop, catch_up, hc);
            return;
        }
        struct sock *s = LIST_ENTRY(list_first(&hc->late), struct sock, late);
        list_remove(&s->late);
        act(hc, s->fd, s->flags);
    }
}

/* Many answers may come at once, and what follows each takes its time (a login: keys of a session,
 * a user's folders): the loop's others are served in between. */
static void sock_event(uv_poll_t *poll, int status, int events)
{
    struct sock *s = poll->data;
    struct http_client *hc = s->client;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    if (list_empty(&hc->late) && !loop_turn_is_long(hc->loop)) {
        act(hc, s->fd, flags);
        return;
    }
    s->flags = flags;
    if (list_empty(&s->late))
        list_push(&hc->late, &s->late);
    if (hc->catch_up == NULL)
        hc->catch_up = loop_defer(hc->loop, catch_up, hc);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
    struct http_client *hc = arg;
    struct sock *s = sock_arg;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL) {
            http_kept_idle(hc, easy, fd);
            list_remove(&s->late);
            uv_close((uv_handle_t *)&s->poll, sock_closed);
            curl_multi_assign(hc->multi, fd, NULL);
        }
        return 0;
    }
    if (s == NULL) {
        http_kept_busy(hc, fd);
        s = mem_zalloc(sizeof *s);
        if (uv_poll_init_socket(loop_uv(hc->loop), &s->poll, fd) != 0) {
            mem_free(s);
            return -1;
        }
        s->poll.data = s;
        list_init(&s->late);
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
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
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

static void look_next_turn(struct http_client *hc)
{
    if (hc->turn == NULL)
        hc->turn = loop_defer(hc->loop, turn, hc);
}

static void queue(struct http_op *o)
{
    struct http_client *hc = o->client;
    list_remove(&o->todo);
    list_push(&hc->queued, &o->todo);
    if (hc->in_curl == 0)
        look_next_turn(hc);
}

/* After a fault libcurl 8.14 remembers, beyond a reset, that it has to rewind what it sends. */
static void easy_release(struct http_client *hc, CURL *easy, bool again)
{
    if (again && hc->nspare < HTTP_EASY_KEPT) {
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
    easy_release(hc, o->easy, o->through);
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
    gw_buf_free_secret(&o->res.body); /* a verifier's answer may hold keys */
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

/* By the turn and not by the call: libcurl's timers of 0 ms come several times a turn. */
static bool may_begin(struct http_client *hc)
{
    uint64_t turn = loop_turn_number(hc->loop);
    if (hc->begun_turn != turn)
        hc->begun = 0;
    hc->begun_turn = turn;
    return hc->begun < STARTS_A_TURN;
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
static bool was_reset(const struct http_op *o, CURLcode code)
{
    if (!o->idempotent || o->send != NULL ||
        (code != CURLE_SEND_ERROR && code != CURLE_RECV_ERROR && code != CURLE_GOT_NOTHING))
        return false;
    long connects = 1, answer_bytes = 0;
    curl_easy_getinfo(o->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(o->easy, CURLINFO_HEADER_SIZE, &answer_bytes);
    return connects == 0 && answer_bytes == 0;
}

static bool start_over(struct http_op *o, CURLcode code)
{
    if (o->fault != GW_OK || o->easy == NULL || (!o->unfit && !was_reset(o, code)))
        return false;
    o->unfit = false;
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
    o->res.sent = request_bytes > 0 || o->not_again;
    o->res.err = o->fault != GW_OK ? o->fault : err_of(code);
    if (o->not_again)
        snprintf(o->res.errtext, sizeof o->res.errtext, "%s",
                 "the server closed a kept connection before it answered");
    if (o->res.err != GW_OK && o->res.errtext[0] == '\0')
        snprintf(o->res.errtext, sizeof o->res.errtext, "%s",
                 o->fault != GW_OK ? gw_err_text(o->fault) : curl_easy_strerror(code));
    o->through = code == CURLE_OK;
    take_out(o);
    list_remove(&o->node);
    list_remove(&o->todo);
    o->done(o->arg, &o->res);
    op_free(o);
}

/* What libcurl keeps of the body comes first, with the other direction held: where on_body pauses
 * again, libcurl 8.14 would receive once more all the same, resume by resume the whole answer. */
static void resume_now(struct http_op *o)
{
    bool received = o->recv_paused && o->send == NULL;
    o->resume = o->recv_paused = o->send_paused = false;
    o->moved_at_ms = loop_now_ms(o->client->loop);
    enter(o->client);
    if (received)
        curl_easy_pause(o->easy, CURLPAUSE_SEND);
    if (!o->recv_paused && o->state != HTTP_CANCELLED)
        curl_easy_pause(o->easy, CURLPAUSE_CONT);
    leave(o->client);
}

/* What a callback asked for while libcurl was on the stack. True: a request began. */
static bool take_queued(struct http_client *hc)
{
    struct http_op *o = LIST_ENTRY(list_first(&hc->queued), struct http_op, todo);
    list_remove(&o->todo);
    if (o->state == HTTP_CANCELLED) {
        op_free(o);
    } else if (o->fault != GW_OK && o->state == HTTP_STARTING) {
        finish(o, CURLE_FAILED_INIT);
    } else if (o->state == HTTP_STARTING) {
        start_now(o);
        return true;
    } else if (o->resume) {
        resume_now(o);
    }
    return false;
}

/* False: there is nothing. */
static bool take_finished(struct http_client *hc)
{
    int left;
    CURLMsg *msg = curl_multi_info_read(hc->multi, &left);
    if (msg == NULL)
        return false;
    struct http_op *o = NULL;
    CURLcode code = msg->data.result;
    curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&o);
    if (o->state == HTTP_CANCELLED) /* and still queued behind others that are to begin */
        op_free(o);
    else
        finish(o, code);
    return true;
}

/* What is queued, as far as it begins no more requests than a turn may, then what libcurl has
 * finished: one at least, and the rest in the next turn where this one is long. A done may free the
 * client: hc->multi is NULL then, the memory lasts until its handles have closed. */
static void process(struct http_client *hc)
{
    if (hc->in_curl > 0)
        return;
    while (hc->multi != NULL) {
        if (may_begin(hc) && !list_empty(&hc->queued)) {
            hc->begun += take_queued(hc);
            continue;
        }
        if (!take_finished(hc)) {
            if (!list_empty(&hc->queued))
                look_next_turn(hc);
            return;
        }
        if (hc->multi != NULL && loop_turn_is_long(hc->loop)) {
            look_next_turn(hc);
            return;
        }
    }
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
    gw_buf_init(&o->res.headers, HTTP_HEADERS_MAX);
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
        http_op_setup(o, req);
    }
    if (o->stall_ms > 0)
        watch_stall(hc, o->stall_ms);
    if (hc->in_curl == 0 && o->fault == GW_OK && list_empty(&hc->queued) && may_begin(hc)) {
        hc->begun++;
        start_now(o);
    } else {
        queue(o);
    }
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
    list_init(&hc->late);
    list_init(&hc->kept);
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
    op_cancel(&hc->catch_up);
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
