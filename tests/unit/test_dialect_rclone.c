#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/authkit.h"
#include "tests/support/dialectkit.h"

#define HOME   "{\"dialect\": \"rclone\", \"home_base\": \"/srv\", \"backend\": \"d\"}"
#define STORES "{\"dialect\": \"rclone\", \"allow_stores\": true}"
#define S3     "{\"type\": \"s3\", \"_root\": \"b/a/x\", "
#define KEYS   "\"access_key_id\": \"AK\", \"secret_access_key\": \"SK\""

static void test_request(void **state)
{
    (void)state;
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_PROGRAM, HOME, NULL);
    struct auth_req req = dialectkit_password("p\"\n");
    const struct dialect_ask *ask = dialectkit_ask(&k, &req);
    json_t *o = dialectkit_body(ask);
    assert_int_equal(json_object_size(o), 3);
    assert_string_equal(json_string_value(json_object_get(o, "user")), "alice");
    assert_string_equal(json_string_value(json_object_get(o, "pass")), "p\"\n");
    assert_string_equal(json_string_value(json_object_get(o, "client_ip")), "203.0.113.9");
    json_decref(o);
    req = dialectkit_key(false);
    ask = dialectkit_ask(&k, &req);
    o = dialectkit_body(ask);
    assert_string_equal(json_string_value(json_object_get(o, "public_key")),
                        strchr(AUTHKIT_ED25519, ' ') + 1);
    assert_null(json_object_get(o, "pass"));
    json_decref(o);
    dialectkit_close(&k);
}

static void test_home(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {0, "{\"type\": \"local\", \"_root\": \"/srv/a\"}", AUTH_ACCEPT, NULL},
        {1, "{\"type\": \"local\", \"_root\": \"/srv/a\"}", AUTH_REJECT, "exit code 1"},
        {1, "", AUTH_REJECT, "exit code 1"},
        {125, "wrong password", AUTH_REJECT, "exit code 125"},
        {69, "", AUTH_FAULT, "exit code 69"},
        {75, "", AUTH_FAULT, "exit code 75"},
        {126, "", AUTH_FAULT, "exit code 126"},
        {127, "", AUTH_FAULT, "exit code 127"},
        {137, "", AUTH_FAULT, "exit code 137"},
        {255, "{\"type\": \"local\", \"_root\": \"/srv/a\"}", AUTH_REJECT, "exit code 255"},
        {0, "{\"type\": \"local\", \"_root\": \"/srvx\"}", AUTH_REJECT, "_root: "},
        {0, "{\"type\": \"local\", \"_root\": \"\"}", AUTH_REJECT, "_root: "},
        {0, "{\"type\": \"local\", \"_root\": \"/srv/../etc\"}", AUTH_REJECT, "mounts[0].prefix"},
        {0, "{\"type\": \"local\", \"_root\": \"/srv/${user}\"}", AUTH_REJECT, "_root: "},
        {0, "{\"type\": \"local\", \"_root\": \"/srv/a\", \"nounc\": \"true\"}", AUTH_REJECT,
         "nounc: "},
        {0, "{\"type\": \"local\"}", AUTH_FAULT, "needs"},
        {0, "{\"_root\": \"/srv/a\"}", AUTH_FAULT, "needs"},
        {0, "{\"type\": \"local\", \"_root\": 1}", AUTH_FAULT, "_root: "},
        {0, "{\"type\": \"sftp\", \"_root\": \"\"}", AUTH_REJECT, "type: "},
        {0, S3 KEYS "}", AUTH_REJECT, "allow_stores"},
        {0, "", AUTH_FAULT, "empty"},
        {0, "{}", AUTH_FAULT, "needs"},
        {0, "[]", AUTH_FAULT, "no object"},
        {0, "{\"type\": \"local\", \"_root\": \"/\", \"_root\": \"/srv\"}", AUTH_FAULT, "no JSON"},
    };
    struct dialectkit k;
    struct auth_req req = dialectkit_password("x");
    dialectkit_open(&k, DIALECT_PROGRAM, HOME, NULL);
    DIALECTKIT_ROWS(&k, &req, rows);
    dialectkit_close(&k);
}

static void test_stores(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {0, "{\"type\": \"local\", \"_root\": \"/srv/a\"}", AUTH_ACCEPT, NULL},
        {0, "{\"type\": \"local\", \"_root\": \"a\"}", AUTH_REJECT, "_root: "},
        {0, S3 KEYS ", \"provider\": \"AWS\", \"env_auth\": \"false\"}", AUTH_ACCEPT, NULL},
        {0, S3 KEYS ", \"env_auth\": \"true\"}", AUTH_ACCEPT, NULL}, /* keys go first */
        {0, S3 "\"env_auth\": \"true\"}", AUTH_REJECT, "access_key_id: "},
        {0, S3 "\"env_auth\": \"false\"}", AUTH_REJECT, "access_key_id: "},
        {0, S3 KEYS ", \"force_path_style\": \"maybe\"}", AUTH_FAULT, "force_path_style: "},
        {0, S3 KEYS ", \"sse_customer_key\": \"k\"}", AUTH_REJECT, "sse_customer_key: "},
        {0, "{\"type\": \"s3\", \"_root\": \"\", " KEYS "}", AUTH_REJECT, "_root: "},
        {0, "{\"type\": \"s3\", \"_root\": \"b/../c\", " KEYS "}", AUTH_REJECT, "mounts[0]"},
        {0,
         "{\"type\": \"webdav\", \"_root\": \"\", \"url\": \"https://x/\", \"user\": \"u\", "
         "\"pass\": \"p\", \"_obscure\": \"pass\"}",
         AUTH_ACCEPT, NULL},
        {0,
         "{\"type\": \"webdav\", \"_root\": \"\", \"url\": \"https://x/\", \"user\": \"u\", "
         "\"pass\": \"p\", \"_obscure\": \"compass,passx\"}",
         AUTH_REJECT, "pass: "},
    };
    struct dialectkit k;
    struct auth_req req = dialectkit_password("x");
    dialectkit_open(&k, DIALECT_PROGRAM, STORES, NULL);
    DIALECTKIT_ROWS(&k, &req, rows);
    dialectkit_ask(&k, &req);
    struct dialect_verdict v = dialectkit_answer(
        &k, &req, 0, S3 KEYS ", \"region\": \"eu\", \"force_path_style\": \"false\"}");
    json_t *store = json_loads(v.id->mounts[0].store, 0, NULL);
    json_t *want = json_loads("{\"type\": \"s3\", \"bucket\": \"b\", \"path_style\": false, "
                              "\"region\": \"eu\", \"credentials\": {" KEYS "}}",
                              0, NULL);
    assert_true(json_equal(store, want));
    assert_string_equal(v.id->mounts[0].prefix, "a/x");
    json_decref(store);
    json_decref(want);
    dialect_verdict_free(&v);
    dialectkit_close(&k);
}

static void test_http_refused(void **state)
{
    (void)state;
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_HTTP, HOME, NULL);
    assert_null(k.d);
    assert_non_null(strstr(k.problem.text, "dialect: "));
    dialectkit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_home),
        cmocka_unit_test(test_stores),
        cmocka_unit_test(test_http_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
