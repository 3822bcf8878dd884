#include "auth/verifier_http.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// cmocka wants the ones above first
#include <cmocka.h>

#include "auth/auth.h"
#include "auth/http_sign.h"
#include "gateway/base/mem.h"
#include "tests/support/authkit.h"
#include "tests/support/http_stub.h"

#define ACCEPT "{\"decision\":\"accept\",\"identity\":{\"home\":\"/in\"}}"

static uint8_t huge[10u * 1024 * 1024];

/* What the server has seen last. */
struct seen {
    unsigned requests;
    char method[16], target[256], head[4096], body[4096];
};
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER; /* guards `last` */
static struct seen last;

static void remember(const struct http_stub_req *r)
{
    pthread_mutex_lock(&seen_lock);
    last.requests++;
    snprintf(last.method, sizeof last.method, "%s", r->method);
    snprintf(last.target, sizeof last.target, "%.255s", r->target);
    snprintf(last.head, sizeof last.head, "%s", r->head);
    snprintf(last.body, sizeof last.body, "%.*s", (int)r->body_len, (const char *)r->body);
    pthread_mutex_unlock(&seen_lock);
}

static unsigned requests(void)
{
    pthread_mutex_lock(&seen_lock);
    unsigned n = last.requests;
    pthread_mutex_unlock(&seen_lock);
    return n;
}

/* A copy for the test's thread, good until the next call. */
static const struct seen *seen(void)
{
    static struct seen copy;
    pthread_mutex_lock(&seen_lock);
    copy = last;
    pthread_mutex_unlock(&seen_lock);
    return &copy;
}

static bool drip(struct http_stub_conn *c)
{
    http_stub_text(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", sizeof ACCEPT - 1);
    for (size_t i = 0; i < sizeof ACCEPT - 1; i++) {
        http_stub_pause(c, 20);
        if (!http_stub_send(c, &ACCEPT[i], 1))
            return false;
    }
    return true;
}

/* What stands behind a path that has no answer of its own in the table. */
static bool misbehave(struct http_stub_conn *c, const struct http_stub_req *r)
{
    const char *t = r->target;
    if (strcmp(t, "/silent") == 0) {
        http_stub_pause(c, 60000);
        return false;
    }
    if (strcmp(t, "/drip") == 0)
        return drip(c);
    if (strcmp(t, "/cut") == 0) {
        http_stub_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"decision\":");
        return false;
    }
    if (strcmp(t, "/huge") == 0)
        return http_stub_reply(c, 200, "", huge, sizeof huge);
    if (strcmp(t, "/nonsense") == 0) {
        http_stub_text(c, "220 mail.example.net ESMTP\r\n");
        return false;
    }
    if (strcmp(t, "/redirect") == 0)
        return http_stub_reply(c, 302, "Location: /accept\r\n", ACCEPT, sizeof ACCEPT - 1);
    if (strcmp(t, "/deep") == 0) {
        char deep[8192];
        memset(deep, '[', sizeof deep);
        return http_stub_reply(c, 200, "", deep, sizeof deep);
    }
    if (strcmp(t, "/once-down") == 0 && requests() % 2 == 1)
        return http_stub_reply(c, 503, "", "", 0);
    return http_stub_reply(c, 200, "", ACCEPT, sizeof ACCEPT - 1);
}

static bool serve(void *arg, struct http_stub_conn *c, const struct http_stub_req *r)
{
    static const struct {
        const char *target;
        unsigned status;
        const char *body;
    } rows[] = {
        {"/empty", 200, ""},
        {"/html", 200, "<!doctype html><title>Welcome</title>"},
        {"/truncated", 200, "{\"decision\":\"accept\",\"identity\":{"},
        {"/behind", 200, ACCEPT "{}"},
        {"/duplicate", 200, "{\"decision\":\"reject\",\"decision\":\"accept\",\"identity\":{}}"},
        {"/types", 200, "{\"decision\":1}"},
        {"/array", 200, "[{\"decision\":\"accept\"}]"},
        {"/unknown", 200, "{\"decision\":\"maybe\"}"},
        {"/field", 200, "{\"decision\":\"accept\",\"identity\":{\"quota\":1}}"},
        {"/reject", 200, "{\"decision\":\"reject\",\"reason\":\"not today\"}"},
        {"/next", 200, "{\"decision\":\"next\"}"},
        {"/500", 500, ACCEPT},
        {"/503", 503, ACCEPT},
        {"/401", 401, ACCEPT},
        {"/201", 201, ACCEPT},
    };
    (void)arg;
    remember(r);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].target, r->target) == 0)
            return http_stub_reply(c, rows[i].status, "", rows[i].body, strlen(rows[i].body));
    return misbehave(c, r);
}

