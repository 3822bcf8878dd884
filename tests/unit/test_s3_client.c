/* The client against a server that answers from a script: what it sends, when it asks again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/mem.h"
#include "tests/support/s3_script.h"
#include "tests/support/sync.h"

static void test_what_is_sent(void **state)
{
    struct s3_script *e = *state;
    static const struct s3_script_reply fine[S3_SCRIPT_STEPS] = {{0}};
    const struct s3_param query[] = {{"uploads", NULL}, {"a b", "x/y+z"}};
    const struct s3_req req = {
        .method = "POST", .key = "a//b/../\xc3\xbc +%\n", .query = query, .nquery = 2};
    struct s3_script_got g;
    s3_script_play(e, fine);
    s3_script_run(e, &req, &g);
    assert_int_equal(g.err, GW_OK);
    assert_string_equal(g.body, "ok");
    assert_string_equal(e->server.target,
                        "/bucket/a//b/../%C3%BC%20%2B%25%0A?a%20b=x%2Fy%2Bz&uploads=");
    assert_string_equal(e->server.host, e->endpoint + strlen("http://"));
    assert_string_equal(e->server.type, ""); /* not libcurl's own for a POST */
    assert_non_null(strstr(e->server.auth, "Credential=AKID/"));
    assert_non_null(strstr(e->server.auth, "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"));
    assert_null(strstr(e->server.auth, "secret"));
    /* Without TLS the payload is part of the signature. */
    assert_string_equal(e->server.hashes[0],
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

    struct gw_buf source;
    gw_buf_init(&source, 1024);
    s3_client_copy_source(e->client, "a b/+", &source);
    assert_string_equal(gw_buf_cstr(&source), "/bucket/a%20b/%2B");
    gw_buf_free(&source);
}

static void test_payload_signing(void **state)
{
    struct s3_script *e = *state;
    static const struct s3_script_reply fine[S3_SCRIPT_STEPS] = {{0}};
    static const struct {
        int mode;
        const char *hash;
    } modes[] = {
        {S3_PAYLOAD_AUTO, "239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5"},
        {S3_PAYLOAD_ALWAYS, "239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5"},
        {S3_PAYLOAD_NEVER, "UNSIGNED-PAYLOAD"},
    };
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        const struct gw_span body[] = {gw_span_str("pay"), gw_span_str("load")};
        const struct s3_req req = {.method = "PUT", .key = "k", .body = body, .nbody = 2};
        struct s3_script_got g;
        e->conf.payload_signing = modes[i].mode;
        s3_script_play(e, fine);
        s3_script_run(e, &req, &g);
        assert_int_equal(g.err, GW_OK);
        assert_string_equal(e->server.hashes[0], modes[i].hash);
    }
}

static void test_keys_that_cannot_be_sent(void **state)
{
    struct s3_script *e = *state;
    char *key = mem_zalloc(60000);
    memset(key, ' ', 59999);
    struct s3_req req = {.method = "GET", .key = key};
    struct s3_script_got g;
    s3_script_run(e, &req, &g);
    assert_int_equal(g.err, GW_TOO_LARGE);
    mem_free(key);
}

/* The server's clock is taken over once, with a warning, for this and every later request. */
static void test_clock(void **state)
{
    struct s3_script *e = *state;
    static const char *const bodies[] = {S3_SCRIPT_ERROR("RequestTimeTooSkewed"), NULL};
    for (size_t i = 0; i < 2; i++) {
        char date[64];
        time_t t = time(NULL) + 7200 + (time_t)i * 7200;
        struct tm tm;
        strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&t, &tm));
        const struct s3_script_reply replies[S3_SCRIPT_STEPS] = {
            {403, date, bodies[i], S3_SCRIPT_PLAIN}};
        /* HEAD has no body that would say why. */
        const struct s3_req req = {.method = i == 0 ? "GET" : "HEAD", .key = "k"};
        struct s3_script_got g;
        s3_script_play(e, replies);
        s3_script_run(e, &req, &g);
        assert_int_equal(g.err, GW_OK);
        assert_int_equal(s3_script_requests(e), 2);
        char want[S3_SIGN_TIME_MAX];
        assert_true(s3_sign_time((int64_t)t, want));
        assert_memory_equal(e->server.dates[1], want, 11); /* to the hour */
        assert_string_not_equal(e->server.dates[0], e->server.dates[1]);
        assert_in_range(s3_client_now_s(e->client), t - 5, t + 5);
    }
}

