#include "gateway/io/http_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

/* Without it OpenSSL would ask on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1;
}

static FILE *open_file(const char *name, const char *path, struct gw_errmsg *msg)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        gw_err_set(msg, GW_CONFIG, "%s: %s: %s", name, path, strerrordesc_np(errno));
    return f;
}

/* The first certificate of the file. */
static X509 *read_cert(const char *name, const char *path, struct gw_errmsg *msg)
{
    FILE *f = open_file(name, path, msg);
    if (f == NULL)
        return NULL;
    X509 *cert = PEM_read_X509(f, NULL, no_passphrase, NULL);
    if (cert == NULL)
        gw_err_set(msg, GW_CONFIG, "%s: %s: holds no certificate in PEM", name, path);
    fclose(f);
    return cert;
}

static EVP_PKEY *read_key(const char *name, const char *path, struct gw_errmsg *msg)
{
    FILE *f = open_file(name, path, msg);
    if (f == NULL)
        return NULL;
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
    if (key == NULL)
        gw_err_set(msg, GW_CONFIG, "%s: %s: holds no private key in PEM, or an encrypted one", name,
                   path);
    fclose(f);
    return key;
}

static enum gw_err check_pair(const struct http_tls *tls, struct gw_errmsg *msg)
{
    enum gw_err err = GW_CONFIG;
    EVP_PKEY *key = NULL;
    /* Without a key file libcurl takes the key from the certificate's. */
    const char *key_file = tls->key_file != NULL ? tls->key_file : tls->cert_file;
    X509 *cert = read_cert("cert_file", tls->cert_file, msg);
    if (cert != NULL)
        key = read_key(tls->key_file != NULL ? "key_file" : "cert_file", key_file, msg);
    if (key != NULL && X509_check_private_key(cert, key) != 1)
        gw_err_set(msg, GW_CONFIG, "key_file: %s: is not the key of the certificate in cert_file",
                   key_file);
    else if (key != NULL)
        err = GW_OK;
    EVP_PKEY_free(key);
    X509_free(cert);
    return err;
}

enum gw_err http_tls_check(const struct http_tls *tls, struct gw_errmsg *msg)
{
    enum gw_err err = GW_OK;
    if (tls->ca_file != NULL) {
        X509 *ca = read_cert("ca_file", tls->ca_file, msg);
        err = ca == NULL ? GW_CONFIG : GW_OK;
        X509_free(ca);
    }
    if (err == GW_OK && tls->cert_file != NULL)
        err = check_pair(tls, msg);
    else if (err == GW_OK && tls->key_file != NULL)
        err = gw_err_set(msg, GW_CONFIG, "key_file: needs cert_file beside it");
    ERR_clear_error();
    return err;
}
