/* The client against a server that answers from a script. */
#include "backends/s3/s3_client.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "backends/s3/s3.h"
#include "gateway/base/mem.h"
#include "tests/support/http_stub.h"
#include "tests/support/sync.h"

#define ERROR(code) "<Error><Code>" code "</Code><RequestId>4442587FB7D0A2F9</RequestId></Error>"
#define STEPS_MAX   6u

struct reply {
    unsigned status; /* 0 = no more replies: 200 "ok" */
    const char *headers, *body;
    enum { PLAIN, CUT_HEAD, CUT_BODY, SILENT } how;
};

struct script {
    pthread_mutex_t lock;
    struct reply replies[STEPS_MAX];
    unsigned requests; /* how many came */
    char dates[STEPS_MAX][32], tokens[STEPS_MAX][64], hashes[STEPS_MAX][80];
    char target[4096], host[64], type[64], auth[1024];
    unsigned now, most; /* at once */
    unsigned pause_ms;
};

static bool send_reply(struct http_stub_conn *c, const struct reply *r, bool head)
{
    const char *headers = r->headers != NULL ? r->headers : "";
    const char *body = r->body != NULL ? r->body : "";
    switch (r->how) {
    case CUT_HEAD:
        return false;
    case CUT_BODY:
        http_stub_text(c, "HTTP/1.1 %u X\r\nContent-Length: 1000\r\n\r\nsome", r->status);
        return false;
    case SILENT:
        http_stub_pause(c, 60000);
        return false;
    default:
        if (head)
            return http_stub_text(c, "HTTP/1.1 %u X\r\n%sContent-Length: 7\r\n\r\n", r->status,
                                  headers);
        return http_stub_reply(c, r->status, headers, body, strlen(body));
    }
}

static bool serve(void *arg, struct http_stub_conn *c, const struct http_stub_req *req)
{
    struct script *s = arg;
    struct reply r = {0};
    pthread_mutex_lock(&s->lock);
    unsigned n = s->requests++;
    if (n < STEPS_MAX) {
        r = s->replies[n];
        http_stub_header(req, "x-amz-date", s->dates[n], sizeof s->dates[n]);
        http_stub_header(req, "x-amz-security-token", s->tokens[n], sizeof s->tokens[n]);
        http_stub_header(req, "x-amz-content-sha256", s->hashes[n], sizeof s->hashes[n]);
    }
    snprintf(s->target, sizeof s->target, "%s", req->target);
    http_stub_header(req, "Host", s->host, sizeof s->host);
    http_stub_header(req, "Authorization", s->auth, sizeof s->auth);
    s->type[0] = '\0';
    http_stub_header(req, "Content-Type", s->type, sizeof s->type);
    unsigned pause = s->pause_ms;
    if (++s->now > s->most)
        s->most = s->now;
    pthread_mutex_unlock(&s->lock);
    if (pause > 0)
        http_stub_pause(c, pause);
    pthread_mutex_lock(&s->lock);
    s->now--;
    pthread_mutex_unlock(&s->lock);
    if (r.status == 0 && r.how == PLAIN)
        r = (struct reply){.status = 200, .body = "ok"};
    return send_reply(c, &r, strcmp(req->method, "HEAD") == 0);
}

struct env {
    struct script script;
    struct http_stub *stub;
    struct loop *loop;
    struct s3_conf conf;
    struct s3_client *client;
    char endpoint[64];
};

static char text_bucket[] = "bucket";
static char text_region[] = "us-east-1";
static char text_id[] = "AKID";
static char text_secret[] = "secret";

static int setup(void **state)
{
    struct env *e = mem_zalloc(sizeof *e);
    pthread_mutex_init(&e->script.lock, NULL);
    e->stub = http_stub_start(serve, NULL, &e->script);
    snprintf(e->endpoint, sizeof e->endpoint, "http://127.0.0.1:%u", http_stub_port(e->stub));
    e->conf = (struct s3_conf){
        .bucket = text_bucket,
        .region = text_region,
        .endpoint = e->endpoint,
        .path_style = true,
        .credentials = {.access_key_id = text_id, .secret_access_key = text_secret},
        .request_timeout_s = 5,
        .max_retries = 3};
    assert_int_equal(loop_new(&e->loop), GW_OK);
    struct gw_errmsg msg;
    assert_int_equal(s3_client_new(e->loop, &e->conf, &e->client, &msg), GW_OK);
    *state = e;
    return 0;
}

