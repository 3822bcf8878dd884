#include "gateway/base/percent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_encode(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        size_t len;
        bool keep_slash;
        const char *want;
    } rows[] = {
        {"a//b", 4, true, "a//b"},
        {"a/../b", 6, true, "a/../b"},
        {"a/b", 3, false, "a%2Fb"},
        {"a b+c~d%e", 9, true, "a%20b%2Bc~d%25e"},
        {"line\nbreak\x7f", 11, true, "line%0Abreak%7F"},
        {"\xc3\xbc\xff", 3, true, "%C3%BC%FF"},
        {"!'()*&=?#;:@$,", 14, true, "%21%27%28%29%2A%26%3D%3F%23%3B%3A%40%24%2C"},
        {"", 0, true, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_buf out;
        gw_buf_init(&out, 256);
        percent_encode(gw_span_of(rows[i].raw, rows[i].len), rows[i].keep_slash, &out);
        assert_string_equal(gw_buf_cstr(&out), rows[i].want);
        gw_buf_free(&out);
    }
}

static void test_decode(void **state)
{
    (void)state;
    static const struct {
        const char *text, *raw; /* NULL = refused */
    } rows[] = {
        {"", ""},           {"a%20b", "a b"},       {"a+b", "a+b"},
        {"%2fx%2F", "/x/"}, {"%C3%A4", "\xc3\xa4"}, {"%ff", "\xff"},
        {"%", NULL},        {"%2", NULL},           {"%2x", NULL},
        {"%%20", NULL},     {"100%25", "100%"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_buf out;
        gw_buf_init(&out, 100);
        bool ok = percent_decode(gw_span_str(rows[i].text), &out);
        if (ok != (rows[i].raw != NULL))
            print_error("row %s\n", rows[i].text);
        assert_int_equal(ok, rows[i].raw != NULL);
        if (ok)
            assert_string_equal(gw_buf_cstr(&out), rows[i].raw);
        gw_buf_free(&out);
    }
    struct gw_buf tiny;
    gw_buf_init(&tiny, 2);
    assert_false(percent_decode(gw_span_str("abc"), &tiny));
    gw_buf_free(&tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
