#include "gateway/io/http.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"
#include "tests/support/http_stub.h"

#define BIG (3u * 1024 * 1024 + 17)

static uint8_t big[BIG];

static void fill_big(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < BIG; i++) {
        x = x * 1664525u + 1013904223u;
        big[i] = (uint8_t)(x >> 24);
    }
}

static atomic_uint nothings; /* requests for /nothing */
static atomic_uint lates;    /* answers to nothing that /late-surplus has sent */

/* /status/N, /big, /echo, and days on which things go wrong. */
static bool serve(void *arg, struct http_stub_conn *c, const struct http_stub_req *r)
{
    (void)arg;
    const char *t = r->target;
    char value[256] = "";
    if (strcmp(t, "/big") == 0)
        return http_stub_reply(c, 200, "X-Thing: one\r\nETag: \"e\"\r\n", big, BIG);
    if (strcmp(t, "/echo") == 0 || strcmp(t, "/echo-close") == 0) {
        bool expect = http_stub_header(r, "Expect", value, sizeof value);
        return http_stub_reply(c, expect ? 417 : 200, "", r->body, r->body_len) &&
               strcmp(t, "/echo-close") != 0;
    }
    if (strcmp(t, "/close-quietly") == 0) {
        http_stub_reply(c, 200, "", "x", 1);
        return false;
    }
    if (strcmp(t, "/truncated") == 0) {
        http_stub_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this");
        return false;
    }
    if (strcmp(t, "/truncated-chunk") == 0) {
        http_stub_text(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc");
        return false;
    }
    if (strcmp(t, "/too-much") == 0)
        return http_stub_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef");
    if (strcmp(t, "/late-surplus") == 0) {
        if (!http_stub_reply(c, 200, "", "x", 1))
            return false;
        http_stub_pause(c, 50);
        bool sent = http_stub_reply(c, 200, "", "not yours", 9);
        lates++;
        return sent;
    }
    if (strcmp(t, "/chunked") == 0)
        return http_stub_text(c,
                              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
                              "3\r\nabc\r\n2\r\nde\r\n0\r\nX: late\r\n\r\n");
    if (strcmp(t, "/nothing") == 0) {
        nothings++;
        return false;
    }
    if (strcmp(t, "/nonsense") == 0) {
        http_stub_text(c, "220 mail.example.net ESMTP\r\n");
        return false;
    }
    if (strcmp(t, "/silent") == 0) {
        http_stub_pause(c, 60000);
        return false;
    }
    if (strcmp(t, "/stops") == 0) {
        http_stub_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome");
        http_stub_pause(c, 60000);
        return false;
    }
    if (strcmp(t, "/drip") == 0 || strcmp(t, "/trickle") == 0) {
        http_stub_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        for (int i = 0; i < 10; i++) {
            http_stub_pause(c, t[1] == 't' ? 200 : 30);
            if (!http_stub_text(c, "x"))
                return false;
        }
        return true;
    }
    if (strcmp(t, "/interim") == 0) {
        http_stub_text(c, "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n");
        return http_stub_reply(c, 200, "X-Final: 1\r\n", "ok", 2);
    }
    if (strcmp(t, "/redirect") == 0)
        return http_stub_reply(c, 302, "Location: /big\r\n", "", 0);
    if (strcmp(t, "/a/../b//./%2e%2E?q=a%2Bb") == 0)
        return http_stub_reply(c, 200, "", "odd", 3);
    if (strncmp(t, "/status/", 8) == 0)
        return http_stub_reply(c, (unsigned)strtoul(t + 8, NULL, 10), "", NULL, 0);
    return http_stub_reply(c, 404, "", "no", 2);
}

static size_t cut(void *arg, struct http_stub_conn *c, const struct http_stub_req *r)
{
    (void)arg, (void)c;
    return strcmp(r->target, "/cut-upload") == 0 ? 100000 : HTTP_STUB_ALL;
}

struct env {
    struct http_stub *stub;
    struct loop *loop;
    struct http_client *client;
};

struct call {
    struct env *e;
    struct op *op;
    unsigned done;
    enum gw_err err;
    unsigned status;
    bool sent, repeated;
    struct gw_buf body;
    char thing[64];
    /* what the body callback does */
    unsigned pause_every, parts, pauses;
    bool cancel_in_body, cancel_in_head, refuse_head, head_seen, resume_now;
    struct op *later;
    size_t send_at, send_total, send_pause_at;
};

static int setup(void **state)
{
    struct env *e = mem_zalloc(sizeof *e);
    e->stub = http_stub_start(serve, cut, NULL);
    assert_int_equal(loop_new(&e->loop), GW_OK);
    assert_int_equal(http_client_new(e->loop, NULL, &e->client, NULL), GW_OK);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;
    http_client_free(&e->client);
    loop_free(&e->loop);
    http_stub_stop(&e->stub);
    mem_free(e);
    return 0;
}

static void on_done(void *arg, const struct http_res *res)
{
    struct call *c = arg;
    c->op = NULL;
    c->done++;
    c->err = http_res_err(res);
    c->status = http_res_status(res);
    c->sent = http_res_sent(res);
    c->repeated = http_res_repeated(res);
    const char *thing = http_res_header(res, "x-thing");
    snprintf(c->thing, sizeof c->thing, "%s", thing == NULL ? "" : thing);
    struct gw_span b = http_res_body(res);
    gw_buf_put(&c->body, b.ptr, b.len);
}

static void resume_later(void *arg)
{
    struct call *c = arg;
    c->later = NULL;
    http_resume(c->op);
}

static bool on_body(void *arg, struct gw_span part)
{
    struct call *c = arg;
    if (c->cancel_in_body) {
        op_cancel(&c->op);
        return true;
    }
    c->parts++;
    if (c->pause_every > 0 && c->parts % c->pause_every == 0) {
        c->pauses++;
        if (c->resume_now)
            http_resume(c->op);
        else
            c->later = deadline_start(c->e->loop, 1, resume_later, c);
        return false;
    }
    gw_buf_put(&c->body, part.ptr, part.len);
    return true;
}

static bool on_head(void *arg, const struct http_res *res)
{
    struct call *c = arg;
    c->head_seen = http_res_status(res) == 200;
    if (c->cancel_in_head)
        op_cancel(&c->op);
    return !c->refuse_head;
}

static size_t on_send(void *arg, uint8_t *to, size_t cap)
{
    struct call *c = arg;
    if (c->send_pause_at > 0 && c->send_at >= c->send_pause_at) {
        c->send_pause_at += 500000;
        c->pauses++;
        c->later = deadline_start(c->e->loop, 1, resume_later, c);
        return HTTP_SEND_PAUSE;
    }
    size_t n = c->send_total - c->send_at < cap ? c->send_total - c->send_at : cap;
    memcpy(to, big + c->send_at, n);
    c->send_at += n;
    return n;
}

static void url_of(struct env *e, const char *path, char *url, size_t cap)
{
    snprintf(url, cap, "http://127.0.0.1:%u%s", http_stub_port(e->stub), path);
}

static void call_start(struct call *c, struct env *e, const char *path, struct http_req req)
{
    char url[256];
    url_of(e, path, url, sizeof url);
    c->e = e;
    gw_buf_init(&c->body, 16u << 20);
    req.url = url;
    if (req.method == NULL)
        req.method = "GET";
    c->op = http_start(e->client, &req, on_done, c);
    assert_int_equal(c->done, 0);
}

static void call_wait(struct call *c)
{
    while (c->done == 0)
        loop_turn(c->e->loop);
}

static void test_rows(void **state)
{
    static const struct {
        const char *path;
        enum gw_err err;
        unsigned status;
        const char *body;
        uint64_t timeout_ms, stall_ms;
    } rows[] = {
        {"/status/204", GW_OK, 204, "", 0, 0},
        {"/status/500", GW_OK, 500, "", 0, 0},
        {"/none", GW_OK, 404, "no", 0, 0},
        {"/truncated", GW_IO, 200, NULL, 0, 0},
        {"/truncated-chunk", GW_IO, 200, NULL, 0, 0},
        {"/too-much", GW_OK, 200, "abc", 0, 0},
        {"/chunked", GW_OK, 200, "abcde", 0, 0},
        {"/nothing", GW_IO, 0, NULL, 0, 0},
        {"/nonsense", GW_UPSTREAM, 0, NULL, 0, 0},
        {"/silent", GW_TIMEOUT, 0, NULL, 50, 0},
        {"/silent", GW_TIMEOUT, 0, NULL, 0, 50},
        {"/stops", GW_TIMEOUT, 200, NULL, 0, 600},
        {"/trickle", GW_OK, 200, "xxxxxxxxxx", 0, 1500},
        {"/interim", GW_OK, 200, "ok", 0, 0},
        {"/redirect", GW_OK, 302, "", 0, 0},
        {"/a/../b//./%2e%2E?q=a%2Bb", GW_OK, 200, "odd", 0, 0},
        {"/big", GW_TOO_LARGE, 200, NULL, 0, 0},
    };
    struct env *e = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct call c = {0};
        call_start(&c, e, rows[i].path,
                   (struct http_req){.max_body = 4096,
                                     .timeout_ms = rows[i].timeout_ms,
                                     .stall_ms = rows[i].stall_ms});
        call_wait(&c);
        if (c.err != rows[i].err || c.status != rows[i].status)
            print_error("row %s: %s %u\n", rows[i].path, gw_err_name(c.err), c.status);
        assert_int_equal(c.err, rows[i].err);
        assert_int_equal(c.status, rows[i].status);
        assert_true(c.sent);
        if (rows[i].body != NULL)
            assert_string_equal(gw_buf_cstr(&c.body), rows[i].body);
        gw_buf_free(&c.body);
    }
}