/* A client of what conf says now. */
static void renew(struct env *e)
{
    struct gw_errmsg msg;
    s3_client_free(&e->client);
    assert_int_equal(s3_client_new(e->loop, &e->conf, &e->client, &msg), GW_OK);
}

static int teardown(void **state)
{
    struct env *e = *state;
    s3_client_free(&e->client);
    loop_free(&e->loop);
    http_stub_stop(&e->stub);
    pthread_mutex_destroy(&e->script.lock);
    mem_free(e);
    return 0;
}

struct got {
    struct op *op;
    bool done;
    enum gw_err err;
    unsigned status;
    bool maybe_done;
    char text[FS_TEXT_MAX], code[64], body[64];
    char streamed[64];
};

static void on_done(void *arg, const struct remote_res *res)
{
    struct got *g = arg;
    g->op = NULL;
    assert_false(g->done);
    g->done = true;
    g->err = res->err;
    g->status = res->status;
    g->maybe_done = res->maybe_done;
    snprintf(g->text, sizeof g->text, "%s", res->text != NULL ? res->text : "");
    snprintf(g->code, sizeof g->code, "%s", res->code);
    snprintf(g->body, sizeof g->body, "%.*s", (int)res->body.len, (const char *)res->body.ptr);
}

static bool over(void *arg)
{
    return ((struct got *)arg)->done;
}

static void run(struct env *e, const struct s3_req *req, struct got *g)
{
    *g = (struct got){0};
    g->op = s3_client_start(e->client, req, on_done, g);
    assert_non_null(g->op);
    assert_false(g->done);
    assert_true(sync_until(e->loop, over, g));
}

/* How many the server has seen: it may be busy with one that the client gave up. */
static unsigned requests(struct env *e)
{
    pthread_mutex_lock(&e->script.lock);
    unsigned n = e->script.requests;
    pthread_mutex_unlock(&e->script.lock);
    return n;
}

static void play(struct env *e, const struct reply replies[STEPS_MAX])
{
    pthread_mutex_lock(&e->script.lock);
    memcpy(e->script.replies, replies, sizeof e->script.replies);
    e->script.requests = e->script.now = e->script.most = e->script.pause_ms = 0;
    memset(e->script.dates, 0, sizeof e->script.dates);
    memset(e->script.tokens, 0, sizeof e->script.tokens);
    pthread_mutex_unlock(&e->script.lock);
}

struct row {
    const char *name, *method, *key;
    const char *header;
    unsigned flags;
    struct reply replies[STEPS_MAX];
    enum gw_err err;
    const char *text;
    unsigned requests;
    bool maybe_done;
};

#define REQUEST ", request 4442587FB7D0A2F9"

