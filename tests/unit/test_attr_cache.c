#include "backends/attr_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "backends/s3/s3_meta.h"
#include "tests/support/sync.h"

struct env {
    struct loop *loop;
    struct attr_cache *cache, *other; /* of another loop, as it were */
};

static int setup(void **state)
{
    static struct env e;
    assert_int_equal(loop_new(&e.loop), GW_OK);
    e.cache = attr_cache_new(e.loop, 60000);
    e.other = attr_cache_new(e.loop, 60000);
    *state = &e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;
    attr_cache_free(&e->cache);
    attr_cache_free(&e->other);
    loop_free(&e->loop);
    return 0;
}

static void put(struct attr_cache *c, const char *key, uint64_t size, uint64_t since)
{
    struct fs_attr a;
    remote_meta_attr_file(size, 1, &a);
    attr_cache_put(c, key, &a, since);
}

static void test_put_and_forget(void **state)
{
    struct env *e = *state;
    struct fs_attr a;
    assert_false(attr_cache_get(e->cache, "k", &a));
    put(e->cache, "k", 7, attr_cache_now());
    assert_true(attr_cache_get(e->cache, "k", &a));
    assert_int_equal(a.size, 7);
    put(e->cache, "k", 8, attr_cache_now());
    assert_true(attr_cache_get(e->cache, "k", &a));
    assert_int_equal(a.size, 8);
    attr_cache_forget(e->cache, "k");
    assert_false(attr_cache_get(e->cache, "k", &a));
    put(e->cache, "d/x", 1, attr_cache_now());
    put(e->cache, "e/x", 1, attr_cache_now());
    attr_cache_forget_under(e->cache, "d/");
    assert_false(attr_cache_get(e->cache, "d/x", &a));
}

/* A write on another loop counts here too. */
static void test_other_loop(void **state)
{
    struct env *e = *state;
    struct fs_attr a;
    put(e->cache, "shared", 1, attr_cache_now());
    attr_cache_forget(e->other, "shared");
    assert_false(attr_cache_get(e->cache, "shared", &a));
    put(e->cache, "tree/x", 1, attr_cache_now());
    attr_cache_forget_under(e->other, "tree/");
    assert_false(attr_cache_get(e->cache, "tree/x", &a));
}

/* An answer that was on its way while the key was written is not kept. */
static void test_race(void **state)
{
    struct env *e = *state;
    struct fs_attr a;
    uint64_t since = attr_cache_now();
    attr_cache_forget(e->cache, "raced");
    put(e->cache, "raced", 1, since);
    assert_false(attr_cache_get(e->cache, "raced", &a));
}

static bool gone(void *arg)
{
    struct fs_attr a;
    return !attr_cache_get(arg, "short", &a);
}

static void test_time(void **state)
{
    struct env *e = *state;
    struct attr_cache *c = attr_cache_new(e->loop, 50);
    struct attr_cache *off = attr_cache_new(e->loop, 0);
    struct fs_attr a;
    put(c, "short", 1, attr_cache_now());
    assert_true(attr_cache_get(c, "short", &a));
    assert_true(sync_until(e->loop, gone, c));
    put(off, "never", 1, attr_cache_now());
    assert_false(attr_cache_get(off, "never", &a));
    attr_cache_free(&c);
    attr_cache_free(&off);
}

static void test_bounded(void **state)
{
    struct env *e = *state;
    struct fs_attr a;
    char key[32];
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(key, sizeof key, "many/%u", i);
        put(e->cache, key, i, attr_cache_now());
    }
    assert_false(attr_cache_get(e->cache, "many/0", &a));
    assert_true(attr_cache_get(e->cache, "many/9999", &a));
    assert_int_equal(a.size, 9999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_forget), cmocka_unit_test(test_other_loop),
        cmocka_unit_test(test_race),           cmocka_unit_test(test_time),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
