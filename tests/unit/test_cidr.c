#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/auth.h"

static void test_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *address, *block;
        bool in;
    } rows[] = {
        {"203.0.113.9", "203.0.113.0/24", true},
        {"203.0.114.9", "203.0.113.0/24", false},
        {"203.0.113.9", "203.0.113.9", true},
        {"203.0.113.9", "203.0.113.8/31", true},
        {"203.0.113.10", "203.0.113.8/31", false},
        {"10.255.0.1", "10.1.2.3/8", true}, /* bits behind the prefix do not count */
        {"1.2.3.4", "0.0.0.0/0", true},
        {"2001:db8::1", "0.0.0.0/0", false},
        {"2001:db8::1", "2001:db8::/32", true},
        {"2001:db9::1", "2001:db8::/32", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1", "::/0", true},
        {"2001:db8:8000::", "2001:db8::/33", false},
        /* An IPv4 client of a dual-stack socket is an IPv4 client. */
        {"::ffff:203.0.113.9", "203.0.113.0/24", true},
        {"203.0.113.9", "::ffff:203.0.113.0/120", true},
        {"::ffff:203.0.113.9", "::/0", false},
        {"203.0.113.9", "::/0", false},
        {"203.0.113.9", "::ffff:0:0/96", true},
        {"fe80::1%eth0", "fe80::/10", true},
        /* Nothing that is malformed holds anything. */
        {"203.0.113.9", "203.0.113.0/", false},
        {"203.0.113.9", "203.0.113.0/33", false},
        {"203.0.113.9", "203.0.113.0/-1", false},
        {"203.0.113.9", "203.0.113.0/024", false},
        {"203.0.113.9", "203.0.113.0/24x", false},
        {"203.0.113.9", "203.0.113.0/4294967296", false},
        {"203.0.113.9", "203.0.113", false},
        {"203.0.113.9", "", false},
        {"203.0.113.9", "*", false},
        {"203.0.113.9", "partner.example.net", false},
        {"2001:db8::1", "2001:db8::/129", false},
        {"", "0.0.0.0/0", false},
        {"partner.example.net", "0.0.0.0/0", false},
        {"203.0.113.9/24", "0.0.0.0/0", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char block[64];
        snprintf(block, sizeof block, "%s", rows[i].block);
        char *list[] = {block};
        if (auth_address_in(rows[i].address, list, 1) != rows[i].in)
            fail_msg("%s in %s", rows[i].address, rows[i].block);
    }
}

static void test_list(void **state)
{
    (void)state;
    char bad[] = "nonsense";
    char v4[] = "192.0.2.0/24";
    char v6[] = "2001:db8::/32";
    char *list[] = {bad, v4, v6};
    assert_true(auth_address_in("192.0.2.1", list, 3));
    assert_true(auth_address_in("2001:db8::1", list, 3));
    assert_false(auth_address_in("198.51.100.1", list, 3));
    assert_false(auth_address_in("192.0.2.1", list, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