static const struct row rows[] = {
    {"fine", "GET", "k", NULL, 0, {{0}}, GW_OK, "", 1, false},
    {"no such key",
     "GET",
     "k",
     NULL,
     0,
     {{404, NULL, ERROR("NoSuchKey"), PLAIN}},
     GW_NOT_FOUND,
     "S3 NoSuchKey" REQUEST,
     1,
     false},
    {"no such bucket",
     "GET",
     "k",
     NULL,
     0,
     {{404, NULL, ERROR("NoSuchBucket"), PLAIN}},
     GW_NO_PATH,
     "S3 NoSuchBucket" REQUEST,
     1,
     false},
    {"a bare 404 on a key",
     "HEAD",
     "k",
     NULL,
     0,
     {{404, "x-amz-request-id: 17\r\n", NULL, PLAIN}},
     GW_NOT_FOUND,
     "S3 HTTP status 404, request 17",
     1,
     false},
    {"a bare 404 on the bucket",
     "HEAD",
     NULL,
     NULL,
     0,
     {{404, NULL, NULL, PLAIN}},
     GW_NO_PATH,
     "S3 HTTP status 404",
     1,
     false},
    {"an upload that is not there is no missing file",
     "POST",
     "k",
     NULL,
     0,
     {{404, NULL, ERROR("NoSuchUpload"), PLAIN}},
     GW_UPSTREAM,
     "S3 NoSuchUpload" REQUEST,
     1,
     false},
    {"denied",
     "GET",
     "k",
     NULL,
     0,
     {{403, NULL, ERROR("AccessDenied"), PLAIN}},
     GW_DENIED,
     "S3 AccessDenied" REQUEST,
     1,
     false},
    {"denied by a code of its own",
     "GET",
     "k",
     NULL,
     0,
     {{403, NULL, ERROR("InvalidAccessKeyId"), PLAIN}},
     GW_DENIED,
     "S3 InvalidAccessKeyId" REQUEST,
     1,
     false},
    {"what the text takes over is tidied",
     "GET",
     "k",
     NULL,
     0,
     {{403, "x-amz-request-id: a\"b, <c>\r\n", ERROR("Access Denied&#10;x"), PLAIN}},
     GW_DENIED,
     "S3 AccessDeniedx, request abc>",
     1,
     false},
    {"exists",
     "PUT",
     "k",
     "If-None-Match: *",
     0,
     {{412, NULL, ERROR("PreconditionFailed"), PLAIN}},
     GW_EXISTS,
     "S3 PreconditionFailed" REQUEST,
     1,
     false},
    {"changed",
     "GET",
     "k",
     "If-Match: \"e\"",
     0,
     {{412, NULL, ERROR("PreconditionFailed"), PLAIN}},
     GW_CHANGED,
     "S3 PreconditionFailed" REQUEST,
     1,
     false},
    {"range",
     "GET",
     "k",
     "Range: bytes=9-",
     0,
     {{416, NULL, ERROR("InvalidRange"), PLAIN}},
     GW_EOF,
     "S3 InvalidRange" REQUEST,
     1,
     false},
    {"not implemented",
     "PUT",
     "k",
     NULL,
     0,
     {{501, NULL, ERROR("NotImplemented"), PLAIN}},
     GW_UNSUPPORTED,
     "S3 NotImplemented" REQUEST,
     1,
     true},
    {"too large",
     "PUT",
     "k",
     NULL,
     0,
     {{400, NULL, ERROR("EntityTooLarge"), PLAIN}},
     GW_TOO_LARGE,
     "S3 EntityTooLarge" REQUEST,
     1,
     false},
    {"quota",
     "PUT",
     "k",
     NULL,
     0,
     {{403, NULL, ERROR("QuotaExceeded"), PLAIN}},
     GW_QUOTA,
     "S3 QuotaExceeded" REQUEST,
     1,
     false},
    {"another 400",
     "GET",
     "k",
     NULL,
     0,
     {{400, NULL, ERROR("InvalidArgument"), PLAIN}},
     GW_UPSTREAM,
     "S3 InvalidArgument" REQUEST,
     1,
     false},
    {"HTML of a proxy",
     "GET",
     "k",
     NULL,
     0,
     {{400, NULL, "<html><p>no", PLAIN}},
     GW_UPSTREAM,
     "S3 HTTP status 400",
     1,
     false},
    {"an error in a 200",
     "PUT",
     "k",
     NULL,
     REMOTE_ERROR_IN_200,
     {{200, NULL, ERROR("AccessDenied"), PLAIN}},
     GW_DENIED,
     "S3 AccessDenied" REQUEST,
     1,
     true},
    {"an error in a 200, then fine",
     "PUT",
     "k",
     NULL,
     REMOTE_ERROR_IN_200,
     {{200, NULL, ERROR("InternalError"), PLAIN}},
     GW_OK,
     "",
     2,
     false},
    {"an object that looks like an error",
     "GET",
     "k",
     NULL,
     0,
     {{200, NULL, ERROR("AccessDenied"), PLAIN}},
     GW_OK,
     "",
     1,
     false},
    {"503, then fine",
     "GET",
     "k",
     NULL,
     0,
     {{503, NULL, ERROR("SlowDown"), PLAIN}},
     GW_OK,
     "",
     2,
     false},
    {"500 for ever",
     "PUT",
     "k",
     NULL,
     0,
     {{500, NULL, ERROR("InternalError"), PLAIN},
      {500, NULL, ERROR("InternalError"), PLAIN},
      {502, NULL, NULL, PLAIN},
      {503, NULL, NULL, PLAIN},
      {200, NULL, NULL, PLAIN}},
     GW_UPSTREAM,
     "S3 HTTP status 503",
     4,
     true},
    {"500 that is not to be repeated",
     "POST",
     "k",
     NULL,
     REMOTE_NO_RETRY,
     {{500, NULL, ERROR("InternalError"), PLAIN}},
     GW_UPSTREAM,
     "S3 InternalError" REQUEST,
     1,
     true},
    {"504",
     "GET",
     "k",
     NULL,
     REMOTE_NO_RETRY,
     {{504, NULL, NULL, PLAIN}},
     GW_TIMEOUT,
     "S3 HTTP status 504",
     1,
     true},
    {"the request took too long",
     "PUT",
     "k",
     NULL,
     0,
     {{400, NULL, ERROR("RequestTimeout"), PLAIN}},
     GW_OK,
     "",
     2,
     false},
    {"conflict, then fine",
     "PUT",
     "k",
     "If-None-Match: *",
     0,
     {{409, NULL, ERROR("ConditionalRequestConflict"), PLAIN}},
     GW_OK,
     "",
     2,
     false},
    {"a conflict that stays one",
     "PUT",
     "k",
     NULL,
     0,
     {{409, NULL, ERROR("BucketAlreadyOwnedByYou"), PLAIN}},
     GW_UPSTREAM,
     "S3 BucketAlreadyOwnedByYou" REQUEST,
     1,
     false},
    {"cut off in the head, then fine",
     "POST",
     "k",
     NULL,
     0,
     {{200, NULL, NULL, CUT_HEAD}},
     GW_OK,
     "",
     2,
     false},
    {"cut off in the body, then fine",
     "GET",
     "k",
     NULL,
     0,
     {{200, NULL, NULL, CUT_BODY}},
     GW_OK,
     "",
     2,
     false},
    {"cut off for ever",
     "PUT",
     "k",
     NULL,
     REMOTE_NO_RETRY,
     {{200, NULL, NULL, CUT_BODY}},
     GW_IO,
     "the connection to S3 failed",
     1,
     true},
    {"another region",
     "GET",
     "k",
     NULL,
     0,
     {{301, "Location: http://127.0.0.1:1/\r\nx-amz-bucket-region: eu-west-3\r\n",
       ERROR("PermanentRedirect"), PLAIN}},
     GW_UPSTREAM,
     "S3 PermanentRedirect: the bucket is in region eu-west-3" REQUEST,
     1,
     false},
    {"another region by HEAD",
     "HEAD",
     "k",
     NULL,
     0,
     {{301, "x-amz-bucket-region: eu-west-3\r\n", NULL, PLAIN}},
     GW_UPSTREAM,
     "S3 HTTP status 301: the bucket is in region eu-west-3",
     1,
     false},
    {"another region by a 400",
     "GET",
     "k",
     NULL,
     0,
     {{400, NULL,
       "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>",
       PLAIN}},
     GW_UPSTREAM,
     "S3 AuthorizationHeaderMalformed: the bucket is in region eu-west-1",
     1,
     false},
    {"a clock that stays wrong",
     "GET",
     "k",
     NULL,
     0,
     {{403, "Date: Sun, 22 Nov 2026 13:57:59 GMT\r\n", ERROR("RequestTimeTooSkewed"), PLAIN},
      {403, "Date: Sun, 22 Nov 2026 13:57:59 GMT\r\n", ERROR("RequestTimeTooSkewed"), PLAIN}},
     GW_UPSTREAM,
     "S3 RequestTimeTooSkewed" REQUEST,
     2,
     false},
    {"a token that is refreshed to the same",
     "GET",
     "k",
     NULL,
     0,
     {{400, NULL, ERROR("ExpiredToken"), PLAIN}},
     GW_DENIED,
     "S3 ExpiredToken" REQUEST,
     1,
     false},
};