static void test_no_server(void **state)
{
    struct env *e = *state;
    static const struct {
        const char *url;
        enum gw_err err;
    } rows[] = {
        {"http://127.0.0.1:1/", GW_IO},
        {"http://no-such-host.invalid/", GW_IO},
        {"gopher://127.0.0.1/", GW_UPSTREAM},
        {"file:///etc/passwd", GW_UPSTREAM},
        {"nonsense", GW_IO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct call c = {.e = e};
        gw_buf_init(&c.body, 4096);
        struct http_req req = {.method = "GET", .url = rows[i].url, .max_body = 10};
        c.op = http_start(e->client, &req, on_done, &c);
        call_wait(&c);
        assert_int_equal(c.err, rows[i].err);
        assert_false(c.sent);
        gw_buf_free(&c.body);
    }
}

static void test_download(void **state)
{
    struct env *e = *state;
    for (unsigned pause = 0; pause < 4; pause++) {
        struct call c = {.pause_every = pause == 3 ? 2 : pause * 5, .resume_now = pause == 3};
        call_start(&c, e, "/big", (struct http_req){.on_body = on_body, .on_head = on_head});
        call_wait(&c);
        assert_int_equal(c.err, GW_OK);
        assert_true(c.head_seen);
        assert_string_equal(c.thing, "one");
        assert_int_equal(c.body.len, BIG);
        assert_memory_equal(c.body.data, big, BIG);
        assert_true(pause == 0 || c.pauses > 3);
        gw_buf_free(&c.body);
    }
}

/* A paused transfer is not stalled, and one that goes on moving is not either. */
static void test_pause_is_no_stall(void **state)
{
    struct env *e = *state;
    struct call c = {.pause_every = 3}; /* a fast server fills each part: there may be few */
    call_start(&c, e, "/big", (struct http_req){.on_body = on_body, .stall_ms = 1500});
    while (c.later == NULL && c.done == 0)
        loop_turn(e->loop);
    assert_int_equal(c.done, 0);
    op_cancel(&c.later);
    struct call wait = {0};
    call_start(&wait, e, "/trickle", (struct http_req){.max_body = 100}); /* two seconds */
    call_wait(&wait);
    assert_int_equal(c.done, 0);
    c.pause_every = 0;
    http_resume(c.op);
    call_wait(&c);
    assert_int_equal(c.err, GW_OK);
    assert_int_equal(c.body.len, BIG);
    gw_buf_free(&c.body);
    gw_buf_free(&wait.body);
}

static void test_upload(void **state)
{
    struct env *e = *state;
    const struct gw_span pieces[] = {
        {big, 5}, {big + 5, 0}, {big + 5, 100000}, {big + 100005, BIG - 100005}};
    static const char *const methods[] = {"PUT", "POST", "PROPFIND"};
    for (size_t i = 0; i < 3; i++) {
        struct call c = {0};
        call_start(
            &c, e, "/echo",
            (struct http_req){.method = methods[i], .body = pieces, .nbody = 4, .max_body = BIG});
        call_wait(&c);
        assert_int_equal(c.err, GW_OK);
        assert_int_equal(c.status, 200);
        assert_int_equal(c.body.len, BIG);
        assert_memory_equal(c.body.data, big, BIG);
        gw_buf_free(&c.body);
    }
    for (int known = 0; known < 2; known++) {
        struct call c = {.send_total = BIG, .send_pause_at = 300000};
        call_start(&c, e, "/echo",
                   (struct http_req){.method = "PUT",
                                     .send = on_send,
                                     .send_bytes = known ? (int64_t)BIG : -1,
                                     .max_body = BIG});
        call_wait(&c);
        assert_int_equal(c.err, GW_OK);
        assert_true(c.pauses > 3);
        assert_int_equal(c.body.len, BIG);
        assert_memory_equal(c.body.data, big, BIG);
        gw_buf_free(&c.body);
    }
    struct call empty = {0};
    call_start(&empty, e, "/echo", (struct http_req){.method = "PUT", .max_body = 1});
    call_wait(&empty);
    assert_int_equal(empty.err, GW_OK);
    assert_int_equal(empty.body.len, 0);
    gw_buf_free(&empty.body);
    struct call cut_off = {0};
    call_start(&cut_off, e, "/cut-upload",
               (struct http_req){.method = "PUT", .body = pieces, .nbody = 4, .max_body = 1});
    call_wait(&cut_off);
    assert_int_equal(cut_off.err, GW_IO);
    assert_true(cut_off.sent);
    gw_buf_free(&cut_off.body);
}

/* The server closes a kept connection while the next request is on its way. */
static void test_kept_connection_dies(void **state)
{
    struct env *e = *state;
    const struct gw_span piece = {big, 1000};
    for (int i = 0; i < 20; i++) {
        struct call a = {0}, b = {0};
        call_start(&a, e, "/close-quietly", (struct http_req){.max_body = 10});
        call_wait(&a);
        assert_false(a.repeated); /* nothing was kept yet, or it was seen to be closed */
        call_start(
            &b, e, "/echo",
            (struct http_req){.method = "PUT", .body = &piece, .nbody = 1, .max_body = 1000});
        call_wait(&b);
        assert_int_equal(b.err, GW_OK);
        assert_int_equal(b.body.len, 1000);
        assert_memory_equal(b.body.data, big, 1000);
        gw_buf_free(&a.body);
        gw_buf_free(&b.body);
    }
}

/* The server takes a request on a kept connection, and hangs up in place of an answer. */
static void test_requests_that_are_sent_once(void **state)
{
    struct env *e = *state;
    static const struct {
        const char *method;
        unsigned times;
    } rows[] = {{"POST", 1}, {"PATCH", 1}, {"PUT", 2}, {"GET", 2}};
    const struct gw_span piece = {big, 1000};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct call a = {0}, b = {0};
        struct http_req req = {.method = rows[i].method, .max_body = 1000};
        if (strcmp(rows[i].method, "GET") != 0) {
            req.body = &piece;
            req.nbody = 1;
        }
        call_start(&a, e, "/echo", req);
        call_wait(&a);
        assert_int_equal(a.err, GW_OK);
        nothings = 0;
        call_start(&b, e, "/nothing", req);
        call_wait(&b);
        assert_int_equal(b.err, GW_IO);
        assert_true(b.sent);
        assert_int_equal(nothings, rows[i].times);
        assert_int_equal(b.repeated, rows[i].times > 1);
        gw_buf_free(&a.body);
        gw_buf_free(&b.body);
    }
}

