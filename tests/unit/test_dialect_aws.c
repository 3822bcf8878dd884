#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/authkit.h"
#include "tests/support/dialectkit.h"

#define ROLE   "arn:aws:iam::123456789012:role/sftp"
#define CONFIG "{\"dialect\": \"aws-transfer\", " MAPS "}"
#define MAPS                                                                                       \
    "\"roles\": {\"" ROLE "\": \"\", \"arn:partner\": \"partner-a\"}, "                            \
    "\"buckets\": {\"drops\": \"d\"}"
#define USER    "{\"Role\": \"" ROLE "\", "
#define LOGICAL "\"HomeDirectoryType\": \"LOGICAL\", \"HomeDirectoryDetails\": "
#define HOME    "\"HomeDirectory\": \"/drops/alice\""

static struct dialectkit rest;

static int setup(void **state)
{
    (void)state;
    dialectkit_open(&rest, DIALECT_HTTP, CONFIG, NULL);
    return rest.d == NULL;
}

static int teardown(void **state)
{
    (void)state;
    dialectkit_close(&rest);
    return 0;
}

static void test_get(void **state)
{
    (void)state;
    static const struct {
        const char *user, *url;
    } rows[] = {
        {"alice", "alice"},       {"a/b", "a%2Fb"},
        {"a/../b", "a%2F..%2Fb"}, {"a?b=c&d#e", "a%3Fb%3Dc%26d%23e"},
        {"a%2e", "a%252e"},       {"a b\r\nX: y", "a%20b%0D%0AX%3A%20y"},
        {"\xc3\xa4", "%C3%A4"},   {"...", "..."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct auth_req req = dialectkit_password("x");
        char want[256];
        req.user = rows[i].user;
        snprintf(want, sizeof want,
                 "http://127.0.0.1/auth/servers/postern/users/%s/config?protocol=SFTP"
                 "&sourceIp=203.0.113.9",
                 rows[i].url);
        const struct dialect_ask *ask = dialectkit_ask(&rest, &req);
        assert_string_equal(ask->method, "GET");
        assert_string_equal(ask->url, want);
        assert_int_equal(ask->body.len, 0);
    }
}

/* A name that would be another path, and a password that would look like a key login: the answer to
 * that has a Role for the user to be compared with, and would let in. */
static void test_refused_unasked(void **state)
{
    (void)state;
    static const struct {
        const char *form, *user, *password;
    } rows[] = {
        {"api-gateway", ".", "x"},
        {"api-gateway", "..", "x"},
        {"api-gateway", "alice", ""},
        {"json", "alice", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dialectkit k;
        char config[512];
        snprintf(config, sizeof config, "{\"dialect\": \"aws-transfer\", \"form\": \"%s\", %s}",
                 rows[i].form, MAPS);
        dialectkit_open(&k, DIALECT_HTTP, config, NULL);
        struct auth_req req = dialectkit_password(rows[i].password);
        req.user = rows[i].user;
        dialectkit_unasked(&k, &req, AUTH_REJECT, NULL);
        dialectkit_close(&k);
    }
}

static void test_get_password(void **state)
{
    (void)state;
    static const struct {
        const char *password, *base64, *plain;
    } rows[] = {
        {"secret", "c2VjcmV0", "secret"},
        {"a\r\nb", "YQ0KYg==", NULL},
        {" a", "IGE=", NULL},
        {"\xff", "/w==", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct auth_req req = dialectkit_password(rows[i].password);
        const struct dialect_ask *ask = dialectkit_ask(&rest, &req);
        assert_string_equal(dialectkit_header(ask, "PasswordBase64"), rows[i].base64);
        if (rows[i].plain == NULL)
            assert_null(dialectkit_header(ask, "Password"));
        else
            assert_string_equal(dialectkit_header(ask, "Password"), rows[i].plain);
    }
    struct auth_req req = dialectkit_key(true);
    const struct dialect_ask *ask = dialectkit_ask(&rest, &req);
    assert_null(dialectkit_header(ask, "Password"));
    assert_null(dialectkit_header(ask, "PasswordBase64"));
}

static void test_post(void **state)
{
    (void)state;
    struct dialectkit k;
    dialectkit_open(
        &k, DIALECT_HTTP,
        "{\"dialect\": \"aws-transfer\", \"form\": \"json\", \"server_id\": \"s-1\", " MAPS "}",
        NULL);
    struct auth_req req = dialectkit_password("p\"w");
    const struct dialect_ask *ask = dialectkit_ask(&k, &req);
    json_t *o = dialectkit_body(ask);
    assert_string_equal(ask->method, "POST");
    assert_null(ask->url);
    assert_int_equal(json_object_size(o), 5);
    assert_string_equal(json_string_value(json_object_get(o, "username")), "alice");
    assert_string_equal(json_string_value(json_object_get(o, "password")), "p\"w");
    assert_string_equal(json_string_value(json_object_get(o, "protocol")), "SFTP");
    assert_string_equal(json_string_value(json_object_get(o, "serverId")), "s-1");
    assert_string_equal(json_string_value(json_object_get(o, "sourceIp")), "203.0.113.9");
    json_decref(o);
    req = dialectkit_key(false);
    ask = dialectkit_ask(&k, &req);
    o = dialectkit_body(ask);
    assert_string_equal(json_string_value(json_object_get(o, "password")), "");
    json_decref(o);
    dialectkit_close(&k);
}

static void test_answer(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {200, USER HOME "}", AUTH_ACCEPT, NULL},
        {200, USER HOME ", \"HomeDirectoryType\": \"PATH\", \"Policy\": \"\"}", AUTH_ACCEPT, NULL},
        {200, USER HOME ", \"PosixProfile\": {\"Uid\": 1000, \"Gid\": 1000}}", AUTH_ACCEPT, NULL},
        {200, USER LOGICAL "\"[{\\\"Entry\\\": \\\"/\\\", \\\"Target\\\": \\\"/drops/a\\\"}]\"}",
         AUTH_ACCEPT, NULL},
        {200, USER HOME ", \"PublicKeys\": []}", AUTH_ACCEPT, NULL}, /* a password */
        {200, "{}", AUTH_REJECT, "no Role"},
        {200, "{\"Role\": \"\"}", AUTH_REJECT, "no Role"},
        {200, "{\"Role\": \" \"}", AUTH_REJECT, "no Role"},
        {200, "{\"Role\": null}", AUTH_REJECT, "no Role"},
        {200, "{\"Role\": true}", AUTH_FAULT, "Role: "},
        {200, "{\"Role\": \"arn:other\", " HOME "}", AUTH_REJECT, "Role: \"arn:other\""},
        {200, USER "\"Policy\": \"{}\", " HOME "}", AUTH_REJECT, "Policy: "},
        {200, USER "\"Policy\": {}, " HOME "}", AUTH_FAULT, "Policy: "},
        {200, USER "\"IpRange\": \"10.0.0.0/8\", " HOME "}", AUTH_REJECT, "IpRange: "},
        {200, USER "\"HomeDirectory\": \"/whole/alice\"}", AUTH_ACCEPT, NULL},
        {200, USER "\"HomeDirectory\": \"/part/alice\"}", AUTH_REJECT, "\"part\""},
        {200, USER "\"HomeDirectory\": \"/twice/alice\"}", AUTH_REJECT, "\"twice\""},
        {200, USER "\"HomeDirectory\": \"/other/alice\"}", AUTH_REJECT, "HomeDirectory: "},
        {200, USER "\"HomeDirectory\": \"drops/alice\"}", AUTH_REJECT, "HomeDirectory: "},
        {200, USER "\"HomeDirectory\": \"/\"}", AUTH_REJECT, "HomeDirectory: "},
        {200, USER "\"HomeDirectory\": 1}", AUTH_FAULT, "HomeDirectory: "},
        {200, USER "\"HomeDirectory\": \"/drops/../other\"}", AUTH_REJECT, "home: "},
        {200, USER "\"HomeDirectoryType\": \"PATH\"}", AUTH_REJECT, "HomeDirectory: "},
        {200, USER "\"HomeDirectoryType\": \"logical\"}", AUTH_REJECT, "HomeDirectoryType: "},
        {200, USER LOGICAL "[{\"Entry\": \"/\", \"Target\": \"/drops/a\"}]}", AUTH_FAULT,
         "HomeDirectoryDetails: "},
        {200, USER LOGICAL "\"[]\"}", AUTH_FAULT, "HomeDirectoryDetails: "},
        {200, USER LOGICAL "\"[{\"}", AUTH_FAULT, "HomeDirectoryDetails: "},
        {200, USER LOGICAL "\"[1]\"}", AUTH_FAULT, "HomeDirectoryDetails: "},
        {200, USER LOGICAL "\"[{\\\"Entry\\\": \\\"/\\\"}]\"}", AUTH_FAULT,
         "HomeDirectoryDetails: "},
        {200, USER LOGICAL "\"[{\\\"Entry\\\": \\\"/\\\", \\\"Target\\\": \\\"/other/a\\\"}]\"}",
         AUTH_REJECT, "HomeDirectoryDetails.Target: "},
        {200, USER LOGICAL "\"[{\\\"Entry\\\": \\\"/\\\", \\\"Target\\\": \\\"/drops/../b\\\"}]\"}",
         AUTH_REJECT, "mounts[0].prefix"},
        {200,
         USER LOGICAL "\"[{\\\"Entry\\\": \\\"/\\\", \\\"Target\\\": \\\"/drops/a\\\", "
                      "\\\"Type\\\": \\\"FILE\\\"}]\"}",
         AUTH_REJECT, "Type: "},
        {200, USER HOME ", \"HomeDirectoryDetails\": \"[1]\"}", AUTH_REJECT,
         "HomeDirectoryDetails: "},
        {200, USER HOME ", " LOGICAL "\"[1]\"}", AUTH_REJECT, "HomeDirectory: "},
        {200, "", AUTH_FAULT, "empty"},
        {200, "<html>", AUTH_FAULT, "no JSON"},
        {200, "{\"Role\": \"\", \"Role\": \"" ROLE "\"}", AUTH_FAULT, "no JSON"},
        {403, "{\"message\": \"Forbidden\"}", AUTH_FAULT, "HTTP status 403"},
    };
    struct auth_req req = dialectkit_password("x");
    DIALECTKIT_ROWS(&rest, &req, rows);
}

static void test_answer_key(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {200, USER HOME ", \"PublicKeys\": [\"" AUTHKIT_ED25519 "\"]}", AUTH_ACCEPT, NULL},
        {200, USER HOME ", \"PublicKeys\": [\"" AUTHKIT_ED25519_OTHER "\"]}", AUTH_REJECT,
         "not a key"},
        {200, USER HOME ", \"PublicKeys\": []}", AUTH_REJECT, "not a key"},
        {200, USER HOME "}", AUTH_REJECT, "not a key"},
        {200, USER HOME ", \"PublicKeys\": \"" AUTHKIT_ED25519 "\"}", AUTH_FAULT, "PublicKeys: "},
    };
    struct auth_req req = dialectkit_key(true);
    DIALECTKIT_ROWS(&rest, &req, rows);
}

static struct auth_res answered(struct dialect_verdict *v, const char *body)
{
    struct auth_req req = dialectkit_password("x");
    req.user = "a/b";
    dialectkit_ask(&rest, &req);
    *v = dialectkit_answer(&rest, &req, 200, body);
    struct auth_res res = dialect_res(v);
    assert_int_equal(res.verdict, AUTH_ACCEPT);
    return res;
}

static void test_identity(void **state)
{
    (void)state;
    struct dialect_verdict v;
    struct auth_res res = answered(
        &v,
        "{\"Role\": \"arn:partner\", " LOGICAL "\"[{\\\"Entry\\\": \\\"/in\\\", \\\"Target\\\": "
        "\\\"/drops/x/${transfer:UserName}\\\"}, {\\\"Entry\\\": \\\"/all\\\", \\\"Target\\\": "
        "\\\"/drops\\\"}]\"}");
    assert_string_equal(res.id->credentials.set, "partner-a");
    assert_int_equal(res.id->nmounts, 2);
    assert_string_equal(res.id->mounts[0].path, "/in");
    assert_string_equal(res.id->mounts[0].backend, "d");
    assert_string_equal(res.id->mounts[0].prefix, "x/a%2Fb");
    assert_string_equal(res.id->mounts[1].path, "/all");
    assert_string_equal(res.id->mounts[1].prefix, "");
    assert_string_equal(res.id->home, "/");
    identity_free(&res.id);
    dialect_verdict_free(&v);
    res = answered(&v, USER HOME "}");
    assert_null(res.id->credentials.set);
    assert_string_equal(res.id->home, "/drops/alice");
    assert_string_equal(res.id->mounts[0].path, "/drops/alice");
    assert_string_equal(res.id->mounts[0].prefix, "alice");
    identity_free(&res.id);
    dialect_verdict_free(&v);
}

static void test_config(void **state)
{
    (void)state;
    static const struct {
        enum dialect_transport transport;
        const char *config, *problem;
    } rows[] = {
        {DIALECT_HTTP, "{\"dialect\": \"aws-transfer\"}", "roles: "},
        {DIALECT_HTTP,
         "{\"dialect\": \"aws-transfer\", \"roles\": {\"r\": \"\"}, \"buckets\": {\"b\": "
         "\"nowhere\"}}",
         "buckets: there is no backend"},
        {DIALECT_HTTP, "{\"dialect\": \"aws-transfer\", \"roles\": {\"r\": 1}}", "roles[\"r\"]"},
        {DIALECT_HTTP,
         "{\"dialect\": \"aws-transfer\", \"roles\": {\"r\": \"\"}, \"buckets\": {\"b\": \"\"}}",
         "buckets[\"b\"]"},
        {DIALECT_HTTP, "{\"dialect\": \"aws-transfer\", \"home_base\": \"/x\", " MAPS "}",
         "home_base: "},
        {DIALECT_PROGRAM, CONFIG, "dialect: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dialectkit k;
        dialectkit_open(&k, rows[i].transport, rows[i].config, NULL);
        assert_null(k.d);
        if (strstr(k.problem.text, rows[i].problem) != k.problem.text)
            fail_msg("%s: %s", rows[i].config, k.problem.text);
        dialectkit_close(&k);
    }
}

static void test_no_keyboard_interactive(void **state)
{
    (void)state;
    struct auth_req req = dialectkit_answers(1, NULL, 0, NULL);
    dialectkit_unasked(&rest, &req, AUTH_NEXT, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_refused_unasked),
        cmocka_unit_test(test_get_password),
        cmocka_unit_test(test_post),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_answer_key),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_no_keyboard_interactive),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
