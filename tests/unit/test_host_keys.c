#include "gateway/ssh/host_keys.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/mem.h"

enum form { PKCS8, PKCS8_ENCRYPTED, TRADITIONAL };

/* A new key as PEM, encrypted under "secret" where the form says so. */
static char *make_pem(const char *type, enum form form)
{
    EVP_PKEY *key = strcmp(type, "ED25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                    : strcmp(type, "EC") == 0    ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
                    : strcmp(type, "RSA1024") == 0
                        ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024)
                        : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL, pass[] = "secret";
    assert_non_null(key);
    if (form == TRADITIONAL)
        assert_int_equal(PEM_write_bio_PrivateKey_traditional(out, key, NULL, NULL, 0, NULL, NULL),
                         1);
    else
        assert_int_equal(PEM_write_bio_PKCS8PrivateKey(
                             out, key, form == PKCS8_ENCRYPTED ? EVP_aes_256_cbc() : NULL,
                             form == PKCS8_ENCRYPTED ? pass : NULL,
                             form == PKCS8_ENCRYPTED ? (int)strlen(pass) : 0, NULL, NULL),
                         1);
    long n = BIO_get_mem_data(out, &text);
    char *copy = mem_strndup(text, (size_t)n);
    BIO_free(out);
    EVP_PKEY_free(key);
    return copy;
}

static struct opt_strs algorithms; /* ssh.host_key_algorithms; none = the safe ones */

static enum gw_err load(struct settings_host_key *keys, size_t n, struct host_keys **out,
                        struct gw_errmsg *msg)
{
    struct settings s;
    memset(&s, 0, sizeof s);
    s.ssh.host_keys = (struct opt_list){keys, n};
    s.ssh.rsa_min_bits = 2048;
    s.ssh.host_key_algorithms = algorithms;
    return host_keys_load(&s, out, msg);
}

static char secret[] = "secret", wrong[] = "wrong";

static const struct {
    const char *type;
    enum form form;
    char *passphrase;
    const char *gives; /* the fingerprint's head, or words of the error */
    bool ok;
} rows[] = {
    {"ED25519", PKCS8, NULL, "ED25519 SHA256:", true}, /* libssh 0.10 takes it and then dies */
    {"ED25519", PKCS8_ENCRYPTED, secret, "ED25519 SHA256:", true},
    {"ED25519", PKCS8_ENCRYPTED, wrong, "passphrase", false},
    {"ED25519", PKCS8_ENCRYPTED, NULL, "passphrase", false}, /* and asks nobody */
    {"RSA", PKCS8, NULL, "RSA SHA256:", true},
    {"RSA", PKCS8_ENCRYPTED, secret, "RSA SHA256:", true},
    {"RSA", TRADITIONAL, NULL, "RSA SHA256:", true},
    {"RSA1024", PKCS8, NULL, "too small", false},
    {"EC", PKCS8, NULL, "ECDSA SHA256:", true},
    {"EC", PKCS8_ENCRYPTED, secret, "ECDSA SHA256:", true},
    {"EC", TRADITIONAL, NULL, "ECDSA SHA256:", true},
};

static void keys_are_imported(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings_host_key k = {.pem = make_pem(rows[i].type, rows[i].form),
                                      .passphrase = rows[i].passphrase};
        struct host_keys *h = NULL;
        struct gw_errmsg msg = {""};
        enum gw_err err = load(&k, 1, &h, &msg);
        if ((err == GW_OK) != rows[i].ok)
            fail_msg("row %zu: %s", i, msg.text);
        const char *got = err == GW_OK ? host_keys_fingerprint(h, 0) : msg.text;
        if (strstr(got, rows[i].gives) == NULL)
            fail_msg("row %zu: %s", i, got);
        assert_true(err == GW_OK || strstr(msg.text, "ssh.host_keys[0]") != NULL);
        host_keys_free(&h);
        mem_free(k.pem);
    }
}

static void one_of_each_type(void **state)
{
    (void)state;
    struct settings_host_key k[3] = {{.pem = make_pem("ED25519", PKCS8)},
                                     {.pem = make_pem("EC", PKCS8)},
                                     {.pem = make_pem("ED25519", PKCS8)}};
    struct host_keys *h = NULL;
    struct gw_errmsg msg = {""};
    assert_int_equal(load(k, 2, &h, &msg), GW_OK);
    assert_int_equal(host_keys_count(h), 2);
    host_keys_free(&h);
    assert_int_equal(load(k, 3, &h, &msg), GW_CONFIG);
    assert_non_null(strstr(msg.text, "ssh.host_keys[2]: a second key"));
    assert_int_equal(load(k, 0, &h, &msg), GW_CONFIG);
    for (int i = 0; i < 3; i++)
        mem_free(k[i].pem);
}

