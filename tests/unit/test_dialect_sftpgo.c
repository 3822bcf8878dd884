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

#define CONFIG "{\"dialect\": \"sftpgo\", \"home_base\": \"/srv/sftpgo/\", \"backend\": \"d\"}"
#define STORES "{\"dialect\": \"sftpgo\", \"allow_stores\": true}"
/* The user of SFTPGo's own example, and one with nothing but what must be there. */
#define EXAMPLE                                                                                    \
    "{\"status\":1,\"username\":\"alice\",\"expiration_date\":0,\"home_dir\":"                     \
    "\"/srv/sftpgo/data/alice\",\"uid\":0,\"gid\":0,\"max_sessions\":0,\"quota_size\":0,"          \
    "\"quota_files\":0,\"permissions\":{\"/\":[\"*\"],\"/somedir\":[\"list\",\"download\"]},"      \
    "\"upload_bandwidth\":0,\"download_bandwidth\":0,\"filters\":{\"allowed_ip\":[],"              \
    "\"denied_ip\":[]},\"public_keys\":[]}"
#define WHO  "{\"status\": 1, \"username\": \"alice\", "
#define HERE WHO "\"home_dir\": \"/srv/sftpgo/a\", "
#define ALL  "\"permissions\": {\"/\": [\"*\"]}"
#define USER HERE ALL

static struct dialectkit hook;

static int setup(void **state)
{
    (void)state;
    dialectkit_open(&hook, DIALECT_HTTP, CONFIG, "{\"home\": \"/in\"}");
    return hook.d == NULL;
}

static int teardown(void **state)
{
    (void)state;
    dialectkit_close(&hook);
    return 0;
}

static void test_request(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "username", "ip", "protocol", "password", "tls_cert", "public_key", "keyboard_interactive"};
    struct auth_req reqs[] = {dialectkit_password("s\"\\\n"), dialectkit_key(false)};
    const char *const want[][7] = {
        {"alice", "203.0.113.9", "SSH", "s\"\\\n", "", "", ""},
        {"alice", "203.0.113.9", "SSH", "", "", AUTHKIT_ED25519, ""},
    };
    for (size_t r = 0; r < 2; r++) {
        const struct dialect_ask *ask = dialectkit_ask(&hook, &reqs[r]);
        json_t *o = dialectkit_body(ask);
        assert_string_equal(ask->method, "POST");
        assert_null(ask->url);
        assert_int_equal(ask->target, DIALECT_TARGET_MAIN);
        assert_int_equal(json_object_size(o), 7);
        for (size_t i = 0; i < 7; i++)
            assert_string_equal(json_string_value(json_object_get(o, keys[i])), want[r][i]);
        json_decref(o);
    }
}

static void test_request_program(void **state)
{
    (void)state;
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_PROGRAM, CONFIG, NULL);
    struct auth_req req = dialectkit_password("a=b\nc");
    req.user = "x;rm -rf $HOME";
    const struct dialect_ask *ask = dialectkit_ask(&k, &req);
    assert_int_equal(ask->body.len, 0);
    assert_string_equal(dialectkit_env(ask, "SFTPGO_AUTHD_USERNAME"), req.user);
    assert_string_equal(dialectkit_env(ask, "SFTPGO_AUTHD_IP"), "203.0.113.9");
    assert_string_equal(dialectkit_env(ask, "SFTPGO_AUTHD_PROTOCOL"), "SSH");
    assert_string_equal(dialectkit_env(ask, "SFTPGO_AUTHD_PASSWORD"), "a=b\nc");
    assert_string_equal(dialectkit_env(ask, "SFTPGO_AUTHD_PUBLIC_KEY"), "");
    assert_string_equal(dialectkit_env(ask, "SFTPGO_AUTHD_KEYBOARD_INTERACTIVE"), "");
    static const struct dialectkit_row rows[] = {
        {0, EXAMPLE "\n", AUTH_ACCEPT, NULL},
        {0, "{\"username\": \"\"}", AUTH_REJECT, "refuses"},
        {0, "", AUTH_REJECT, "empty answer"},
        {0, "\n", AUTH_REJECT, "empty answer"},
        {1, EXAMPLE, AUTH_FAULT, "exit code 1"},
        {0, "checking...\n" EXAMPLE, AUTH_FAULT, "no JSON"},
    };
    DIALECTKIT_ROWS(&k, &req, rows);
    dialectkit_close(&k);
}

