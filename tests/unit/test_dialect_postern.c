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

static struct dialectkit http;

static int setup(void **state)
{
    (void)state;
    dialectkit_open(&http, DIALECT_HTTP, "{}", "{\"home\": \"/in\"}");
    return http.d == NULL;
}

static int teardown(void **state)
{
    (void)state;
    dialectkit_close(&http);
    return 0;
}

static json_t *body_of(const struct dialect_ask *ask)
{
    json_t *obj = dialectkit_body(ask);
    assert_non_null(obj);
    assert_null(memchr(ask->body.data, '\n', ask->body.len));
    return obj;
}

static const char *text_at(const json_t *obj, const char *outer, const char *key)
{
    return json_string_value(
        json_object_get(outer == NULL ? obj : json_object_get(obj, outer), key));
}

static void test_request_password(void **state)
{
    (void)state;
    struct auth_req req = dialectkit_password("p\"\\\n\xc3\xa4");
    req.user = "a/../b\n\"{}&?%";
    static const char *const done[] = {"publickey"};
    req.methods_done = done;
    req.nmethods_done = 1;
    const struct dialect_ask *ask = dialectkit_ask(&http, &req);
    assert_string_equal(ask->method, "POST");
    assert_null(ask->url);
    json_t *o = body_of(ask);
    assert_int_equal(json_integer_value(json_object_get(o, "version")), 1);
    assert_int_equal(json_integer_value(json_object_get(o, "attempt")), 1);
    assert_string_equal(text_at(o, NULL, "id"), ask->id);
    assert_int_equal(strlen(ask->id), 32);
    assert_string_equal(text_at(o, NULL, "method"), "password");
    assert_string_equal(text_at(o, NULL, "user"), req.user);
    assert_string_equal(text_at(o, NULL, "password"), req.password);
    assert_string_equal(json_string_value(json_array_get(json_object_get(o, "methods_done"), 0)),
                        "publickey");
    assert_string_equal(text_at(o, "client", "address"), "203.0.113.9");
    assert_string_equal(text_at(o, "client", "version"), "SSH-2.0-OpenSSH_9.2");
    assert_string_equal(text_at(o, "server", "address"), "192.0.2.1");
    assert_non_null(text_at(o, "server", "host"));
    assert_null(json_object_get(o, "public_key"));
    assert_null(json_object_get(o, "keyboard_interactive"));
    json_decref(o);
}

static void test_request_key(void **state)
{
    (void)state;
    for (int is_signed = 0; is_signed <= 1; is_signed++) {
        struct auth_req req = dialectkit_key(is_signed != 0);
        json_t *o = body_of(dialectkit_ask(&http, &req));
        const json_t *key = json_object_get(o, "public_key");
        assert_string_equal(text_at(o, "public_key", "algorithm"), "ssh-ed25519");
        assert_string_equal(text_at(o, "public_key", "fingerprint"), "SHA256:x");
        assert_string_equal(text_at(o, "public_key", "blob"), strchr(AUTHKIT_ED25519, ' ') + 1);
        assert_int_equal(json_is_true(json_object_get(key, "signed")), is_signed);
        assert_null(json_object_get(o, "password"));
        json_decref(o);
    }
}

static void test_request_answers(void **state)
{
    (void)state;
    static const char *const answers[] = {"123456", ""};
    struct auth_req req = dialectkit_answers(2, answers, 2, "opaque");
    json_t *o = body_of(dialectkit_ask(&http, &req));
    const json_t *k = json_object_get(o, "keyboard_interactive");
    assert_int_equal(json_integer_value(json_object_get(k, "step")), 2);
    assert_int_equal(json_array_size(json_object_get(k, "answers")), 2);
    assert_string_equal(text_at(o, "keyboard_interactive", "state"), "opaque");
    json_decref(o);
    req = dialectkit_answers(1, NULL, 0, NULL);
    o = body_of(dialectkit_ask(&http, &req));
    k = json_object_get(o, "keyboard_interactive");
    assert_int_equal(json_array_size(json_object_get(k, "answers")), 0);
    assert_null(json_object_get(k, "state"));
    json_decref(o);
}

