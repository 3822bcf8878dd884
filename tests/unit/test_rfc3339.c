#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/rfc3339.h"

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t s;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2027-01-01T00:00:00Z", 1798761600},
        {"2027-01-01t00:00:00z", 1798761600},
        {"2027-01-01 00:00:00Z", 1798761600},
        {"2027-01-01T02:00:00+02:00", 1798761600},
        {"2026-12-31T18:30:00-05:30", 1798761600},
        {"2027-01-01T00:00:00.999Z", 1798761600},
        {"2027-01-01T02:00:00.5+02:00", 1798761600},
        {"2024-02-29T00:00:00Z", 1709164800},
        {"2016-12-31T23:59:60Z", 1483228800}, /* a leap second */
        {"9999-12-31T23:59:59Z", 253402300799},
        {"1969-12-31T23:59:59Z", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t s = -77;
        if (!rfc3339_parse(rows[i].text, &s) || s != rows[i].s)
            fail_msg("%s gave %lld", rows[i].text, (long long)s);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "2027",
        "2027-01-01",
        "2027-01-01T00:00:00",
        "2027-01-01T00:00Z",
        "2027-1-1T00:00:00Z",
        "2027-13-01T00:00:00Z",
        "2027-00-01T00:00:00Z",
        "2027-01-32T00:00:00Z",
        "2027-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2027-01-01T24:00:00Z",
        "2027-01-01T00:60:00Z",
        "2027-01-01T00:00:61Z",
        "2027-01-01T00:00:00.Z",
        "2027-01-01T00:00:00.5",
        "2027-01-01T00:00:00+0200",
        "2027-01-01T00:00:00+24:00",
        "2027-01-01T00:00:00+02",
        "2027-01-01T00:00:00Zx",
        "+027-01-01T00:00:00Z",
        " 2027-01-01T00:00:00Z",
        "-2027-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t s = 0;
        if (rfc3339_parse(rows[i], &s))
            fail_msg("%s was taken", rows[i]);
    }
}

static void test_format(void **state)
{
    (void)state;
    char out[32];
    rfc3339_format(1798761600, out);
    assert_string_equal(out, "2027-01-01T00:00:00Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
