#include "backends/s3/s3_sign.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/mem.h"
#include "gateway/base/percent.h"

#define DIGEST_BYTES  32u
#define CANONICAL_MAX (256u << 10)

static const char hex_lower[] = "0123456789abcdef";

struct pair {
    struct gw_buf name, value;
};

static int pair_order(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;
    size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
    int c = n == 0 ? 0 : memcmp(x->name.data, y->name.data, n);
    if (c != 0)
        return c;
    if (x->name.len != y->name.len)
        return x->name.len < y->name.len ? -1 : 1;
    n = x->value.len < y->value.len ? x->value.len : y->value.len;
    c = n == 0 ? 0 : memcmp(x->value.data, y->value.data, n);
    if (c != 0)
        return c;
    return (x->value.len > y->value.len) - (x->value.len < y->value.len);
}

void s3_sign_query(const struct s3_param *params, size_t n, struct gw_buf *out)
{
    if (n == 0)
        return;
    struct pair *pairs = mem_array(n, sizeof *pairs);
    for (size_t i = 0; i < n; i++) {
        gw_buf_init(&pairs[i].name, CANONICAL_MAX);
        gw_buf_init(&pairs[i].value, CANONICAL_MAX);
        percent_encode(gw_span_str(params[i].name), false, &pairs[i].name);
        if (params[i].value != NULL)
            percent_encode(gw_span_str(params[i].value), false, &pairs[i].value);
    }
    qsort(pairs, n, sizeof *pairs, pair_order);
    for (size_t i = 0; i < n; i++) {
        if (pairs[i].name.failed != GW_OK || pairs[i].value.failed != GW_OK)
            out->failed = GW_TOO_LARGE;
        if (i > 0)
            gw_buf_put_u8(out, '&');
        gw_buf_put(out, pairs[i].name.data, pairs[i].name.len);
        gw_buf_put_u8(out, '=');
        gw_buf_put(out, pairs[i].value.data, pairs[i].value.len);
        gw_buf_free(&pairs[i].name);
        gw_buf_free(&pairs[i].value);
    }
    mem_free(pairs);
}

bool s3_sign_time(int64_t time_s, char out[S3_SIGN_TIME_MAX])
{
    time_t t = (time_t)time_s;
    struct tm tm;
    if (time_s < 0 || gmtime_r(&t, &tm) == NULL || tm.tm_year > 9999 - 1900)
        return false;
    return strftime(out, S3_SIGN_TIME_MAX, "%Y%m%dT%H%M%SZ", &tm) == S3_SIGN_TIME_MAX - 1;
}

static void to_hex(const uint8_t digest[DIGEST_BYTES], char out[S3_SIGN_HASH_MAX])
{
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        out[2 * i] = hex_lower[digest[i] >> 4];
        out[2 * i + 1] = hex_lower[digest[i] & 15];
    }
    out[S3_SIGN_HASH_MAX - 1] = '\0';
}

bool s3_sign_hash(const struct gw_span *pieces, size_t n, char out[S3_SIGN_HASH_MAX])
{
    uint8_t digest[DIGEST_BYTES];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = EVP_DigestUpdate(ctx, pieces[i].ptr, pieces[i].len) == 1;
    ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    if (ok)
        to_hex(digest, out);
    return ok;
}

/* out = HMAC-SHA256(key, text); out may be key's memory. */
static bool hmac(const uint8_t *key, size_t key_len, const char *text, size_t n,
                 uint8_t out[DIGEST_BYTES])
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text, n, mac, &len) == NULL ||
        len != DIGEST_BYTES)
        return false;
    memcpy(out, mac, DIGEST_BYTES);
    OPENSSL_cleanse(mac, sizeof mac);
    return true;
}

/* A header with its name in lower case; `at` keeps the order of equal names. */
struct header {
    char *name;
    const char *value;
    size_t at;
};

static int header_order(const void *a, const void *b)
{
    const struct header *x = a;
    const struct header *y = b;
    int c = strcmp(x->name, y->name);
    return c != 0 ? c : (x->at > y->at) - (x->at < y->at);
}

