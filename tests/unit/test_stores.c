#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backends/stores.h"
#include "gateway/base/mem.h"

static int setup(void **state)
{
    struct loop *l = NULL;
    assert_int_equal(loop_new(&l), GW_OK);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    struct loop *l = *state;
    loop_free(&l);
    return 0;
}

static void test_equal_ones_are_one(void **state)
{
    const struct backend_env env = {.loop = *state};
    struct stores *s = stores_new(&env);
    struct backend *a = NULL, *b = NULL, *c = NULL;
    struct gw_errmsg msg = {""};
    assert_int_equal(stores_open(s, "{\"max_mb\":2,\"type\":\"memory\"}", &a, &msg), GW_OK);
    assert_int_equal(stores_open(s, "{\"max_mb\":2,\"type\":\"memory\"}", &b, &msg), GW_OK);
    assert_int_equal(stores_open(s, "{\"max_mb\":3,\"type\":\"memory\"}", &c, &msg), GW_OK);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(stores_count(s), 2);
    backend_unref(&a);
    assert_int_equal(stores_count(s), 2);
    backend_unref(&b);
    assert_int_equal(stores_count(s), 1);
    /* What is open outlives the table: the last session of a configuration that was reloaded. */
    stores_unref(&s);
    const struct backend_view whole = {.prefix = ""};
    struct fs *fs = NULL;
    assert_int_equal(backend_view_new(c, &whole, &fs), GW_OK);
    backend_unref(&c);
    fs_free(&fs);
}

static void test_bad_ones_say_why(void **state)
{
    setenv("AWS_ACCESS_KEY_ID", "the gateway's", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "own", 1);
    static const struct {
        const char *json, *want;
    } rows[] = {
        {"{\"type\":\"tape\"}", "store.type: "},
        {"{\"max_gb\":2,\"type\":\"memory\"}", "store.max_gb: no such key"},
        {"{\"max_mb\":0,\"type\":\"memory\"}", "store.max_mb: "},
        {"{\"type\":\"s3\"}", "store.bucket: is missing"},
        {"{\"root\":\"/nonexistent/folder\",\"type\":\"local\"}", "store.root: "},
        /* An answer reads neither the environment nor a file of the gateway. */
        {"{\"bucket\":\"${HOME}/x\",\"type\":\"s3\"}", "store.bucket: \"${HOME}/x\" must be"},
        {"{\"max_mb\":\"${N:-2}\",\"type\":\"memory\"}", "store.max_mb: "},
        {"{\"bucket\":\"b\",\"credentials\":{\"access_key_id\":\"a\",\"secret_access_key\":"
         "{\"file\":\"/etc/hostname\"}},\"type\":\"s3\"}",
         "store.credentials.secret_access_key: is an object: a string is allowed"},
        {"{\"bucket\":\"b\",\"type\":\"s3\"}", "store.credentials: are missing"},
        {"not json", "store: "},
    };
    const struct backend_env env = {.loop = *state};
    struct stores *s = stores_new(&env);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct backend *b = NULL;
        struct gw_errmsg msg = {""};
        if (stores_open(s, rows[i].json, &b, &msg) == GW_OK)
            fail_msg("%s was taken", rows[i].json);
        if (strncmp(msg.text, rows[i].want, strlen(rows[i].want)) != 0)
            fail_msg("%s: %s", rows[i].json, msg.text);
        assert_null(b);
        assert_int_equal(stores_count(s), 0);
    }
    stores_unref(&s);
}

static void test_bounded(void **state)
{
    const struct backend_env env = {.loop = *state};
    struct stores *s = stores_new(&env);
    struct backend **all = mem_array(STORES_MAX, sizeof *all);
    struct gw_errmsg msg = {""};
    for (unsigned i = 0; i < STORES_MAX; i++) {
        char *json = mem_printf("{\"max_mb\":%u,\"type\":\"memory\"}", i + 1);
        assert_int_equal(stores_open(s, json, &all[i], &msg), GW_OK);
        mem_free(json);
    }
    struct backend *more = NULL;
    const char *new_one = "{\"max_mb\":5000,\"type\":\"memory\"}";
    assert_int_equal(stores_open(s, new_one, &more, &msg), GW_BUSY);
    backend_unref(&all[7]);
    assert_int_equal(stores_open(s, new_one, &all[7], &msg), GW_OK);
    for (unsigned i = 0; i < STORES_MAX; i++)
        backend_unref(&all[i]);
    mem_free(all);
    assert_int_equal(stores_count(s), 0);
    stores_unref(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_equal_ones_are_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_ones_say_why, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
