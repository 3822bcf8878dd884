#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
// cmocka wants some of the above first
#include <cmocka.h>

#include "auth/auth.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "tests/support/authkit.h"

static struct loop *loop;
static struct settings *settings;
static struct auth *auth;

static int setup(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    log_level_now = LOG_LVL_ERROR;
    return loop_new(&loop) == GW_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    auth_free(&auth);
    loop_free(&loop);
    settings_unref(&settings);
    return 0;
}

/* One verifier, with these keys. */
static enum gw_err open_with(const char *keys, struct gw_errmsg *msg)
{
    char *conf = mem_printf("{\"methods\":[\"publickey\",\"password\",\"keyboard-interactive\"],"
                            "\"verifiers\":[{\"type\":\"program\",%s}]}",
                            keys);
    auth_free(&auth);
    settings_unref(&settings);
    settings = authkit_settings(conf, "{}");
    mem_free(conf);
    return auth_new(loop, settings, &auth, msg);
}

/* The same, of a script for a shell; `more` begins with a comma or is empty. */
static void open_script(const char *script, const char *more)
{
    struct gw_errmsg msg = {""};
    json_t *text = json_string(script);
    char *quoted = json_dumps(text, JSON_ENCODE_ANY);
    char *keys = mem_printf("\"command\":[\"/bin/sh\",\"-c\",%s]%s", quoted, more);
    if (open_with(keys, &msg) != GW_OK)
        fail_msg("%s", msg.text);
    json_decref(text);
    mem_free(quoted);
    mem_free(keys);
}

static struct op *begin(const char *user, const char *password, struct authkit_answer *a)
{
    struct auth_req req = {.method = AUTH_PASSWORD,
                           .user = user,
                           .password = password,
                           .client_address = "192.0.2.7",
                           .attempt = 1};
    *a = (struct authkit_answer){.calls = 0};
    return auth_check(auth, &req, authkit_done, a);
}

static void login(const char *user, const char *password, struct authkit_answer *a)
{
    a->op = begin(user, password, a);
    authkit_wait(loop, a);
    assert_int_equal(a->calls, 1);
}

#define YES "echo '{\"decision\":\"accept\",\"identity\":{}}'"
#define NO  "echo '{\"decision\":\"reject\",\"reason\":\"not today\"}'"

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *keys, *problem; /* NULL = none */
    } rows[] = {
        {"\"command\":[\"true\"]", NULL},
        {"\"command\":[\"/bin/sh\",\"-c\",\"exit 0\"],\"persistent\":true", NULL},
        {"\"workers\":2", "auth.verifiers[0].command: is missing"},
        {"\"command\":[]", "auth.verifiers[0].command: is missing"},
        {"\"command\":[\"nosuchprogram\"]",
         "auth.verifiers[0].command: no program \"nosuchprogram\" in PATH: give the whole path of "
         "it"},
        {"\"command\":[\"/nonexistent/hook\"]",
         "auth.verifiers[0].command: there is no /nonexistent/hook"},
        {"\"command\":[\"/etc\"]", "auth.verifiers[0].command: /etc is no file"},
        {"\"command\":[\"/etc/passwd\"]",
         "auth.verifiers[0].command: /etc/passwd may not be executed: chmod +x?"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_errmsg msg = {""};
        enum gw_err err = open_with(rows[i].keys, &msg);
        if ((err == GW_OK) != (rows[i].problem == NULL) ||
            (err != GW_OK && strcmp(msg.text, rows[i].problem) != 0))
            fail_msg("%s: %s", rows[i].keys, msg.text);
    }
}

/* What a login comes to, with a process a question and with one that stays. */
static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        enum auth_verdict verdict;
        const char *why;
    } rows[] = {
        {YES, AUTH_ACCEPT, ""},
        {NO, AUTH_REJECT, "not today"},
        {"echo '{\"decision\":\"next\"}'", AUTH_REJECT, "unknown user"},
        {"exec <&-; " YES, AUTH_ACCEPT, ""},
        {YES "; exit 1", AUTH_FAULT, "exit code 1"},
        {"exit 0", AUTH_FAULT, "empty"},
        {"kill -9 $$", AUTH_FAULT, "signal 9"},
        {"echo Hello; " YES, AUTH_FAULT, ""},
        {"head -c 10485760 /dev/zero", AUTH_FAULT, "too long"},
        {"sleep 9", AUTH_FAULT, "timeout_ms"},
        {"while :; do echo noise >&2; done", AUTH_FAULT, "timeout_ms"},
        {"sleep 9 & " YES, AUTH_ACCEPT, ""},
        {"read -r l; case \"$l\" in *'\"password\":\"pass\"'*) " YES ";; *) " NO ";; esac",
         AUTH_ACCEPT, ""},
        {"test \"$A$B\" = 'one two' && test -z \"$HOME\" && " YES, AUTH_ACCEPT, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct authkit_answer a;
        open_script(rows[i].script, ",\"timeout_ms\":1000,\"retries\":0,"
                                    "\"env\":{\"A\":\"one\",\"B\":\" two\"}");
        login("alice", "pass", &a);
        if (a.verdict != rows[i].verdict || strstr(a.why, rows[i].why) == NULL)
            fail_msg("%s: verdict %d, %s", rows[i].script, a.verdict, a.why);
        identity_free(&a.id);
    }
}

