#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/sftp/status.h"

/* Every error has a status, and no version sees a code that it does not know. */
static void test_clamped(void **state)
{
    (void)state;
    static const uint32_t highest[] = {[3] = 8, [4] = 13, [5] = 17, [6] = 31};
    for (uint32_t version = 3; version <= 6; version++) {
        for (int e = 0; e < GW_ERR_COUNT; e++) {
            uint32_t code = status_of((enum gw_err)e, version);
            assert_true(code <= highest[version]);
            assert_int_equal(code == FX_OK, e == GW_OK);
            assert_int_equal(code == FX_EOF, e == GW_EOF);
        }
    }
    assert_int_equal(status_of((enum gw_err)GW_ERR_COUNT, 3), FX_FAILURE);
}

static void test_codes(void **state)
{
    (void)state;
    static const struct {
        enum gw_err err;
        uint32_t v3, v4, v5, v6;
    } rows[] = {
        {GW_NOT_FOUND, 2, 2, 2, 2},
        {GW_NO_PATH, 2, 10, 10, 10},
        {GW_EXISTS, 4, 11, 11, 11},
        {GW_DENIED, 3, 3, 3, 3},
        {GW_READ_ONLY, 3, 12, 12, 12},
        {GW_BAD_HANDLE, 4, 9, 9, 9},
        {GW_QUOTA, 4, 4, 15, 15},
        {GW_NO_SPACE, 4, 4, 14, 14},
        {GW_NOT_EMPTY, 4, 4, 4, 18},
        {GW_UNSUPPORTED, 8, 8, 8, 8},
        {GW_BAD_MESSAGE, 5, 5, 5, 5},
        {GW_IS_DIR, 4, 4, 4, 24},
        {GW_BAD_NAME, 4, 4, 4, 20},
        {GW_LOCKED, 4, 4, 17, 17},
        {GW_LOOP, 4, 4, 4, 21},
        {GW_TOO_LARGE, 4, 4, 4, 4},
        {GW_CHANGED, 4, 4, 4, 4},
        /* A store in trouble never says that a file is missing: a mirror would delete it. */
        {GW_TIMEOUT, 4, 4, 4, 4},
        {GW_UPSTREAM, 4, 4, 4, 4},
        {GW_IO, 4, 4, 4, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(status_of(rows[i].err, 3), rows[i].v3);
        assert_int_equal(status_of(rows[i].err, 4), rows[i].v4);
        assert_int_equal(status_of(rows[i].err, 5), rows[i].v5);
        assert_int_equal(status_of(rows[i].err, 6), rows[i].v6);
    }
}

static void test_text(void **state)
{
    (void)state;
    assert_string_equal(status_text(GW_DENIED, "not here"), "not here");
    assert_string_equal(status_text(GW_DENIED, NULL), gw_err_text(GW_DENIED));
    assert_string_equal(status_text(GW_DENIED, ""), gw_err_text(GW_DENIED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_clamped), cmocka_unit_test(test_codes),
                                       cmocka_unit_test(test_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