static void test_rows(void **state)
{
    struct env *e = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        const struct gw_span body = gw_span_str("payload");
        const char *const headers[] = {r->header};
        bool put = strcmp(r->method, "PUT") == 0;
        const struct s3_req req = {.method = r->method,
                                   .key = r->key,
                                   .headers = headers,
                                   .nheaders = r->header != NULL,
                                   .body = &body,
                                   .nbody = put ? 1 : 0,
                                   .flags = r->flags};
        struct got g;
        play(e, r->replies);
        run(e, &req, &g);
        if (g.err != r->err || strcmp(g.text, r->text) != 0 || requests(e) != r->requests ||
            g.maybe_done != r->maybe_done)
            print_error("row %s: %s, \"%s\", %u requests, maybe done %d\n", r->name,
                        gw_err_name(g.err), g.text, requests(e), g.maybe_done);
        assert_int_equal(g.err, r->err);
        assert_string_equal(g.text, r->text);
        assert_int_equal(requests(e), r->requests);
        assert_int_equal(g.maybe_done, r->maybe_done);
    }
}

static void test_what_is_sent(void **state)
{
    struct env *e = *state;
    static const struct reply fine[STEPS_MAX] = {{0}};
    const struct s3_param query[] = {{"uploads", NULL}, {"a b", "x/y+z"}};
    const struct s3_req req = {
        .method = "POST", .key = "a//b/../\xc3\xbc +%\n", .query = query, .nquery = 2};
    struct got g;
    play(e, fine);
    run(e, &req, &g);
    assert_int_equal(g.err, GW_OK);
    assert_string_equal(g.body, "ok");
    assert_string_equal(e->script.target,
                        "/bucket/a//b/../%C3%BC%20%2B%25%0A?a%20b=x%2Fy%2Bz&uploads=");
    assert_string_equal(e->script.host, e->endpoint + strlen("http://"));
    assert_string_equal(e->script.type, ""); /* not libcurl's own for a POST */
    assert_non_null(strstr(e->script.auth, "Credential=AKID/"));
    assert_non_null(strstr(e->script.auth, "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"));
    assert_null(strstr(e->script.auth, "secret"));
    /* Without TLS the payload is part of the signature. */
    assert_string_equal(e->script.hashes[0],
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

    struct gw_buf source;
    gw_buf_init(&source, 1024);
    s3_client_copy_source(e->client, "a b/+", &source);
    assert_string_equal(gw_buf_cstr(&source), "/bucket/a%20b/%2B");
    gw_buf_free(&source);
}

static void test_payload_signing(void **state)
{
    struct env *e = *state;
    static const struct reply fine[STEPS_MAX] = {{0}};
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
        struct got g;
        e->conf.payload_signing = modes[i].mode;
        play(e, fine);
        run(e, &req, &g);
        assert_int_equal(g.err, GW_OK);
        assert_string_equal(e->script.hashes[0], modes[i].hash);
    }
}