static void test_token_refreshed(void **state)
{
    struct s3_script *e = *state;
    static const struct s3_script_reply expired[S3_SCRIPT_STEPS] = {
        {400, NULL, S3_SCRIPT_ERROR("ExpiredToken"), S3_SCRIPT_PLAIN}};
    setenv("AWS_ACCESS_KEY_ID", "env-id", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "env-secret", 1);
    setenv("AWS_SESSION_TOKEN", "old-token", 1);
    struct s3_conf conf = e->conf;
    conf.credentials = (struct s3_conf_credentials){0};
    struct s3_client *own = e->client;
    struct gw_errmsg msg;
    assert_int_equal(s3_client_new(e->loop, &conf, &e->client, &msg), GW_OK);
    setenv("AWS_SESSION_TOKEN", "new-token", 1);
    const struct s3_req req = {.method = "GET", .key = "k"};
    struct s3_script_got g;
    s3_script_play(e, expired);
    s3_script_run(e, &req, &g);
    assert_int_equal(g.err, GW_OK);
    assert_string_equal(e->server.tokens[0], "old-token");
    assert_string_equal(e->server.tokens[1], "new-token");
    assert_non_null(strstr(e->server.auth, "x-amz-security-token"));
    /* Once only. */
    s3_script_play(e, expired);
    s3_script_run(e, &req, &g);
    assert_int_equal(g.err, GW_DENIED);
    assert_string_equal(g.code, "ExpiredToken");
    assert_int_equal(s3_script_requests(e), 1);
    s3_client_free(&e->client);
    e->client = own;
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("AWS_SESSION_TOKEN");
}