/* An empty password looks to the hook as if none had to be checked. */
static void test_empty_password(void **state)
{
    (void)state;
    struct auth_req req = dialectkit_password("");
    dialectkit_unasked(&hook, &req, AUTH_REJECT, NULL);
}

static void test_answer(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {200, EXAMPLE, AUTH_ACCEPT, NULL},
        {200, USER "}", AUTH_ACCEPT, NULL},
        {200, "", AUTH_REJECT, "empty answer"},
        {200, " \r\n", AUTH_REJECT, "empty answer"},
        {401, EXAMPLE, AUTH_REJECT, "HTTP status 401"},
        {404, "", AUTH_REJECT, "HTTP status 404"},
        {408, "", AUTH_FAULT, "HTTP status 408"},
        {429, EXAMPLE, AUTH_FAULT, "HTTP status 429"},
        {204, "", AUTH_FAULT, "HTTP status 204"},
        {302, EXAMPLE, AUTH_FAULT, "HTTP status 302"},
        {500, EXAMPLE, AUTH_FAULT, "HTTP status 500"},
        {200, "<html>", AUTH_FAULT, "no JSON"},
        {200, "{\"username\": \"alice\", \"status\": 1", AUTH_FAULT, "no JSON"},
        {200, "[" EXAMPLE "]", AUTH_FAULT, "no object"},
        {200, "{\"status\": 0, \"status\": 1}", AUTH_FAULT, "no JSON"},
        {200, "{}", AUTH_REJECT, "refuses"},
        {200, "{\"username\": \"\", \"status\": 1}", AUTH_REJECT, "refuses"},
        {200, "{\"username\": null, \"status\": 1}", AUTH_REJECT, "refuses"},
        {200, "{\"username\": 1}", AUTH_FAULT, "username: "},
        {200, "{\"username\": \"alice\"}", AUTH_REJECT, "status: "},
        {200, "{\"username\": \"alice\", \"status\": 0}", AUTH_REJECT, "status: "},
        {200, "{\"username\": \"alice\", \"status\": 2}", AUTH_REJECT, "status: "},
        {200, "{\"username\": \"alice\", \"status\": \"1\"}", AUTH_FAULT, "status: "},
        {200, HERE "\"uid\": 0}", AUTH_REJECT, "permissions: "},
        {200, HERE "\"permissions\": {}}", AUTH_REJECT, "permissions: "},
        {200, HERE "\"permissions\": []}", AUTH_FAULT, "permissions: "},
        {200, HERE "\"permissions\": {\"/a\": [\"*\"]}}", AUTH_REJECT, "permissions: "},
        {200, HERE "\"permissions\": {\"/\": [\"fly\"]}}", AUTH_REJECT, "fly"},
        {200, HERE "\"permissions\": {\"/\": [\"*\"], \"/*\": [\"list\"]}}", AUTH_REJECT,
         "permissions"},
        {200, HERE "\"permissions\": {\"/\": [\"*\"], \"/${user}\": [\"list\"]}}", AUTH_REJECT,
         "permissions: variables"},
        /* Fields that would restrict, and are not known. */
        {200, USER ", \"groups\": [{\"name\": \"g\", \"type\": 1}]}", AUTH_REJECT, "groups: "},
        {200, USER ", \"groups\": []}", AUTH_ACCEPT, NULL},
        {200, USER ", \"total_data_transfer\": 5}", AUTH_REJECT, "total_data_transfer: "},
        {200, USER ", \"total_data_transfer\": 0}", AUTH_ACCEPT, NULL},
        {200, USER ", \"vault\": \"on\"}", AUTH_REJECT, "vault: "},
        {200, USER ", \"description\": \"x\", \"email\": \"a@b\"}", AUTH_ACCEPT, NULL},
        {200, USER ", \"expiration_date\": -1}", AUTH_REJECT, "expiration_date: "},
        {200, USER ", \"expiration_date\": \"2027\"}", AUTH_FAULT, "expiration_date: "},
        {200, USER ", \"expiration_date\": 9223372036854775807}", AUTH_REJECT, "expiration_date: "},
        {200, USER ", \"max_sessions\": -1}", AUTH_REJECT, "max_sessions: "},
        {200, USER ", \"max_sessions\": 0.5}", AUTH_FAULT, "max_sessions: "},
        {200, USER ", \"public_keys\": {}}", AUTH_FAULT, "public_keys: "},
        {200, USER ", \"filters\": []}", AUTH_FAULT, "filters: "},
    };
    struct auth_req req = dialectkit_password("x");
    DIALECTKIT_ROWS(&hook, &req, rows);
}

