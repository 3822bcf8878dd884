#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/template.h"

static void test_escape(void **state)
{
    (void)state;
    static const struct {
        const char *user, *want;
    } rows[] = {
        {"alice", "alice"},     {"a b", "a b"},           {"..", "%2E."},
        {".", "%2E"},           {"...", "%2E.."},         {".ssh", "%2Essh"},
        {"a.b", "a.b"},         {"a..", "a.."},           {"../bob", "%2E.%2Fbob"},
        {"/etc", "%2Fetc"},     {"a\\b", "a%5Cb"},        {"%2E.", "%252E."},
        {"${user}", "${user}"}, {"a\nb\x7f", "a%0Ab%7F"}, {"j\xc3\xbcrgen", "j\xc3\xbcrgen"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_buf b;
        gw_buf_init(&b, 256);
        template_escape(&b, rows[i].user);
        assert_string_equal(gw_buf_cstr(&b), rows[i].want);
        gw_buf_free(&b);
    }
}

/* Every name of up to three bytes from an alphabet of trouble: one component, and no two alike. */
static void test_escape_is_injective(void **state)
{
    (void)state;
    static const char alphabet[] = "./\\%2EFa\n";
    enum { N = sizeof alphabet - 1, ALL = N + N * N + N * N * N };
    static char seen[ALL][32];
    size_t n = 0;
    for (size_t i = 0; i < (size_t)ALL; i++) {
        char name[4] = {0};
        size_t k = i;
        size_t len = 1;
        for (size_t names = N; k >= names; names *= N, len++)
            k -= names;
        for (size_t j = 0; j < len; j++, k /= (size_t)N)
            name[j] = alphabet[k % (size_t)N];
        struct gw_buf b;
        gw_buf_init(&b, 32);
        template_escape(&b, name);
        const char *got = gw_buf_cstr(&b);
        assert_null(strpbrk(got, "/\\\n"));
        assert_int_not_equal(got[0], '.');
        for (size_t j = 0; j < n; j++)
            assert_string_not_equal(seen[j], got);
        memcpy(seen[n++], got, strlen(got) + 1);
        gw_buf_free(&b);
    }
}

static void test_expand(void **state)
{
    (void)state;
    static const struct {
        const char *text, *user, *want; /* NULL = refused */
    } rows[] = {
        {"${user}/", "alice", "alice/"},
        {"u-${user}-${user}", "al", "u-al-al"},
        {"plain", "alice", "plain"},
        {"", "alice", ""},
        {"${user}/in", "../bob", "%2E.%2Fbob/in"},
        {"${user}", "${user}", "${user}"}, /* what a name holds is never expanded again */
        {"$user", "alice", "$user"},
        {"${home}", "alice", NULL},
        {"${user", "alice", NULL},
        {"${USER}", "alice", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_buf b;
        gw_buf_init(&b, 256);
        enum gw_err err = template_expand(&b, rows[i].text, rows[i].user);
        if (rows[i].want == NULL)
            assert_int_equal(err, GW_CONFIG);
        else
            assert_string_equal(gw_buf_cstr(&b), rows[i].want);
        gw_buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_escape_is_injective),
        cmocka_unit_test(test_expand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