static void test_keys_that_cannot_be_sent(void **state)
{
    struct env *e = *state;
    char *key = mem_zalloc(60000);
    memset(key, ' ', 59999);
    struct s3_req req = {.method = "GET", .key = key};
    struct got g;
    run(e, &req, &g);
    assert_int_equal(g.err, GW_TOO_LARGE);
    mem_free(key);
}

/* The server's clock is taken over once, with a warning, for this and every later request. */
static void test_clock(void **state)
{
    struct env *e = *state;
    static const char *const bodies[] = {ERROR("RequestTimeTooSkewed"), NULL};
    for (size_t i = 0; i < 2; i++) {
        char date[64];
        time_t t = time(NULL) + 7200 + (time_t)i * 7200;
        struct tm tm;
        strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&t, &tm));
        const struct reply replies[STEPS_MAX] = {{403, date, bodies[i], PLAIN}};
        /* HEAD has no body that would say why. */
        const struct s3_req req = {.method = i == 0 ? "GET" : "HEAD", .key = "k"};
        struct got g;
        play(e, replies);
        run(e, &req, &g);
        assert_int_equal(g.err, GW_OK);
        assert_int_equal(requests(e), 2);
        char want[S3_SIGN_TIME_MAX];
        assert_true(s3_sign_time((int64_t)t, want));
        assert_memory_equal(e->script.dates[1], want, 11); /* to the hour */
        assert_string_not_equal(e->script.dates[0], e->script.dates[1]);
        assert_in_range(s3_client_now_s(e->client), t - 5, t + 5);
    }
}

