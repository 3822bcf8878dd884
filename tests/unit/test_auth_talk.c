/* Conversations by keyboard-interactive: who asks, who gets the answers, what a stranger sees. */
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

static struct loop *loop;
static struct settings *settings;
static struct auth *auth;
static struct authkit_stub stubs[2];
static char *path;

/* A chain of a user file ("filed" has a password, "keys" has none) and `n` stubs. */
static void begin(const char *prompts, const struct authkit_say *says, size_t n)
{
    struct gw_errmsg msg = {""};
    char *conf = mem_printf("{\"methods\":[\"publickey\",\"keyboard-interactive\"],"
                            "\"keyboard_interactive\":%s,"
                            "\"verifiers\":[{\"type\":\"file\",\"path\":\"%s\"}]}",
                            prompts, path);
    settings = authkit_settings(conf, "{}");
    mem_free(conf);
    if (auth_new(loop, settings, &auth, &msg) != GW_OK)
        fail_msg("%s", msg.text);
    for (size_t i = 0; i < n; i++)
        authkit_stub_add(&stubs[i], &says[i], loop, auth);
}

static void end(void)
{
    auth_free(&auth);
    settings_unref(&settings);
}

static int setup(void **state)
{
    (void)state;
    path = authkit_file("{\"users\":[{\"user\":\"filed\",\"password\":\"" AUTHKIT_SHA256 "\"},"
                        "{\"user\":\"keys\",\"public_keys\":[\"" AUTHKIT_ED25519 "\"]},"
                        "{\"user\":\"otherwise\",\"password\":\"" AUTHKIT_SHA256
                        "\",\"methods\":[\"publickey,password\"]}]}");
    return loop_new(&loop) == GW_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(&loop);
    authkit_remove(&path);
    return 0;
}

/* One round; answers NULL = the first. */
static enum auth_verdict talk(const char *user, unsigned step, const char *const *answers, size_t n,
                              const char *with_state, struct authkit_answer *a)
{
    char *back = mem_strdup(with_state); /* it may be a's own */
    struct auth_req req = {.method = AUTH_KEYBOARD_INTERACTIVE,
                           .user = user,
                           .client_address = "192.0.2.7",
                           .kbdint = {step, answers, n, back}};
    *a = (struct authkit_answer){.calls = 0};
    a->op = auth_check(auth, &req, authkit_done, a);
    mem_free(back);
    assert_int_equal(a->calls, 0);
    authkit_wait(loop, a);
    assert_int_equal(a->calls, 1);
    identity_free(&a->id);
    return a->verdict;
}