/* More than the answer comes while the connection is idle: nobody may take it for his own. */
static void test_late_surplus(void **state)
{
    struct env *e = *state;
    static const char *const methods[] = {"GET", "POST", "PUT"};
    for (size_t i = 0; i < 3; i++) {
        struct call a = {0}, b = {.send_total = 1000};
        bool get = i == 0;
        lates = 0;
        call_start(&a, e, "/late-surplus", (struct http_req){.max_body = 10});
        call_wait(&a);
        assert_string_equal(gw_buf_cstr(&a.body), "x");
        while (lates == 0)
            loop_poll(e->loop);
        call_start(&b, e, get ? "/none" : "/echo",
                   (struct http_req){.method = methods[i],
                                     .send = get ? NULL : on_send,
                                     .send_bytes = get ? 0 : 1000,
                                     .max_body = 1000});
        call_wait(&b);
        assert_int_equal(b.err, GW_OK);
        assert_int_equal(b.status, get ? 404 : 200);
        assert_int_equal(b.body.len, get ? 2 : 1000);
        assert_false(b.repeated); /* it was not sent yet */
        gw_buf_free(&a.body);
        gw_buf_free(&b.body);
    }
}

static void test_many_share_connections(void **state)
{
    struct env *e = *state;
    struct call c[40] = {{0}};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 40; i++) {
            c[i] = (struct call){0};
            call_start(&c[i], e, i % 2 ? "/big" : "/none", (struct http_req){.on_body = on_body});
        }
        for (size_t i = 0; i < 40; i++) {
            call_wait(&c[i]);
            assert_int_equal(c[i].err, GW_OK);
            assert_int_equal(c[i].body.len, i % 2 ? BIG : 2);
            gw_buf_free(&c[i].body);
        }
    }
    assert_in_range(http_stub_connections(e->stub), 1, 41);
}