static void test_token_refreshed(void **state)
{
    struct env *e = *state;
    static const struct reply expired[STEPS_MAX] = {{400, NULL, ERROR("ExpiredToken"), PLAIN}};
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
    struct got g;
    play(e, expired);
    run(e, &req, &g);
    assert_int_equal(g.err, GW_OK);
    assert_string_equal(e->script.tokens[0], "old-token");
    assert_string_equal(e->script.tokens[1], "new-token");
    assert_non_null(strstr(e->script.auth, "x-amz-security-token"));
    /* Once only. */
    play(e, expired);
    run(e, &req, &g);
    assert_int_equal(g.err, GW_DENIED);
    assert_string_equal(g.code, "ExpiredToken");
    assert_int_equal(requests(e), 1);
    s3_client_free(&e->client);
    e->client = own;
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("AWS_SESSION_TOKEN");
}

static void test_credentials(void **state)
{
    struct env *e = *state;
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
    struct env *e = *state;
    static const struct reply silent[STEPS_MAX] = {
        {.how = SILENT}, {.how = SILENT}, {.how = SILENT}, {.how = SILENT}};
    const struct s3_req req = {.method = "GET", .key = "k", .stall_ms = 1000};
    struct got g;
    e->conf.request_timeout_s = 1;
    renew(e);
    play(e, silent);
    run(e, &req, &g);
    e->conf.request_timeout_s = 5;
    renew(e);
    assert_int_equal(g.err, GW_TIMEOUT);
    assert_string_equal(g.text, "S3 did not answer in time");
    assert_in_range(requests(e), 1, 3);
    assert_true(g.maybe_done);
}

static void test_nobody_there(void **state)
{
    struct env *e = *state;
    http_stub_stop(&e->stub);
    const struct s3_req req = {.method = "GET", .key = "k"};
    struct got g;
    run(e, &req, &g);
    assert_int_equal(g.err, GW_IO);
    assert_string_equal(g.text, "the connection to S3 failed");
    assert_false(g.maybe_done);
    e->stub = http_stub_start(serve, NULL, &e->script);
    snprintf(e->endpoint, sizeof e->endpoint, "http://127.0.0.1:%u", http_stub_port(e->stub));
    renew(e);
}

/* ---- streams ---- */

static bool on_body(void *arg, struct gw_span part)
{
    struct got *g = arg;
    size_t n = strlen(g->streamed);
    snprintf(g->streamed + n, sizeof g->streamed - n, "%.*s", (int)part.len,
             (const char *)part.ptr);
    return true;
}

