/* Public keys as lines: what ssh-keygen writes, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/key_line.h"

#define B64 "AAAAC3NzaC1lZDI1NTE5AAAAIB9YU/kbfZvuQWcSwZvq37dvzXj8AaRWtka7BIFaH8Fn"

static const struct {
    const char *text;
    bool ok;
} rows[] = {
    {"ssh-ed25519 " B64 " me@here\n", true},
    {"ssh-ed25519 " B64, true},
    {"\n# a comment\r\n  ssh-ed25519\t" B64 "\r\n", true},
    {"", false},
    {"#", false},
    {"ssh-ed25519", false},
    {"ssh-ed25519 ", false},
    {"ssh-ed25519 !", false},
    {"ssh-ed25519 AAAA", false},
    {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", true},   /* no key in it: a verifier knows none such */
    {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5A", false}, /* not whole */
    {"ssh-ed25519 =AAAC3NzaC1lZDI1NTE5", false},
    {"ssh-rsa " B64, false}, /* another type than it says */
    {"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", false},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct key_line k;
        struct gw_errmsg msg = {""};
        enum gw_err err = key_line_parse(rows[i].text, &k, &msg);
        if ((err == GW_OK) != rows[i].ok)
            fail_msg("%s: %s", rows[i].text, msg.text);
        if (err == GW_OK)
            assert_string_equal(k.algorithm, "ssh-ed25519");
        key_line_free(&k);
    }
}

static void test_fingerprint(void **state)
{
    (void)state;
    struct key_line k;
    struct gw_errmsg msg;
    assert_int_equal(key_line_parse("ssh-ed25519 " B64, &k, &msg), GW_OK);
    assert_int_equal(k.blob.len, 51);
    assert_string_equal(k.fingerprint, "SHA256:ly4Y6nG/1ZyfpjSMmsDchMqN6yVefAVUVK9odAdX8xA");
    key_line_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_fingerprint)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
