#include "gateway/key_line.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"

#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

static enum gw_err decode(const char *text, size_t len, struct gw_buf *blob)
{
    bool whole = len > 0 && len % 4 == 0 && len < KEY_LINE_MAX && text[len - 3] != '=';
    uint8_t *to = whole ? gw_buf_reserve(blob, len / 4 * 3) : NULL;
    int n = to == NULL ? -1 : EVP_DecodeBlock(to, (const unsigned char *)text, (int)len);
    if (n < 0)
        return GW_CONFIG;
    /* OpenSSL counts what the padding stands for as zero bytes. */
    size_t padding = (size_t)(text[len - 1] == '=') + (size_t)(text[len - 2] == '=');
    gw_buf_commit(blob, (size_t)n - padding);
    return GW_OK;
}

static void fingerprint(struct key_line *k)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned char text[EVP_MAX_MD_SIZE * 2];
    unsigned len = 0;
    if (EVP_Digest(k->blob.data, k->blob.len, md, &len, EVP_sha256(), NULL) != 1)
        len = 0;
    int n = EVP_EncodeBlock(text, md, (int)len);
    while (n > 0 && text[n - 1] == '=')
        n--;
    snprintf(k->fingerprint, sizeof k->fingerprint, "SHA256:%.*s", n, (const char *)text);
}

/* The blob begins with its own algorithm's name: both must say the same. */
static enum gw_err take(struct key_line *out, const char *type, size_t type_len, struct gw_span b64,
                        struct gw_errmsg *msg)
{
    if (decode((const char *)b64.ptr, b64.len, &out->blob) != GW_OK)
        return gw_err_set(msg, GW_CONFIG, "the key is not whole base64");
    struct gw_rd r = gw_rd_of(gw_buf_span(&out->blob));
    struct gw_span own = gw_rd_str(&r, sizeof out->algorithm - 1);
    if (r.failed || own.len != type_len || memcmp(own.ptr, type, type_len) != 0)
        return gw_err_set(msg, GW_CONFIG, "the key is not of the type that its line begins with");
    memcpy(out->algorithm, own.ptr, own.len);
    out->algorithm[own.len] = '\0';
    fingerprint(out);
    return GW_OK;
}

enum gw_err key_line_parse(const char *text, struct key_line *out, struct gw_errmsg *msg)
{
    memset(out, 0, sizeof *out);
    gw_buf_init(&out->blob, KEY_LINE_MAX);
    while (*text == '#' || *text == '\n' || *text == '\r' || *text == ' ') {
        if (*text == '#')
            text += strcspn(text, "\n");
        text += *text != '\0';
    }
    if (strncmp(text, "-----", 5) == 0)
        return gw_err_set(msg, GW_CONFIG, "this is no public key: name the file that ends in .pub");
    size_t type_len = strcspn(text, " \t\r\n");
    const char *b64 = text + type_len + strspn(text + type_len, " \t");
    size_t len = strspn(b64, BASE64);
    struct gw_span key = {(const uint8_t *)b64, len + strspn(b64 + len, "=")};
    if (type_len == 0 || key.len == 0)
        return gw_err_set(msg, GW_CONFIG, "no public key: `type base64 comment` is expected");
    return take(out, text, type_len, key, msg);
}

void key_line_free(struct key_line *k)
{
    if (k != NULL)
        gw_buf_free(&k->blob);
}