static void test_streamed(void **state)
{
    struct env *e = *state;
    static const struct {
        const char *name;
        struct reply replies[STEPS_MAX];
        enum gw_err err;
        const char *streamed;
        unsigned requests;
    } cases[] = {
        {"fine", {{0}}, GW_OK, "ok", 1},
        {"an error's body is not the object's",
         {{404, NULL, ERROR("NoSuchKey"), PLAIN}},
         GW_NOT_FOUND,
         "",
         1},
        {"503, then fine", {{503, NULL, ERROR("SlowDown"), PLAIN}}, GW_OK, "ok", 2},
        {"cut off before the first byte", {{200, NULL, NULL, CUT_HEAD}}, GW_OK, "ok", 2},
        {"cut off behind it", {{200, NULL, NULL, CUT_BODY}}, GW_IO, "some", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct s3_req req = {.method = "GET", .key = "k", .on_body = on_body};
        struct got g;
        play(e, cases[i].replies);
        run(e, &req, &g);
        if (g.err != cases[i].err)
            print_error("%s\n", cases[i].name);
        assert_int_equal(g.err, cases[i].err);
        assert_string_equal(g.streamed, cases[i].streamed);
        assert_int_equal(requests(e), cases[i].requests);
    }
}

struct source {
    struct got got; /* first: the callbacks share their argument */
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
    struct env *e = *state;
    static const struct reply busy[STEPS_MAX] = {{503, NULL, ERROR("SlowDown"), PLAIN}};
    for (int with = 0; with < 2; with++) {
        struct source s = {.sent = 0};
        const struct s3_req req = {.method = "PUT",
                                   .key = "k",
                                   .send = on_send,
                                   .rewind = with ? on_rewind : NULL,
                                   .send_bytes = 16};
        play(e, busy);
        s.got.op = s3_client_start(e->client, &req, on_done, &s.got);
        assert_true(sync_until(e->loop, over, &s.got));
        assert_int_equal(s.got.err, with ? GW_OK : GW_UPSTREAM);
        assert_int_equal(s.rewinds, with);
        assert_string_equal(e->script.hashes[0], "UNSIGNED-PAYLOAD");
    }
}

/* ---- many ---- */

#define MANY 64u

static bool all_over(void *arg)
{
    const struct got *g = arg;
    for (size_t i = 0; i < MANY; i++)
        if (!g[i].done)
            return false;
    return true;
}

static void start_many(struct env *e, struct got *g, unsigned pause_ms)
{
    const struct s3_req req = {.method = "GET", .key = "k"};
    memset(g, 0, MANY * sizeof *g);
    pthread_mutex_lock(&e->script.lock);
    e->script.pause_ms = pause_ms;
    pthread_mutex_unlock(&e->script.lock);
    for (size_t i = 0; i < MANY; i++)
        g[i].op = s3_client_start(e->client, &req, on_done, &g[i]);
    assert_true(sync_until(e->loop, all_over, g));
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(g[i].err, GW_OK);
}

static void test_slow_down(void **state)
{
    struct env *e = *state;
    static const struct reply fine[STEPS_MAX] = {{0}};
    static const struct reply slow[STEPS_MAX] = {{503, NULL, ERROR("SlowDown"), PLAIN},
                                                 {503, NULL, ERROR("SlowDown"), PLAIN},
                                                 {503, NULL, ERROR("SlowDown"), PLAIN}};
    struct got *g = mem_array(MANY, sizeof *g);
    struct gw_errmsg msg;
    s3_client_free(&e->client); /* the tests before this one have slowed it down */
    assert_int_equal(s3_client_new(e->loop, &e->conf, &e->client, &msg), GW_OK);
    play(e, fine);
    start_many(e, g, 100);
    unsigned before = e->script.most;
    play(e, slow);
    start_many(e, g, 0);
    play(e, fine);
    start_many(e, g, 100);
    print_message("%u at once, then %u\n", before, e->script.most);
    /* The server counts a request until its thread is through: one too many now and then. */
    assert_true(e->script.most * 2 <= before + 4);
    mem_free(g);
}

/* ---- cancelled at every step ---- */

/* One request that meets everything that it may wait for: an answer, a pause, a wrong clock. */
static void test_cancelled(void **state)
{
    struct env *e = *state;
    static const struct reply hard[STEPS_MAX] = {
        {500, NULL, ERROR("InternalError"), PLAIN},
        {403, "Date: Sun, 22 Nov 2026 13:57:59 GMT\r\n", ERROR("RequestTimeTooSkewed"), PLAIN},
        {400, NULL, ERROR("ExpiredToken"), PLAIN}};
    const struct gw_span body = gw_span_str("payload");
    const struct s3_req req = {.method = "PUT", .key = "k", .body = &body, .nbody = 1};
    bool finished = false;
    for (unsigned turns = 0; !finished; turns++) {
        struct got g = {0};
        play(e, hard);
        g.op = s3_client_start(e->client, &req, on_done, &g);
        for (unsigned i = 0; i < turns && !g.done; i++)
            loop_turn(e->loop);
        finished = g.done;
        op_cancel(&g.op);
        for (unsigned i = 0; i < 3; i++)
            loop_poll(e->loop);
        assert_true(finished || !g.done);
        assert_true(turns < 1000);
    }
    static const struct reply fine[STEPS_MAX] = {{0}};
    struct got g;
    play(e, fine);
    run(e, &req, &g);
    assert_int_equal(g.err, GW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
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
    return cmocka_run_group_tests(tests, setup, teardown);
}