/* What cannot be said in JSON is refused without a question. */
static void test_request_refused(void **state)
{
    (void)state;
    struct auth_req req = dialectkit_password("\xff");
    dialectkit_unasked(&http, &req, AUTH_REJECT, NULL);
    req = dialectkit_password("x");
    req.user = "\xc3";
    dialectkit_unasked(&http, &req, AUTH_REJECT, NULL);
    static const char *const answers[] = {"ok", "\x80"};
    req = dialectkit_answers(2, answers, 2, NULL);
    dialectkit_unasked(&http, &req, AUTH_REJECT, NULL);
}

/* The largest that libssh lets through, in the bytes that JSON makes the most of. */
static void test_request_large(void **state)
{
    (void)state;
    char user[IDENTITY_USER_MAX + 1];
    char *password = mem_alloc(65537);
    memset(user, 1, IDENTITY_USER_MAX);
    memset(password, 1, 65536);
    user[IDENTITY_USER_MAX] = '\0';
    password[65536] = '\0';
    struct auth_req req = dialectkit_password(password);
    req.user = user;
    json_t *o = body_of(dialectkit_ask(&http, &req));
    assert_int_equal(json_string_length(json_object_get(o, "password")), 65536);
    json_decref(o);
    mem_free_secret_str(&password);
}

#define OK "{\"decision\": \"accept\", \"identity\": "

static void test_answer(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {200, OK "{\"mounts\": [{\"path\": \"/\", \"backend\": \"d\", \"prefix\": \"a\"}]}}",
         AUTH_ACCEPT, NULL},
        {200, OK "{}}", AUTH_ACCEPT, NULL},
        {200, "{\"decision\": \"accept\"}", AUTH_ACCEPT, NULL},
        {200, "{\"decision\": \"reject\"}", AUTH_REJECT, NULL},
        {200, "{\"decision\": \"reject\", \"reason\": \"gone\"}", AUTH_REJECT, "gone"},
        {200, "{\"decision\": \"next\"}", AUTH_NEXT, NULL},
        {200, "", AUTH_FAULT, "empty"},
        {200, "   ", AUTH_FAULT, "no JSON"},
        {200, "<html><body>hello</body></html>", AUTH_FAULT, "no JSON"},
        {200, "{\"decision\": \"acc", AUTH_FAULT, "no JSON"},
        {200, "{\"decision\": \"accept\"", AUTH_FAULT, "no JSON"},
        {200, "{\"decision\": \"accept\"} x", AUTH_FAULT, "no JSON"},
        {200, "{\"decision\": \"reject\", \"decision\": \"accept\"}", AUTH_FAULT, "no JSON"},
        {200, "{\"decision\": \"accept\\u0000\"}", AUTH_FAULT, "no JSON"},
        {200, "{\"decision\": \"accept\xff\"}", AUTH_FAULT, "no JSON"},
        {200, "null", AUTH_FAULT, "no object"},
        {200, "true", AUTH_FAULT, "no object"},
        {200, "\"accept\"", AUTH_FAULT, "no object"},
        {200, "[{\"decision\": \"accept\"}]", AUTH_FAULT, "no object"},
        {200, "{}", AUTH_FAULT, "decision: is missing"},
        {200, "{\"Decision\": \"accept\"}", AUTH_FAULT, "decision: is missing"},
        {200, "{\"identity\": {\"public_keys\": []}}", AUTH_FAULT, "decision: is missing"},
        {200, "{\"decision\": true}", AUTH_FAULT, "decision: must be"},
        {200, "{\"decision\": null}", AUTH_FAULT, "decision: must be"},
        {200, "{\"decision\": [\"accept\"]}", AUTH_FAULT, "decision: must be"},
        {200, "{\"decision\": \"ACCEPT\"}", AUTH_FAULT, "\"ACCEPT\" is none"},
        {200, "{\"decision\": \"allow\"}", AUTH_FAULT, "\"allow\" is none"},
        {200, "{\"decision\": \"accept\", \"ttl\": 1}", AUTH_FAULT, "ttl: "},
        {200, "{\"decision\": \"accept\", \"reason\": \"x\"}", AUTH_FAULT, "reason: "},
        {200, "{\"decision\": \"reject\", \"identity\": {}}", AUTH_FAULT, "identity: "},
        {200, "{\"decision\": \"reject\", \"reason\": 1}", AUTH_FAULT, "reason: "},
        {200, "{\"decision\": \"accept\", \"id\": \"other\"}", AUTH_FAULT, "id: "},
        {200, "{\"decision\": \"accept\", \"id\": 1}", AUTH_FAULT, "id: "},
        {200, "{\"decision\": \"ask\", \"prompts\": []}", AUTH_FAULT, "keyboard-interactive only"},
        {200, OK "null}", AUTH_FAULT, "identity: "},
        {200, OK "[]}", AUTH_FAULT, "identity: "},
        {200, OK "{\"is_admin\": false}}", AUTH_REJECT, "is_admin"},
        {200, OK "{\"home\": 1}}", AUTH_REJECT, "home"},
        {200, OK "{\"mounts\": [{\"path\": \"/\", \"backend\": \"d\", \"prefix\": \"../b\"}]}}",
         AUTH_REJECT, "mounts[0].prefix"},
        {200, OK "{\"user\": \"\"}}", AUTH_REJECT, "user"},
        {401, "{\"decision\": \"accept\"}", AUTH_FAULT, "HTTP status 401"},
        {201, "{\"decision\": \"accept\"}", AUTH_FAULT, "HTTP status 201"},
        {204, "", AUTH_FAULT, "HTTP status 204"},
        {302, "", AUTH_FAULT, "HTTP status 302"},
        {500, "{\"decision\": \"accept\"}", AUTH_FAULT, "HTTP status 500"},
    };
    struct auth_req req = dialectkit_password("x");
    DIALECTKIT_ROWS(&http, &req, rows);
}