static struct http_stub *stub;
static struct loop *loop;
static struct settings *settings;
static struct auth *auth;

static int setup(void **state)
{
    (void)state;
    stub = http_stub_start(serve, NULL, NULL);
    pthread_mutex_lock(&seen_lock);
    last.requests = 0;
    pthread_mutex_unlock(&seen_lock);
    return loop_new(&loop) == GW_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    http_stub_stop(&stub);
    loop_free(&loop);
    return 0;
}

/* A chain of one http verifier; more: further keys, each with a comma before it. */
static void begin(unsigned port, const char *target, const char *more)
{
    struct gw_errmsg msg = {""};
    char *conf = mem_printf("{\"methods\":[\"password\",\"publickey\"],\"verifiers\":[{\"type\":"
                            "\"http\",\"url\":\"http://127.0.0.1:%u%s\"%s}]}",
                            port, target, more);
    settings = authkit_settings(conf, "{}");
    mem_free(conf);
    if (auth_new(loop, settings, &auth, &msg) != GW_OK)
        fail_msg("%s", msg.text);
}

static void end(void)
{
    auth_free(&auth);
    settings_unref(&settings);
}

static struct op *check(struct authkit_answer *a)
{
    static const struct auth_req req = {.method = AUTH_PASSWORD,
                                        .user = "alice",
                                        .password = "secret",
                                        .client_address = "192.0.2.7"};
    *a = (struct authkit_answer){.calls = 0};
    return auth_check(auth, &req, authkit_done, a);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        enum auth_verdict want;
        const char *why; /* in it */
        unsigned requests;
        bool down;
    } rows[] = {
        {"/accept", AUTH_ACCEPT, "", 1, false},
        {"/accept?a=b%20c", AUTH_ACCEPT, "", 1, false},
        {"/reject", AUTH_REJECT, "not today", 1, false},
        {"/next", AUTH_REJECT, "unknown user", 1, false},
        {"/silent", AUTH_FAULT, "no answer within timeout_ms", 1, true},
        {"/drip", AUTH_FAULT, "no answer within timeout_ms", 1, true},
        {"/cut", AUTH_FAULT, "", 2, true},
        {"/nonsense", AUTH_FAULT, "", 2, true},
        {"/503", AUTH_FAULT, "503", 2, true},
        {"/once-down", AUTH_ACCEPT, "", 2, true},
        {"/huge", AUTH_FAULT, "more than 262144 bytes", 2, false},
        {"/redirect", AUTH_FAULT, "HTTP status 302, a redirect", 2, false},
        {"/empty", AUTH_FAULT, "", 2, false},
        {"/html", AUTH_FAULT, "", 2, false},
        {"/truncated", AUTH_FAULT, "", 2, false},
        {"/behind", AUTH_FAULT, "", 2, false},
        {"/deep", AUTH_FAULT, "", 2, false},
        {"/duplicate", AUTH_FAULT, "", 2, false},
        {"/types", AUTH_FAULT, "decision", 2, false},
        {"/array", AUTH_FAULT, "", 2, false},
        {"/unknown", AUTH_FAULT, "maybe", 2, false},
        {"/field", AUTH_REJECT, "quota", 1, false},
        {"/500", AUTH_FAULT, "500", 2, false},
        {"/401", AUTH_FAULT, "401", 2, false},
        {"/201", AUTH_FAULT, "201", 2, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct authkit_answer a;
        unsigned before = requests();
        begin(http_stub_port(stub), rows[i].target, ",\"timeout_ms\":600");
        a.op = check(&a);
        assert_int_equal(a.calls, 0);
        authkit_wait(loop, &a);
        if (a.verdict != rows[i].want || strstr(a.why, rows[i].why) == NULL)
            fail_msg("%s: %d, \"%s\"", rows[i].target, (int)a.verdict, a.why);
        if (a.verdict == AUTH_FAULT && a.why[0] == '\0')
            fail_msg("%s: a fault without a reason", rows[i].target);
        if (requests() - before != rows[i].requests)
            fail_msg("%s: %u requests", rows[i].target, requests() - before);
        assert_int_equal(auth_counts(auth, 0).faults > 0, rows[i].down);
        if (a.verdict == AUTH_ACCEPT)
            assert_string_equal(a.id->home, "/in");
        identity_free(&a.id);
        end();
    }
}

