#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "tests/support/dialectkit.h"

#define CONFIG                                                                                     \
    "{\"dialect\": \"sftpgo\", \"home_base\": \"/srv\", \"backend\": \"d\", "                      \
    "\"keyboard_interactive_url\": \"http://127.0.0.1/kbd\"}"
#define COMMAND                                                                                    \
    "{\"dialect\": \"sftpgo\", \"home_base\": \"/srv\", \"backend\": \"d\", "                      \
    "\"keyboard_interactive_command\": [\"/bin/kbd\"]}"
#define USER                                                                                       \
    "{\"status\": 1, \"username\": \"alice\", \"home_dir\": \"/srv/a\", \"permissions\": {\"/\": " \
    "[\"*\"]}}"

static const char *text_at(const json_t *o, const char *key, size_t i)
{
    return json_string_value(json_array_get(json_object_get(o, key), i));
}

/* Asks the first questions; gives the state. */
static char *begin(struct dialectkit *k, const char *answer)
{
    struct auth_req req = dialectkit_answers(1, NULL, 0, NULL);
    const struct dialect_ask *ask = dialectkit_ask(k, &req);
    assert_int_equal(ask->target, DIALECT_TARGET_DIALOG);
    struct dialect_verdict v =
        dialectkit_answer(k, &req, k->conf.keyboard_interactive_url ? 200 : 0, answer);
    if (v.verdict != AUTH_ASK)
        fail_msg("%s", v.why.text);
    char *state = mem_strdup(v.state);
    dialect_verdict_free(&v);
    dialect_ask_free(&k->ask);
    return state;
}

static void test_http(void **state_)
{
    (void)state_;
    static const char *const answers[] = {"one", "tw\"o"};
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_HTTP, CONFIG, NULL);
    struct auth_req req = dialectkit_answers(1, NULL, 0, NULL);
    const struct dialect_ask *ask = dialectkit_ask(&k, &req);
    json_t *first = dialectkit_body(ask);
    assert_string_equal(ask->url, "http://127.0.0.1/kbd");
    assert_int_equal(json_object_size(first), 4);
    assert_int_equal(json_integer_value(json_object_get(first, "step")), 1);
    assert_string_equal(json_string_value(json_object_get(first, "username")), "alice");
    assert_string_equal(json_string_value(json_object_get(first, "ip")), "203.0.113.9");
    struct dialect_verdict v = dialectkit_answer(
        &k, &req, 200,
        "{\"instruction\": \"Hi\", \"questions\": [\"1: \", \"2: \"], \"echos\": [true, false]}");
    assert_int_equal(v.verdict, AUTH_ASK);
    assert_string_equal(v.instruction, "Hi");
    assert_int_equal(v.nprompts, 2);
    assert_string_equal(v.prompts[1].text, "2: ");
    assert_true(v.prompts[0].echo);
    assert_false(v.prompts[1].echo);
    char *state = mem_strdup(v.state);
    dialect_verdict_free(&v);
    dialect_ask_free(&k.ask);

    req = dialectkit_answers(2, answers, 2, state);
    json_t *second = dialectkit_body(dialectkit_ask(&k, &req));
    assert_true(
        json_equal(json_object_get(first, "request_id"), json_object_get(second, "request_id")));
    assert_string_equal(text_at(second, "answers", 1), "tw\"o");
    assert_string_equal(text_at(second, "questions", 0), "1: ");
    v = dialectkit_answer(&k, &req, 200, "{\"auth_result\": 1}");
    assert_true(v.more);
    dialect_verdict_free(&v);

    /* It has let the user in: the external auth hook says who that is. */
    ask = dialectkit_ask(&k, &req);
    json_t *third = dialectkit_body(ask);
    assert_int_equal(ask->target, DIALECT_TARGET_MAIN);
    assert_null(ask->url);
    assert_string_equal(json_string_value(json_object_get(third, "keyboard_interactive")), "1");
    assert_string_equal(json_string_value(json_object_get(third, "password")), "");
    v = dialectkit_answer(&k, &req, 200, USER);
    assert_int_equal(v.verdict, AUTH_ACCEPT);
    assert_string_equal(v.id->mounts[0].prefix, "a");
    dialect_verdict_free(&v);
    json_decref(first);
    json_decref(second);
    json_decref(third);
    mem_free_secret_str(&state);
    dialectkit_close(&k);
}

