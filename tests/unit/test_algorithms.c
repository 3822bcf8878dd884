#include "gateway/ssh/algorithms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void defaults_are_safe(void **state)
{
    (void)state;
    static const char *const weak[] = {"sha1",     "cbc",     "3des",    "group1-",  "ssh-rsa",
                                       "hmac-md5", "group16", "group18", "exchange", "sk-"};
    const struct opt_strs none = {NULL, 0};
    for (int cls = 0; cls < ALGORITHM_CLASS_COUNT; cls++) {
        struct gw_buf list;
        algorithms_list((enum algorithm_class)cls, &none, &list);
        const char *text = gw_buf_cstr(&list);
        assert_true(strlen(text) > 0);
        assert_true(text[0] != ',' && text[strlen(text) - 1] != ',');
        assert_null(strstr(text, ",,"));
        for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++)
            assert_null(strstr(text, weak[i]));
        gw_buf_free(&list);
    }
}

static void cheap_ciphers_come_first(void **state)
{
    (void)state;
    struct gw_buf list;
    algorithms_list(ALGORITHM_CIPHER, &(struct opt_strs){NULL, 0}, &list);
    const char *text = gw_buf_cstr(&list);
    assert_ptr_equal(strstr(text, "aes128-gcm@openssh.com"), text);
    assert_true(strstr(text, "chacha20") < strstr(text, "ctr"));
    gw_buf_free(&list);
}

static const struct {
    enum algorithm_class cls;
    const char *name, *says; /* NULL = it is fine */
} rows[] = {
    {ALGORITHM_KEX, "curve25519-sha256", NULL},
    {ALGORITHM_KEX, "diffie-hellman-group14-sha1", NULL},
    {ALGORITHM_KEX, "curve25519_sha256",
     "ssh.kex[0]: \"curve25519_sha256\" is no algorithm that is "
     "known here; the nearest is \"curve25519-sha256\"\n"},
    {ALGORITHM_CIPHER, "aes128-gcm", "ssh.ciphers[0]: \"aes128-gcm\" is no algorithm"},
    {ALGORITHM_CIPHER, "", "is no algorithm"},
    {ALGORITHM_MAC, "hmac-sha2-256", NULL},
    {ALGORITHM_MAC, "aes128-ctr", "ssh.macs[0]"},
    {ALGORITHM_HOST_KEY, "ssh-ed25519", NULL},
    {ALGORITHM_HOST_KEY, "ssh-ed25519,ssh-rsa", "is no algorithm"},
    {ALGORITHM_PUBLIC_KEY, "sk-ssh-ed25519@openssh.com", NULL},
    {ALGORITHM_PUBLIC_KEY, "ssh-ed25519-cert-v01@openssh.com", "is no algorithm"},
    {ALGORITHM_PUBLIC_KEY, "ssh-dss", "is no algorithm"},
};

static void names_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[64];
        memcpy(name, rows[i].name, strlen(rows[i].name) + 1);
        char *v[] = {name};
        struct opt_strs chosen = {v, 1};
        struct gw_buf problems;
        gw_buf_init(&problems, 4096);
        assert_int_equal(algorithms_check(rows[i].cls, &chosen, &problems), rows[i].says != NULL);
        assert_int_equal(algorithms_offered(rows[i].cls, &chosen, name), rows[i].says == NULL);
        const char *text = gw_buf_cstr(&problems);
        if (rows[i].says == NULL ? text[0] != '\0' : strstr(text, rows[i].says) == NULL)
            fail_msg("%s: %s", rows[i].name, text);
        gw_buf_free(&problems);
    }
}

static void chosen_order_is_kept(void **state)
{
    (void)state;
    char a[] = "aes256-ctr", b[] = "nonsense", c[] = "aes128-gcm@openssh.com";
    char *v[] = {a, b, c};
    struct gw_buf list;
    algorithms_list(ALGORITHM_CIPHER, &(struct opt_strs){v, 3}, &list);
    assert_string_equal(gw_buf_cstr(&list), "aes256-ctr,aes128-gcm@openssh.com");
    gw_buf_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_safe),
        cmocka_unit_test(cheap_ciphers_come_first),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(chosen_order_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
