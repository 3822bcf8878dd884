#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "gateway/base/err.h"

static void test_words(void **state)
{
    (void)state;
    for (int e = 0; e < GW_ERR_COUNT; e++) {
        assert_non_null(gw_err_name((enum gw_err)e));
        assert_non_null(gw_err_text((enum gw_err)e));
        assert_int_not_equal(strlen(gw_err_text((enum gw_err)e)), 0);
        for (int o = 0; o < e; o++)
            assert_string_not_equal(gw_err_name((enum gw_err)e), gw_err_name((enum gw_err)o));
    }
    assert_string_equal(gw_err_name((enum gw_err)999), "unknown");
    assert_string_equal(gw_err_name((enum gw_err) - 1), "unknown");
    assert_string_equal(gw_err_text((enum gw_err)999), "failure");
}

static void test_errno(void **state)
{
    (void)state;
    static const struct {
        int err;
        enum gw_err want;
    } rows[] = {
        {0, GW_OK},
        {ENOENT, GW_NOT_FOUND},
        {EEXIST, GW_EXISTS},
        {EACCES, GW_DENIED},
        {EPERM, GW_DENIED},
        {EXDEV, GW_DENIED},
        {EROFS, GW_READ_ONLY},
        {ENOTSUP, GW_UNSUPPORTED},
        {EINVAL, GW_BAD_ARG},
        {ENAMETOOLONG, GW_BAD_NAME},
        {EFBIG, GW_TOO_LARGE},
        {ENOSPC, GW_NO_SPACE},
        {EDQUOT, GW_QUOTA},
        {ENOTEMPTY, GW_NOT_EMPTY},
        {ENOTDIR, GW_NOT_DIR},
        {EISDIR, GW_IS_DIR},
        {ELOOP, GW_LOOP},
        {ENOMEM, GW_NO_MEMORY},
        {EMFILE, GW_BUSY},
        {EIO, GW_IO},
        {12345, GW_IO}, /* whatever it is, it is no success */
        {-1, GW_IO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(gw_err_from_errno(rows[i].err), rows[i].want);
}

static void test_message(void **state)
{
    (void)state;
    struct gw_errmsg m;
    char big[2000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(gw_err_set(&m, GW_CONFIG, "%s: %d", "a", 7), GW_CONFIG);
    assert_string_equal(m.text, "a: 7");
    assert_int_equal(gw_err_set(&m, GW_IO, "%s", big), GW_IO);
    assert_int_equal(strlen(m.text), sizeof m.text - 1);
    assert_int_equal(gw_err_set(NULL, GW_IO, "%s", big), GW_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