static unsigned turn_ends;

static void on_done_slowly(void *arg, const struct http_res *res)
{
    uint64_t until_ns = uv_hrtime() + 5000000;
    while (uv_hrtime() < until_ns)
        ;
    turn_ends++;
    on_done(arg, res);
}

/* Answers that come together, where each has work to follow: the loop has others to serve. */
static void test_answers_are_spread_over_turns(void **state)
{
    struct env *e = *state;
    struct call c[40] = {{0}};
    char url[256];
    url_of(e, "/none", url, sizeof url);
    struct http_req req = {.method = "GET", .url = url, .max_body = 10};
    for (size_t i = 0; i < 40; i++) {
        c[i].e = e;
        gw_buf_init(&c[i].body, 16);
        c[i].op = http_start(e->client, &req, on_done_slowly, &c[i]);
    }
    for (size_t i = 0; i < 40; i++) {
        while (c[i].done == 0) {
            turn_ends = 0;
            loop_turn(e->loop);
            assert_in_range(turn_ends, 0, 8); /* one by socket, timer and what was put off */
        }
        assert_int_equal(c[i].err, GW_OK);
        gw_buf_free(&c[i].body);
    }
}

static void test_refused_head(void **state)
{
    struct env *e = *state;
    struct call c = {.refuse_head = true};
    call_start(&c, e, "/big", (struct http_req){.on_body = on_body, .on_head = on_head});
    call_wait(&c);
    assert_int_equal(c.err, GW_UPSTREAM);
    assert_int_equal(c.status, 200);
    assert_int_equal(c.body.len, 0);
    gw_buf_free(&c.body);
}