/* Nobody listens: after two faults it is not even tried. */
static void test_down(void **state)
{
    (void)state;
    struct authkit_answer a;
    begin(1, "/", ",\"retries\":0,\"breaker\":{\"faults\":2,\"pause_s\":60}");
    for (int i = 0; i < 3; i++) {
        a.op = check(&a);
        authkit_wait(loop, &a);
        assert_int_equal(a.verdict, AUTH_FAULT);
    }
    assert_non_null(strstr(a.why, "not asked"));
    struct breaker_counts n = auth_counts(auth, 0);
    assert_int_equal(n.asked, 2);
    assert_int_equal(n.refused, 1);
    assert_int_equal(n.opened, 1);
    assert_true(n.open);
    end();
}

static void assert_header(const char *line)
{
    if (strstr(seen()->head, line) == NULL)
        fail_msg("no \"%s\" in:\n%s", line, seen()->head);
}

static void test_request(void **state)
{
    (void)state;
    static const struct {
        const char *more, *line;
    } rows[] = {
        {"", "Content-Type: application/json\r\n"},
        {",\"headers\":{\"X-Tenant\":\"a b\"}", "X-Tenant: a b\r\n"},
        {",\"auth\":{\"type\":\"bearer\",\"token\":\"tok\"}", "Authorization: Bearer tok\r\n"},
        {",\"auth\":{\"type\":\"basic\",\"user\":\"postern\",\"password\":\"p:w\"}",
         "Authorization: Basic cG9zdGVybjpwOnc=\r\n"},
        {",\"auth\":{\"type\":\"header\",\"name\":\"X-Key\",\"value\":\"v\"}", "X-Key: v\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct authkit_answer a;
        begin(http_stub_port(stub), "/accept", rows[i].more);
        a.op = check(&a);
        authkit_wait(loop, &a);
        assert_int_equal(a.verdict, AUTH_ACCEPT);
        assert_string_equal(seen()->method, "POST");
        assert_non_null(strstr(seen()->body, "\"password\":\"secret\""));
        assert_header(rows[i].line);
        assert_null(strstr(seen()->head, "X-Postern-Signature"));
        identity_free(&a.id);
        end();
    }
}

static void test_signature(void **state)
{
    (void)state;
    static const char secret[] = "0123456789abcdef";
    struct authkit_answer a;
    long long at_s;
    struct http_sign want;
    begin(http_stub_port(stub), "/accept", ",\"hmac\":\"0123456789abcdef\"");
    a.op = check(&a);
    authkit_wait(loop, &a);
    identity_free(&a.id);
    const char *timestamp = strstr(seen()->head, "X-Postern-Timestamp: ");
    assert_non_null(timestamp);
    at_s = strtoll(timestamp + strlen("X-Postern-Timestamp: "), NULL, 10);
    assert_true(at_s > 1700000000);
    assert_int_equal(http_sign(secret, at_s, gw_span_str(seen()->body), "/accept", &want), GW_OK);
    assert_header(want.signature);
    end();
}

static void test_connections_are_kept(void **state)
{
    (void)state;
    begin(http_stub_port(stub), "/accept", "");
    for (int i = 0; i < 20; i++) {
        struct authkit_answer a;
        a.op = check(&a);
        authkit_wait(loop, &a);
        assert_int_equal(a.verdict, AUTH_ACCEPT);
        identity_free(&a.id);
    }
    assert_int_equal(requests(), 20);
    assert_int_equal(http_stub_connections(stub), 1);
    end();
}

static void test_probe(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        enum auth_verdict want;
    } rows[] = {
        {"/accept?x=1", AUTH_ACCEPT}, {"/401", AUTH_ACCEPT},     {"/500", AUTH_ACCEPT},
        {"/empty", AUTH_ACCEPT},      {"/503", AUTH_FAULT},      {"/redirect", AUTH_FAULT},
        {"/silent", AUTH_FAULT},      {"/nonsense", AUTH_FAULT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct authkit_answer a = {.calls = 0};
        begin(http_stub_port(stub), rows[i].target, ",\"timeout_ms\":200");
        a.op = auth_probe(auth, 0, authkit_done, &a);
        authkit_wait(loop, &a);
        if (a.verdict != rows[i].want)
            fail_msg("%s: %d, \"%s\"", rows[i].target, (int)a.verdict, a.why);
        assert_string_equal(seen()->method, "OPTIONS");
        assert_string_equal(seen()->body, "");
        assert_null(strchr(seen()->target, '?'));
        assert_int_equal(auth_counts(auth, 0).asked, 0);
        end();
    }
}

static void test_cancel(void **state)
{
    (void)state;
    static const char *const targets[] = {"/accept", "/once-down", "/drip"};
    for (size_t i = 0; i < 3; i++) {
        begin(http_stub_port(stub), targets[i], "");
        for (unsigned turns = 0; turns < 24; turns++) {
            struct authkit_answer a;
            a.op = check(&a);
            for (unsigned t = 0; t < turns && a.op != NULL; t++)
                loop_turn(loop);
            unsigned calls = a.calls;
            op_cancel(&a.op);
            loop_poll(loop);
            assert_int_equal(a.calls, calls);
            identity_free(&a.id);
        }
        end();
    }
}

/* What is found before anybody logs in. */
static void test_bad_settings(void **state)
{
    (void)state;
    char *path = authkit_file("this is no certificate");
    const struct {
        const char *keys; /* %s is the file */
        const char *why;
    } rows[] = {
        {"\"retries\":1", "auth.verifiers[0].url: is missing"},
        {"\"url\":\"https://a/\",\"tls\":{\"ca_file\":\"/nowhere/ca.pem\"}",
         "auth.verifiers[0].tls.ca_file: /nowhere/ca.pem: No such file"},
        {"\"url\":\"https://a/\",\"tls\":{\"ca_file\":\"%s\"}", "holds no certificate in PEM"},
        {"\"url\":\"https://a/\",\"tls\":{\"cert_file\":\"%s\"}", "holds no certificate in PEM"},
        {"\"url\":\"https://a/\",\"tls\":{\"key_file\":\"%s\"}", "key_file: needs cert_file"},
        {"\"url\":\"http://a/\",\"tls\":{\"server_name\":\"b\"}", "tls: is for an https:// URL"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_errmsg msg = {""};
        char keys[512], conf[1024];
        const char *at = strstr(rows[i].keys, "%s");
        snprintf(keys, sizeof keys, "%.*s%s%s",
                 (int)(at == NULL ? strlen(rows[i].keys) : (size_t)(at - rows[i].keys)),
                 rows[i].keys, at == NULL ? "" : path, at == NULL ? "" : at + 2);
        snprintf(conf, sizeof conf, "{\"verifiers\":[{\"type\":\"http\",%s}]}", keys);
        settings = authkit_settings(conf, "{}");
        assert_int_equal(auth_new(loop, settings, &auth, &msg), GW_CONFIG);
        if (strstr(msg.text, rows[i].why) == NULL)
            fail_msg("row %zu: %s", i, msg.text);
        settings_unref(&settings);
    }
    authkit_remove(&path);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_answers),
        ROW(test_down),
        ROW(test_request),
        ROW(test_signature),
        ROW(test_connections_are_kept),
        ROW(test_probe),
        ROW(test_cancel),
        ROW(test_bad_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
