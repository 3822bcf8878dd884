#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "tests/support/authkit.h"
#include "tests/support/dialectkit.h"

#define T "{\"dialect\": \"template\", "
#define REQUEST                                                                                    \
    "\"request\": {\"body\": \"{\\\"user\\\": \\\"${user}\\\", \\\"step\\\": \\\"${step}\\\", "    \
    "\\\"tx\\\": \\\"${state}\\\", \\\"answers\\\": [\\\"${answer_1}\\\", "                        \
    "\\\"${answer_2}\\\"]}\"}"
#define WHEN                                                                                       \
    "\"accept_when\": {\"pointer\": \"/result\", \"equals\": \"ok\"}, "                            \
    "\"reject_when\": {\"pointer\": \"/result\", \"equals\": \"no\"}, "                            \
    "\"ask_when\": {\"pointer\": \"/result\", \"equals\": \"more\"}"
#define ASK                                                                                        \
    "\"ask\": {\"prompts\": \"/ask\", \"text\": \"/label\", \"echo\": \"/visible\", "              \
    "\"instruction\": \"/say\", \"state\": \"/tx\"}"
#define FULL T REQUEST ", " WHEN ", " ASK ", \"identity\": {\"home\": \"/home\"}}"
/* A page that says no more than a status. */
#define BARE                                                                                       \
    T "\"request\": {\"url\": \"http://x/otp?u=${user}&c=${answer_1}\"}, "                         \
      "\"accept_when\": {\"status\": 204}, \"reject_when\": {\"status\": 403}, "                   \
      "\"ask_when\": {\"status\": 401}, "                                                          \
      "\"ask\": {\"prompts\": [{\"text\": \"Code: \", \"echo\": true}]}}"

#define MORE(rest) "{\"result\": \"more\", " rest "}"
#define P1         "{\"label\": \"Code: \"}"

static const char *const two[] = {"12\"\n3", "blue"};
static const char *const full[] = {"a"};

static struct auth_req first(void)
{
    return dialectkit_answers(1, NULL, 0, NULL);
}

static void check_body(const struct dialect_ask *ask, const char *want)
{
    json_t *got = dialectkit_body(ask);
    json_t *right = json_loads(want, 0, NULL);
    assert_non_null(right);
    if (!json_equal(got, right))
        fail_msg("%.*s", (int)ask->body.len, (const char *)ask->body.data);
    json_decref(got);
    json_decref(right);
}

static void test_request(void **state)
{
    (void)state;
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_HTTP, FULL, NULL);
    struct auth_req req = first();
    check_body(dialectkit_ask(&k, &req),
               "{\"user\": \"alice\", \"step\": \"1\", \"tx\": \"\", \"answers\": [\"\", \"\"]}");
    req = dialectkit_answers(2, two, 2, "t\"1");
    check_body(dialectkit_ask(&k, &req), "{\"user\": \"alice\", \"step\": \"2\", \"tx\": "
                                         "\"t\\\"1\", \"answers\": [\"12\\\"\\n3\", \"blue\"]}");
    dialectkit_close(&k);
    dialectkit_open(&k, DIALECT_HTTP, BARE, NULL);
    req = dialectkit_answers(2, two, 1, NULL);
    assert_string_equal(dialectkit_ask(&k, &req)->url, "http://x/otp?u=alice&c=12%22%0A3");
    dialectkit_close(&k);
}

static void test_question(void **state)
{
    (void)state;
    struct dialectkit k;
    struct auth_req req = first();
    dialectkit_open(&k, DIALECT_HTTP, FULL, NULL);
    dialectkit_ask(&k, &req);
    struct dialect_verdict v =
        dialectkit_answer(&k, &req, 200,
                          MORE("\"say\": \"Two things\", \"tx\": 17, \"ask\": [" P1
                               ", {\"label\": \"Colour: \", \"visible\": true, \"colours\": []}]"));
    assert_int_equal(v.verdict, AUTH_ASK);
    assert_string_equal(v.instruction, "Two things");
    assert_string_equal(v.state, "17");
    assert_int_equal(v.nprompts, 2);
    assert_string_equal(v.prompts[0].text, "Code: ");
    assert_false(v.prompts[0].echo);
    assert_string_equal(v.prompts[1].text, "Colour: ");
    assert_true(v.prompts[1].echo);
    dialect_verdict_free(&v);
    v = dialectkit_answer(&k, &req, 401, MORE("\"say\": null, \"tx\": \"t\", \"ask\": " P1));
    assert_int_equal(v.verdict, AUTH_ASK);
    assert_null(v.instruction);
    assert_int_equal(v.nprompts, 1);
    dialect_verdict_free(&v);
    dialectkit_close(&k);
}