static void test_credentials(void **state)
{
    struct s3_script *e = *state;
    static const struct {
        const char *id, *secret, *env_id, *env_secret, *problem;
    } sets[] = {
        {NULL, NULL, NULL, NULL, "credentials: none"},
        {"", "", NULL, NULL, "credentials: none"},
        {"i", NULL, NULL, NULL, "the configuration: the secret access key is missing"},
        {NULL, "s", NULL, NULL, "the configuration: the access key id is missing"},
        {NULL, NULL, "i", NULL, "the environment: the secret access key is missing"},
        {NULL, NULL, "i", "s", NULL},
        {"i", "s", "i", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        struct s3_conf conf = e->conf;
        struct s3_client *c = NULL;
        struct gw_errmsg msg;
        conf.credentials =
            (struct s3_conf_credentials){mem_strdup(sets[i].id), mem_strdup(sets[i].secret), NULL};
        if (sets[i].env_id != NULL)
            setenv("AWS_ACCESS_KEY_ID", sets[i].env_id, 1);
        if (sets[i].env_secret != NULL)
            setenv("AWS_SECRET_ACCESS_KEY", sets[i].env_secret, 1);
        enum gw_err err = s3_client_new(e->loop, &conf, &c, &msg);
        unsetenv("AWS_ACCESS_KEY_ID");
        unsetenv("AWS_SECRET_ACCESS_KEY");
        assert_int_equal(err, sets[i].problem == NULL ? GW_OK : GW_CONFIG);
        if (sets[i].problem != NULL)
            assert_non_null(strstr(msg.text, sets[i].problem));
        if (c != NULL)
            s3_client_free(&c);
        mem_free(conf.credentials.access_key_id);
        mem_free(conf.credentials.secret_access_key);
    }
}

/* A stall is a timeout, and is tried again; the budget of time ends it. */
static void test_silence(void **state)
{
    struct s3_script *e = *state;
    static const struct s3_script_reply silent[S3_SCRIPT_STEPS] = {{.how = S3_SCRIPT_SILENT},
                                                                   {.how = S3_SCRIPT_SILENT},
                                                                   {.how = S3_SCRIPT_SILENT},
                                                                   {.how = S3_SCRIPT_SILENT}};
    const struct s3_req req = {.method = "GET", .key = "k", .stall_ms = 1000};
    struct s3_script_got g;
    e->conf.request_timeout_s = 1;
    s3_script_renew(e);
    s3_script_play(e, silent);
    s3_script_run(e, &req, &g);
    e->conf.request_timeout_s = 5;
    s3_script_renew(e);
    assert_int_equal(g.err, GW_TIMEOUT);
    assert_string_equal(g.text, "S3 did not answer in time");
    assert_in_range(s3_script_requests(e), 1, 3);
    assert_true(g.maybe_done);
}

static void test_nobody_there(void **state)
{
    struct s3_script *e = *state;
    http_stub_stop(&e->stub);
    const struct s3_req req = {.method = "GET", .key = "k"};
    struct s3_script_got g;
    s3_script_run(e, &req, &g);
    assert_int_equal(g.err, GW_IO);
    assert_string_equal(g.text, "the connection to S3 failed");
    assert_false(g.maybe_done);
    s3_script_renew(e);
}

/* ---- streams ---- */

static bool on_body(void *arg, struct gw_span part)
{
    struct s3_script_got *g = arg;
    size_t n = strlen(g->streamed);
    snprintf(g->streamed + n, sizeof g->streamed - n, "%.*s", (int)part.len,
             (const char *)part.ptr);
    return true;
}

static void test_streamed(void **state)
{
    struct s3_script *e = *state;
    static const struct {
        const char *name;
        struct s3_script_reply replies[S3_SCRIPT_STEPS];
        enum gw_err err;
        const char *streamed;
        unsigned requests;
    } cases[] = {
        {"fine", {{0}}, GW_OK, "ok", 1},
        {"an error's body is not the object's",
         {{404, NULL, S3_SCRIPT_ERROR("NoSuchKey"), S3_SCRIPT_PLAIN}},
         GW_NOT_FOUND,
         "",
         1},
        {"503, then fine",
         {{503, NULL, S3_SCRIPT_ERROR("SlowDown"), S3_SCRIPT_PLAIN}},
         GW_OK,
         "ok",
         2},
        {"cut off before the first byte", {{200, NULL, NULL, S3_SCRIPT_CUT_HEAD}}, GW_OK, "ok", 2},
        {"cut off behind it", {{200, NULL, NULL, S3_SCRIPT_CUT_BODY}}, GW_IO, "some", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct s3_req req = {.method = "GET", .key = "k", .on_body = on_body};
        struct s3_script_got g;
        s3_script_play(e, cases[i].replies);
        s3_script_run(e, &req, &g);
        if (g.err != cases[i].err)
            print_error("%s\n", cases[i].name);
        assert_int_equal(g.err, cases[i].err);
        assert_string_equal(g.streamed, cases[i].streamed);
        assert_int_equal(s3_script_requests(e), cases[i].requests);
    }
}

struct source {
    struct s3_script_got got; /* first: the callbacks share their argument */
    size_t sent;
    unsigned rewinds;
};

static size_t on_send(void *arg, uint8_t *to, size_t cap)
{
    struct source *s = arg;
    static const char data[] = "streamed payload";
    size_t n = sizeof data - 1 - s->sent;
    n = n < cap ? n : cap;
    memcpy(to, data + s->sent, n);
    s->sent += n;
    return n;
}

static void on_rewind(void *arg)
{
    struct source *s = arg;
    s->sent = 0;
    s->rewinds++;
}

static void test_sent_while_made(void **state)
{
    struct s3_script *e = *state;
    static const struct s3_script_reply busy[S3_SCRIPT_STEPS] = {
        {503, NULL, S3_SCRIPT_ERROR("SlowDown"), S3_SCRIPT_PLAIN}};
    for (int with = 0; with < 2; with++) {
        struct source s = {.sent = 0};
        const struct s3_req req = {.method = "PUT",
                                   .key = "k",
                                   .send = on_send,
                                   .rewind = with ? on_rewind : NULL,
                                   .send_bytes = 16};
        s3_script_play(e, busy);
        s.got.op = s3_client_start(e->client, &req, s3_script_done, &s.got);
        assert_true(sync_until(e->loop, s3_script_over, &s.got));
        assert_int_equal(s.got.err, with ? GW_OK : GW_UPSTREAM);
        assert_int_equal(s.rewinds, with);
        assert_string_equal(e->server.hashes[0], "UNSIGNED-PAYLOAD");
    }
}

/* ---- many ---- */

#define MANY 64u

static bool all_over(void *arg)
{
    const struct s3_script_got *g = arg;
    for (size_t i = 0; i < MANY; i++)
        if (!g[i].done)
            return false;
    return true;
}

static void start_many(struct s3_script *e, struct s3_script_got *g, unsigned pause_ms)
{
    const struct s3_req req = {.method = "GET", .key = "k"};
    memset(g, 0, MANY * sizeof *g);
    pthread_mutex_lock(&e->server.lock);
    e->server.pause_ms = pause_ms;
    pthread_mutex_unlock(&e->server.lock);
    for (size_t i = 0; i < MANY; i++)
        g[i].op = s3_client_start(e->client, &req, s3_script_done, &g[i]);
    assert_true(sync_until(e->loop, all_over, g));
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(g[i].err, GW_OK);
}

static void test_slow_down(void **state)
{
    struct s3_script *e = *state;
    static const struct s3_script_reply fine[S3_SCRIPT_STEPS] = {{0}};
    static const struct s3_script_reply slow[S3_SCRIPT_STEPS] = {
        {503, NULL, S3_SCRIPT_ERROR("SlowDown"), S3_SCRIPT_PLAIN},
        {503, NULL, S3_SCRIPT_ERROR("SlowDown"), S3_SCRIPT_PLAIN},
        {503, NULL, S3_SCRIPT_ERROR("SlowDown"), S3_SCRIPT_PLAIN}};
    struct s3_script_got *g = mem_array(MANY, sizeof *g);
    struct gw_errmsg msg;
    s3_client_free(&e->client); /* the tests before this one have slowed it down */
    assert_int_equal(s3_client_new(e->loop, &e->conf, &e->client, &msg), GW_OK);
    s3_script_play(e, fine);
    start_many(e, g, 100);
    unsigned before = e->server.most;
    s3_script_play(e, slow);
    start_many(e, g, 0);
    s3_script_play(e, fine);
    start_many(e, g, 100);
    print_message("%u at once, then %u\n", before, e->server.most);
    /* The server counts a request until its thread is through: one too many now and then. */
    assert_true(e->server.most * 2 <= before + 4);
    mem_free(g);
}

/* ---- cancelled at every step ---- */

/* One request that meets everything that it may wait for: an answer, a pause, a wrong clock. */
static void test_cancelled(void **state)
{
    struct s3_script *e = *state;
    static const struct s3_script_reply hard[S3_SCRIPT_STEPS] = {
        {500, NULL, S3_SCRIPT_ERROR("InternalError"), S3_SCRIPT_PLAIN},
        {403, "Date: Sun, 22 Nov 2026 13:57:59 GMT\r\n", S3_SCRIPT_ERROR("RequestTimeTooSkewed"),
         S3_SCRIPT_PLAIN},
        {400, NULL, S3_SCRIPT_ERROR("ExpiredToken"), S3_SCRIPT_PLAIN}};
    const struct gw_span body = gw_span_str("payload");
    const struct s3_req req = {.method = "PUT", .key = "k", .body = &body, .nbody = 1};
    bool finished = false;
    for (unsigned turns = 0; !finished; turns++) {
        struct s3_script_got g = {0};
        s3_script_play(e, hard);
        g.op = s3_client_start(e->client, &req, s3_script_done, &g);
        for (unsigned i = 0; i < turns && !g.done; i++)
            loop_turn(e->loop);
        finished = g.done;
        op_cancel(&g.op);
        for (unsigned i = 0; i < 3; i++)
            loop_poll(e->loop);
        assert_true(finished || !g.done);
        assert_true(turns < 1000);
    }
    static const struct s3_script_reply fine[S3_SCRIPT_STEPS] = {{0}};
    struct s3_script_got g;
    s3_script_play(e, fine);
    s3_script_run(e, &req, &g);
    assert_int_equal(g.err, GW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_sent),
        cmocka_unit_test(test_payload_signing),
        cmocka_unit_test(test_keys_that_cannot_be_sent),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_token_refreshed),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_streamed),
        cmocka_unit_test(test_sent_while_made),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_slow_down),
    };
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("AWS_SESSION_TOKEN");
    return cmocka_run_group_tests(tests, s3_script_setup, s3_script_teardown);
}