#define FILTER USER ", \"filters\": {"

static void test_filters(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {200, FILTER "\"allowed_ip\": [\"203.0.113.0/24\"]}}", AUTH_ACCEPT, NULL},
        {200, FILTER "\"allowed_ip\": [\"*\"]}}", AUTH_REJECT, "allow[0]"},
        {200, FILTER "\"denied_ip\": [\"192.0.2.0/24\"]}}", AUTH_ACCEPT, NULL},
        {200, FILTER "\"denied_ip\": [\"192.0.2.0/24\", \"203.0.113.9/32\"]}}", AUTH_REJECT,
         "denied_ip: holds"},
        {200, FILTER "\"denied_ip\": [\"everybody\"]}}", AUTH_REJECT, "denied_ip[0]"},
        {200, FILTER "\"denied_ip\": \"203.0.113.9\"}}", AUTH_FAULT, "denied_ip: "},
        {200, FILTER "\"denied_login_methods\": [\"smoke\"]}}", AUTH_REJECT,
         "denied_login_methods[0]"},
        {200,
         FILTER "\"denied_login_methods\": [\"publickey\", \"password\", \"keyboard-interactive\", "
                "\"publickey+password\", \"publickey+keyboard-interactive\"]}}",
         AUTH_REJECT, "leaves no method"},
        {200, FILTER "\"denied_protocols\": [\"FTP\", \"DAV\"]}}", AUTH_ACCEPT, NULL},
        {200, FILTER "\"denied_protocols\": [\"SSH\"]}}", AUTH_REJECT, "denied_protocols: "},
        {200, FILTER "\"two_factor_protocols\": [\"HTTP\"]}}", AUTH_ACCEPT, NULL},
        {200, FILTER "\"two_factor_protocols\": [\"SSH\"]}}", AUTH_REJECT,
         "two_factor_protocols: "},
        {200, FILTER "\"file_patterns\": []}}", AUTH_ACCEPT, NULL},
        {200, FILTER "\"file_patterns\": [{\"path\": \"/\", \"denied_patterns\": [\"*.zip\"]}]}}",
         AUTH_REJECT, "filters.file_patterns: "},
        {200, FILTER "\"bandwidth_limits\": [{\"sources\": [], \"upload_bandwidth\": 1}]}}",
         AUTH_REJECT, "filters.bandwidth_limits: "},
        {200, FILTER "\"is_anonymous\": true}}", AUTH_REJECT, "filters.is_anonymous: "},
        {200, FILTER "\"is_anonymous\": false}}", AUTH_ACCEPT, NULL},
        {200, FILTER "\"totp_config\": {\"enabled\": false}}}", AUTH_ACCEPT, NULL},
        {200, FILTER "\"totp_config\": {\"enabled\": true, \"protocols\": [\"SSH\"]}}}",
         AUTH_REJECT, "filters.totp_config: "},
        {200, FILTER "\"hooks\": {\"external_auth_disabled\": true}, \"web_client\": [\"x\"]}}",
         AUTH_ACCEPT, NULL},
        {200, FILTER "\"access_time\": [{\"day_of_week\": 1, \"from\": \"08:00\"}]}}", AUTH_REJECT,
         "filters.access_time: "},
        {200, FILTER "\"start_directory\": \"in\"}}", AUTH_REJECT, "home: "},
    };
    struct auth_req req = dialectkit_password("x");
    DIALECTKIT_ROWS(&hook, &req, rows);
}