/* Prompts of the configuration: nothing of the answer but its status is looked at. */
static void test_own_prompts(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {401, "<html>", AUTH_ASK, NULL},
        {403, "", AUTH_REJECT, "reject_when"},
        {204, "", AUTH_REJECT, "before the user"},
        {200, "", AUTH_FAULT, "none of"},
    };
    static const struct dialectkit_row after[] = {
        {401, "", AUTH_ASK, NULL},
        {403, "", AUTH_REJECT, "reject_when"},
        {204, "", AUTH_ACCEPT, NULL},
        {500, "", AUTH_FAULT, "none of"},
    };
    struct dialectkit k;
    struct auth_req req = first();
    dialectkit_open(&k, DIALECT_HTTP, BARE, NULL);
    DIALECTKIT_ROWS(&k, &req, rows);
    dialectkit_ask(&k, &req);
    struct dialect_verdict v = dialectkit_answer(&k, &req, 401, "");
    assert_string_equal(v.prompts[0].text, "Code: ");
    assert_true(v.prompts[0].echo);
    assert_null(v.state);
    dialect_verdict_free(&v);
    req = dialectkit_answers(2, full, 1, NULL);
    DIALECTKIT_ROWS(&k, &req, after);
    dialectkit_close(&k);
}

#define OK "{\"result\": \"ok\", \"home\": \"/in\"}"

static void test_answers(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {200, OK, AUTH_ACCEPT, NULL},
        {200, "{\"result\": \"ok\"}", AUTH_REJECT, "identity.home"},
        {401, OK, AUTH_FAULT, "none of"},
        {200, "{\"result\": \"no\"}", AUTH_REJECT, "reject_when"},
        {200, "{\"result\": \"maybe\"}", AUTH_FAULT, "none of"},
        {200, "", AUTH_FAULT, "empty"},
        {200, "<html>", AUTH_FAULT, "no JSON"},
        {200, "{\"result\": \"no\", \"result\": \"ok\", \"home\": \"/in\"}", AUTH_FAULT, "no JSON"},
        {200, MORE("\"tx\": \"t\", \"ask\": [" P1 "]"), AUTH_ASK, NULL},
        {200, MORE("\"ask\": [" P1 "]"), AUTH_FAULT, "ask.state"},
        {200, MORE("\"tx\": \"\", \"ask\": [" P1 "]"), AUTH_FAULT, "ask.state"},
        {200, MORE("\"tx\": null, \"ask\": [" P1 "]"), AUTH_FAULT, "ask.state"},
        {200, MORE("\"tx\": {}, \"ask\": [" P1 "]"), AUTH_FAULT, "ask.state"},
        {200, MORE("\"tx\": 1, \"say\": 1, \"ask\": [" P1 "]"), AUTH_FAULT, "ask.instruction"},
        {200, MORE("\"tx\": 1"), AUTH_FAULT, "ask.prompts"},
        {200, MORE("\"tx\": 1, \"ask\": []"), AUTH_FAULT, "ask.prompts"},
        {200, MORE("\"tx\": 1, \"ask\": true"), AUTH_FAULT, "ask.prompts"},
        {200, MORE("\"tx\": 1, \"ask\": [" P1 ", " P1 ", " P1 "]"), AUTH_FAULT, "1 to 2"},
        {200, MORE("\"tx\": 1, \"ask\": [\"Code: \"]"), AUTH_FAULT, "ask.text"},
        {200, MORE("\"tx\": 1, \"ask\": [" P1 ", {}]"), AUTH_FAULT, "prompt 1"},
        {200, MORE("\"tx\": 1, \"ask\": [{\"label\": 1}]"), AUTH_FAULT, "ask.text"},
        {200, MORE("\"tx\": 1, \"ask\": [{\"label\": \"x\", \"visible\": 1}]"), AUTH_FAULT,
         "ask.echo"},
    };
    struct dialectkit k;
    struct auth_req req = dialectkit_answers(2, full, 1, "t");
    dialectkit_open(&k, DIALECT_HTTP, FULL, NULL);
    DIALECTKIT_ROWS(&k, &req, rows);
    /* The same accept, before anything was answered. */
    req = first();
    dialectkit_ask(&k, &req);
    struct dialect_verdict v = dialectkit_answer(&k, &req, 200, OK);
    assert_int_equal(v.verdict, AUTH_REJECT);
    dialect_verdict_free(&v);
    dialectkit_close(&k);
}