#define CHECK "{\"questions\": [\"Password: \"], \"echos\": [false], \"check_password\": 1}"

static void test_check_password(void **state_)
{
    (void)state_;
    static const char *const answers[] = {"secret"};
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_HTTP, CONFIG, NULL);
    char *state = begin(&k, CHECK);
    struct auth_req req = dialectkit_answers(2, answers, 1, state);
    const struct dialect_ask *ask = dialectkit_ask(&k, &req);
    json_t *o = dialectkit_body(ask);
    assert_int_equal(ask->target, DIALECT_TARGET_MAIN);
    assert_string_equal(json_string_value(json_object_get(o, "password")), "secret");
    assert_string_equal(json_string_value(json_object_get(o, "keyboard_interactive")), "");
    json_decref(o);
    struct dialect_verdict v = dialectkit_answer(&k, &req, 200, USER);
    assert_true(v.more);
    assert_null(v.id);
    dialect_verdict_free(&v);
    ask = dialectkit_ask(&k, &req);
    o = dialectkit_body(ask);
    assert_int_equal(ask->target, DIALECT_TARGET_DIALOG);
    assert_string_equal(text_at(o, "answers", 0), "OK");
    json_decref(o);
    v = dialectkit_answer(&k, &req, 200, "{\"auth_result\": -1}");
    assert_int_equal(v.verdict, AUTH_REJECT);
    dialect_verdict_free(&v);

    /* A wrong password ends the dialog. */
    dialect_ask_free(&k.ask);
    dialectkit_ask(&k, &req);
    v = dialectkit_answer(&k, &req, 200, "{\"username\": \"\"}");
    assert_int_equal(v.verdict, AUTH_REJECT);
    assert_false(v.more);
    dialect_verdict_free(&v);
    mem_free_secret_str(&state);
    dialectkit_close(&k);
}

static void test_program(void **state_)
{
    (void)state_;
    static const char *const answers[] = {"one", "two"};
    static const char *const lines[] = {"one", "two\nthree"};
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_PROGRAM, COMMAND, NULL);
    struct auth_req req = dialectkit_answers(1, NULL, 0, NULL);
    const struct dialect_ask *ask = dialectkit_ask(&k, &req);
    assert_int_equal(ask->target, DIALECT_TARGET_DIALOG);
    assert_int_equal(ask->body.len, 0);
    assert_string_equal(ask->env[0], "SFTPGO_AUTHD_USERNAME=alice");
    dialect_ask_free(&k.ask);
    char *state = begin(&k, "{\"questions\": [\"1: \", \"2: \"], \"echos\": [true, false]}\n");
    req = dialectkit_answers(2, answers, 2, state);
    ask = dialectkit_ask(&k, &req);
    assert_int_equal(ask->target, DIALECT_TARGET_DIALOG);
    assert_true(gw_span_eq(gw_buf_span(&ask->body), "one\ntwo\n"));
    dialect_ask_free(&k.ask);
    /* More lines than answers would answer the next questions too. */
    req = dialectkit_answers(2, lines, 2, state);
    dialectkit_unasked(&k, &req, AUTH_REJECT, NULL);
    mem_free_secret_str(&state);
    dialectkit_close(&k);
}

