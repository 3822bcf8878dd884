/* When the pool is asked to read ahead: reads, and from where it is asked (NEVER = it is not). */
#include "backends/local/local_ahead.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define KIB   ((uint64_t)1024)
#define WHOLE LOCAL_AHEAD_BYTES
#define HALF  (WHOLE / 2)
#define NEVER UINT64_MAX

struct row {
    uint64_t off;
    size_t len;
    bool waits;
    uint64_t from;
    bool busy; /* the pool has not answered the last time it was asked */
};

static void play(const struct row *rows, size_t n)
{
    struct local_ahead a = {0};
    for (size_t i = 0; i < n; i++) {
        uint64_t from = NEVER;
        a.asking = rows[i].busy;
        bool due = local_ahead_due(&a, rows[i].off, rows[i].len, rows[i].waits, &from);
        assert_int_equal(due, rows[i].from != NEVER);
        assert_int_equal(from, rows[i].from);
        assert_int_equal(a.asking, due || rows[i].busy);
    }
}

#define PLAY(rows) play(rows, sizeof(rows) / sizeof(rows)[0])

static void test_in_order(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {0, 32 * KIB, true, NEVER, false}, /* one read is no order yet */
        {0, 32 * KIB, false, NEVER, false},
        {32 * KIB, 32 * KIB, true, 64 * KIB, false},
        {64 * KIB, 32 * KIB, false, NEVER, false},
        {96 * KIB, HALF - 32 * KIB - 1, false, NEVER, false},
        {HALF + 64 * KIB - 1, 1, false, 64 * KIB + WHOLE, false},
        {HALF + 64 * KIB, WHOLE - 1, false, NEVER, false},
        {HALF + 64 * KIB + WHOLE - 1, 1, false, 64 * KIB + 2 * WHOLE, false},
    };
    PLAY(rows);
}

/* What is cached is never asked for. */
static void test_warm(void **state)
{
    struct local_ahead a = {0};
    (void)state;
    for (uint64_t off = 0; off < 4 * WHOLE; off += 32 * KIB) {
        uint64_t from;
        assert_false(local_ahead_due(&a, off, 32 * KIB, false, &from));
    }
}

static void test_at_random(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {WHOLE, 4 * KIB, true, NEVER, false},
        {3 * WHOLE, 4 * KIB, true, NEVER, false},
        {0, 4 * KIB, true, NEVER, false},
        {WHOLE, 4 * KIB, true, NEVER, false},
        {WHOLE + 4 * KIB, 4 * KIB, false, WHOLE + 8 * KIB, false}, /* in order from here on */
        {9 * WHOLE, 4 * KIB, false, NEVER, false},                 /* and somewhere else again */
        {9 * WHOLE + 4 * KIB, 4 * KIB, false, 9 * WHOLE + 8 * KIB, false},
    };
    PLAY(rows);
}

/* A pool that is late is not asked twice, and a reader that has overtaken it is not sent back. */
static void test_late_pool(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {0, 32 * KIB, true, NEVER, false},
        {32 * KIB, 32 * KIB, true, 64 * KIB, false},
        {64 * KIB, WHOLE, true, NEVER, true},
        {64 * KIB + WHOLE, WHOLE, true, NEVER, true},
        {64 * KIB + 2 * WHOLE, 32 * KIB, true, 96 * KIB + 2 * WHOLE, false},
    };
    PLAY(rows);
}

/* Nothing to read moves nothing. */
static void test_empty(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {0, 0, true, NEVER, false},
        {0, 32 * KIB, true, NEVER, false},
        {32 * KIB, 32 * KIB, true, 64 * KIB, false},
    };
    PLAY(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),  cmocka_unit_test(test_warm),
        cmocka_unit_test(test_at_random), cmocka_unit_test(test_late_pool),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
