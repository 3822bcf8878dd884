#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/passwd.h"
#include "auth/user_file.h"
#include "gateway/base/log.h"
#include "tests/support/authkit.h"

static enum gw_err parse(const char *text, const char *base, struct user_file **f,
                         struct gw_errmsg *msg)
{
    json_t *b = base == NULL ? NULL : json_loads(base, 0, NULL);
    enum gw_err err = user_file_parse(gw_span_str(text), b, f, msg);
    json_decref(b);
    return err;
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "line "},
        {"{", "line "},
        {"[]", "must be {\"users\""},
        {"{}", "must be {\"users\""},
        {"{\"users\":{}}", "must be {\"users\""},
        {"{\"users\":[],\"more\":1}", "must be {\"users\""},
        {"{\"users\":[1]}", "users[0]: "},
        {"{\"users\":[{}]}", "users[0]: "},
        {"{\"users\":[{\"user\":1}]}", "users[0]: "},
        {"{\"users\":[{\"user\":\"\"}]}", "users[0].user: "},
        {"{\"users\":[{\"user\":\"a\"},{\"user\":\"b\",\"hme\":1}]}", "users[1].hme: unknown key"},
        {"{\"users\":[{\"user\":\"a\",\"user\":\"b\"}]}", "line "},
        {"{\"users\":[{\"user\":\"a\"},{\"user\":\"b\"},{\"user\":\"a\"}]}",
         "users[2].user: the same as users[0].user"},
        /* Plain text, and what only looks like a hash. */
        {"{\"users\":[{\"user\":\"a\",\"password\":\"secret\"}]}", "users[0].password: "},
        {"{\"users\":[{\"user\":\"a\",\"password\":\"\"}]}", "users[0].password: "},
        {"{\"users\":[{\"user\":\"a\",\"password\":\"$zz$x\"}]}", "users[0].password: "},
        {"{\"users\":[{\"user\":\"a\",\"password\":\"abJnggxhB/yWI\"}]}", "users[0].password: "},
        {"{\"users\":[{\"user\":\"a\",\"password\":null}]}", "users[0].password: "},
        {"{\"users\":[{\"user\":\"a\\u0000b\"}]}", "line "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct user_file *f = NULL;
        struct gw_errmsg msg = {""};
        if (parse(rows[i].text, NULL, &f, &msg) != GW_CONFIG)
            fail_msg("%s was taken", rows[i].text);
        if (strncmp(msg.text, rows[i].why, strlen(rows[i].why)) != 0)
            fail_msg("%s: %s", rows[i].text, msg.text);
        assert_null(f);
    }
}

/* The log must not show what an editor left half-written in the middle of a hash. */
static void test_messages_quote_nothing(void **state)
{
    (void)state;
    struct user_file *f = NULL;
    struct gw_errmsg msg = {""};
    assert_int_equal(parse("{\"users\":[{\"user\":\"a\",\"password\":\"" AUTHKIT_YESCRYPT "\" x}]}",
                           NULL, &f, &msg),
                     GW_CONFIG);
    assert_null(strstr(msg.text, "$y$"));
    assert_int_equal(
        parse("{\"users\":[{\"user\":\"a\",\"password\":\"hunter2\"}]}", NULL, &f, &msg),
        GW_CONFIG);
    assert_null(strstr(msg.text, "hunter2"));
}

static void test_users(void **state)
{
    (void)state;
    static const char text[] =
        "{\"users\":["
        "{\"user\":\"zoe\",\"password\":\"" AUTHKIT_YESCRYPT "\"},"
        "{\"user\":\"bob\",\"public_keys\":[\"command=\\\"x\\\" " AUTHKIT_ED25519
        "\",\"" AUTHKIT_ECDSA "\",\"nonsense\"]},"
        "{\"user\":\"alice\",\"password\":\"" AUTHKIT_SHA256 "\",\"home\":\"/in\"},"
        "{\"user\":\"off\",\"password\":\"!" AUTHKIT_SHA256 "\"},"
        "{\"user\":\"off2\",\"password\":\"*\"}]}";
    struct user_file *f = NULL;
    struct gw_errmsg msg = {""};
    if (parse(text, "{\"home\":\"/h/${user}\"}", &f, &msg) != GW_OK)
        fail_msg("%s", msg.text);
    assert_int_equal(user_file_count(f), 5);
    assert_null(user_file_find(f, "nobody"));
    assert_null(user_file_find(f, ""));
    assert_string_equal(user_file_find(f, "zoe")->password, AUTHKIT_YESCRYPT);
    assert_string_equal(user_file_find(f, "zoe")->id->home, "/h/zoe");
    assert_string_equal(user_file_find(f, "alice")->id->home, "/in");
    assert_null(user_file_find(f, "off")->password);
    assert_null(user_file_find(f, "off2")->password);
    const struct identity *bob = user_file_find(f, "bob")->id;
    assert_int_equal(bob->npublic_keys, 1);
    assert_string_equal(bob->public_keys[0], AUTHKIT_ECDSA);
    /* A name has one decoy, and it is one of the hashes that the file has. */
    bool seen[2] = {false, false};
    for (int i = 0; i < 64; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%d", i);
        const char *d = user_file_decoy(f, name);
        assert_ptr_equal(d, user_file_decoy(f, name));
        assert_true(strcmp(d, AUTHKIT_SHA256) == 0 || strcmp(d, AUTHKIT_YESCRYPT) == 0);
        seen[strcmp(d, AUTHKIT_SHA256) == 0] = true;
    }
    assert_true(seen[0] && seen[1]);
    user_file_unref(&f);
    assert_int_equal(parse("{\"users\":[]}", NULL, &f, NULL), GW_OK);
    assert_string_equal(user_file_decoy(f, "x"), passwd_decoy());
    user_file_unref(&f);
}

static void test_load(void **state)
{
    (void)state;
    struct user_file *f = NULL;
    struct stat st;
    struct gw_errmsg msg = {""};
    char *path = authkit_file("{\"users\":[{\"user\":\"a\"}]}");
    assert_int_equal(user_file_load(path, NULL, &f, &st, &msg), GW_OK);
    assert_int_equal(st.st_size, strlen("{\"users\":[{\"user\":\"a\"}]}"));
    user_file_unref(&f);
    authkit_write(path, "{\"users\":");
    assert_int_equal(user_file_load(path, NULL, &f, &st, &msg), GW_CONFIG);
    assert_int_equal(st.st_size, 9);
    assert_non_null(strstr(msg.text, path));
    authkit_remove(&path);
    assert_int_equal(user_file_load("/dev/null", NULL, &f, &st, &msg), GW_IO);
    assert_int_equal(user_file_load("/nowhere/users.json", NULL, &f, &st, &msg), GW_IO);
    assert_int_equal(st.st_size, 0);
    assert_null(f);
}

int main(void)
{
    log_level_now = LOG_LVL_ERROR; /* the refused keys are on purpose */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_messages_quote_nothing),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