/* The file asks for the password of whoever comes, and only its users get in. */
static void test_password_of_a_file(void **state)
{
    (void)state;
    static const struct {
        const char *user, *answers[2];
        size_t n;
        enum auth_verdict want;
        const char *why;
    } rows[] = {
        {"filed", {"secret"}, 1, AUTH_ACCEPT, ""},
        {"filed", {"wrong"}, 1, AUTH_REJECT, "wrong password"},
        {"filed", {""}, 1, AUTH_REJECT, "wrong password"},
        {"filed", {"secret", "secret"}, 2, AUTH_REJECT, "a password is one answer"},
        {"filed", {NULL}, 0, AUTH_REJECT, "a password is one answer"},
        {"keys", {"secret"}, 1, AUTH_REJECT, "the user has no password"},
        {"nobody", {"secret"}, 1, AUTH_REJECT, "unknown user"},
        {"otherwise", {"secret"}, 1, AUTH_REJECT, "not a method of the user at this step"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct authkit_answer a;
        begin("{\"instruction\":\"Hello.\"}", NULL, 0);
        uint64_t before = passwd_count();
        assert_int_equal(talk(rows[i].user, 1, NULL, 0, NULL, &a), AUTH_ASK);
        assert_int_equal(passwd_count(), before);
        assert_int_equal(a.nprompts, 1);
        assert_string_equal(a.prompt, "Password: ");
        assert_string_equal(a.instruction, "Hello.");
        assert_string_equal(a.state, "0");
        if (talk(rows[i].user, 2, rows[i].answers, rows[i].n, a.state, &a) != rows[i].want ||
            strcmp(a.why, rows[i].why) != 0)
            fail_msg("row %zu: %d, %s", i, (int)a.verdict, a.why);
        assert_int_equal(passwd_count() - before, 1); /* whoever it was */
        end();
    }
}

static void test_rounds_of_a_verifier(void **state)
{
    (void)state;
    static const char *const one[] = {"111111"};
    struct authkit_answer a;
    begin("{}",
          (struct authkit_say[]){{.verdict = AUTH_NEXT},
                                 {.verdict = AUTH_ASK, .prompts = 2, .state = "s:1"}},
          2);
    assert_int_equal(talk("x", 1, NULL, 0, NULL, &a), AUTH_ASK);
    assert_string_equal(a.said, "file[0]:2 stub[1]:2 stub[2]:3");
    assert_string_equal(a.state, "2:s:1");
    assert_string_equal(a.instruction, "(none)");
    assert_int_equal(a.nprompts, 2);
    assert_int_equal(stubs[1].step, 1);
    assert_string_equal(stubs[1].state, "(none)");

    /* The answers are for who asked, with its own state and nobody else's eyes. */
    stubs[1].say = (struct authkit_say){.verdict = AUTH_ASK, .instruction = "More."};
    assert_int_equal(talk("x", 2, one, 1, "2:s:1", &a), AUTH_ASK);
    assert_int_equal(stubs[0].asked, 1);
    assert_int_equal(stubs[1].step, 2);
    assert_string_equal(stubs[1].answer, "111111");
    assert_string_equal(stubs[1].state, "s:1");
    assert_string_equal(a.state, "2");
    assert_string_equal(a.instruction, "More.");
    assert_int_equal(a.nprompts, 0);

    stubs[1].say = (struct authkit_say){.verdict = AUTH_ACCEPT};
    assert_int_equal(talk("x", 3, one, 0, "2", &a), AUTH_ACCEPT);
    assert_int_equal(stubs[1].nanswers, 0);
    assert_int_equal(stubs[1].step, 3);
    assert_string_equal(stubs[1].state, "(none)");
    assert_string_equal(a.said, "stub[2]:0");

    /* In the middle of a talk "not mine" is the end of it. */
    stubs[1].say = (struct authkit_say){.verdict = AUTH_NEXT};
    assert_int_equal(talk("x", 2, one, 1, "2", &a), AUTH_REJECT);
    assert_string_equal(a.why, "unknown user");
    assert_int_equal(stubs[0].asked, 1);
    end();
}

/* The configuration's prompts come first; with their answers the chain begins. */
static void test_prompts_of_the_settings(void **state)
{
    (void)state;
    static const char *const right[] = {"secret"};
    static const char *const wrong[] = {"wrong"};
    static const char conf[] = "{\"instruction\":\"Hello.\",\"prompts\":[{\"text\":\"Word: \"}]}";
    struct authkit_answer a;
    begin(conf, &(struct authkit_say){.verdict = AUTH_ASK, .prompts = 1, .state = "s"}, 1);
    assert_int_equal(talk("x", 1, NULL, 0, NULL, &a), AUTH_ASK);
    assert_string_equal(a.prompt, "Word: ");
    assert_string_equal(a.instruction, "Hello.");
    assert_string_equal(a.said, "");
    assert_int_equal(stubs[0].asked, 0);
    char before[sizeof a.state];
    memcpy(before, a.state, sizeof before);

    assert_int_equal(talk("filed", 2, right, 1, before, &a), AUTH_ACCEPT);
    assert_int_equal(talk("filed", 2, wrong, 1, before, &a), AUTH_REJECT);
    assert_int_equal(talk("x", 2, right, 1, before, &a), AUTH_ASK);
    assert_int_equal(stubs[0].step, 1);
    assert_string_equal(stubs[0].answer, "secret");
    assert_string_equal(stubs[0].state, "(none)");
    stubs[0].say = (struct authkit_say){.verdict = AUTH_REJECT};
    assert_int_equal(talk("x", 3, right, 1, a.state, &a), AUTH_REJECT);
    assert_int_equal(stubs[0].step, 2);
    assert_string_equal(stubs[0].state, "s");
    end();
}

/* A refusal before the first question would tell whom the file knows. */
static void test_strangers_are_asked_as_well(void **state)
{
    (void)state;
    static const char *const one[] = {"secret"};
    static const enum auth_verdict says[] = {AUTH_NEXT, AUTH_REJECT, AUTH_FAULT};
    for (size_t i = 0; i < 3; i++) {
        struct authkit_answer a;
        begin("{}", &(struct authkit_say){.verdict = says[i]}, 1);
        assert_int_equal(talk("nobody", 1, NULL, 0, NULL, &a), AUTH_ASK);
        assert_string_equal(a.prompt, "Password: ");
        assert_string_equal(a.state, "0");
        assert_int_equal(talk("nobody", 2, one, 1, "0", &a), AUTH_REJECT);
        assert_int_equal(stubs[0].asked, 1);
        end();
    }
}

static void test_nonsense(void **state)
{
    (void)state;
    static const char *const one[] = {"secret"};
    static const char *const states[] = {NULL, "", "7", "0x", "x", ":", "99999999999999999999:"};
    struct authkit_answer a;
    begin("{}", NULL, 0);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        assert_int_equal(talk("filed", 2, one, 1, states[i], &a), AUTH_REJECT);
        assert_string_equal(a.why, "answers to nobody's question");
    }
    end();
    begin("{}", &(struct authkit_say){.verdict = AUTH_ASK, .prompts = AUTH_PROMPTS_MAX + 1}, 1);
    assert_int_equal(talk("x", 2, one, 1, "1", &a), AUTH_FAULT);
    assert_string_equal(a.why, "the verifier asks what cannot be asked");
    end();
}

static void test_key_of_an_earlier_step(void **state)
{
    (void)state;
    static const char *const done[] = {"publickey"}, *const keys[] = {"SHA256:a"};
    static const struct {
        const char *fingerprint;
        bool is_signed;
        enum auth_verdict want;
    } rows[] = {
        {"SHA256:a", true, AUTH_REJECT},
        {"SHA256:a", false, AUTH_REJECT},
        {"SHA256:b", true, AUTH_ACCEPT},
    };
    begin("{}", &(struct authkit_say){.verdict = AUTH_ACCEPT}, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct authkit_answer a = {.calls = 0};
        struct auth_req req = {
            .method = AUTH_PUBLICKEY,
            .user = "x",
            .client_address = "192.0.2.7",
            .methods_done = done,
            .nmethods_done = 1,
            .keys_done = keys,
            .nkeys_done = 1,
            .key = {"ssh-ed25519", gw_span_str("blob"), rows[i].fingerprint, rows[i].is_signed}};
        a.op = auth_check(auth, &req, authkit_done, &a);
        authkit_wait(loop, &a);
        assert_int_equal(a.verdict, rows[i].want);
        identity_free(&a.id);
    }
    end();
}

int main(void)
{
    log_level_now = LOG_LVL_ERROR;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_password_of_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rounds_of_a_verifier, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prompts_of_the_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strangers_are_asked_as_well, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_of_an_earlier_step, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
