/* ${NAME} in configured strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/option_expand.h"

static const struct {
    const char *in, *out; /* out NULL = refused */
} rows[] = {
    {"", ""},
    {"plain", "plain"},
    {"${T_A}", "alpha"},
    {"x${T_A}y${T_A}z", "xalphayalphaz"},
    {"${T_EMPTY}", ""},
    {"${T_EMPTY:-d}", "d"},
    {"${T_NONE:-d}", "d"},
    {"${T_NONE:-}", ""},
    {"${T_NONE:-a:-b}", "a:-b"},
    {"${T_A:-d}", "alpha"},
    {"${T_NONE}", NULL},
    {"$${T_A}", "${T_A}"},
    {"$$${T_A}", "$${T_A}"},
    {"$", "$"},
    {"$$", "$$"},
    {"5$ and $T_A", "5$ and $T_A"},
    {"${user}", "${user}"},
    {"${answer_1}${answer_16}${step}${state}", "${answer_1}${answer_16}${step}${state}"},
    {"${state} ${answer_2} ${state:-} ${answer_2:-}", "${state} ${answer_2} env second"},
    {"a/${user}/${T_A}", "a/${user}/alpha"},
    {"${user:-x}", "x"}, /* with a default it is a variable of the environment */
    {"${T_A", NULL},
    {"${", NULL},
    {"${}", NULL},
    {"${:-x}", NULL},
    {"${1A}", NULL},
    {"${T A}", NULL},
    {"${T-A}", NULL},
    {"${T_B}", "${T_A}"}, /* a value is not looked at again */
};

static void test_rows(void **state)
{
    (void)state;
    setenv("T_A", "alpha", 1);
    setenv("T_B", "${T_A}", 1);
    setenv("T_EMPTY", "", 1);
    unsetenv("T_NONE");
    unsetenv("user");
    setenv("state", "env", 1); /* hidden by the variables of a template, but with a default */
    setenv("answer_2", "second", 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_buf b;
        struct gw_errmsg msg = {""};
        gw_buf_init(&b, 256);
        enum gw_err err = option_expand(rows[i].in, &b, &msg);
        assert_int_equal(err, rows[i].out == NULL ? GW_CONFIG : GW_OK);
        if (rows[i].out != NULL)
            assert_string_equal(gw_buf_cstr(&b), rows[i].out);
        else
            assert_true(strlen(msg.text) > 0);
        gw_buf_free(&b);
    }
}

static const struct {
    const char *value;
    bool ok;
} values[] = {
    {"\xc3\xa4", true},
    {"\xe2\x82\xac", true},
    {"\xf0\x9f\x94\x91", true},
    {"\xff", false},
    {"\x80", false},
    {"\xc3", false},
    {"\xc0\x80", false},
    {"\xe0\x80\x80", false},
    {"\xed\xa0\x80", false},
    {"\xf4\x90\x80\x80", false},
    {"\xf5", false},
    {"\xe2\x82", false},
    {"\xe2\x82x", false},
};

static void test_utf8(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct gw_buf b;
        struct gw_errmsg msg = {""};
        gw_buf_init(&b, 64);
        setenv("T_A", values[i].value, 1);
        enum gw_err err = option_expand("${T_A}", &b, &msg);
        if ((err == GW_OK) != values[i].ok)
            fail_msg("value %zu", i);
        gw_buf_free(&b);
    }
}

static void test_bound(void **state)
{
    (void)state;
    struct gw_buf b;
    struct gw_errmsg msg = {""};
    setenv("T_A", "alpha", 1);
    gw_buf_init(&b, 9);
    assert_int_equal(option_expand("${T_A}${T_A}", &b, &msg), GW_OK);
    assert_int_equal(b.failed, GW_TOO_LARGE);
    gw_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_utf8),
                                       cmocka_unit_test(test_bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
