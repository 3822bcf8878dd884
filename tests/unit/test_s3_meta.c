#include "backends/s3/s3_meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_mtime(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t s;
        uint32_t ns;
        const char *again; /* as format() writes it; NULL = as text */
    } rows[] = {
        {"1763818678", true, 1763818678, 0, NULL},
        {"1763818678.123456789", true, 1763818678, 123456789, NULL},
        {"1763818678.5", true, 1763818678, 500000000, NULL},
        {"1763818678.50", true, 1763818678, 500000000, "1763818678.5"},
        {"1763818678.1234567899", true, 1763818678, 123456789, "1763818678.123456789"},
        {"1763818678.", true, 1763818678, 0, "1763818678"},
        {"0", true, 0, 0, NULL},
        {"-1", true, -1, 0, NULL},
        {"-1.25", true, -2, 750000000, NULL},
        {"-0.5", true, -1, 500000000, NULL},
        {"253402300799", true, 253402300799, 0, NULL},
        {"253402300800", false, 0, 0, NULL},
        {"99999999999999999999", false, 0, 0, NULL},
        {"-62135596801", false, 0, 0, NULL},
        {"", false, 0, 0, NULL},
        {"-", false, 0, 0, NULL},
        {".5", false, 0, 0, NULL},
        {"1e9", false, 0, 0, NULL},
        {" 1", false, 0, 0, NULL},
        {"1 ", false, 0, 0, NULL},
        {"2026-11-22T13:57:59Z", false, 0, 0, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t s = 0;
        uint32_t ns = 0;
        bool ok = s3_meta_mtime_parse(rows[i].text, &s, &ns);
        if (ok != rows[i].ok || s != rows[i].s || ns != rows[i].ns)
            print_error("row %s\n", rows[i].text);
        assert_int_equal(ok, rows[i].ok);
        assert_int_equal(s, rows[i].s);
        assert_int_equal(ns, rows[i].ns);
        if (ok) {
            char text[S3_META_MTIME_MAX];
            s3_meta_mtime_format(s, ns, text);
            assert_string_equal(text, rows[i].again != NULL ? rows[i].again : rows[i].text);
        }
    }
    char text[S3_META_MTIME_MAX];
    s3_meta_mtime_format(INT64_MIN, 999999999, text);
    assert_string_equal(text, "-9223372036854775807.000000001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
