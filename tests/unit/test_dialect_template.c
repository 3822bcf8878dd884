#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/authkit.h"
#include "tests/support/dialectkit.h"

#define T "{\"dialect\": \"template\", "
/* OAuth 2's password grant, RFC 6749 section 4.3. */
#define FORM                                                                                       \
    T "\"request\": {\"url\": \"https://id.example/t/${user}?ip=${client_address}&u=${user}\", "   \
      "\"headers\": {\"Content-Type\": \"application/x-www-form-urlencoded\", \"X-User\": "        \
      "\"<${user}>\", \"Authorization\": \"Basic ${basic}\"}, \"body\": "                          \
      "\"grant_type=password&username=${user}&password=${password}\"}, "                           \
      "\"accept_when\": {\"status\": 200, \"pointer\": \"/access_token\"}, "                       \
      "\"reject_when\": {\"status\": 400, \"pointer\": \"/error\", \"equals\": "                   \
      "\"invalid_grant\"}}"
#define JSON                                                                                       \
    T "\"request\": {\"body\": \"{\\\"login\\\": {\\\"name\\\": \\\"${user}\\\", \\\"pw\\\": "     \
      "\\\"${password}\\\", \\\"key\\\": \\\"${public_key}\\\"}, \\\"how\\\": "                    \
      "\\\"${method}\\\"}\"}, "                                                                    \
      "\"accept_when\": {\"pointer\": \"/ok\", \"equals\": true}, "                                \
      "\"reject_when\": {\"pointer\": \"/ok\", \"equals\": false}, "                               \
      "\"identity\": {\"home\": \"/user/home\", \"public_keys\": \"/user/keys\"}}"

static void test_form(void **state)
{
    (void)state;
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_HTTP, FORM, NULL);
    struct auth_req req = dialectkit_password("p&w=%+ \n\"\xc3\xa4");
    req.user = "a/..?&=#%\"{}";
    const struct dialect_ask *ask = dialectkit_ask(&k, &req);
    assert_string_equal(ask->method, "POST");
    assert_string_equal(ask->url, "https://id.example/t/a%2F..%3F%26%3D%23%25%22%7B%7D"
                                  "?ip=203.0.113.9&u=a%2F..%3F%26%3D%23%25%22%7B%7D");
    assert_true(gw_span_eq(gw_buf_span(&ask->body),
                           "grant_type=password&username=a%2F..%3F%26%3D%23%25%22%7B%7D&password="
                           "p%26w%3D%25%2B%20%0A%22%C3%A4"));
    assert_int_equal(ask->nheaders, 3);
    assert_string_equal(ask->headers[1], "X-User: <a/..?&=#%\"{}>");
    dialectkit_close(&k);
}

static void test_basic(void **state)
{
    (void)state;
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_HTTP,
                    T "\"request\": {\"method\": \"GET\", \"url\": \"http://x/me\", \"headers\": "
                      "{\"Authorization\": \"Basic ${basic}\"}}, \"accept_when\": {\"status\": "
                      "204}, \"reject_when\": {\"status\": 401}}",
                    NULL);
    struct auth_req req = dialectkit_password("open sesame");
    const struct dialect_ask *ask = dialectkit_ask(&k, &req);
    assert_string_equal(ask->method, "GET");
    assert_string_equal(ask->headers[0], "Authorization: Basic YWxpY2U6b3BlbiBzZXNhbWU=");
    assert_int_equal(ask->nheaders, 1);
    static const struct dialectkit_row rows[] = {
        {204, "", AUTH_ACCEPT, NULL},
        {401, "<html>", AUTH_REJECT, "reject_when"},
        {200, "", AUTH_FAULT, "neither"},
        {500, "", AUTH_FAULT, "neither"},
    };
    DIALECTKIT_ROWS(&k, &req, rows);
    dialectkit_close(&k);
}

static void test_json(void **state)
{
    (void)state;
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_HTTP, JSON, NULL);
    struct auth_req req = dialectkit_password("\", \"admin\": true, \"x\": \"\\\n${user}");
    req.user = "a\"}b";
    const struct dialect_ask *ask = dialectkit_ask(&k, &req);
    json_t *o = dialectkit_body(ask);
    const json_t *login = json_object_get(o, "login");
    assert_int_equal(json_object_size(o), 2);
    assert_int_equal(json_object_size(login), 3);
    assert_string_equal(json_string_value(json_object_get(login, "name")), req.user);
    assert_string_equal(json_string_value(json_object_get(login, "pw")), req.password);
    assert_string_equal(json_string_value(json_object_get(login, "key")), "");
    assert_string_equal(json_string_value(json_object_get(o, "how")), "password");
    assert_string_equal(ask->headers[0], "Content-Type: application/json");
    assert_string_equal(ask->url, "http://127.0.0.1/auth");
    json_decref(o);
    req = dialectkit_key(false);
    ask = dialectkit_ask(&k, &req);
    o = dialectkit_body(ask);
    login = json_object_get(o, "login");
    assert_string_equal(json_string_value(json_object_get(login, "key")), AUTHKIT_ED25519);
    assert_string_equal(json_string_value(json_object_get(login, "pw")), "");
    json_decref(o);
    dialectkit_close(&k);
}