/* Without one no key exchange could end. */
static void algorithms_and_keys_must_meet(void **state)
{
    (void)state;
    static char ed[] = "ssh-ed25519", rsa[] = "rsa-sha2-512", p256[] = "ecdsa-sha2-nistp256",
                p384[] = "ecdsa-sha2-nistp384";
    static const struct {
        const char *key;
        char *names[2];
        size_t n;
        bool ok;
    } meet[] = {
        {"ED25519", {ed}, 1, true},      {"ED25519", {rsa}, 1, false},
        {"ED25519", {rsa, ed}, 2, true}, {"RSA", {rsa}, 1, true},
        {"RSA", {ed, p256}, 2, false},   {"EC", {p256}, 1, true},
        {"EC", {p384, rsa}, 2, false},
    };
    for (size_t i = 0; i < sizeof meet / sizeof meet[0]; i++) {
        struct settings_host_key k = {.pem = make_pem(meet[i].key, PKCS8)};
        char *names[2] = {meet[i].names[0], meet[i].names[1]};
        struct host_keys *h = NULL;
        struct gw_errmsg msg = {""};
        algorithms = (struct opt_strs){names, meet[i].n};
        enum gw_err err = load(&k, 1, &h, &msg);
        algorithms = (struct opt_strs){NULL, 0};
        if (err != (meet[i].ok ? GW_OK : GW_CONFIG))
            fail_msg("row %zu: %s", i, msg.text);
        assert_true(meet[i].ok || strstr(msg.text, "ssh.host_key_algorithms: none") != NULL);
        host_keys_free(&h);
        mem_free(k.pem);
    }
}

static void sources_that_are_none(void **state)
{
    (void)state;
    char pem[] = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    char file[] = "/nonexistent/key", env[] = "POSTERN_NO_SUCH_VARIABLE", folder[] = "/";
    struct settings_host_key k[] = {
        {.pem = pem}, {.file = file}, {.env = env}, {.file = folder}, {.pem = pem, .file = file},
        {.pem = NULL}};
    for (size_t i = 0; i < sizeof k / sizeof k[0]; i++) {
        struct host_keys *h = NULL;
        struct gw_errmsg msg = {""};
        assert_int_equal(load(&k[i], 1, &h, &msg), GW_CONFIG);
        assert_null(h);
        assert_true(strlen(msg.text) > strlen("ssh.host_keys[0]: "));
    }
}

static void keygen_makes_what_it_reads(void **state)
{
    (void)state;
    static const char *const types[] = {NULL, "ed25519", "ecdsa", "rsa"};
    char folder[] = "/tmp/test_host_keys.XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char *path = mem_printf("%s/key", folder);
        struct gw_buf pub;
        struct gw_errmsg msg = {""};
        struct stat st;
        gw_buf_init(&pub, 4096);
        assert_int_equal(host_keys_generate(path, types[i], &pub, &msg), GW_OK);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_true(strncmp(gw_buf_cstr(&pub), "ssh-", 4) == 0 ||
                    strncmp(gw_buf_cstr(&pub), "ecdsa-", 6) == 0);
        struct settings_host_key k = {.file = path};
        struct host_keys *h = NULL;
        assert_int_equal(load(&k, 1, &h, &msg), GW_OK);
        host_keys_free(&h);
        assert_int_equal(host_keys_generate(path, types[i], &pub, &msg), GW_EXISTS);
        unlink(path);
        gw_buf_free(&pub);
        mem_free(path);
    }
    struct gw_buf pub;
    struct gw_errmsg msg = {""};
    gw_buf_init(&pub, 4096);
    assert_int_equal(host_keys_generate("/nonexistent/k", "dsa", &pub, &msg), GW_BAD_ARG);
    assert_int_equal(host_keys_generate("/nonexistent/k", "ed25519", &pub, &msg), GW_IO);
    gw_buf_free(&pub);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_imported),
        cmocka_unit_test(one_of_each_type),
        cmocka_unit_test(algorithms_and_keys_must_meet),
        cmocka_unit_test(sources_that_are_none),
        cmocka_unit_test(keygen_makes_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
