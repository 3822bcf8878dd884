#include "backends/remote_meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_dates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t s;
    } rows[] = {
        {"Sun, 22 Nov 2026 13:57:59 GMT", true, 1795355879},
        {"Thu, 01 Jan 1970 00:00:00 GMT", true, 0},
        {"Thu, 29 Feb 2024 23:59:60 GMT", true, 1709251200},
        {"Wed, 29 Feb 2023 00:00:00 GMT", false, 0},
        {"Sun, 22 Nov 2026 24:00:00 GMT", false, 0},
        {"Sun, 22 anF 2026 13:57:59 GMT", false, 0},
        {"Sun, 22 Nov 2026 13:57:59 CET", false, 0},
        {"Sun, 22 Nov 2026 13:57:59 GMT ", false, 0},
        {"Sunday, 22-Nov-26 13:57:59 GMT", false, 0},
        {"Sun,", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t s = 0;
        bool ok = remote_meta_http_date(rows[i].text, &s);
        if (ok != rows[i].ok || (ok && s != rows[i].s))
            print_error("row %s: %lld\n", rows[i].text, (long long)s);
        assert_int_equal(ok, rows[i].ok);
        if (ok)
            assert_int_equal(s, rows[i].s);
    }
}

static void test_number(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},   {"12", true, 12}, {"18446744073709551605", true, UINT64_MAX - 10},
        {"", false, 0},   {"-1", false, 0}, {"99999999999999999999", false, 0},
        {"1 ", false, 0}, {"1x", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t v = 0;
        bool ok = remote_meta_number(rows[i].text, &v);
        if (ok != rows[i].ok || v != rows[i].value)
            print_error("row %s\n", rows[i].text);
        assert_int_equal(ok, rows[i].ok);
        assert_true(v == rows[i].value);
    }
}

static void test_attr(void **state)
{
    (void)state;
    struct fs_attr a;
    remote_meta_attr_file(7, 1795355879, &a);
    assert_int_equal(a.kind, FS_KIND_REG);
    assert_int_equal(a.set, FS_ATTR_SIZE | FS_ATTR_MODE | FS_ATTR_MTIME | FS_ATTR_ATIME);
    assert_int_equal(a.size, 7);
    assert_int_equal(a.mtime_s, 1795355879);
    remote_meta_attr_dir(0, &a);
    assert_int_equal(a.kind, FS_KIND_DIR);
    assert_int_equal(a.set, FS_ATTR_SIZE | FS_ATTR_MODE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_attr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
