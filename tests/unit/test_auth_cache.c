#include "auth/auth_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "gateway/base/mem.h"
#include "tests/support/authkit.h"

static struct loop *loop;
static struct settings *settings;
static struct auth *auth;
static struct authkit_stub stub;
static char *path;

static void begin(const char *identity, uint32_t cache_s)
{
    struct gw_errmsg msg = {""};
    path = authkit_file("{\"users\":[]}");
    char *conf = mem_printf(
        "{\"methods\":[\"publickey\",\"password\",\"keyboard-interactive\"],"
        "\"keyboard_interactive\":{\"prompts\":[{\"text\":\"Code: \"}]},"
        "\"verifiers\":[{\"type\":\"file\",\"path\":\"%s\",\"methods\":[\"publickey\"]}]}",
        path);
    settings = authkit_settings(conf, "{}");
    mem_free(conf);
    assert_int_equal(loop_new(&loop), GW_OK);
    if (auth_new(loop, settings, &auth, &msg) != GW_OK)
        fail_msg("%s", msg.text);
    authkit_stub_add(&stub, &(struct authkit_say){.verdict = AUTH_ACCEPT, .identity = identity},
                     loop, auth);
    stub.common.cache_s = cache_s;
}

static void end(void)
{
    auth_free(&auth);
    loop_free(&loop);
    settings_unref(&settings);
    authkit_remove(&path);
}

static const struct auth_req bob = {
    .method = AUTH_PASSWORD, .user = "bob", .password = "secret", .client_address = "192.0.2.7"};

static enum auth_verdict check(const struct auth_req *req)
{
    struct authkit_answer a = {.calls = 0};
    a.op = auth_check(auth, req, authkit_done, &a);
    assert_int_equal(a.calls, 0);
    authkit_wait(loop, &a);
    if (a.verdict == AUTH_ACCEPT)
        assert_string_equal(a.verifier, "stub[1]");
    identity_free(&a.id);
    return a.verdict;
}

static struct auth_req key(const char *blob, bool is_signed)
{
    struct auth_req req = {.method = AUTH_PUBLICKEY, .user = "bob", .client_address = "192.0.2.7"};
    req.key.algorithm = "ssh-ed25519";
    req.key.blob = gw_span_str(blob);
    req.key.fingerprint = "SHA256:x";
    req.key.is_signed = is_signed;
    return req;
}

static void test_the_same_again(void **state)
{
    (void)state;
    begin("{}", 60);
    struct auth_cache_counts before = auth_cache_counts();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(check(&bob), AUTH_ACCEPT);
    assert_int_equal(stub.asked, 1);
    struct auth_req query = key("k", false), login = key("k", true);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(check(&query), AUTH_ACCEPT);
        assert_int_equal(check(&login), AUTH_ACCEPT);
    }
    assert_int_equal(stub.asked, 3);
    struct auth_cache_counts after = auth_cache_counts();
    assert_int_equal(after.hits - before.hits, 6);
    assert_int_equal(after.misses - before.misses, 3);
    assert_int_equal(after.kept - before.kept, 3);
    end();
}

static void test_what_differs_is_asked_again(void **state)
{
    (void)state;
    static const char *const step[] = {"publickey"};
    struct auth_req rows[] = {
        bob, bob, bob, key("secret", true), key("secret", false), key("k", true), bob};
    rows[0].password = "Secret";
    rows[1].user = "Bob";
    rows[2].client_address = "192.0.2.8";
    rows[6].methods_done = step;
    rows[6].nmethods_done = 1;
    begin("{}", 60);
    assert_int_equal(check(&bob), AUTH_ACCEPT);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(check(&rows[i]), AUTH_ACCEPT);
        assert_int_equal(stub.asked, i + 2);
    }
    end();
}

