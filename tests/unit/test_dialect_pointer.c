#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/dialect_pointer.h"

/* The document of RFC 6901 section 5, and what leads nowhere. */
static void test_get(void **state)
{
    (void)state;
    static const struct {
        const char *pointer, *value; /* NULL = nothing there */
    } rows[] = {
        {"/foo/0", "\"bar\""}, {"/foo/1", "\"baz\""}, {"/", "0"},
        {"/a~1b", "1"},        {"/c%d", "2"},         {"/ ", "7"},
        {"/m~0n", "8"},        {"/o/p/0/q", "true"},  {"/foo/2", NULL},
        {"/foo/00", NULL},     {"/foo/-", NULL},      {"/foo/", NULL},
        {"/foo/0/x", NULL},    {"/bar", NULL},        {"/o/p/9999999", NULL},
        {"/m~01", NULL},
    };
    json_t *doc = json_loads("{\"foo\": [\"bar\", \"baz\"], \"\": 0, \"a/b\": 1, \"c%d\": 2, "
                             "\" \": 7, \"m~n\": 8, \"o\": {\"p\": [{\"q\": true}]}}",
                             0, NULL);
    assert_ptr_equal(dialect_pointer_get(doc, ""), doc);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const json_t *got = dialect_pointer_get(doc, rows[i].pointer);
        json_t *want =
            rows[i].value == NULL ? NULL : json_loads(rows[i].value, JSON_DECODE_ANY, NULL);
        assert_true(dialect_pointer_valid(rows[i].pointer));
        if (want == NULL ? got != NULL : json_equal(got, want) == 0)
            fail_msg("%s", rows[i].pointer);
        json_decref(want);
    }
    json_decref(doc);
}

static void test_invalid(void **state)
{
    (void)state;
    char large[2000];
    memset(large, '/', sizeof large);
    large[1023] = '\0';
    assert_true(dialect_pointer_valid(large));
    large[1023] = '/';
    large[1024] = '\0';
    assert_false(dialect_pointer_valid(large));
    assert_false(dialect_pointer_valid("a"));
    assert_false(dialect_pointer_valid("/~"));
    assert_false(dialect_pointer_valid("/~2"));
    assert_false(dialect_pointer_valid("#/a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