/* ($${ is the configuration's way to write ${.) Answers every line with its id; "bad" is refused,
 * "die" ends it, "mute" gets no answer. */
static const char kept[] =
    "while read -r l; do id=$${l#*'\"id\":\"'}; id=$${id%%'\"'*}; d=accept; "
    "case \"$l\" in *'\"user\":\"bad\"'*) d=reject;; *'\"user\":\"die\"'*) exit 1;; "
    "*'\"user\":\"mute\"'*) continue;; esac; "
    "echo \"{\\\"id\\\":\\\"$id\\\",\\\"decision\\\":\\\"$d\\\"}\"; done";

static void test_persistent(void **state)
{
    (void)state;
    struct authkit_answer a, b, c;
    open_script(kept, ",\"persistent\":true,\"workers\":1,\"timeout_ms\":1000");
    login("alice", "x", &a);
    assert_int_equal(a.verdict, AUTH_ACCEPT);
    identity_free(&a.id);
    login("bad", "x", &a);
    assert_int_equal(a.verdict, AUTH_REJECT);
    /* Two beside one that is never answered. */
    a.op = begin("mute", "x", &a);
    b.op = begin("alice", "x", &b);
    c.op = begin("bad", "x", &c);
    authkit_wait(loop, &b);
    authkit_wait(loop, &c);
    assert_int_equal(b.verdict, AUTH_ACCEPT);
    assert_int_equal(c.verdict, AUTH_REJECT);
    identity_free(&b.id);
    authkit_wait(loop, &a);
    assert_int_equal(a.verdict, AUTH_FAULT);
    login("die", "x", &a);
    assert_int_equal(a.verdict, AUTH_FAULT);
    assert_non_null(strstr(a.why, "exit code 1"));
    login("alice", "x", &a);
    assert_int_equal(a.verdict, AUTH_ACCEPT);
    identity_free(&a.id);
}

/* Asked again after a fault: the first process fails, the second does not. */
static void test_retry(void **state)
{
    (void)state;
    char *path = authkit_file("");
    char *script = mem_printf("test -s %s && " YES " && exit 0; echo x >%s; exit 1", path, path);
    struct authkit_answer a;
    open_script(script, "");
    login("alice", "x", &a);
    assert_int_equal(a.verdict, AUTH_ACCEPT);
    identity_free(&a.id);
    mem_free(script);
    authkit_remove(&path);
}

/* No more than `workers` at a time: each holds a folder that the others cannot make. */
static void test_one_at_a_time(void **state)
{
    (void)state;
    char *path = authkit_file("");
    char *script =
        mem_printf("mkdir %s.held || exit 1; sleep 0.05; rmdir %s.held; " YES, path, path);
    struct authkit_answer a[5];
    open_script(script, ",\"workers\":1,\"retries\":0");
    for (size_t i = 0; i < 5; i++)
        a[i].op = begin("alice", "x", &a[i]);
    for (size_t i = 0; i < 5; i++) {
        authkit_wait(loop, &a[i]);
        assert_int_equal(a[i].verdict, AUTH_ACCEPT);
        identity_free(&a[i].id);
    }
    mem_free(script);
    authkit_remove(&path);
}

static void test_cancel(void **state)
{
    (void)state;
    static const char *const more[] = {"", ",\"persistent\":true", ",\"workers\":1"};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        for (unsigned turns = 0;; turns++) {
            struct authkit_answer a, other;
            open_script(i == 1 ? kept : YES, more[i]);
            a.op = begin("alice", "x", &a);
            other.op = begin("alice", "x", &other);
            for (unsigned n = 0; n < turns && a.calls == 0; n++)
                loop_turn(loop);
            bool over = a.calls > 0;
            op_cancel(&a.op);
            authkit_wait(loop, &other);
            assert_int_equal(other.verdict, AUTH_ACCEPT);
            assert_int_equal(a.calls, over);
            identity_free(&other.id);
            identity_free(&a.id);
            if (over)
                break;
        }
    }
}

static void test_probe(void **state)
{
    (void)state;
    char *path = authkit_file("#!/bin/sh\n");
    char *keys = mem_printf("\"command\":[\"%s\"]", path);
    struct gw_errmsg msg;
    struct authkit_answer a = {.calls = 0};
    assert_int_equal(open_with(keys, &msg), GW_CONFIG);
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(open_with(keys, &msg), GW_OK);
    a.op = auth_probe(auth, 0, authkit_done, &a);
    authkit_wait(loop, &a);
    assert_int_equal(a.verdict, AUTH_ACCEPT);
    assert_int_equal(chmod(path, 0600), 0);
    a = (struct authkit_answer){.calls = 0};
    a.op = auth_probe(auth, 0, authkit_done, &a);
    authkit_wait(loop, &a);
    assert_int_equal(a.verdict, AUTH_FAULT);
    assert_non_null(strstr(a.why, "chmod"));
    mem_free(keys);
    authkit_remove(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mistakes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_persistent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_probe, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
