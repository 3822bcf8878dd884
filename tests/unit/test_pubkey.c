#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/pubkey.h"
#include "tests/support/authkit.h"

#define K AUTHKIT_ED25519

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line, *why; /* NULL = it is a key */
    } rows[] = {
        {K, NULL},
        {K " alice@example.net", NULL},
        {"  " K "\t\ta comment of words", NULL},
        {AUTHKIT_ECDSA, NULL},
        {"restrict " K, NULL},
        {"no-pty,no-port-forwarding,No-X11-Forwarding " K, NULL},
        {"from=\"192.0.2.0/24,2001:db8::1\" " K, NULL},
        {"restrict,from=\"192.0.2.1\",no-user-rc " K, NULL},
        /* What would restrict and is not understood makes the line worthless. */
        {"command=\"internal-sftp -R\" " K, "the option command "},
        {"command=\"a \\\" b,restrict\" " K, "the option command "},
        {"cert-authority " K, "the option cert-authority "},
        {"principals=\"x\" " K, "the option principals "},
        {"expiry-time=\"20270101\" " K, "the option expiry-time "},
        {"verify-required " K, "the option verify-required "},
        {"environment=\"A=b\" " K, "the option environment "},
        {"restrict,command=\"x\" " K, "the option command "},
        {"from=\"*.example.net\" " K, "from= takes"},
        {"from=\"!192.0.2.1,192.0.2.0/24\" " K, "from= takes"},
        {"from=\"192.0.2.*\" " K, "from= takes"},
        {"from=\"\" " K, "from= needs"},
        {"from=192.0.2.1 " K, "from= needs"},
        {"from=\"192.0.2.1\",from=\"192.0.2.2\" " K, "from= needs"},
        {"from=\"192.0.2.1 " K, "malformed"},
        {"restrict," K, "the option ssh-ed25519"},
        {"", "malformed"},
        {"# " K, "the option #"},
        {"ssh-ed25519", "the key is not whole base64"},
        {"ssh-ed25519 !!!!", "the key is not base64"},
        {"ssh-ed25519 AAAA", "the key is not of the type"},
        {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "the key is not of the type"},
        {"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIEkh196r7zvbojcwMWxhFpsCG75Pe7EqdFhtB73TzZw8",
         "the key is not of the type"},
        {"ssh-dss AAAAB3NzaC1kc3M=", "the option ssh-dss"},
        {"ssh-ed25519-cert-v01@openssh.com AAAA", "the option ssh-ed25519-cert-v01@openssh.com"},
        {"restrict ssh-dss AAAAB3NzaC1kc3M=", "ssh-dss is no key type"},
        {"restrict", " is no key type"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pubkey k;
        struct gw_errmsg msg = {""};
        enum gw_err err = pubkey_parse(rows[i].line, &k, &msg);
        if ((err == GW_OK) != (rows[i].why == NULL) ||
            (err != GW_OK && strncmp(msg.text, rows[i].why, strlen(rows[i].why)) != 0))
            fail_msg("%s: %s", rows[i].line, msg.text);
        if (err == GW_OK)
            pubkey_free(&k);
    }
}

static void test_among(void **state)
{
    (void)state;
    static const struct {
        const char *line, *address;
        bool in;
    } rows[] = {
        {K, "192.0.2.1", true},
        {K, NULL, true},
        {AUTHKIT_ED25519_OTHER, "192.0.2.1", false},
        {AUTHKIT_ECDSA, "192.0.2.1", false},
        {"from=\"192.0.2.0/24\" " K, "192.0.2.1", true},
        {"from=\"192.0.2.0/24\" " K, "::ffff:192.0.2.1", true},
        {"from=\"198.51.100.1,192.0.2.0/24\" " K, "192.0.2.1", true},
        {"from=\"192.0.2.0/24\" " K, "198.51.100.1", false},
        {"from=\"192.0.2.0/24\" " K, NULL, false},
        {"from=\"192.0.2.0/24\" " K, "nonsense", false},
        {"command=\"x\" " K, "192.0.2.1", false},
    };
    struct gw_buf blob = authkit_blob(K);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[512];
        char other[] = AUTHKIT_ECDSA;
        snprintf(line, sizeof line, "%s", rows[i].line);
        char *lines[] = {other, line};
        if (pubkey_among(lines, 2, gw_buf_span(&blob), rows[i].address) != rows[i].in)
            fail_msg("%s from %s", rows[i].line, rows[i].address);
        /* A part of a key is not the key, and nothing is no key. */
        assert_false(pubkey_among(lines, 2, gw_span_of(blob.data, blob.len - 1), "192.0.2.1"));
        assert_false(pubkey_among(lines, 2, gw_span_of(blob.data, 0), "192.0.2.1"));
    }
    assert_false(pubkey_among(NULL, 0, gw_buf_span(&blob), "192.0.2.1"));
    gw_buf_free(&blob);
}

/* Every cut of a line and every changed byte is read to its end without a fault. */
static void test_mutations(void **state)
{
    (void)state;
    static const char line[] = "restrict,from=\"192.0.2.0/24,::1\" " K " me";
    for (size_t i = 0; i < sizeof line; i++) {
        static const char bytes[] = "\"\\ ,=\x01\xff/";
        for (size_t b = 0; b < sizeof bytes; b++) {
            char m[sizeof line];
            memcpy(m, line, sizeof line);
            m[i] = bytes[b]; /* the last one is the NUL: a cut */
            m[sizeof line - 1] = '\0';
            struct pubkey k;
            if (pubkey_parse(m, &k, NULL) == GW_OK)
                pubkey_free(&k);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_among),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
