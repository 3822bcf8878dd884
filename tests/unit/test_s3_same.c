#include "backends/s3/s3_same.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Copies one after the other, and what is known then; each row with a key of its own. */
static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *copies[4][2];
        const char *asked, *answer; /* NULL = nothing of ours */
    } rows[] = {
        {{{"a", "b"}}, "a", "b"},
        {{{"a", "b"}}, "b", NULL},
        {{{"a", "a"}}, "a", NULL},
        {{{"a", ""}}, "a", NULL},
        {{{"a", NULL}}, "a", NULL},
        {{{"a", "b"}, {"b", "c"}}, "a", "c"},
        {{{"a", "b"}, {"b", "c"}}, "b", "c"},
        {{{"a", "b"}, {"x", "c"}}, "a", "b"},
        {{{"a", "b"}, {"a", "c"}}, "a", "c"},
        {{{"a", "b"}, {"b", "a"}}, "a", NULL},
        {{{"a", "b"}, {"b", "a"}}, "b", "a"},
        {{{"a", "b"}, {"b", "a"}, {"a", "b"}}, "a", "b"},
        {{{"a", "b"}, {"b", "a"}, {"a", "b"}}, "b", NULL},
        {{{"a", "b"}, {"b", "c"}, {"c", "a"}}, "b", "a"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[16], out[S3_SAME_ETAG_MAX] = "";
        snprintf(name, sizeof name, "row %zu", i);
        for (size_t j = 0; j < 4 && rows[i].copies[j][0] != NULL; j++) {
            struct s3_same *s = s3_same_begin(name, rows[i].copies[j][0]);
            s3_same_end(&s, rows[i].copies[j][1]);
            assert_null(s);
        }
        enum s3_same_answer answer = s3_same_find(name, rows[i].asked, out);
        if ((answer == S3_SAME_YES) != (rows[i].answer != NULL))
            print_error("row %zu: %d %s\n", i, (int)answer, out);
        assert_int_equal(answer, rows[i].answer != NULL ? S3_SAME_YES : S3_SAME_NO);
        assert_string_equal(out, rows[i].answer != NULL ? rows[i].answer : "");
        assert_int_equal(s3_same_find("another key", rows[i].asked, out), S3_SAME_NO);
    }
}

static void test_under_way(void **state)
{
    (void)state;
    char out[S3_SAME_ETAG_MAX];
    struct s3_same *s = s3_same_begin("k", "a"), *again = s3_same_begin("k", "a");
    assert_int_equal(s3_same_find("k", "a", out), S3_SAME_SOON);
    assert_int_equal(s3_same_find("k", "b", out), S3_SAME_NO);
    s3_same_end(&s, NULL);
    assert_int_equal(s3_same_find("k", "a", out), S3_SAME_SOON);
    s3_same_end(&again, "b");
    assert_int_equal(s3_same_find("k", "a", out), S3_SAME_YES);
    s3_same_end(&again, "c"); /* NULL */
    assert_string_equal(out, "b");
}

static void test_bound(void **state)
{
    (void)state;
    char name[16], out[S3_SAME_ETAG_MAX];
    enum { MANY = 5000 };
    unsigned kept = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many %d", i);
        struct s3_same *s = s3_same_begin(name, "a");
        s3_same_end(&s, "b");
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many %d", i);
        kept += s3_same_find(name, "a", out) == S3_SAME_YES;
    }
    assert_int_equal(kept, 1024);
    assert_int_equal(s3_same_find(name, "a", out), S3_SAME_YES); /* the last one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_under_way),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