static char *lower(const char *s)
{
    char *out = mem_strdup(s);
    for (char *p = out; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return out;
}

/* Trimmed, with runs of blanks as one: what the rules call Trimall(). */
static void put_value(struct gw_buf *out, const char *v)
{
    bool some = false;
    bool gap = false;
    for (; *v != '\0'; v++) {
        if (*v == ' ' || *v == '\t') {
            gap = some;
            continue;
        }
        if (gap)
            gw_buf_put_u8(out, ' ');
        gw_buf_put_u8(out, (uint8_t)*v);
        some = true;
        gap = false;
    }
}

/* The canonical request onto `canon`, the names signed onto `names`. */
static void canonical(const struct s3_sign_req *req, struct gw_buf *canon, struct gw_buf *names)
{
    struct header h[S3_SIGN_HEADERS_MAX];
    for (size_t i = 0; i < req->nheaders; i++)
        h[i] = (struct header){lower(req->headers[i].name), req->headers[i].value, i};
    qsort(h, req->nheaders, sizeof h[0], header_order);

    gw_buf_printf(canon, "%s\n%s\n%s\n", req->method, req->path, req->query);
    for (size_t i = 0; i < req->nheaders; i++) {
        bool again = i > 0 && strcmp(h[i].name, h[i - 1].name) == 0;
        if (!again && i > 0) {
            gw_buf_put_u8(canon, '\n');
            gw_buf_put_u8(names, ';');
        }
        if (!again) {
            gw_buf_put_text(names, h[i].name);
            gw_buf_printf(canon, "%s:", h[i].name);
        } else {
            gw_buf_put_u8(canon, ',');
        }
        put_value(canon, h[i].value);
    }
    gw_buf_printf(canon, "\n\n%s\n%s", gw_buf_cstr(names), req->payload_hash);
    for (size_t i = 0; i < req->nheaders; i++)
        mem_free(h[i].name);
}

static bool signing_key(const struct s3_sign_key *key, const struct s3_sign_req *req,
                        const char *time, uint8_t out[DIGEST_BYTES])
{
    char *start = mem_printf("AWS4%s", key->secret_access_key);
    bool ok = hmac((const uint8_t *)start, strlen(start), time, 8, out) &&
              hmac(out, DIGEST_BYTES, req->region, strlen(req->region), out) &&
              hmac(out, DIGEST_BYTES, req->service, strlen(req->service), out) &&
              hmac(out, DIGEST_BYTES, "aws4_request", 12, out);
    mem_free_secret_str(&start);
    return ok;
}

enum gw_err s3_sign_authorization(const struct s3_sign_key *key, const struct s3_sign_req *req,
                                  struct gw_buf *out)
{
    char time[S3_SIGN_TIME_MAX];
    if (req->nheaders > S3_SIGN_HEADERS_MAX || !s3_sign_time(req->time_s, time))
        return GW_BAD_ARG;

    struct gw_buf canon;
    struct gw_buf names;
    struct gw_buf text;
    gw_buf_init(&canon, CANONICAL_MAX);
    gw_buf_init(&names, CANONICAL_MAX);
    gw_buf_init(&text, CANONICAL_MAX);
    uint8_t mac[DIGEST_BYTES];
    char hash[S3_SIGN_HASH_MAX];
    enum gw_err err = GW_INTERNAL;

    canonical(req, &canon, &names);
    struct gw_span all = gw_buf_span(&canon);
    if (!s3_sign_hash(&all, 1, hash))
        goto out;
    gw_buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s", time, time,
                  req->region, req->service, hash);
    if (canon.failed != GW_OK || names.failed != GW_OK || text.failed != GW_OK) {
        err = GW_TOO_LARGE;
        goto out;
    }
    if (!signing_key(key, req, time, mac) ||
        !hmac(mac, DIGEST_BYTES, (const char *)text.data, text.len, mac))
        goto out;
    to_hex(mac, hash);
    gw_buf_printf(out,
                  "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%s, "
                  "Signature=%s",
                  key->access_key_id, time, req->region, req->service, gw_buf_cstr(&names), hash);
    err = out->failed;
out:
    OPENSSL_cleanse(mac, sizeof mac);
    gw_buf_free(&canon);
    gw_buf_free(&names);
    gw_buf_free(&text);
    return err;
}