static void test_home(void **state)
{
    (void)state;
    static const struct {
        const char *home, *prefix; /* NULL = refused */
    } rows[] = {
        {"/srv/sftpgo/data/alice", "data/alice"},
        {"/srv/sftpgo/a/", "a"},
        {"/srv/sftpgo", ""},
        {"", "al%2Fice"},
        {"/srv/sftpgox/a", NULL},
        {"/srv/sftpgo/../etc", NULL},
        {"/etc", NULL},
        {"srv/sftpgo/a", NULL},
        {"/srv/sftpgo/${user}", NULL},
        {"/srv/sftpgo/a/./b", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[256];
        struct auth_req req = dialectkit_password("x");
        req.user = "al/ice";
        snprintf(body, sizeof body,
                 "{\"status\": 1, \"username\": \"al/ice\", \"home_dir\": \"%s\", " ALL "}",
                 rows[i].home);
        dialectkit_ask(&hook, &req);
        struct dialect_verdict v = dialectkit_answer(&hook, &req, 200, body);
        if (v.verdict != (rows[i].prefix == NULL ? AUTH_REJECT : AUTH_ACCEPT))
            fail_msg("%s: %s", rows[i].home, v.why.text);
        if (rows[i].prefix != NULL)
            assert_string_equal(v.id->mounts[0].prefix, rows[i].prefix);
        dialect_verdict_free(&v);
    }
}

static struct dialect_verdict accepted(struct dialectkit *k, const char *body)
{
    struct auth_req req = dialectkit_password("x");
    dialectkit_ask(k, &req);
    struct dialect_verdict v = dialectkit_answer(k, &req, 200, body);
    if (v.verdict != AUTH_ACCEPT)
        fail_msg("%s", v.why.text);
    return v;
}

static void test_identity(void **state)
{
    (void)state;
    struct dialect_verdict v = accepted(
        &hook, "{\"status\": 1, \"username\": \"alice.smith\", \"home_dir\": \"/srv/sftpgo/a\", "
               "\"expiration_date\": 1798761600999, \"permissions\": {\"/\": [\"list\"], \"/in\": "
               "[\"upload\", \"overwrite\"]}, \"filters\": "
               "{\"allowed_ip\": [\"203.0.113.0/24\"], \"start_directory\": \"/in\", "
               "\"denied_login_methods\": [\"password\"]}, \"virtual_folders\": [{\"name\": \"x\", "
               "\"virtual_path\": \"/shared\", \"mapped_path\": \"/srv/sftpgo/shared/x\", "
               "\"quota_size\": -1, \"quota_files\": 0}]}");
    assert_string_equal(v.id->user, "alice.smith");
    assert_string_equal(v.id->home, "/in");
    assert_int_equal(v.id->expires_s, 1798761600);
    assert_string_equal(v.id->allow[0], "203.0.113.0/24");
    assert_int_equal(v.id->nmethods, 2);
    assert_string_equal(v.id->methods[0], "publickey");
    assert_string_equal(v.id->methods[1], "keyboard-interactive");
    assert_int_equal(v.id->nperms, 2);
    assert_int_equal(v.id->nmounts, 2);
    assert_string_equal(v.id->mounts[0].path, "/");
    assert_string_equal(v.id->mounts[0].backend, "d");
    assert_string_equal(v.id->mounts[0].prefix, "a");
    assert_string_equal(v.id->mounts[1].path, "/shared");
    assert_string_equal(v.id->mounts[1].prefix, "shared/x");
    dialect_verdict_free(&v);
    v = accepted(&hook, USER "}");
    assert_string_equal(v.id->user, "alice");
    assert_string_equal(v.id->home, "/in"); /* of `users` */
    assert_int_equal(v.id->nmethods, 0);
    dialect_verdict_free(&v);
}

/* 0 is an answer: what is not there, or null, is none. */
static void test_cache(void **state)
{
    (void)state;
    static const struct {
        const char *rest;
        bool has;
        uint32_t s;
    } rows[] = {
        {"}", false, 0},
        {", \"external_auth_cache_time\": null}", false, 0},
        {", \"filters\": {}}", false, 0},
        {", \"external_auth_cache_time\": 60}", true, 60},
        {", \"external_auth_cache_time\": 0}", true, 0},
        {", \"filters\": {\"external_auth_cache_time\": 0}}", true, 0},
        {", \"filters\": {\"external_auth_cache_time\": 60}}", true, 60},
        {", \"external_auth_cache_time\": 0, \"filters\": {\"external_auth_cache_time\": 60}}",
         true, 0},
        {", \"external_auth_cache_time\": 60, \"filters\": {\"external_auth_cache_time\": 0}}",
         true, 0},
        {", \"external_auth_cache_time\": -1}", true, 0},
        {", \"external_auth_cache_time\": 4294967296}", true, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *user = mem_printf(USER "%s", rows[i].rest);
        struct dialect_verdict v = accepted(&hook, user);
        struct auth_res res = dialect_res(&v);
        assert_int_equal(res.has_cache_s, rows[i].has);
        assert_int_equal(res.cache_s, rows[i].s);
        identity_free(&res.id);
        dialect_verdict_free(&v);
        mem_free(user);
    }
}

/* 0 is no limit of the hook's own: that of `users` stays. */
static void test_limits(void **state)
{
    (void)state;
    struct dialectkit k;
    dialectkit_open(&k, DIALECT_HTTP, CONFIG, "{\"limits\": {\"sessions\": 9}}");
    struct dialect_verdict v =
        accepted(&k, USER ", \"max_sessions\": 4, \"quota_size\": 1000, \"quota_files\": 5, "
                          "\"upload_bandwidth\": 64, \"download_bandwidth\": 128, \"filters\": "
                          "{\"max_upload_file_size\": 77}}");
    assert_int_equal(v.id->limits.sessions, 4);
    assert_int_equal(v.id->limits.quota_bytes, 1000);
    assert_int_equal(v.id->limits.quota_files, 5);
    assert_int_equal(v.id->limits.upload_kib_s, 64);
    assert_int_equal(v.id->limits.download_kib_s, 128);
    assert_int_equal(v.id->limits.max_file_bytes, 77);
    dialect_verdict_free(&v);
    v = accepted(&k, USER ", \"max_sessions\": 0, \"quota_size\": 0}");
    assert_int_equal(v.id->limits.sessions, 9);
    assert_int_equal(v.id->limits.quota_bytes, 0);
    dialect_verdict_free(&v);
    dialectkit_close(&k);
}

/* Several steps count only where no single method is left. */
static void test_ways(void **state)
{
    (void)state;
    struct dialect_verdict v =
        accepted(&hook, FILTER "\"denied_login_methods\": [\"publickey\", \"password-over-SSH\", "
                               "\"keyboard-interactive\", \"TLSCertificate\"]}}");
    assert_int_equal(v.id->nmethods, 2);
    assert_string_equal(v.id->methods[0], "publickey,password");
    assert_string_equal(v.id->methods[1], "publickey,keyboard-interactive");
    dialect_verdict_free(&v);
}

static void test_key(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {200, USER "}", AUTH_ACCEPT, NULL},
        {200, USER ", \"public_keys\": []}", AUTH_ACCEPT, NULL},
        {200, USER ", \"public_keys\": [\"" AUTHKIT_ED25519 "\"]}", AUTH_ACCEPT, NULL},
        {200, USER ", \"public_keys\": [\"" AUTHKIT_ECDSA "\"]}", AUTH_REJECT, "not a key"},
    };
    struct auth_req req = dialectkit_key(true);
    DIALECTKIT_ROWS(&hook, &req, rows);
}

#define FOLDER USER ", \"virtual_folders\": ["

static void test_folders(void **state)
{
    (void)state;
    static const struct dialectkit_row rows[] = {
        {200, FOLDER "]}", AUTH_ACCEPT, NULL},
        {200, FOLDER "1]}", AUTH_FAULT, "virtual_folders: "},
        {200, FOLDER "{\"mapped_path\": \"/srv/sftpgo/x\"}]}", AUTH_REJECT, "virtual_path: "},
        {200, FOLDER "{\"virtual_path\": \"/x\"}]}", AUTH_REJECT, "home_dir: "},
        {200, FOLDER "{\"virtual_path\": \"/x\", \"mapped_path\": \"/etc\"}]}", AUTH_REJECT,
         "not below"},
        {200, FOLDER "{\"virtual_path\": \"/${user}\", \"mapped_path\": \"/srv/sftpgo/x\"}]}",
         AUTH_REJECT, "virtual_path: "},
        {200, FOLDER "{\"virtual_path\": \"/../x\", \"mapped_path\": \"/srv/sftpgo/x\"}]}",
         AUTH_REJECT, "mounts[1].path"},
        {200, FOLDER "{\"virtual_path\": \"/\", \"mapped_path\": \"/srv/sftpgo/x\"}]}", AUTH_REJECT,
         "mounts[1].path"},
        {200,
         FOLDER "{\"virtual_path\": \"/x\", \"mapped_path\": \"/srv/sftpgo/x\", "
                "\"quota_size\": 5}]}",
         AUTH_REJECT, "quota_size: "},
        {200,
         FOLDER "{\"virtual_path\": \"/x\", \"mapped_path\": \"/srv/sftpgo/x\", "
                "\"sealed\": true}]}",
         AUTH_REJECT, "virtual_folders.sealed: "},
    };
    struct auth_req req = dialectkit_password("x");
    DIALECTKIT_ROWS(&hook, &req, rows);
}

#define S3   WHO ALL ", \"filesystem\": {\"provider\": 1, \"s3config\": {\"bucket\": \"b\""
#define HTTP WHO ALL ", \"filesystem\": {\"provider\": 6, \"httpconfig\": {"

static void test_stores(void **state)
{
    (void)state;
    static const struct dialectkit_row refused[] = {
        {200, S3 "}}}", AUTH_REJECT, "allow_stores"},
        {200, HTTP "}}}", AUTH_REJECT, "allow_stores"},
    };
    static const struct dialectkit_row rows[] = {
        {200, S3 "}}}", AUTH_ACCEPT, NULL},
        {200, S3 ", \"key_prefix\": \"../x\"}}}", AUTH_REJECT, "mounts[0].prefix"},
        {200, S3 ", \"key_prefix\": \"${user}\"}}}", AUTH_REJECT, "key_prefix: "},
        {200, S3 ", \"role_arn\": \"arn\"}}}", AUTH_REJECT, "filesystem.s3config.role_arn: "},
        {200, S3 ", \"role_arn\": \"\", \"skip_tls_verify\": false}}}", AUTH_ACCEPT, NULL},
        {200, S3 ", \"skip_tls_verify\": true}}}", AUTH_REJECT, "skip_tls_verify: "},
        {200, S3 ", \"access_secret\": {\"status\": \"AES-256-GCM\", \"payload\": \"x\"}}}}",
         AUTH_REJECT, "access_secret.status: "},
        {200, S3 ", \"access_secret\": \"x\"}}}", AUTH_FAULT, "access_secret: "},
        {200, S3 ", \"region\": [\"x\"]}}}", AUTH_FAULT, "region: "},
        {200, WHO ALL ", \"filesystem\": {\"provider\": 1}}", AUTH_FAULT, "s3config: is missing"},
        {200, WHO ALL ", \"filesystem\": {\"provider\": 2}}", AUTH_REJECT, "provider: 2"},
        {200, WHO ALL ", \"filesystem\": {\"provider\": \"1\"}}", AUTH_FAULT, "provider: "},
        {200, WHO ALL ", \"filesystem\": {\"provider\": 0}}", AUTH_REJECT, "home_base"},
        {200, WHO ALL "}", AUTH_REJECT, "home_base"},
        {200,
         HTTP "\"endpoint\": \"http://x/\", \"api_key\": {\"status\": \"Plain\", "
              "\"payload\": \"k\"}}}}",
         AUTH_ACCEPT, NULL},
        {200, HTTP "\"endpoint\": \"http://x/\", \"skip_tls_verify\": true}}}", AUTH_REJECT,
         "skip_tls_verify: "},
    };
    struct auth_req req = dialectkit_password("x");
    struct dialectkit k;
    DIALECTKIT_ROWS(&hook, &req, refused);
    dialectkit_open(&k, DIALECT_HTTP, STORES, NULL);
    DIALECTKIT_ROWS(&k, &req, rows);
    struct dialect_verdict v = accepted(
        &k, S3 ", \"region\": \"eu\", \"endpoint\": \"https://s3.example\", \"access_key\": "
               "\"AK\", \"access_secret\": {\"status\": \"Plain\", \"payload\": \"SK\"}, "
               "\"key_prefix\": \"a/b/\", \"force_path_style\": true, \"upload_part_size\": 16}}}");
    json_t *store = json_loads(v.id->mounts[0].store, 0, NULL);
    json_t *want = json_loads(
        "{\"type\": \"s3\", \"bucket\": \"b\", \"region\": \"eu\", \"endpoint\": "
        "\"https://s3.example\", \"path_style\": true, \"part_mb\": 16, \"credentials\": "
        "{\"access_key_id\": \"AK\", \"secret_access_key\": \"SK\"}}",
        0, NULL);
    assert_true(json_equal(store, want));
    assert_string_equal(v.id->mounts[0].prefix, "a/b");
    json_decref(store);
    json_decref(want);
    dialect_verdict_free(&v);
    dialectkit_close(&k);
}

static void test_config(void **state)
{
    (void)state;
    static const struct {
        enum dialect_transport transport;
        const char *config, *problem;
    } rows[] = {
        {DIALECT_HTTP, "{\"dialect\": \"sftpgo\", \"home_base\": \"/x\"}", "backend: "},
        {DIALECT_HTTP, "{\"dialect\": \"sftpgo\", \"backend\": \"d\"}", "home_base: "},
        {DIALECT_HTTP, "{\"dialect\": \"sftpgo\", \"home_base\": \"/x\", \"backend\": \"nowhere\"}",
         "backend: there is no backend"},
        {DIALECT_HTTP, "{\"dialect\": \"sftpgo\", \"home_base\": \"x\", \"backend\": \"d\"}",
         "home_base: "},
        {DIALECT_HTTP, "{\"dialect\": \"sftpgo\", \"keyboard_interactive_command\": [\"x\"]}",
         "keyboard_interactive_command: "},
        {DIALECT_PROGRAM, "{\"dialect\": \"sftpgo\", \"keyboard_interactive_url\": \"http://x\"}",
         "keyboard_interactive_url: "},
        {DIALECT_HTTP, "{\"dialect\": \"sftpgo\", \"roles\": {}}", "roles: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dialectkit k;
        dialectkit_open(&k, rows[i].transport, rows[i].config, NULL);
        if (k.d != NULL || strstr(k.problem.text, rows[i].problem) != k.problem.text)
            fail_msg("%s: %s", rows[i].config, k.problem.text);
        dialectkit_close(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_request_program),
        cmocka_unit_test(test_empty_password),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_home),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_stores),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