/* After so many turns, for every number until the request is done before that. */
static void cancel_everywhere(struct env *e, const char *path, struct http_req req)
{
    bool finished = false;
    for (unsigned turns = 0; !finished && turns < 400; turns += 1 + turns / 16) {
        struct call c = {.send_total = BIG, .send_pause_at = 300000, .pause_every = 7};
        call_start(&c, e, path, req);
        for (unsigned i = 0; i < turns && c.done == 0; i++)
            loop_turn(e->loop);
        finished = c.done > 0;
        op_cancel(&c.later);
        op_cancel(&c.op);
        unsigned before = c.done;
        for (int i = 0; i < 3; i++)
            loop_poll(e->loop);
        assert_int_equal(c.done, before);
        gw_buf_free(&c.body);
    }
}

static void test_cancel_at_each_step(void **state)
{
    struct env *e = *state;
    cancel_everywhere(e, "/big", (struct http_req){.on_body = on_body});
    cancel_everywhere(e, "/drip", (struct http_req){.max_body = 100});
    cancel_everywhere(
        e, "/echo",
        (struct http_req){.method = "PUT", .send = on_send, .send_bytes = BIG, .on_body = on_body});
    struct call c = {.cancel_in_body = true};
    call_start(&c, e, "/big", (struct http_req){.on_body = on_body});
    while (c.op != NULL)
        loop_turn(e->loop);
    struct call h = {.cancel_in_head = true};
    call_start(&h, e, "/big", (struct http_req){.on_body = on_body, .on_head = on_head});
    while (h.op != NULL)
        loop_turn(e->loop);
    struct call after = {0};
    call_start(&after, e, "/none", (struct http_req){.max_body = 10});
    call_wait(&after);
    assert_int_equal(after.err, GW_OK);
    assert_int_equal(c.done + h.done, 0);
    gw_buf_free(&c.body);
    gw_buf_free(&h.body);
    gw_buf_free(&after.body);
    /* during a name look-up: must not wait for it */
    struct http_req slow = {.method = "GET", .url = "http://no-such-host.invalid/", .max_body = 1};
    struct call n = {.e = e};
    n.op = http_start(e->client, &slow, on_done, &n);
    loop_poll(e->loop);
    op_cancel(&n.op);
}

