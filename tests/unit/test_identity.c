#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/identity.h"
#include "gateway/base/buf.h"

static json_t *parse(const char *text)
{
    json_error_t bad;
    json_t *v = text == NULL ? NULL : json_loads(text, JSON_ALLOW_NUL, &bad);
    if (text != NULL && v == NULL)
        fail_msg("%s: %s", text, bad.text);
    return v;
}

static enum gw_err make_may(const char *user, const char *base, const char *over, unsigned may,
                            struct identity **id, struct gw_errmsg *msg)
{
    json_t *b = parse(base);
    json_t *o = parse(over);
    enum gw_err err = identity_from_json(user, b, o, may, id, msg);
    json_decref(b);
    json_decref(o);
    return err;
}

static enum gw_err make(const char *user, const char *base, const char *over, struct identity **id,
                        struct gw_errmsg *msg)
{
    return make_may(user, base, over, 0, id, msg);
}

/* What an identity says of itself, without what every identity says. */
static void assert_identity(const char *user, const char *base, const char *over, const char *want)
{
    struct identity *id = NULL;
    struct gw_errmsg msg = {""};
    if (make(user, base, over, &id, &msg) != GW_OK)
        fail_msg("%s + %s: %s", base, over, msg.text);
    struct identity *copy = identity_copy(id);
    json_t *got = identity_to_json(copy);
    json_t *full = identity_to_json(id);
    assert_true(json_equal(got, full));
    json_t *need = parse(want);
    const char *key;
    json_t *v;
    json_object_foreach(need, key, v)
    {
        if (!json_equal(json_object_get(got, key), v)) {
            char *text = json_dumps(json_object_get(got, key), JSON_ENCODE_ANY);
            fail_msg("%s + %s: %s is %s", base, over, key, text);
        }
    }
    json_decref(need);
    json_decref(got);
    json_decref(full);
    identity_free(&copy);
    identity_free(&id);
}

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *user, *base, *over, *want;
    } rows[] = {
        {"alice", NULL, NULL, "{\"user\":\"alice\",\"home\":\"/\",\"mounts\":[]}"},
        {"alice", "{}", "{}", "{\"partial_uploads\":\"discard\",\"restrict_to_home\":false}"},
        {"alice", "{\"mounts\":[{\"path\":\"/\",\"backend\":\"s\",\"prefix\":\"${user}/\"}]}", NULL,
         "{\"mounts\":[{\"path\":\"/"
         "\",\"backend\":\"s\",\"prefix\":\"alice\",\"read_only\":false}]}"},
        {"..", "{\"mounts\":[{\"path\":\"/\",\"backend\":\"s\",\"prefix\":\"${user}\"}]}", NULL,
         "{\"mounts\":[{\"path\":\"/"
         "\",\"backend\":\"s\",\"prefix\":\"%2E.\",\"read_only\":false}]}"},
        {"a/../../b", "{\"mounts\":[{\"path\":\"/x/${user}//y/\",\"backend\":\"s\"}]}", NULL,
         "{\"mounts\":[{\"path\":\"/x/"
         "a%2F..%2F..%2Fb/y\",\"backend\":\"s\",\"prefix\":\"\",\"read_only\":false}]}"},
        /* A key of over replaces the one of base whole. */
        {"a", "{\"mounts\":[{\"path\":\"/a\",\"backend\":\"s\"}]}",
         "{\"mounts\":[{\"path\":\"/b\",\"backend\":\"t\",\"read_only\":true}]}",
         "{\"mounts\":[{\"path\":\"/b\",\"backend\":\"t\",\"prefix\":\"\",\"read_only\":true}]}"},
        {"a", "{\"mounts\":[{\"path\":\"/a\",\"backend\":\"s\"}]}", "{\"root\":\"x//y/\"}",
         "{\"mounts\":[{\"path\":\"/\",\"backend\":\"local\",\"prefix\":\"x/y\","
         "\"read_only\":false}]}"},
        {"a", "{\"root\":\"x\"}", "{\"mounts\":[{\"path\":\"/b\",\"backend\":\"t\"}]}",
         "{\"mounts\":[{\"path\":\"/b\",\"backend\":\"t\",\"prefix\":\"\",\"read_only\":false}]}"},
        {"a", "{\"permissions\":{\"/\":[\"*\"]}}",
         "{\"permissions\":{\"/\":[\"list\"],\"/in/\":[\"upload\",\"delete\"]}}",
         "{\"permissions\":{\"/\":[\"list\"],\"/"
         "in\":[\"upload\",\"delete_files\",\"delete_dirs\"]}}"},
        /* limits: key by key. */
        {"a", "{\"limits\":{\"sessions\":4,\"max_file_bytes\":1}}",
         "{\"limits\":{\"quota_bytes\":9,\"max_file_bytes\":2}}",
         "{\"limits\":{\"sessions\":4,\"upload_kib_s\":0,\"download_kib_s\":0,\"quota_bytes\":9,"
         "\"quota_files\":0,\"max_file_bytes\":2}}"},
        {"a", "{\"partial_uploads\":\"keep\"}", "{\"partial_uploads\":\"resume\"}",
         "{\"partial_uploads\":\"resume\"}"},
        {"login", NULL, "{\"user\":\"canonical\",\"home\":\"/h/${user}\"}",
         "{\"user\":\"canonical\",\"home\":\"/h/canonical\"}"},
        {"a", NULL,
         "{\"restrict_to_home\":true,\"methods\":[\"publickey,password\",\"publickey\"],"
         "\"next_methods\":[\"password\"],\"allow\":[\"10.0.0.0/8\",\"::1\"],"
         "\"expires\":\"2027-01-01T02:00:00+02:00\",\"banner\":\"hi\",\"idle_s\":60,"
         "\"credentials\":\"c\",\"partial_uploads\":\"discard\",\"public_keys\":[\"k\"]}",
         "{\"restrict_to_home\":true,\"methods\":[\"publickey,password\",\"publickey\"],"
         "\"next_methods\":[\"password\"],\"allow\":[\"10.0.0.0/8\",\"::1\"],"
         "\"expires\":\"2027-01-01T00:00:00Z\",\"banner\":\"hi\",\"idle_s\":60,"
         "\"credentials\":\"c\",\"partial_uploads\":\"discard\",\"public_keys\":[\"k\"]}"},
        /* The epoch itself is long past, not "never". */
        {"a", NULL, "{\"expires\":\"1970-01-01T00:00:00Z\"}",
         "{\"expires\":\"1970-01-01T00:00:01Z\"}"},
        {"a", NULL, "{\"permissions\":{\"/\":[]}}", "{\"permissions\":{\"/\":[]}}"},
        {"a", "{\"credentials\":\"c\"}",
         "{\"credentials\":{\"access_key_id\":\"AK\",\"secret_access_key\":\"S\","
         "\"session_token\":\"T\"}}",
         "{\"credentials\":{\"access_key_id\":\"AK\",\"secret_access_key\":\"********\","
         "\"session_token\":\"********\"}}"},
        {"a", NULL, "{\"permissions\":{\"/\":[\"rename\",\"rename_dirs\"]}}",
         "{\"permissions\":{\"/\":[\"rename_files\",\"rename_dirs\"]}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_identity(rows[i].user, rows[i].base, rows[i].over, rows[i].want);
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *over, *path;
    } rows[] = {
        {"[]", "identity: "},
        {"{\"home\":null}", "home: "},
        {"{\"hme\":\"/\"}", "hme: unknown key"},
        {"{\"password\":\"x\"}", "password: unknown key"},
        {"{\"home\":\"in\"}", "home: must begin"},
        {"{\"home\":\"/a/../b\"}", "home: "},
        {"{\"home\":\"/${other}\"}", "home: ${user}"},
        {"{\"home\":\"/a\\u0000b\"}", "home: "},
        {"{\"user\":\"a\\u0000b\"}", "user: "},
        {"{\"user\":\"\"}", "user: "},
        {"{\"restrict_to_home\":1}", "restrict_to_home: "},
        {"{\"mounts\":{}}", "mounts: "},
        {"{\"mounts\":[1]}", "mounts[0]: "},
        {"{\"mounts\":[{\"path\":\"/\"}]}", "mounts[0]: needs"},
        {"{\"mounts\":[{\"path\":\"/\",\"backend\":\"b\",\"prfix\":\"x\"}]}", "mounts[0].prfix: "},
        {"{\"mounts\":[{\"path\":\"/\",\"backend\":\"b\",\"prefix\":\"/x\"}]}",
         "mounts[0].prefix: "},
        {"{\"mounts\":[{\"path\":\"/\",\"backend\":\"b\",\"prefix\":\"x/../..\"}]}",
         "mounts[0].prefix: "},
        {"{\"mounts\":[{\"path\":\"/\",\"backend\":\"b\",\"prefix\":\"./x\"}]}",
         "mounts[0].prefix: "},
        {"{\"mounts\":[{\"path\":\"x\",\"backend\":\"b\"}]}", "mounts[0].path: "},
        {"{\"mounts\":[{\"path\":\"/x\",\"backend\":\"\"}]}", "mounts[0].backend: "},
        {"{\"mounts\":[{\"path\":\"/x\",\"backend\":\"b\",\"read_only\":\"no\"}]}",
         "mounts[0].read_only: "},
        {"{\"mounts\":[{\"path\":\"/x\",\"backend\":\"b\"},{\"path\":\"/x/\",\"backend\":\"c\"}]}",
         "mounts[1].path: the same"},
        {"{\"mounts\":[{\"path\":\"/x\",\"backend\":\"b\",\"store\":{\"type\":\"s3\"}}]}",
         "mounts[0]: needs"},
        {"{\"mounts\":[{\"path\":\"/x\",\"store\":{\"kind\":\"s3\"}}]}", "mounts[0].store: "},
        {"{\"credentials\":7}", "credentials: "},
        {"{\"credentials\":{}}", "credentials: needs"},
        {"{\"credentials\":{\"access_key_id\":\"a\"}}", "credentials: needs"},
        {"{\"credentials\":{\"access_key\":\"a\"}}", "credentials.access_key: unknown"},
        {"{\"credentials\":{\"access_key_id\":\"a\\nb\",\"secret_access_key\":\"s\"}}",
         "credentials.access_key_id: "},
        {"{\"root\":\"/srv\"}", "root: "},
        {"{\"root\":\"x\",\"mounts\":[]}", "root: "},
        {"{\"permissions\":{}}", "permissions: needs"},
        {"{\"permissions\":{\"/in\":[\"*\"]}}", "permissions: needs"},
        {"{\"permissions\":{\"/\":[\"read\"]}}", "permissions[\"/\"][0]: "},
        {"{\"permissions\":{\"/\":\"*\"}}", "permissions[\"/\"]: "},
        {"{\"permissions\":{\"/\":[\"*\"],\"/in/*\":[\"list\"]}}", "permissions[\"/in/*\"]: "},
        {"{\"permissions\":{\"/\":[\"*\"],\"/a\":[],\"/a/\":[\"*\"]}}", "permissions[\"/a/\"]: "},
        {"{\"limits\":{\"session\":1}}", "limits.session: unknown"},
        {"{\"limits\":{\"sessions\":-1}}", "limits.sessions: "},
        {"{\"limits\":{\"sessions\":4294967296}}", "limits.sessions: "},
        {"{\"limits\":{\"sessions\":\"4\"}}", "limits.sessions: "},
        {"{\"limits\":{\"quota_bytes\":1.5}}", "limits.quota_bytes: "},
        {"{\"public_keys\":\"k\"}", "public_keys: "},
        {"{\"public_keys\":[1]}", "public_keys[0]: "},
        {"{\"methods\":[\"pubkey\"]}", "methods[0]: "},
        {"{\"methods\":[\"publickey,\"]}", "methods[0]: "},
        {"{\"methods\":[\"publickey,password,password\"]}", "methods[0]: password is there twice"},
        {"{\"methods\":[\"publickey,publickey,publickey,publickey,publickey,publickey\"]}",
         "methods[0]: has more than 5 steps"},
        {"{\"methods\":[\"publickey, password\"]}", "methods[0]: "},
        {"{\"next_methods\":[\"publickey,password\"]}", "next_methods[0]: "},
        {"{\"allow\":[\"10.0.0.0/8\",\"partner.example.net\"]}", "allow[1]: "},
        {"{\"expires\":\"tomorrow\"}", "expires: "},
        {"{\"expires\":1798761600}", "expires: "},
        {"{\"idle_s\":-5}", "idle_s: "},
        {"{\"partial_uploads\":\"maybe\"}", "partial_uploads: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct identity *id = NULL;
        struct gw_errmsg msg = {""};
        if (make("alice", NULL, rows[i].over, &id, &msg) != GW_CONFIG)
            fail_msg("%s was taken", rows[i].over);
        if (strncmp(msg.text, rows[i].path, strlen(rows[i].path)) != 0)
            fail_msg("%s: %s", rows[i].over, msg.text);
        assert_null(id);
        /* The same in base is refused as well, but for the user's name, which base has none of. */
        assert_int_equal(make("alice", rows[i].over, NULL, &id, NULL), GW_CONFIG);
    }
}

static void test_user_names(void **state)
{
    (void)state;
    struct identity *id = NULL;
    char longest[IDENTITY_USER_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[IDENTITY_USER_MAX + 1] = '\0';
    assert_int_equal(make("", NULL, NULL, &id, NULL), GW_BAD_NAME);
    assert_int_equal(make(longest, NULL, NULL, &id, NULL), GW_BAD_NAME);
    longest[IDENTITY_USER_MAX] = '\0';
    assert_int_equal(make(longest, NULL, NULL, &id, NULL), GW_OK);
    identity_free(&id);
    assert_int_equal(make("alice", "{\"user\":\"bob\"}", NULL, &id, NULL), GW_CONFIG);
}

/* A long name may make a path too long: refused, never cut. */
static void test_expansion_is_bounded(void **state)
{
    (void)state;
    char name[200];
    struct gw_buf text;
    struct identity *id = NULL;
    memset(name, '/', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    gw_buf_init(&text, 8192);
    gw_buf_put_text(&text, "{\"home\":\"");
    for (int i = 0; i < 10; i++)
        gw_buf_put_text(&text, "/${user}");
    gw_buf_put_text(&text, "\"}");
    assert_int_equal(make(name, NULL, gw_buf_cstr(&text), &id, NULL), GW_CONFIG);
    assert_int_equal(make("alice", NULL, gw_buf_cstr(&text), &id, NULL), GW_OK);
    identity_free(&id);
    gw_buf_free(&text);
}

/* A verifier's answer opens no store of its own unless the configuration lets it. */
static void test_stores_are_allowed(void **state)
{
    (void)state;
    struct identity *id = NULL;
    struct gw_errmsg msg = {""};
    const char *text = "{\"mounts\":[{\"path\":\"/\",\"store\":{\"type\":\"s3\",\"bucket\":\"b\","
                       "\"credentials\":{\"secret_access_key\":\"hidden\"}}}]}";
    assert_int_equal(make_may("alice", NULL, text, 0, &id, &msg), GW_CONFIG);
    assert_non_null(strstr(msg.text, "allow_stores"));
    assert_int_equal(make_may("alice", text, NULL, 0, &id, &msg), GW_OK); /* the operator's own */
    identity_free(&id);
    assert_int_equal(make_may("alice", NULL, text, IDENTITY_STORES, &id, &msg), GW_OK);
    assert_null(id->mounts[0].backend);
    assert_string_equal(id->mounts[0].store,
                        "{\"bucket\":\"b\",\"credentials\":{\"secret_access_key\":\"hidden\"},"
                        "\"type\":\"s3\"}");
    struct identity *copy = identity_copy(id);
    json_t *shown = identity_to_json(copy);
    char *out = json_dumps(shown, 0);
    assert_null(strstr(out, "hidden"));
    assert_non_null(strstr(out, "\"s3\""));
    free(out);
    json_decref(shown);
    identity_free(&copy);
    identity_free(&id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_stores_are_allowed),
        cmocka_unit_test(test_user_names),
        cmocka_unit_test(test_expansion_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