static void test_answer_large_or_deep(void **state)
{
    (void)state;
    struct auth_req req = dialectkit_password("x");
    struct gw_buf b;
    gw_buf_init(&b, DIALECT_ANSWER_MAX_BYTES + 1);
    memset(gw_buf_reserve(&b, 100000), '[', 100000);
    gw_buf_commit(&b, 100000);
    dialectkit_ask(&http, &req);
    struct dialect_verdict v = dialectkit_answer(&http, &req, 200, gw_buf_cstr(&b));
    assert_int_equal(v.verdict, AUTH_FAULT);
    gw_buf_reset(&b);
    gw_buf_put_text(&b, "{\"decision\": \"accept\"}");
    size_t rest = DIALECT_ANSWER_MAX_BYTES - b.len;
    memset(gw_buf_reserve(&b, rest), ' ', rest);
    gw_buf_commit(&b, rest);
    struct dialect_got got = {200, gw_buf_span(&b)};
    dialect_answer(http.d, &req, &http.ask, &got, &v);
    assert_int_equal(v.verdict, AUTH_ACCEPT);
    dialect_verdict_free(&v);
    gw_buf_put_u8(&b, ' ');
    got.body = gw_buf_span(&b);
    dialect_answer(http.d, &req, &http.ask, &got, &v);
    assert_int_equal(v.verdict, AUTH_FAULT);
    gw_buf_free(&b);
}

/* The answer's keys decide, where there are any. */
static void test_answer_key(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {200, "{\"decision\": \"accept\"}", AUTH_ACCEPT, NULL},
        {200, OK "{\"public_keys\": [\"" AUTHKIT_ED25519 " alice\"]}}", AUTH_ACCEPT, NULL},
        {200, "{\"identity\": {\"public_keys\": [\"" AUTHKIT_ED25519 "\"]}}", AUTH_ACCEPT, NULL},
        {200, "{\"identity\": {\"public_keys\": [\"" AUTHKIT_ECDSA "\", \"" AUTHKIT_ED25519 "\"]}}",
         AUTH_ACCEPT, NULL},
        {200, "{\"identity\": {\"public_keys\": [\"" AUTHKIT_ED25519_OTHER "\"]}}", AUTH_REJECT,
         "not a key"},
        {200, "{\"identity\": {\"public_keys\": [\"command=\\\"x\\\" " AUTHKIT_ED25519 "\"]}}",
         AUTH_REJECT, "not a key"},
        {200,
         "{\"identity\": {\"public_keys\": [\"from=\\\"192.0.2.0/24\\\" " AUTHKIT_ED25519 "\"]}}",
         AUTH_REJECT, "not a key"},
        {200, "{\"identity\": {\"public_keys\": []}}", AUTH_REJECT, "not a key"},
        {200, OK "{\"public_keys\": []}}", AUTH_REJECT, "not a key"},
        {200, OK "{\"public_keys\": [\"" AUTHKIT_ECDSA "\"]}}", AUTH_REJECT, "not a key"},
        {200, "{\"identity\": {}}", AUTH_FAULT, "decision: is missing"},
        {200, "{\"identity\": {\"public_keys\": [1]}}", AUTH_REJECT, "public_keys[0]"},
        {200, "{\"identity\": {\"public_keys\": []}, \"x\": 1}", AUTH_FAULT, "x: "},
    };
    for (int is_signed = 0; is_signed <= 1; is_signed++) {
        struct auth_req req = dialectkit_key(is_signed != 0);
        DIALECTKIT_ROWS(&http, &req, rows);
    }
}

