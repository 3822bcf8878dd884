/* The pause before a repetition: random, within its bound and the deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/retry.h"

#define NO_DEADLINE UINT64_MAX

static void test_every_pause_up_to_the_bound(void **state)
{
    static const struct {
        unsigned attempts;
        uint64_t bound;
    } rows[] = {{1, 200},   {2, 400},   {3, 800},           {6, 6400},
                {7, 10000}, {8, 10000}, {UINT32_MAX, 10000}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t seen = 0;
        for (uint32_t random = 0; random <= 2 * rows[i].bound; random++) {
            uint64_t pause = retry_pause_ms(rows[i].attempts, random, NO_DEADLINE);
            assert_true(pause <= rows[i].bound);
            seen += random <= rows[i].bound && pause == random; /* each value as often as another */
        }
        assert_int_equal(seen, rows[i].bound + 1);
    }
}

static void test_not_beyond_the_deadline(void **state)
{
    (void)state;
    for (uint32_t random = 0; random < 1000; random++) {
        assert_true(retry_pause_ms(5, random, 30) <= 30);
        assert_int_equal(retry_pause_ms(5, random, 0), 0);
    }
    assert_int_equal(retry_pause_ms(5, 30, 30), 30);
    for (uint32_t random = 31; random <= 3200; random++) /* cut, not squeezed in */
        assert_int_equal(retry_pause_ms(5, random, 30), 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pause_up_to_the_bound),
        cmocka_unit_test(test_not_beyond_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