/* A callback that runs inside libcurl starts and cancels other requests. */
struct nest {
    struct call outer, inner, victim;
};

static bool nest_body(void *arg, struct gw_span part)
{
    struct nest *n = arg;
    (void)part;
    if (n->inner.e == NULL) {
        call_start(&n->inner, n->outer.e, "/none", (struct http_req){.max_body = 10});
        op_cancel(&n->victim.op);
        struct call gone = {0};
        call_start(&gone, n->outer.e, "/none", (struct http_req){.max_body = 10});
        op_cancel(&gone.op);
        gw_buf_free(&gone.body);
    }
    return true;
}

static void nest_done(void *arg, const struct http_res *res)
{
    struct nest *n = arg;
    on_done(&n->outer, res);
}

static void test_calls_inside_callbacks(void **state)
{
    struct env *e = *state;
    struct nest n = {.outer = {0}};
    char url[256];
    url_of(e, "/big", url, sizeof url);
    call_start(&n.victim, e, "/silent", (struct http_req){.max_body = 10});
    for (int i = 0; i < 5; i++)
        loop_poll(e->loop);
    struct http_req req = {.method = "GET", .url = url, .on_body = nest_body};
    n.outer.e = e;
    gw_buf_init(&n.outer.body, 10);
    n.outer.op = http_start(e->client, &req, nest_done, &n);
    call_wait(&n.outer);
    call_wait(&n.inner);
    assert_int_equal(n.inner.status, 404);
    assert_int_equal(n.victim.done, 0);
    gw_buf_free(&n.outer.body);
    gw_buf_free(&n.inner.body);
    gw_buf_free(&n.victim.body);
}

#define CROWD 800u

/* Many requests begin inside a callback of libcurl; none of them needs a server. */
struct crowd {
    struct env *e;
    struct call outer, victim;
    bool begun, rushed; /* more of them than two a turn can have begun */
    unsigned done;
    uint64_t begun_turn, first_turn;
};

static void crowd_done(void *arg, const struct http_res *res)
{
    struct crowd *c = arg;
    uint64_t turn = loop_turn_number(c->e->loop);
    (void)res;
    if (c->done++ == 0)
        c->first_turn = turn;
    c->rushed |= c->done > 2 * (turn - c->begun_turn + 1);
}

