/* Buffers that are used again: what is kept is counted in bytes, who gets which by address. */
#include "gateway/io/buffers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"

#define ONE  BUFFERS_LEAST
#define TWO  (2 * BUFFERS_LEAST)
#define KEEP (4 * BUFFERS_LEAST)

static struct buffers *all;
static uint8_t *held; /* so that one is always out */

static int setup(void **state)
{
    (void)state;
    all = buffers_new(KEEP);
    held = buffers_get(all, ONE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buffers_put(all, &held, ONE);
    buffers_free(&all);
    assert_null(all);
    buffers_free(&all);
    return 0;
}

static uint8_t *get(size_t n)
{
    uint8_t *p = buffers_get(all, n);
    assert_non_null(p);
    memset(p, 1, n);
    return p;
}

static void put(uint8_t *p, size_t n)
{
    buffers_put(all, &p, n);
    assert_null(p);
}

/* The same size comes back, the latest first; another size does not. */
static void test_used_again(void **state)
{
    (void)state;
    uint8_t *a = get(ONE), *b = get(ONE), *c = get(TWO);
    put(a, ONE);
    put(b, ONE);
    put(c, TWO);
    assert_int_equal(buffers_kept(all), KEEP);
    assert_ptr_equal(get(ONE), b);
    assert_int_equal(buffers_kept(all), KEEP - ONE);
    assert_ptr_equal(get(ONE), a);
    uint8_t *d = get(ONE);
    assert_ptr_not_equal(d, c);
    assert_int_equal(buffers_kept(all), TWO);
    put(a, ONE);
    put(b, ONE);
    put(d, ONE);
}

/* The oldest make room; one that is larger than all that may be kept goes at once. */
static void test_bound(void **state)
{
    (void)state;
    uint8_t *b[8];
    for (int i = 0; i < 8; i++)
        b[i] = get(ONE);
    for (int i = 0; i < 8; i++) {
        put(b[i], ONE);
        assert_int_equal(buffers_kept(all), i < 4 ? ((size_t)i + 1) * ONE : KEEP);
    }
    for (int i = 7; i > 3; i--)
        assert_ptr_equal(get(ONE), b[i]);
    assert_int_equal(buffers_kept(all), 0);
    for (int i = 4; i < 8; i++)
        put(b[i], ONE);
    put(get(KEEP + ONE), KEEP + ONE);
    assert_in_range(buffers_kept(all), 0, KEEP);
}

/* Whoever gives the last one back leaves nothing behind. */
static void test_nothing_out(void **state)
{
    (void)state;
    uint8_t *a = get(ONE);
    put(a, ONE);
    assert_int_equal(buffers_kept(all), ONE);
    buffers_put(all, &held, ONE);
    assert_int_equal(buffers_kept(all), 0);
    a = get(ONE);
    mem_fail_after(1);
    assert_null(buffers_get(all, TWO));
    put(a, ONE);
    assert_int_equal(buffers_kept(all), 0);
}

/* No memory for the only one: what lies unused goes as well. */
static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        mem_fail_after(1);
        assert_null(buffers_get(all, ONE - i));
    }
    put(get(ONE), ONE);
    mem_fail_after(1);
    uint8_t *again = buffers_get(all, ONE); /* takes no memory */
    assert_non_null(again);
    mem_fail_after(0);
    put(again, ONE);
}

/* Small ones are the allocator's. */
static void test_small(void **state)
{
    (void)state;
    put(get(ONE - 1), ONE - 1);
    put(get(1), 1);
    buffers_put(all, &(uint8_t *){NULL}, ONE);
    assert_int_equal(buffers_kept(all), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