/* What is over its bounds. */
static void test_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
        size_t most;
    } rows[] = {
        {"{\"result\": \"more\", \"ask\": [" P1 "], \"tx\": \"", "\"}", 16384},
        {"{\"result\": \"more\", \"ask\": [" P1 "], \"tx\": 1, \"say\": \"", "\"}", 4096},
        {"{\"result\": \"more\", \"tx\": 1, \"ask\": [{\"label\": \"", "\"}]}", 4096},
    };
    static char text[16386];
    struct dialectkit k;
    struct auth_req req = first();
    dialectkit_open(&k, DIALECT_HTTP, FULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t over = 0; over <= 1; over++) {
            memset(text, 'x', rows[i].most + over);
            text[rows[i].most + over] = '\0';
            char *body = mem_printf("%s%s%s", rows[i].before, text, rows[i].after);
            dialectkit_ask(&k, &req);
            struct dialect_verdict v = dialectkit_answer(&k, &req, 200, body);
            assert_int_equal(v.verdict, over ? AUTH_FAULT : AUTH_ASK);
            dialect_verdict_free(&v);
            mem_free(body);
        }
    dialectkit_close(&k);
}

/* Answered without a question. */
static void test_unasked(void **state)
{
    (void)state;
    static const char *const empty[] = {"a", ""}, *const latin[] = {"\xe4"},
                             *const three[] = {"a", "b", "c"};
    static const struct {
        const char *const *answers;
        size_t n;
        enum auth_verdict verdict;
        const char *why;
    } rows[] = {
        {empty, 2, AUTH_REJECT, "empty answer"},
        {latin, 1, AUTH_REJECT, "UTF-8"},
        {three, 3, AUTH_FAULT, "3 answers"},
    };
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_HTTP, FULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct auth_req req = dialectkit_answers(2, rows[i].answers, rows[i].n, "t");
        dialectkit_unasked(&k, &req, rows[i].verdict, rows[i].why);
    }
    /* A request with nothing of a password says nothing about one. */
    struct auth_req req = dialectkit_password("x");
    dialectkit_unasked(&k, &req, AUTH_NEXT, NULL);
    dialectkit_close(&k);
}

/* Without `ask` it decides what auth.keyboard_interactive has asked, and nothing before. */
static void test_asked_by_the_settings(void **state)
{
    (void)state;
    struct dialectkit k;
    struct dialect_verdict v;
    struct auth_req req = first();
    dialectkit_open(&k, DIALECT_HTTP,
                    T "\"request\": {\"url\": \"http://x/?c=${answer_1}\"}, "
                      "\"accept_when\": {\"status\": 204}}",
                    NULL);
    dialectkit_unasked(&k, &req, AUTH_NEXT, NULL);
    req = dialectkit_answers(1, full, 1, NULL);
    dialectkit_ask(&k, &req);
    v = dialectkit_answer(&k, &req, 204, "");
    assert_int_equal(v.verdict, AUTH_ACCEPT);
    dialect_verdict_free(&v);
    dialectkit_close(&k);
}

/* Who logs in otherwise cannot be asked, and is not let in. */
static void test_other_methods(void **state)
{
    (void)state;
    struct dialectkit k;
    struct auth_req req = dialectkit_password("x");
    dialectkit_open(&k, DIALECT_HTTP,
                    T "\"request\": {\"url\": \"http://x/?p=${password}&c=${answer_1}\"}, "
                      "\"accept_when\": {\"status\": 200}, "
                      "\"ask_when\": {\"pointer\": \"/mfa\"}, \"ask\": {\"prompts\": \"/mfa\"}}",
                    NULL);
    dialectkit_ask(&k, &req);
    struct dialect_verdict v = dialectkit_answer(&k, &req, 200, "{\"mfa\": \"Code: \"}");
    assert_int_equal(v.verdict, AUTH_REJECT);
    assert_non_null(strstr(v.why.text, "by password"));
    dialect_verdict_free(&v);
    v = dialectkit_answer(&k, &req, 200, "{}");
    assert_int_equal(v.verdict, AUTH_ACCEPT);
    dialect_verdict_free(&v);
    dialectkit_close(&k);
}

