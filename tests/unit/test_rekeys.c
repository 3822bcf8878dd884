#include "gateway/ssh/rekeys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* count exchanges, each so long and so many bytes after the one before. */
struct row {
    const char *what;
    unsigned count;
    uint64_t ms, bytes;
    unsigned good; /* of them, before the first that is too many */
};

#define ALL UINT32_MAX
#define MIB (UINT64_C(1) << 20)

static const struct row rows[] = {
    {"nothing but exchanges", 1000, 0, 0, REKEYS_AT_ONCE},
    {"what an exchange itself has on the wire", 1000, 2, 7000, 55},
    {"by bytes, as OpenSSH's RekeyLimit=16K", 100000, 2, 16384, ALL},
    {"by bytes, a mebibyte", 100000, 1, MIB, ALL},
    {"by the clock, a second", 100000, 1000, 0, ALL},
    {"by the clock, an hour", 100000, 3600000, 0, ALL},
    {"half a second, and no data", 1000, 500, 0, 64},
    {"half a second and half the bytes: together enough", 100000, 500, 8192, ALL},
};

static unsigned good_of(struct rekeys *r, const struct row *row, uint64_t ms, uint64_t bytes)
{
    for (unsigned i = 0; i < row->count; i++)
        if (!rekeys_one(r, ms += row->ms, bytes += row->bytes))
            return i;
    return ALL;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rekeys r = {.at_ms = 5000, .at_bytes = 100};
        unsigned good = good_of(&r, &rows[i], 5000, 100);
        if (good != rows[i].good)
            fail_msg("%s: %u", rows[i].what, good);
    }
}

/* Idle hours give no more than a full allowance. */
static void test_nothing_is_saved_up(void **state)
{
    (void)state;
    struct rekeys r = {0};
    static const struct row storm = {"storm", 1000, 0, 0, 0};
    assert_true(rekeys_one(&r, 100000000, 1000 * MIB));
    assert_int_equal(good_of(&r, &storm, 100000000, 1000 * MIB), REKEYS_AT_ONCE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_nothing_is_saved_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