#define ASK "{\"decision\": \"ask\", "

static void test_answer_ask_refused(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {200, ASK "\"prompts\": []}", AUTH_ASK, NULL},
        {200, ASK "\"prompts\": [{\"text\": \"Code: \"}]}", AUTH_ASK, NULL},
        {200, "{\"decision\": \"ask\"}", AUTH_FAULT, "prompts: "},
        {200, ASK "\"prompts\": {}}", AUTH_FAULT, "prompts: "},
        {200, ASK "\"prompts\": [\"Code: \"]}", AUTH_FAULT, "prompts: "},
        {200, ASK "\"prompts\": [{\"echo\": true}]}", AUTH_FAULT, "prompts: "},
        {200, ASK "\"prompts\": [{\"text\": \"a\"}, {\"text\": 1}]}", AUTH_FAULT, "text: "},
        {200, ASK "\"prompts\": [{\"text\": \"a\", \"echo\": 1}]}", AUTH_FAULT, "prompts: "},
        {200, ASK "\"prompts\": [{\"text\": \"a\", \"Echo\": true}]}", AUTH_FAULT, "Echo: "},
        {200, ASK "\"prompts\": [], \"instruction\": 1}", AUTH_FAULT, "instruction: "},
        {200, ASK "\"prompts\": [], \"state\": {}}", AUTH_FAULT, "state: "},
        {200, ASK "\"prompts\": [], \"identity\": {}}", AUTH_FAULT, "identity: "},
        {200, ASK "\"prompts\": [{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}", AUTH_FAULT,
         "at most 16"},
        {200, OK "{}}", AUTH_ACCEPT, NULL},
    };
    struct auth_req req = dialectkit_answers(1, NULL, 0, NULL);
    DIALECTKIT_ROWS(&http, &req, rows);
}

static void test_answer_ask(void **state)
{
    (void)state;
    struct auth_req req = dialectkit_answers(1, NULL, 0, NULL);
    dialectkit_ask(&http, &req);
    struct dialect_verdict v = dialectkit_answer(
        &http, &req, 200,
        ASK "\"instruction\": \"Hello\", \"state\": \"s1\", \"prompts\": [{\"text\": \"Name: \", "
            "\"echo\": true}, {\"text\": \"Code: \", \"echo\": false}]}");
    struct auth_res res = dialect_res(&v);
    assert_int_equal(res.verdict, AUTH_ASK);
    assert_string_equal(res.instruction, "Hello");
    assert_string_equal(res.state, "s1");
    assert_int_equal(res.nprompts, 2);
    assert_string_equal(res.prompts[0].text, "Name: ");
    assert_true(res.prompts[0].echo);
    assert_string_equal(res.prompts[1].text, "Code: ");
    assert_false(res.prompts[1].echo);
    dialect_verdict_free(&v);
}

