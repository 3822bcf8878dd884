#include "auth/http_sign.h"

#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

enum { SHA256_BYTES = 32 };

static enum gw_err hmac(const char *secret, const struct gw_span *parts, size_t n,
                        unsigned char out[SHA256_BYTES])
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                                 OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    size_t len = 0;
    bool ok = ctx != NULL &&
              EVP_MAC_init(ctx, (const unsigned char *)secret, strlen(secret), params) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = parts[i].len == 0 || EVP_MAC_update(ctx, parts[i].ptr, parts[i].len) == 1;
    ok = ok && EVP_MAC_final(ctx, out, &len, SHA256_BYTES) == 1 && len == SHA256_BYTES;
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return ok ? GW_OK : GW_INTERNAL;
}

enum gw_err http_sign(const char *secret, int64_t at_s, struct gw_span body, const char *path,
                      struct http_sign *out)
{
    static const char name[] = "X-Postern-Timestamp: ", prefix[] = "X-Postern-Signature: sha256=";
    unsigned char sum[SHA256_BYTES];
    snprintf(out->timestamp, sizeof out->timestamp, "%s%lld", name, (long long)at_s);
    const struct gw_span parts[] = {gw_span_str(out->timestamp + sizeof name - 1), gw_span_str("."),
                                    body.len > 0 ? body : gw_span_str(path)};
    enum gw_err err = hmac(secret, parts, 3, sum);
    if (err != GW_OK)
        return err;
    memcpy(out->signature, prefix, sizeof prefix - 1);
    for (size_t i = 0; i < SHA256_BYTES; i++)
        snprintf(out->signature + sizeof prefix - 1 + 2 * i, 3, "%02x", sum[i]);
    return GW_OK;
}
