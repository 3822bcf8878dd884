/* A message's key and signature state: deprecated as in conn_auth.c. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "gateway/ssh/algorithms.h"
#include "gateway/ssh/conn_impl.h"

#define KEY_BLOB_MAX 8192u

/* Bits of an RSA key's modulus; libssh tells it of no public key. */
static unsigned rsa_bits(struct gw_span blob)
{
    struct gw_rd r = gw_rd_of(blob);
    (void)gw_rd_str(&r, KEY_BLOB_MAX); /* "ssh-rsa" */
    (void)gw_rd_str(&r, KEY_BLOB_MAX); /* e */
    struct gw_span n = gw_rd_str(&r, KEY_BLOB_MAX);
    while (n.len > 0 && n.ptr[0] == 0)
        n = gw_span_of(n.ptr + 1, n.len - 1);
    unsigned bits = (unsigned)n.len * 8;
    for (uint8_t top = n.len > 0 ? n.ptr[0] : 0x80; !(top & 0x80); top = (uint8_t)(top << 1))
        bits--;
    return r.failed ? 0 : bits;
}

/* NULL = fine. Certificates are refused in any case: libssh checks their signature, but neither the
 * authority nor the principals nor the dates. */
static const char *key_fault(const struct conn *c, const char *name, struct gw_span blob)
{
    const struct opt_strs *names = &c->settings->ssh.public_key_algorithms;
    if (strcmp(name, "ssh-rsa") == 0) {
        if (rsa_bits(blob) < c->settings->ssh.rsa_min_bits)
            return "RSA key too short";
        if (algorithms_offered(ALGORITHM_PUBLIC_KEY, names, "rsa-sha2-256") ||
            algorithms_offered(ALGORITHM_PUBLIC_KEY, names, "rsa-sha2-512"))
            return NULL;
    }
    return algorithms_offered(ALGORITHM_PUBLIC_KEY, names, name) ? NULL
                                                                 : "type of key not accepted";
}

static bool decode_base64(const char *text, struct gw_buf *out)
{
    size_t n = strlen(text);
    uint8_t *to = n > 0 && n % 4 == 0 ? gw_buf_reserve(out, n / 4 * 3) : NULL;
    int got = to != NULL ? EVP_DecodeBlock(to, (const unsigned char *)text, (int)n) : -1;
    if (got < 0)
        return false;
    gw_buf_commit(out, (size_t)got - (text[n - 1] == '=') - (text[n - 2] == '='));
    return true;
}

static bool read_blob(ssh_key key, struct conn_key *out)
{
    char *b64 = NULL;
    bool ok = key != NULL && ssh_pki_export_pubkey_base64(key, &b64) == SSH_OK &&
              decode_base64(b64, &out->blob);
    ssh_string_free_char(b64);
    if (!ok)
        return false;
    struct gw_rd r = gw_rd_of(gw_buf_span(&out->blob));
    struct gw_span type = gw_rd_str(&r, sizeof out->name - 1);
    if (type.len > 0)
        memcpy(out->name, type.ptr, type.len);
    return true;
}

static bool read_fingerprint(ssh_key key, struct conn_key *out)
{
    unsigned char *hash = NULL;
    size_t len = 0;
    char *text = NULL;
    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) == 0)
        text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
    if (text != NULL)
        snprintf(out->fingerprint, sizeof out->fingerprint, "%s", text);
    ssh_string_free_char(text);
    ssh_clean_pubkey_hash(&hash);
    return out->fingerprint[0] != '\0';
}

const char *conn_key_read(const struct conn *c, ssh_message m, struct conn_key *out)
{
    ssh_key key = ssh_message_auth_pubkey(m);
    enum ssh_publickey_state_e state = ssh_message_auth_publickey_state(m);
    *out = (struct conn_key){.is_query = state == SSH_PUBLICKEY_STATE_NONE};
    gw_buf_init(&out->blob, KEY_BLOB_MAX);
    if (!read_blob(key, out))
        return "malformed key";
    const char *fault = key_fault(c, out->name, gw_buf_span(&out->blob));
    if (fault == NULL && !out->is_query && state != SSH_PUBLICKEY_STATE_VALID)
        fault = "bad signature";
    if (fault == NULL && !read_fingerprint(key, out))
        fault = "malformed key";
    return fault;
}

void conn_key_free(struct conn_key *k)
{
    gw_buf_free(&k->blob);
}
