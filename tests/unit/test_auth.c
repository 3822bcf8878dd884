#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "auth/passwd.h"
#include "gateway/base/mem.h"
#include "tests/support/authkit.h"
#include "tests/support/sync.h"

static struct loop *loop;
static struct settings *settings;
static struct auth *auth;
static struct authkit_stub stubs[3];
static char *path;

static int setup(void **state)
{
    (void)state;
    path = authkit_file("{\"users\":[{\"user\":\"filed\",\"password\":\"" AUTHKIT_SHA256 "\"}]}");
    char *conf = mem_printf("{\"methods\":[\"publickey\",\"password\"],"
                            "\"verifiers\":[{\"type\":\"file\",\"path\":\"%s\","
                            "\"methods\":[\"password\"]}]}",
                            path);
    settings = authkit_settings(conf, "{}");
    mem_free(conf);
    assert_int_equal(loop_new(&loop), GW_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(&loop);
    settings_unref(&settings);
    authkit_remove(&path);
    return 0;
}

static void begin(const struct authkit_say *says, size_t n)
{
    struct gw_errmsg msg;
    assert_int_equal(auth_new(loop, settings, &auth, &msg), GW_OK);
    for (size_t i = 0; i < n; i++)
        authkit_stub_add(&stubs[i], &says[i], loop, auth);
}

static struct op *check(const char *user, enum auth_method method, struct authkit_answer *a)
{
    *a = (struct authkit_answer){.calls = 0};
    struct auth_req req = {
        .method = method,
        .user = user,
        .password = method == AUTH_PASSWORD ? "secret" : NULL,
        .client_address = "192.0.2.7",
    };
    return auth_check(auth, &req, authkit_done, a);
}

/* The file knows "filed" by password only; the stubs stand behind it. */
static void test_chain(void **state)
{
    (void)state;
    static const struct {
        const char *user;
        enum auth_method method;
        struct authkit_say say[3];
        size_t n;
        enum auth_verdict want;
        const char *who, *why;
        unsigned asked[3], hashes;
    } rows[] = {
        {"filed", AUTH_PASSWORD, {{.verdict = AUTH_REJECT}}, 1, AUTH_ACCEPT, "file[0]", "", {0}, 1},
        {"x", AUTH_PASSWORD, {{.verdict = AUTH_ACCEPT}}, 1, AUTH_ACCEPT, "stub[1]", "stub", {1}, 0},
        {"x",
         AUTH_PASSWORD,
         {{.verdict = AUTH_REJECT}, {.verdict = AUTH_ACCEPT}},
         2,
         AUTH_REJECT,
         "stub[1]",
         "stub",
         {1, 0},
         1},
        {"x",
         AUTH_PASSWORD,
         {{.verdict = AUTH_NEXT}, {.verdict = AUTH_ACCEPT}},
         2,
         AUTH_ACCEPT,
         "stub[2]",
         "stub",
         {1, 1},
         0},
        /* A verifier that could not find out ends it: the next might let in whom it would not. */
        {"x",
         AUTH_PASSWORD,
         {{.verdict = AUTH_FAULT}, {.verdict = AUTH_ACCEPT}},
         2,
         AUTH_FAULT,
         "stub[1]",
         "stub",
         {1, 0},
         1},
        {"x",
         AUTH_PASSWORD,
         {{.verdict = AUTH_NEXT}, {.verdict = AUTH_NEXT}},
         2,
         AUTH_REJECT,
         "",
         "unknown user",
         {1, 1},
         1},
        {"x",
         AUTH_PASSWORD,
         {{.verdict = AUTH_ACCEPT, .delay_ms = AUTHKIT_NEVER}, {.verdict = AUTH_ACCEPT}},
         2,
         AUTH_FAULT,
         "stub[1]",
         "no answer within timeout_ms",
         {1, 0},
         1},
        /* A password is no conversation. */
        {"x",
         AUTH_PASSWORD,
         {{.verdict = AUTH_ASK}},
         1,
         AUTH_FAULT,
         "stub[1]",
         "the verifier asks what cannot be asked",
         {1},
         1},
        /* The file is for passwords only. */
        {"filed",
         AUTH_PUBLICKEY,
         {{.verdict = AUTH_ACCEPT}},
         1,
         AUTH_ACCEPT,
         "stub[1]",
         "stub",
         {1},
         0},
        {"x", AUTH_PUBLICKEY, {{.verdict = AUTH_NEXT}}, 1, AUTH_REJECT, "", "unknown user", {1}, 0},
        {"x",
         AUTH_KEYBOARD_INTERACTIVE,
         {{.verdict = AUTH_ACCEPT}},
         1,
         AUTH_REJECT,
         "",
         "the method is not in auth.methods",
         {0},
         0},
        /* What an ACCEPT must stand. */
        {"x",
         AUTH_PASSWORD,
         {{.verdict = AUTH_ACCEPT, .no_id = true}},
         1,
         AUTH_FAULT,
         "stub[1]",
         "accepted without an identity",
         {1},
         1},
        {"x",
         AUTH_PASSWORD,
         {{.verdict = AUTH_ACCEPT, .identity = "{\"expires\":\"2001-01-01T00:00:00Z\"}"}},
         1,
         AUTH_REJECT,
         "stub[1]",
         "the user has expired",
         {1},
         1},
        {"x",
         AUTH_PUBLICKEY,
         {{.verdict = AUTH_ACCEPT, .identity = "{\"allow\":[\"198.51.100.0/24\"]}"}},
         1,
         AUTH_REJECT,
         "stub[1]",
         "the user may not come from this address",
         {1},
         0},
        {"x",
         AUTH_PUBLICKEY,
         {{.verdict = AUTH_ACCEPT, .identity = "{\"methods\":[\"password\"]}"}},
         1,
         AUTH_REJECT,
         "stub[1]",
         "not a method of the user at this step",
         {1},
         0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct authkit_answer a;
        begin(rows[i].say, rows[i].n);
        uint64_t before = passwd_count();
        a.op = check(rows[i].user, rows[i].method, &a);
        assert_int_equal(a.calls, 0);
        authkit_wait(loop, &a);
        if (a.verdict != rows[i].want || strcmp(a.verifier, rows[i].who) != 0 ||
            strcmp(a.why, rows[i].why) != 0)
            fail_msg("row %zu: %d by %s: %s", i, (int)a.verdict, a.verifier, a.why);
        assert_int_equal(a.calls, 1);
        assert_int_equal(a.id != NULL, rows[i].want == AUTH_ACCEPT);
        for (size_t k = 0; k < rows[i].n; k++)
            assert_int_equal(stubs[k].asked, rows[i].asked[k]);
        /* A refusal costs one hash where a verifier of the chain hashes, whoever refuses. */
        assert_int_equal(passwd_count() - before, rows[i].hashes);
        identity_free(&a.id);
        auth_free(&auth);
    }
}

static void test_probe(void **state)
{
    (void)state;
    struct authkit_answer a = {.calls = 0};
    begin(&(struct authkit_say){.verdict = AUTH_REJECT}, 1);
    assert_int_equal(auth_count(auth), 2);
    for (size_t i = 0; i < 2; i++) {
        a.op = auth_probe(auth, i, authkit_done, &a);
        authkit_wait(loop, &a);
        assert_int_equal(a.verdict, AUTH_ACCEPT);
        assert_string_equal(a.verifier, i == 0 ? "file[0]" : "stub[1]");
        a.op = auth_probe(auth, i, authkit_done, &a);
        op_cancel(&a.op);
    }
    auth_free(&auth);
    assert_int_equal(a.calls, 2);
}

/* A check is cancelled at each of its steps: start, file, stub, decoy. */
static void test_cancel(void **state)
{
    (void)state;
    static const struct authkit_say says[] = {{.verdict = AUTH_NEXT, .delay_ms = 1},
                                              {.verdict = AUTH_NEXT, .delay_ms = 1}};
    for (unsigned turns = 0; turns < 30; turns++) {
        struct authkit_answer a;
        begin(says, 2);
        a.op = check("x", AUTH_PASSWORD, &a);
        for (unsigned i = 0; i < turns && a.op != NULL; i++)
            loop_turn(loop);
        unsigned calls = a.calls;
        op_cancel(&a.op);
        assert_int_equal(stubs[0].asked + stubs[1].asked >= stubs[0].cancelled, 1);
        auth_free(&auth);
        loop_poll(loop);
        assert_int_equal(a.calls, calls);
    }
}

/* An owner that frees everything in its callback. */
struct owner {
    struct op *op;
    bool gone;
};

static void free_all(void *arg, struct auth_res *res)
{
    struct owner *o = arg;
    o->op = NULL;
    o->gone = true;
    identity_free(&res->id);
    auth_free(&auth);
}

static bool owner_gone(void *arg)
{
    return ((struct owner *)arg)->gone;
}

static void test_owner_ends_in_its_callback(void **state)
{
    (void)state;
    static const char *const users[] = {"filed", "x"};
    for (size_t i = 0; i < 2; i++) {
        struct owner o = {.gone = false};
        struct auth_req req = {.method = AUTH_PASSWORD,
                               .user = users[i],
                               .password = "secret",
                               .client_address = "192.0.2.7"};
        begin(NULL, 0);
        o.op = auth_check(auth, &req, free_all, &o);
        assert_true(sync_until(loop, owner_gone, &o));
    }
}

static void test_users_are_checked(void **state)
{
    (void)state;
    struct gw_errmsg msg;
    struct settings *bad = authkit_settings(
        "{\"verifiers\":[{\"type\":\"file\",\"path\":\"/nowhere\"}]}", "{\"home\":\"in\"}");
    assert_int_equal(auth_new(loop, bad, &auth, &msg), GW_CONFIG);
    assert_int_equal(strncmp(msg.text, "users.home: ", 12), 0);
    settings_unref(&bad);
    bad = authkit_settings("{\"verifiers\":[{\"type\":\"file\",\"path\":\"/nowhere\"}]}",
                           "{\"methods\":[\"publickey,keyboard-interactive\"]}");
    assert_int_equal(auth_new(loop, bad, &auth, &msg), GW_CONFIG);
    assert_string_equal(msg.text, "users.methods[0]: keyboard-interactive is not in auth.methods, "
                                  "so nobody can do it");
    settings_unref(&bad);
}

int main(void)
{
    log_level_now = LOG_LVL_ERROR;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_probe, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner_ends_in_its_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_users_are_checked, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
