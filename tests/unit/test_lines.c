#include "gateway/io/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// cmocka wants some of the above first
#include <cmocka.h>

#define MAX 8u

struct got {
    char text[256]; /* "[whole]" "<piece>" one behind the other */
    unsigned lines, stop_after;
};

static bool take(void *arg, struct gw_span line, bool whole)
{
    struct got *g = arg;
    size_t at = strlen(g->text);
    snprintf(g->text + at, sizeof g->text - at, whole ? "[%.*s]" : "<%.*s>", (int)line.len,
             line.len > 0 ? (const char *)line.ptr : "");
    return ++g->lines != g->stop_after;
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
    } rows[] = {
        {"", ""},
        {"a\n", "[a]"},
        {"a", "[a]"},
        {"a\nb", "[a][b]"},
        {"\n\n", "[][]"},
        {"a\r\nb\r\n", "[a][b]"},
        {"a\rb\n", "[a\rb]"},
        {"\r\n", "[]"},
        {"12345678\n", "[12345678]"},
        {"12345678", "[12345678]"},
        {"123456789\n", "<12345678>[9]"},
        {"1234567890123456", "<12345678>[90123456]"},
        {"12345678\r\n", "<12345678>[]"},
        {"a\n1234567890\nb\n", "[a]<12345678>[90][b]"},
    };
    /* However the stream is cut, the lines are the same. */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step <= 20; step++) {
            struct got g = {.text = ""};
            struct lines l;
            lines_init(&l, MAX);
            size_t n = strlen(rows[i].in);
            for (size_t at = 0; at < n; at += step) {
                size_t len = n - at < step ? n - at : step;
                assert_int_equal(lines_feed(&l, gw_span_of(rows[i].in + at, len), take, &g), len);
            }
            lines_end(&l, take, &g);
            assert_string_equal(g.text, rows[i].want);
            lines_free(&l);
        }
    }
}

static void test_stops(void **state)
{
    (void)state;
    struct got g = {.text = "", .stop_after = 2};
    struct lines l;
    lines_init(&l, MAX);
    assert_int_equal(lines_feed(&l, gw_span_str("a\nb\nc\n"), take, &g), 4);
    assert_string_equal(g.text, "[a][b]");
    assert_int_equal(lines_feed(&l, gw_span_str("c\n"), take, &g), 2);
    assert_string_equal(g.text, "[a][b][c]");
    lines_free(&l);
}

static bool free_it(void *arg, struct gw_span line, bool whole)
{
    assert_true(whole && gw_span_eq(line, "gone"));
    lines_free(arg);
    return false;
}

static void test_owner_goes(void **state)
{
    (void)state;
    struct lines l;
    lines_init(&l, MAX);
    assert_int_equal(lines_feed(&l, gw_span_str("gone\nmore\n"), free_it, &l), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_owner_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