static bool crowd_begins(void *arg, struct gw_span part)
{
    struct crowd *c = arg;
    const struct http_req req = {.method = "GET", .url = "http://[", .max_body = 10};
    (void)part;
    for (size_t i = 0; !c->begun && i < CROWD; i++)
        (void)http_start(c->e->client, &req, crowd_done, c);
    if (!c->begun) {
        op_cancel(&c->victim.op); /* the last in the queue, and libcurl is soon through with it */
        c->begun_turn = loop_turn_number(c->e->loop);
    }
    c->begun = true;
    return true;
}

/* An upload that always has one byte more. */
static size_t crowd_sends(void *arg, uint8_t *to, size_t cap)
{
    struct call *c = arg;
    assert_true(cap > 0);
    *to = 'x';
    c->send_at++;
    return 1;
}

static void crowd_outer(void *arg, const struct http_res *res)
{
    struct crowd *c = arg;
    on_done(&c->outer, res);
}

static void test_a_crowd_begins(void **state)
{
    struct crowd c = {.e = *state};
    char url[256];
    call_start(&c.victim, c.e, "/echo",
               (struct http_req){.method = "PUT", .send = crowd_sends, .send_bytes = BIG});
    while (c.victim.send_at == 0)
        loop_turn(c.e->loop);
    url_of(c.e, "/chunked", url, sizeof url);
    struct http_req req = {.method = "GET", .url = url, .on_body = crowd_begins};
    gw_buf_init(&c.outer.body, 10);
    c.outer.op = http_start(c.e->client, &req, crowd_outer, &c);
    while (c.done < CROWD)
        loop_turn(c.e->loop);
    call_wait(&c.outer);
    assert_int_equal(c.victim.done, 0);
    assert_in_range(c.first_turn - c.begun_turn, 0, 10); /* and not when all have begun */
    assert_false(c.rushed);
    gw_buf_free(&c.outer.body);
    gw_buf_free(&c.victim.body);
}

/* As logins do that send their passwords at the same time. */
static void test_a_crowd_begins_outside(void **state)
{
    struct crowd c = {.e = *state};
    const struct http_req req = {.method = "GET", .url = "http://[", .max_body = 10};
    c.begun_turn = loop_turn_number(c.e->loop);
    for (size_t i = 0; i < CROWD; i++)
        (void)http_start(c.e->client, &req, crowd_done, &c);
    while (c.done < CROWD)
        loop_turn(c.e->loop);
    assert_in_range(c.first_turn - c.begun_turn, 0, 10);
    assert_false(c.rushed);
}

static void *loop_main(void *arg)
{
    struct env *mine = arg;
    for (int round = 0; round < 5; round++) {
        struct call c[8] = {{0}};
        for (size_t i = 0; i < 8; i++)
            call_start(&c[i], mine, "/big", (struct http_req){.on_body = on_body});
        for (size_t i = 0; i < 8; i++) {
            call_wait(&c[i]);
            gw_buf_free(&c[i].body);
        }
    }
    return NULL;
}

static void test_two_loops(void **state)
{
    struct env *e = *state;
    struct env mine[2];
    pthread_t t[2];
    for (int i = 0; i < 2; i++) {
        mine[i].stub = e->stub;
        assert_int_equal(loop_new(&mine[i].loop), GW_OK);
        assert_int_equal(http_client_new(mine[i].loop, NULL, &mine[i].client, NULL), GW_OK);
        pthread_create(&t[i], NULL, loop_main, &mine[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(t[i], NULL);
        http_client_free(&mine[i].client);
        loop_free(&mine[i].loop);
    }
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    fill_big();
    const struct CMUnitTest tests[] = {
        ROW(test_rows),
        ROW(test_no_server),
        ROW(test_download),
        ROW(test_pause_is_no_stall),
        ROW(test_upload),
        ROW(test_kept_connection_dies),
        ROW(test_requests_that_are_sent_once),
        ROW(test_late_surplus),
        ROW(test_many_share_connections),
        ROW(test_answers_are_spread_over_turns),
        ROW(test_refused_head),
        ROW(test_cancel_at_each_step),
        ROW(test_calls_inside_callbacks),
        ROW(test_a_crowd_begins),
        ROW(test_a_crowd_begins_outside),
        ROW(test_two_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