/* The answer is laid over `users`, and the id may be repeated. */
static void test_answer_identity(void **state)
{
    (void)state;
    struct auth_req req = dialectkit_password("x");
    char body[256];
    const struct dialect_ask *ask = dialectkit_ask(&http, &req);
    snprintf(body, sizeof body,
             "{\"id\": \"%s\", "
             "\"decision\": \"accept\", \"identity\": "
             "{\"idle_s\": 60, \"next_methods\": [\"publickey\"]}}",
             ask->id);
    struct dialect_verdict v = dialectkit_answer(&http, &req, 200, body);
    struct auth_res res = dialect_res(&v);
    assert_int_equal(res.verdict, AUTH_ACCEPT);
    assert_string_equal(res.id->user, "alice");
    assert_string_equal(res.id->home, "/in");
    assert_int_equal(res.id->idle_s, 60);
    assert_string_equal(res.id->next_methods[0], "publickey");
    identity_free(&res.id);
    dialect_verdict_free(&v);
}

/* Whoever names a store decides what is opened: the configuration says whether it may. */
static void test_answer_store(void **state)
{
    (void)state;
    static const char body[] = OK "{\"mounts\": [{\"path\": \"/\", \"store\": {\"type\": "
                                  "\"memory\"}}]}}";
    static const struct dialectkit_row refused = {200, body, AUTH_REJECT, "allow_stores"};
    static const struct dialectkit_row accepted = {200, body, AUTH_ACCEPT, NULL};
    struct auth_req req = dialectkit_password("x");
    struct dialectkit k;
    dialectkit_rows(&http, &req, &refused, 1);
    dialectkit_open(&k, DIALECT_HTTP, "{\"allow_stores\": true}", NULL);
    dialectkit_rows(&k, &req, &accepted, 1);
    dialectkit_close(&k);
}

static void test_program(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {0, "{\"decision\": \"accept\"}\n", AUTH_ACCEPT, NULL},
        {1, "{\"decision\": \"accept\"}", AUTH_FAULT, "exit code 1"},
        {0, "starting...\n{\"decision\": \"accept\"}", AUTH_FAULT, "no JSON"},
        {0, "", AUTH_FAULT, "empty"},
    };
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_PROGRAM, "{\"dialect\": \"postern\"}", NULL);
    struct auth_req req = dialectkit_password("x");
    const struct dialect_ask *ask = dialectkit_ask(&k, &req);
    assert_int_equal(ask->nenv, 0);
    assert_int_equal(ask->nheaders, 0);
    assert_true(dialect_has_ids(k.d));
    DIALECTKIT_ROWS(&k, &req, rows);
    dialectkit_close(&k);
}

static void test_foreign_keys(void **state)
{
    (void)state;
    static const struct {
        const char *config, *problem;
    } rows[] = {
        {"{\"home_base\": \"/srv\"}", "home_base: "},
        {"{\"backend\": \"d\"}", "backend: "},
        {"{\"roles\": {}}", "roles: "},
        {"{\"buckets\": {}}", "buckets: "},
        {"{\"server_id\": \"s-1\"}", "server_id: "},
        {"{\"form\": \"json\"}", "form: "},
        {"{\"keyboard_interactive_url\": \"http://x/\"}", "keyboard_interactive_url: "},
        {"{\"keyboard_interactive_command\": [\"x\"]}", "keyboard_interactive_command: "},
        {"{\"request\": {\"body\": \"x\"}}", "request.body: "},
        {"{\"accept_when\": {}}", "accept_when: "},
        {"{\"reject_when\": {}}", "reject_when: "},
        {"{\"identity\": {}}", "identity: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dialectkit k;
        dialectkit_open(&k, DIALECT_HTTP, rows[i].config, NULL);
        assert_null(k.d);
        if (strstr(k.problem.text, rows[i].problem) != k.problem.text)
            fail_msg("%s: %s", rows[i].config, k.problem.text);
        dialectkit_close(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_password),
        cmocka_unit_test(test_request_key),
        cmocka_unit_test(test_request_answers),
        cmocka_unit_test(test_request_refused),
        cmocka_unit_test(test_request_large),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_answer_large_or_deep),
        cmocka_unit_test(test_answer_key),
        cmocka_unit_test(test_answer_ask_refused),
        cmocka_unit_test(test_answer_ask),
        cmocka_unit_test(test_answer_identity),
        cmocka_unit_test(test_answer_store),
        cmocka_unit_test(test_program),
        cmocka_unit_test(test_foreign_keys),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
