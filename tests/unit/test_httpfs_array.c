#include "backends/http/httpfs_array.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    unsigned stop_at; /* 0 = never */
    unsigned n;
    char names[256];
};

static bool on_object(void *arg, const json_t *object)
{
    struct seen *s = arg;
    const char *name = json_string_value(json_object_get(object, "name"));
    size_t at = strlen(s->names);
    snprintf(s->names + at, sizeof s->names - at, "%s,", name != NULL ? name : "?");
    return ++s->n != s->stop_at;
}

static enum gw_err parse(const char *text, size_t step, struct seen *s)
{
    struct httpfs_array a;
    httpfs_array_init(&a, on_object, s);
    enum gw_err err = GW_OK;
    size_t n = strlen(text);
    for (size_t at = 0; at < n && err == GW_OK; at += step)
        err = httpfs_array_feed(&a, gw_span_of(text + at, n - at < step ? n - at : step));
    err = httpfs_array_end(&a);
    httpfs_array_free(&a);
    return err;
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum gw_err err;
        const char *names;
    } rows[] = {
        {"[]", GW_OK, ""},
        {" [ ] \n", GW_OK, ""},
        {"null", GW_OK, ""},
        {"[{\"name\":\"a\"}]", GW_OK, "a,"},
        {"[ {\"name\":\"a\"} ,\n{\"name\":\"b\",\"x\":[1,{\"y\":\"]}\"}]} ]", GW_OK, "a,b,"},
        {"[{\"name\":\"q\\\"}]{\\\\\"}]", GW_OK, "q\"}]{\\,"},
        {"[{}]", GW_OK, "?,"},
        {"", GW_BAD_MESSAGE, ""},
        {"nul", GW_BAD_MESSAGE, ""},
        {"nullx", GW_BAD_MESSAGE, ""},
        {"{\"name\":\"a\"}", GW_BAD_MESSAGE, ""},
        {"[{\"name\":\"a\"}", GW_BAD_MESSAGE, "a,"},
        {"[{\"name\":\"a\"", GW_BAD_MESSAGE, ""},
        {"[1]", GW_BAD_MESSAGE, ""},
        {"[{\"name\":\"\xff\"}]", GW_BAD_MESSAGE, ""},
        {"[{\"name\" \"a\"}]", GW_BAD_MESSAGE, ""},
        {"[]]", GW_BAD_MESSAGE, ""},
        {"[{}{}]", GW_BAD_MESSAGE, "?,"},
        {"[{},]", GW_BAD_MESSAGE, "?,"},
        {"[{},,{}]", GW_BAD_MESSAGE, "?,"},
        {"[,]", GW_BAD_MESSAGE, ""},
        {"nu ll", GW_BAD_MESSAGE, ""},
        {"<html>", GW_BAD_MESSAGE, ""},
        {"[{\"a\":[[[[[[[[[[[[[[[[[[[[", GW_BAD_MESSAGE, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t step = 1; step < 40; step += 6) {
            struct seen s = {0};
            enum gw_err err = parse(rows[i].text, step, &s);
            if (err != rows[i].err || strcmp(s.names, rows[i].names) != 0)
                print_error("row %s by %zu: %s %s\n", rows[i].text, step, gw_err_name(err),
                            s.names);
            assert_int_equal(err, rows[i].err);
            assert_string_equal(s.names, rows[i].names);
        }
    struct seen s = {.stop_at = 1};
    assert_int_equal(parse("[{},{}]", 100, &s), GW_UPSTREAM);
    assert_int_equal(s.n, 1);
}

static void test_bounds(void **state)
{
    (void)state;
    struct seen s = {0};
    struct httpfs_array a;
    httpfs_array_init(&a, on_object, &s);
    enum gw_err err = httpfs_array_feed(&a, gw_span_str("[{\"name\":\""));
    for (unsigned i = 0; i < 10000 && err == GW_OK; i++)
        err = httpfs_array_feed(&a, gw_span_str("0123456789abcdef"));
    assert_int_equal(err, GW_BAD_MESSAGE);
    httpfs_array_free(&a);
    httpfs_array_init(&a, on_object, &s);
    assert_int_equal(httpfs_array_feed(&a, gw_span_str("[{}")), GW_OK);
    for (unsigned i = 1; i < 100000; i++)
        assert_int_equal(httpfs_array_feed(&a, gw_span_str(",{\"size\":1}")), GW_OK);
    assert_int_equal(s.n, 100000);
    assert_int_equal(httpfs_array_feed(&a, gw_span_str("]")), GW_OK);
    assert_int_equal(httpfs_array_end(&a), GW_OK);
    httpfs_array_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