static void test_answer(void **state_)
{
    (void)state_;
    static const struct dialectkit_row rows[] = {
        {200, CHECK, AUTH_ASK, NULL},
        {200, "{\"questions\": [\"a\"], \"echos\": [true], \"auth_result\": 0}", AUTH_ASK, NULL},
        {200, "{\"auth_result\": -1}", AUTH_REJECT, "auth_result -1"},
        {200, "{\"auth_result\": 2, \"questions\": [\"a\"], \"echos\": [true]}", AUTH_REJECT,
         "auth_result 2"},
        {200, "{\"auth_result\": \"1\"}", AUTH_FAULT, "auth_result: "},
        {200, "{\"auth_result\": true}", AUTH_FAULT, "auth_result: "},
        {200, "{\"auth_result\": 1.0}", AUTH_FAULT, "auth_result: "},
        {200, "{}", AUTH_FAULT, "questions: "},
        {200, "{\"questions\": []}", AUTH_FAULT, "questions: "},
        {200, "{\"questions\": [\"a\"]}", AUTH_FAULT, "echos: "},
        {200, "{\"questions\": [\"a\"], \"echos\": [true, true]}", AUTH_FAULT, "echos: "},
        {200, "{\"questions\": [\"a\"], \"echos\": [1]}", AUTH_FAULT, "questions: "},
        {200, "{\"questions\": [1], \"echos\": [true]}", AUTH_FAULT, "questions: "},
        {200, "{\"questions\": \"a\", \"echos\": [true]}", AUTH_FAULT, "questions: "},
        {200, "{\"questions\": [\"a\", \"b\"], \"echos\": [true, true], \"check_password\": 1}",
         AUTH_FAULT, "check_password: "},
        {200, "{\"questions\": [\"a\"], \"echos\": [true], \"captcha\": \"x\"}", AUTH_REJECT,
         "captcha: "},
        {200, "", AUTH_FAULT, "empty"},
        {200, "<html>", AUTH_FAULT, "no JSON"},
        {200, "{\"auth_result\": 0, \"auth_result\": 1}", AUTH_FAULT, "no JSON"},
        {403, "{\"auth_result\": 1}", AUTH_REJECT, "HTTP status 403"},
        {500, "{\"auth_result\": 1}", AUTH_FAULT, "HTTP status 500"},
    };
    struct dialectkit k;
    struct auth_req req = dialectkit_answers(1, NULL, 0, NULL);
    dialectkit_open(&k, DIALECT_HTTP, CONFIG, NULL);
    DIALECTKIT_ROWS(&k, &req, rows);
    dialectkit_close(&k);
}

/* The client changed the number of answers, or the state is none of ours. */
static void test_step_refused(void **state_)
{
    (void)state_;
    static const char *const answers[] = {"a", "b"};
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_HTTP, CONFIG, NULL);
    char *state = begin(&k, CHECK);
    const struct {
        size_t n;
        const char *state;
        enum auth_verdict verdict;
    } rows[] = {
        {0, state, AUTH_REJECT},
        {2, state, AUTH_REJECT},
        {1, "", AUTH_FAULT},
        {1, "{\"check\":true", AUTH_FAULT},
        {1, "{}", AUTH_FAULT},
        {0, "{\"request_id\":\"0123456789abcdef0123456789abcdef\",\"check\":true}", AUTH_REJECT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct auth_req req = dialectkit_answers(2, answers, rows[i].n, rows[i].state);
        dialectkit_unasked(&k, &req, rows[i].verdict, NULL);
    }
    mem_free_secret_str(&state);
    dialectkit_close(&k);
}

static void test_no_hook(void **state_)
{
    (void)state_;
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_HTTP, "{\"dialect\": \"sftpgo\"}", NULL);
    struct auth_req req = dialectkit_answers(1, NULL, 0, NULL);
    dialectkit_unasked(&k, &req, AUTH_NEXT, NULL);
    dialectkit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http),         cmocka_unit_test(test_check_password),
        cmocka_unit_test(test_program),      cmocka_unit_test(test_answer),
        cmocka_unit_test(test_step_refused), cmocka_unit_test(test_no_hook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