static void test_never_kept(void **state)
{
    (void)state;
    static const char *const code[] = {"123456"};
    struct auth_req answer = {.method = AUTH_KEYBOARD_INTERACTIVE,
                              .user = "bob",
                              .client_address = "192.0.2.7",
                              .kbdint = {2, code, 1, "-"}};
    static const enum auth_verdict says[] = {AUTH_REJECT, AUTH_NEXT, AUTH_FAULT};
    begin("{}", 60);
    for (unsigned i = 0; i < 3; i++) {
        stub.say.verdict = says[i];
        (void)check(&bob);
        (void)check(&bob);
        assert_int_equal(stub.asked, 2 * (i + 1));
    }
    stub.say.verdict = AUTH_ACCEPT;
    assert_int_equal(check(&answer), AUTH_ACCEPT);
    assert_int_equal(check(&answer), AUTH_ACCEPT);
    assert_int_equal(stub.asked, 8);
    end();
    begin("{}", 0); /* no cache_s */
    (void)check(&bob);
    (void)check(&bob);
    assert_int_equal(stub.asked, 2);
    end();
}

/* Expired between two logins: the verifier is asked, not the cache. */
static void test_expired(void **state)
{
    (void)state;
    struct auth_cache *c = auth_cache_new();
    struct identity *id = NULL;
    json_t *none = json_object();
    assert_int_equal(identity_from_json("bob", NULL, none, 0, &id, NULL), GW_OK);
    json_decref(none);
    auth_cache_keep(c, 0, &bob, id, 1000, 5);
    id = auth_cache_find(c, 0, &bob, 5999);
    assert_non_null(id);
    identity_free(&id);
    assert_null(auth_cache_find(c, 1, &bob, 5999)); /* another verifier */
    assert_null(auth_cache_find(c, 0, &bob, 6000));
    auth_cache_free(&c);

    begin("{\"expires\":\"2001-01-01T00:00:00Z\"}", 60);
    assert_int_equal(check(&bob), AUTH_REJECT);
    assert_int_equal(check(&bob), AUTH_REJECT);
    assert_int_equal(stub.asked, 2);
    end();
    char soon[64];
    time_t t = time(NULL) + 2;
    struct tm tm;
    strftime(soon, sizeof soon, "{\"expires\":\"%Y-%m-%dT%H:%M:%SZ\"}", gmtime_r(&t, &tm));
    begin(soon, 60);
    assert_int_equal(check(&bob), AUTH_ACCEPT);
    while (check(&bob) == AUTH_ACCEPT)
        assert_true(time(NULL) <= t);
    assert_int_equal(stub.asked, 2);
    end();
}

/* The verifier's answer says so, for less than cache_s. */
static void test_shorter_by_the_answer(void **state)
{
    (void)state;
    time_t end_s = time(NULL) + 10;
    begin("{}", 60);
    stub.say.has_cache_s = true;
    stub.say.cache_s = 1;
    assert_int_equal(check(&bob), AUTH_ACCEPT);
    assert_int_equal(check(&bob), AUTH_ACCEPT);
    assert_int_equal(stub.asked, 1);
    while (stub.asked == 1) {
        assert_int_equal(check(&bob), AUTH_ACCEPT);
        assert_true(time(NULL) < end_s);
    }
    end();
}

/* 0 is an answer, and no silence. */
static void test_not_at_all_by_the_answer(void **state)
{
    (void)state;
    begin("{}", 60);
    stub.say.has_cache_s = true;
    assert_int_equal(check(&bob), AUTH_ACCEPT);
    assert_int_equal(check(&bob), AUTH_ACCEPT);
    assert_int_equal(stub.asked, 2);
    end();
}

static void test_bound(void **state)
{
    (void)state;
    struct auth_cache *c = auth_cache_new();
    uint64_t before = auth_cache_counts().evicted;
    for (unsigned i = 0; i <= AUTH_CACHE_MAX; i++) {
        char user[16];
        struct identity *id = NULL;
        snprintf(user, sizeof user, "u%u", i);
        struct auth_req req = bob;
        req.user = user;
        json_t *none = json_object();
        assert_int_equal(identity_from_json(user, NULL, none, 0, &id, NULL), GW_OK);
        json_decref(none);
        auth_cache_keep(c, 0, &req, id, 1, 60);
    }
    assert_int_equal(auth_cache_counts().evicted - before, 1);
    auth_cache_free(&c);
}

int main(void)
{
    log_level_now = LOG_LVL_ERROR;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_again),
        cmocka_unit_test(test_what_differs_is_asked_again),
        cmocka_unit_test(test_never_kept),
        cmocka_unit_test(test_expired),
        cmocka_unit_test(test_shorter_by_the_answer),
        cmocka_unit_test(test_not_at_all_by_the_answer),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