/* What cannot stand where the template puts it is refused without a question. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *user, *password, *why;
    } rows[] = {
        {"..", "x", "${user}"},     {".", "x", "${user}"},    {"a\r\nX: y", "x", "${user}"},
        {"a\nb", "x", "${user}"},   {"a:b", "x", "${basic}"}, {"\xff", "x", "UTF-8"},
        {"alice", "\xff", "UTF-8"},
    };
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_HTTP, FORM, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct auth_req req = dialectkit_password(rows[i].password);
        req.user = rows[i].user;
        dialectkit_unasked(&k, &req, AUTH_REJECT, rows[i].why);
    }
    dialectkit_close(&k);
}

static void test_form_answer(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {200, "{\"access_token\": \"t\", \"expires_in\": 60}", AUTH_ACCEPT, NULL},
        {400, "{\"error\": \"invalid_grant\"}", AUTH_REJECT, "reject_when"},
        {400, "{\"error\": \"invalid_client\"}", AUTH_FAULT, "neither"},
        {200, "{\"access_token\": null}", AUTH_FAULT, "neither"},
        {200, "{\"access_token\": \"\"}", AUTH_FAULT, "neither"},
        {200, "{\"access_token\": false}", AUTH_FAULT, "neither"},
        {200, "{\"Access_token\": \"t\"}", AUTH_FAULT, "neither"},
        {200, "{}", AUTH_FAULT, "neither"},
        {200, "", AUTH_FAULT, "empty"},
        {200, "<html>access_token</html>", AUTH_FAULT, "no JSON"},
        {200, "{\"access_token\": \"t\"", AUTH_FAULT, "no JSON"},
        {200, "{\"access_token\": \"\", \"access_token\": \"t\"}", AUTH_FAULT, "no JSON"},
        {201, "{\"access_token\": \"t\"}", AUTH_FAULT, "neither"},
        {302, "{\"access_token\": \"t\"}", AUTH_FAULT, "neither"},
        {500, "{\"access_token\": \"t\"}", AUTH_FAULT, "neither"},
        {400, "", AUTH_FAULT, "neither"},
    };
    struct dialectkit k;
    struct auth_req req = dialectkit_password("x");
    dialectkit_open(&k, DIALECT_HTTP, FORM, NULL);
    DIALECTKIT_ROWS(&k, &req, rows);
    dialectkit_close(&k);
}

#define KEYS "\"keys\": [\"" AUTHKIT_ED25519 "\"]"

static void test_json_answer(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {200, "{\"ok\": true, \"user\": {\"home\": \"/in\", " KEYS "}}", AUTH_ACCEPT, NULL},
        {200, "{\"ok\": false}", AUTH_REJECT, "reject_when"},
        {500, "{\"ok\": false}", AUTH_REJECT, "reject_when"},
        {500, "{\"ok\": true, \"user\": {\"home\": \"/in\", " KEYS "}}", AUTH_FAULT, "neither"},
        {200, "{\"ok\": \"true\"}", AUTH_FAULT, "neither"},
        {200, "{\"ok\": 1}", AUTH_FAULT, "neither"},
        {200, "[true]", AUTH_FAULT, "neither"},
        {200, "true", AUTH_FAULT, "neither"},
        {200, "{\"ok\": true}", AUTH_REJECT, "identity.home: "},
        {200, "{\"ok\": true, \"user\": {\"home\": \"in\", " KEYS "}}", AUTH_REJECT, "home: "},
        {200, "{\"ok\": true, \"user\": {\"home\": null, " KEYS "}}", AUTH_REJECT, "home: "},
        {200, "{\"ok\": true, \"user\": {\"home\": \"/in\"}}", AUTH_REJECT,
         "identity.public_keys: "},
    };
    static const struct dialectkit_row key_rows[] = {
        {200, "{\"ok\": true, \"user\": {\"home\": \"/in\", " KEYS "}}", AUTH_ACCEPT, NULL},
        {200, "{\"ok\": true, \"user\": {\"home\": \"/in\", \"keys\": []}}", AUTH_REJECT,
         "not a key"},
    };
    struct dialectkit k;
    struct auth_req req = dialectkit_password("x");
    dialectkit_open(&k, DIALECT_HTTP, JSON, NULL);
    DIALECTKIT_ROWS(&k, &req, rows);
    req = dialectkit_key(true);
    DIALECTKIT_ROWS(&k, &req, key_rows);
    dialectkit_close(&k);
}

/* A template without the password proves nothing about a password. */
static void test_methods(void **state)
{
    (void)state;
    static const struct {
        const char *variable;
        bool password, key;
    } rows[] = {
        {"${password}", true, false},
        {"${basic}", true, false},
        {"${public_key}", false, true},
        {"${fingerprint}", false, true},
        {"${password}${public_key}", true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char config[256];
        struct dialectkit k;
        struct dialect_verdict v;
        struct dialect_ask ask = {.part = 0};
        snprintf(config, sizeof config,
                 T "\"request\": {\"url\": \"http://x/?a=%s\"}, \"accept_when\": {\"status\": "
                   "200}}",
                 rows[i].variable);
        dialectkit_open(&k, DIALECT_HTTP, config, NULL);
        assert_non_null(k.d);
        struct auth_req req = dialectkit_password("x");
        assert_int_equal(dialect_ask(k.d, &req, &ask, &v), rows[i].password);
        assert_int_equal(v.verdict, rows[i].password ? AUTH_FAULT : AUTH_NEXT);
        dialect_verdict_free(&v);
        req = dialectkit_key(false);
        assert_int_equal(dialect_ask(k.d, &req, &ask, &v), rows[i].key);
        dialect_verdict_free(&v);
        dialect_ask_free(&ask);
        dialectkit_close(&k);
    }
}

#define URL  "\"request\": {\"url\": \"http://x/?p=${password}\"}"
#define WHEN "\"accept_when\": {\"status\": 200}"

static void test_config(void **state)
{
    (void)state;
    static const struct {
        const char *config, *problem;
    } rows[] = {
        {T URL "}", "accept_when: is missing"},
        {T URL ", \"accept_when\": {}}", "accept_when: "},
        {T URL ", \"accept_when\": {\"status\": \"200\"}}", "accept_when.status: "},
        {T URL ", \"accept_when\": {\"status\": 20}}", "accept_when.status: "},
        {T URL ", \"accept_when\": {\"state\": 200}}", "accept_when.state: "},
        {T URL ", \"accept_when\": {\"pointer\": \"ok\"}}", "accept_when.pointer: "},
        {T URL ", \"accept_when\": {\"pointer\": \"/a~2\"}}", "accept_when.pointer: "},
        {T URL ", \"accept_when\": {\"status\": 200, \"equals\": 1}}", "accept_when.equals: "},
        {T URL ", " WHEN ", \"reject_when\": {\"stats\": 1}}", "reject_when.stats: "},
        {T URL ", " WHEN ", \"identity\": {\"home\": \"in\"}}", "identity.home: "},
        {T URL ", " WHEN ", \"identity\": {\"home\": 1}}", "identity.home: "},
        {T "\"request\": {\"url\": \"http://x/\"}, " WHEN "}", "request: "},
        {T "\"request\": {\"url\": \"http://x/?u=${user}\"}, " WHEN "}", "request: "},
        {T "\"request\": {\"url\": \"http://${user}/${password}\"}, " WHEN "}", "request.url: "},
        {T "\"request\": {\"url\": \"http://x${user}?p=${password}\"}, " WHEN "}", "request.url: "},
        {T "\"request\": {\"url\": \"/x?p=${password}\"}, " WHEN "}", "request.url: "},
        {T "\"request\": {\"body\": \"{\\\"p\\\": ${password}}\"}, " WHEN "}", "request.body: "},
        {T "\"request\": {\"body\": \"[${password}]\"}, " WHEN "}", "request.body: "},
        {T "\"request\": {\"body\": \"{\\\"p\\\": \\\"\\\\${password}\\\"}\"}, " WHEN "}",
         "request.body: "},
        {T "\"request\": {\"body\": \"p=${password}\"}, " WHEN "}", "request.body: "},
        {T "\"request\": {\"body\": \"$${secret}\"}, " WHEN "}",
         "request.body: there is no variable"},
        {T "\"request\": {\"headers\": {\"A\": \"$${x\", \"B\": \"${password}\"}}, " WHEN "}",
         "request.headers: there is no variable"},
        {T "\"request\": {\"headers\": {\"A: b\": \"${password}\"}}, " WHEN "}",
         "request.headers: "},
        {T "\"request\": {\"headers\": {\"A\": 1}}, " WHEN "}", "request.headers.A: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dialectkit k;
        dialectkit_open(&k, DIALECT_HTTP, rows[i].config, NULL);
        if (k.d != NULL || strstr(k.problem.text, rows[i].problem) != k.problem.text)
            fail_msg("%s: %s", rows[i].config, k.problem.text);
        dialectkit_close(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),        cmocka_unit_test(test_basic),
        cmocka_unit_test(test_json),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_form_answer), cmocka_unit_test(test_json_answer),
        cmocka_unit_test(test_methods),     cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
