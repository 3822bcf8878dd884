#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/vfs/usage.h"
#include "tests/support/quotakit.h"
#include "tests/support/sync.h"

/* How often: after a count that took long, the longer not. */
static void test_recount_rests(void **state)
{
    (void)state;
    struct usage *u = usage_open("dora");
    assert_false(usage_recount(u, 5)); /* it was never counted */
    assert_int_equal(usage_enter(u), USAGE_MINE);
    usage_counted(u, (struct usage_sum){90, 1}, 10);
    assert_true(usage_recount(u, 20));
    assert_false(usage_recount(u, 20));
    assert_int_equal(usage_enter(u), USAGE_OTHERS);
    usage_counted(u, (struct usage_sum){80, 1}, 5020);
    assert_false(usage_recount(u, 5020 + 49999));
    assert_true(usage_recount(u, 5020 + 50000));
    usage_counted(u, (struct usage_sum){80, 1}, 60000);
    usage_doubt(u, 75000);
    assert_false(usage_recount(u, 80000));
    usage_close(&u);
}

/* Sessions of one user count together, and once; those to come count anew when none is left. */
static void test_usage_is_shared(void **state)
{
    (void)state;
    struct usage *a = usage_open("alice"), *b = usage_open("alice"), *c = usage_open("bob");
    const struct usage_sum most = {100, 0};
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(usage_enter(a), USAGE_MINE);
    assert_int_equal(usage_enter(b), USAGE_OTHERS);
    usage_counted(a, (struct usage_sum){90, 1}, 0);
    assert_int_equal(usage_enter(b), USAGE_KNOWN);
    usage_leave(b);
    assert_true(usage_charge(b, (struct usage_sum){10, 5}, most));
    assert_false(usage_charge(a, (struct usage_sum){1, 0}, most));
    assert_true(
        usage_charge(a, (struct usage_sum){-1, 0}, most)); /* over it one may still shrink */
    assert_true(usage_charge(a, (struct usage_sum){INT64_MAX - 99, 0}, (struct usage_sum){0, 9}));
    assert_false(usage_charge(a, (struct usage_sum){1, 0}, (struct usage_sum){0, 9}));
    usage_adjust(a, (struct usage_sum){-(INT64_MAX - 99), 0});
    usage_close(&a);
    assert_int_equal(usage_now(b).bytes, 99);
    usage_close(&b);
    a = usage_open("alice");
    assert_int_equal(usage_enter(a), USAGE_MINE);
    usage_close(&a);
    usage_close(&c);
}

static void told(void *arg)
{
    (*(unsigned *)arg)++;
}

static bool is_told(void *arg)
{
    return *(unsigned *)arg > 0;
}

static void test_usage_wait(void **state)
{
    struct quotakit *f = *state;
    struct usage *u = usage_open("carol");
    unsigned first = 0, second = 0;
    assert_int_equal(usage_enter(u), USAGE_MINE);
    struct op *one = usage_wait(u, f->loop, told, &first);
    struct op *two = usage_wait(u, f->loop, told, &second);
    op_cancel(&two);
    usage_uncounted(u, "why");
    char why[8];
    usage_why(u, why, sizeof why);
    assert_string_equal(why, "why");
    two = usage_wait(u, f->loop, told, &second); /* nothing to wait for: told all the same */
    op_cancel(&two);                             /* on its way already */
    assert_true(sync_until(f->loop, is_told, &first));
    (void)one;
    loop_poll(f->loop);
    assert_int_equal(first, 1);
    assert_int_equal(second, 0);
    assert_int_equal(usage_enter(u), USAGE_MINE);
    usage_close(&u);
}

#define ROW(fn) cmocka_unit_test_setup_teardown(fn, quotakit_setup, quotakit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_recount_rests),
        ROW(test_usage_is_shared),
        ROW(test_usage_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
