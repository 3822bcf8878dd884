/* Turns of the connections of one loop, in every mix that matters: what is counted are bytes. */
#include "gateway/ssh/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* Bytes that `bulk` may move in n turns, while `other` has one turn after every `every` of them
 * (0 = never). */
static size_t moved(struct turns *t, unsigned n, unsigned every)
{
    int bulk, other;
    size_t sum = 0;
    for (unsigned i = 0; i < n; i++) {
        sum += turns_begin(t, &bulk);
        if (every > 0 && i % every == every - 1)
            assert_int_equal(turns_begin(t, &other), TURNS_SHARED_BYTES);
    }
    return sum;
}

static void test_mixes(void **state)
{
    static const struct {
        unsigned n, every;
        size_t small, large; /* turns of each kind */
    } rows[] = {
        {TURNS_ALONE_AFTER, 0, TURNS_ALONE_AFTER, 0},
        {TURNS_ALONE_AFTER + 10, 0, TURNS_ALONE_AFTER, 10},
        {10000, 1, 10000, 0},
        {10000, TURNS_ALONE_AFTER, 10000, 0},
        {2 * (TURNS_ALONE_AFTER + 1), TURNS_ALONE_AFTER + 1, 2 * TURNS_ALONE_AFTER, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct turns t = {0};
        size_t want = rows[i].small * TURNS_SHARED_BYTES + rows[i].large * TURNS_ALONE_BYTES;
        assert_int_equal(moved(&t, rows[i].n, rows[i].every), want);
    }
}

/* A loop that one transfer had to itself is shared again with the first turn of another. */
static void test_newcomer(void **state)
{
    struct turns t = {0};
    int bulk, other;
    (void)state;
    for (unsigned i = 0; i < 2 * TURNS_ALONE_AFTER; i++)
        (void)turns_begin(&t, &bulk);
    assert_int_equal(turns_begin(&t, &bulk), TURNS_ALONE_BYTES);
    assert_int_equal(turns_begin(&t, &other), TURNS_SHARED_BYTES);
    assert_int_equal(turns_begin(&t, &bulk), TURNS_SHARED_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixes),
        cmocka_unit_test(test_newcomer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