#define URL    "\"request\": {\"url\": \"http://x/?c=${answer_1}\"}"
#define STATED "\"request\": {\"url\": \"http://x/?c=${answer_1}&s=${state}\"}"
#define YES    "\"accept_when\": {\"status\": 200}"
#define CASE   ", " YES ", \"ask_when\": {\"status\": 401}, \"ask\": "

static void test_config(void **state)
{
    (void)state;
    static const struct {
        const char *config, *problem;
    } rows[] = {
        {T URL ", " YES ", \"ask_when\": {\"status\": 401}}", "ask: is missing"},
        {T URL ", " YES ", \"ask\": {\"prompts\": \"/p\"}}", "ask_when: is missing"},
        {T URL ", " YES ", \"ask_when\": {}, \"ask\": {\"prompts\": \"/p\"}}", "ask_when: needs"},
        {T "\"request\": {\"url\": \"http://x/?p=${password}\"}" CASE "{\"prompts\": \"/p\"}}",
         "request: has no ${answer_1}"},
        {T "\"request\": {\"url\": \"http://x/?c=${answer_2}\"}, " YES "}", "request: the answers"},
        {T "\"request\": {\"url\": \"http://x/?c=${answer_1}${answer_3}\"}, " YES "}",
         "request: the answers have a gap: ${answer_2}"},
        {T "\"request\": {\"url\": \"http://x/?c=${answer_17}\"}, " YES "}",
         "request.url: there is no variable ${answer_17}"},
        {T URL CASE "{}}", "ask.prompts: is missing"},
        {T URL CASE "{\"prompts\": \"p\"}}", "ask.prompts: is no JSON pointer"},
        {T URL CASE "{\"prompts\": 1}}", "ask.prompts: is no JSON pointer"},
        {T URL CASE "{\"prompts\": []}}", "ask.prompts: are 0"},
        {T URL CASE "{\"prompts\": [{\"text\": \"a\"}, {\"text\": \"b\"}]}}", "ask.prompts: are 2"},
        {T URL CASE "{\"prompts\": [\"a\"]}}", "ask.prompts: each is"},
        {T URL CASE "{\"prompts\": [{\"text\": \"\"}]}}", "ask.prompts: each is"},
        {T URL CASE "{\"prompts\": [{\"text\": \"a\", \"echo\": 1}]}}", "ask.prompts: echo"},
        {T URL CASE "{\"prompts\": [{\"text\": \"a\", \"show\": true}]}}", "ask.prompts: show"},
        {T URL CASE "{\"prompts\": \"/p\", \"echo\": 1}}", "ask.echo: "},
        {T URL CASE "{\"prompts\": \"/p\", \"instruction\": true}}", "ask.instruction: "},
        {T URL CASE "{\"prompts\": \"/p\", \"label\": \"/l\"}}", "ask.label: no such key"},
        {T URL CASE "{\"prompts\": \"/p\", \"state\": \"/s\"}}",
         "ask.state: the request has no ${state}"},
        {T STATED CASE "{\"prompts\": \"/p\"}}", "ask.state: is missing"},
        {T STATED ", " YES "}", "ask.state: is missing"},
        {T URL CASE "{\"prompts\": \"/p\", \"text\": \"\", \"echo\": true}}", ""},
        {T STATED CASE "{\"prompts\": \"/p\", \"state\": \"/s\"}}", ""},
        {FULL, ""},
        {BARE, ""},
        {"{\"dialect\": \"postern\", \"ask\": {\"prompts\": \"/p\"}}", "ask: the dialect postern"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dialectkit k;
        dialectkit_open(&k, DIALECT_HTTP, rows[i].config, NULL);
        if ((k.d != NULL) != (rows[i].problem[0] == '\0') ||
            strstr(k.problem.text, rows[i].problem) != k.problem.text)
            fail_msg("%s: %s", rows[i].config, k.problem.text);
        dialectkit_close(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_question),
        cmocka_unit_test(test_own_prompts),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_unasked),
        cmocka_unit_test(test_asked_by_the_settings),
        cmocka_unit_test(test_other_methods),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
