#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/utf8.h"

static void test_decode(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len; /* 0 = not UTF-8 */
        uint32_t cp;
    } rows[] = {
        {"a", 1, 'a'},
        {"\x7f", 1, 0x7f},
        {"\xc2\x80", 2, 0x80},
        {"\xdf\xbf", 2, 0x7ff},
        {"\xe0\xa0\x80", 3, 0x800},
        {"\xef\xbf\xbf", 3, 0xffff},
        {"\xf0\x90\x80\x80", 4, 0x10000},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\x80", 0, 0},     /* stray */
        {"\xc0\xaf", 0, 0}, /* overlong */
        {"\xc1\xbf", 0, 0},
        {"\xe0\x9f\xbf", 0, 0},
        {"\xf0\x8f\xbf\xbf", 0, 0},
        {"\xed\xa0\x80", 0, 0},     /* a surrogate */
        {"\xf4\x90\x80\x80", 0, 0}, /* above the last */
        {"\xf8\x88\x80\x80\x80", 0, 0},
        {"\xff", 0, 0},
        {"\xc3", 0, 0}, /* cut off */
        {"\xe2\x82", 0, 0},
        {"\xe2\x28\xa1", 0, 0},
        {"\xc3\x28", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t cp = 0;
        size_t n = utf8_decode((const uint8_t *)rows[i].bytes, strlen(rows[i].bytes), &cp);
        if (n != rows[i].len || cp != rows[i].cp)
            fail_msg("row %zu: %zu bytes, U+%04X", i, n, cp);
    }
}

/* Every character there is, written by hand, comes back; nothing else of its length does. */
static void test_all(void **state)
{
    (void)state;
    unsigned good = 0;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        uint8_t b[4] = {(uint8_t)c};
        size_t n = 1;
        uint32_t back = 0;
        if (c >= 0x80) {
            n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
            for (size_t i = n - 1; i > 0; i--)
                b[i] = (uint8_t)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
            b[0] = (uint8_t)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c >> 6 * (n - 1));
        }
        bool surrogate = c >= 0xd800 && c <= 0xdfff;
        assert_int_equal(utf8_decode(b, n, &back), surrogate ? 0 : n);
        assert_int_equal(surrogate ? 0 : c, back);
        assert_int_equal(utf8_decode(b, n - 1, &back), 0);
        good += utf8_decode(b, n, &back) > 0;
    }
    assert_int_equal(good, 0x110000 - 0x800);
}

static void test_valid(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        bool ok;
    } rows[] = {
        {"", 0, true},           {"a\0b", 3, true},    {"j\xc3\xbcrgen \xf0\x9f\x98\x80", 12, true},
        {"j\xc3\xbc", 2, false}, {"ab\xff", 3, false}, {"\xed\xa0\x80", 3, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(utf8_valid(rows[i].bytes, rows[i].n), rows[i].ok);
    assert_true(utf8_valid(NULL, 0));
}

static void test_printable(void **state)
{
    (void)state;
    static const uint32_t yes[] = {' ', 'a', '"', '\\', '~', 0xa0, 0xe9, 0x5d0, 0x4e2d, 0x1f600};
    static const uint32_t no[] = {0,      '\n',   0x1b,   0x7f,   0x85,   0x9b,
                                  0x200b, 0x200e, 0x200f, 0x061c, 0x2028, 0x2029,
                                  0x202a, 0x202e, 0x2066, 0x2069, 0xfeff, 0xe0001};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        assert_true(utf8_printable(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_false(utf8_printable(no[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
