#include "auth/http_sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the ones above first
#include <cmocka.h>

/* printf '1790000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef */
static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *body, *path, *signature;
    } rows[] = {
        {"{\"a\":1}", "/login",
         "X-Postern-Signature: "
         "sha256=d569e4518fe6f4620fd6639233427e7df5e5394d8f14c85c1063b8d90a724dcb"},
        {"", "/users/x?protocol=SFTP",
         "X-Postern-Signature: "
         "sha256=dca37d2a7dfb63417d92e3134d993ac8bb301b966ecb7cd09b801a1f56d08bd4"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_sign s;
        assert_int_equal(
            http_sign("0123456789abcdef", 1790000000, gw_span_str(rows[i].body), rows[i].path, &s),
            GW_OK);
        assert_string_equal(s.timestamp, "X-Postern-Timestamp: 1790000000");
        assert_string_equal(s.signature, rows[i].signature);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
