#include "auth/pubkey.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "auth/cidr.h"
#include "gateway/base/mem.h"

#define BLOB_MAX_BYTES 16384u

static const char *const types[] = {
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
};

/* Options that allow or forbid what postern does not have: they change nothing here. */
static const char *const idle_options[] = {
    "restrict",
    "no-agent-forwarding",
    "agent-forwarding",
    "no-port-forwarding",
    "port-forwarding",
    "no-pty",
    "pty",
    "no-user-rc",
    "user-rc",
    "no-x11-forwarding",
    "x11-forwarding",
};

static bool is_type(const char *s, size_t n)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strlen(types[i]) == n && memcmp(types[i], s, n) == 0)
            return true;
    return false;
}

/* The length of the option at s, quotes and all; 0 = a quote that does not end. */
static size_t option_length(const char *s)
{
    bool quoted = false;
    size_t n = 0;
    for (; s[n] != '\0' && (quoted || (s[n] != ' ' && s[n] != '\t' && s[n] != ',')); n++) {
        if (s[n] == '\\' && s[n + 1] == '"')
            n++;
        else if (s[n] == '"')
            quoted = !quoted;
    }
    return quoted ? 0 : n;
}

static enum gw_err take_from(const char *s, size_t n, struct pubkey *k, struct gw_errmsg *msg)
{
    if (n < 3 || s[0] != '"' || s[n - 1] != '"' || k->from != NULL)
        return gw_err_set(msg, GW_CONFIG, "from= needs one quoted list");
    k->from = mem_strndup(s + 1, n - 2);
    for (const char *p = k->from;;) {
        char block[64];
        struct cidr c;
        size_t len = strcspn(p, ",");
        if (len >= sizeof block)
            return gw_err_set(msg, GW_CONFIG, "from= takes addresses and blocks only");
        memcpy(block, p, len);
        block[len] = '\0';
        if (!cidr_parse(block, &c))
            return gw_err_set(msg, GW_CONFIG,
                              "from= takes addresses and blocks only, not \"%.48s\"", block);
        if (p[len] == '\0')
            return GW_OK;
        p += len + 1;
    }
}

static enum gw_err take_option(const char *s, size_t n, struct pubkey *k, struct gw_errmsg *msg)
{
    if (n > 5 && strncasecmp(s, "from=", 5) == 0)
        return take_from(s + 5, n - 5, k, msg);
    for (size_t i = 0; i < sizeof idle_options / sizeof idle_options[0]; i++)
        if (strlen(idle_options[i]) == n && strncasecmp(idle_options[i], s, n) == 0)
            return GW_OK;
    /* The name only: a value may be long or private. */
    return gw_err_set(msg, GW_CONFIG, "the option %.*s is not supported",
                      (int)(strcspn(s, "=") < n ? strcspn(s, "=") : n), s);
}

static enum gw_err take_blob(const char *type, size_t ntype, const char *b64, struct pubkey *k,
                             struct gw_errmsg *msg)
{
    size_t n = strcspn(b64, " \t\r\n");
    if (n == 0 || n % 4 != 0 || n / 4 * 3 > BLOB_MAX_BYTES)
        return gw_err_set(msg, GW_CONFIG, "the key is not whole base64");
    gw_buf_init(&k->blob, BLOB_MAX_BYTES);
    uint8_t *to = gw_buf_reserve(&k->blob, n / 4 * 3);
    if (to == NULL)
        return k->blob.failed;
    int len = EVP_DecodeBlock(to, (const unsigned char *)b64, (int)n);
    if (len < 0)
        return gw_err_set(msg, GW_CONFIG, "the key is not base64");
    /* EVP_DecodeBlock counts the padding as zero bytes. */
    len -= (b64[n - 1] == '=') + (b64[n - 2] == '=');
    gw_buf_commit(&k->blob, (size_t)len);
    struct gw_rd r = gw_rd_of(gw_buf_span(&k->blob));
    struct gw_span name = gw_rd_str(&r, 64);
    if (r.failed || name.len != ntype || memcmp(name.ptr, type, ntype) != 0 || gw_rd_left(&r) == 0)
        return gw_err_set(msg, GW_CONFIG, "the key is not of the type in front of it");
    return GW_OK;
}

static enum gw_err parse(const char *s, struct pubkey *k, struct gw_errmsg *msg)
{
    s += strspn(s, " \t");
    size_t n = strcspn(s, " \t");
    if (!is_type(s, n)) {
        for (;;) {
            n = option_length(s);
            if (n == 0)
                return gw_err_set(msg, GW_CONFIG, "malformed options");
            /* A single unknown word may as well be a key type that is not accepted here. */
            enum gw_err err = take_option(s, n, k, msg);
            if (err != GW_OK)
                return err;
            s += n;
            if (*s != ',')
                break;
            s++;
        }
        s += strspn(s, " \t");
        n = strcspn(s, " \t");
        if (!is_type(s, n))
            return gw_err_set(msg, GW_CONFIG, "%.*s is no key type that is accepted here",
                              (int)(n < 48 ? n : 48), s);
    }
    const char *b64 = s + n;
    b64 += strspn(b64, " \t");
    return take_blob(s, n, b64, k, msg);
}

enum gw_err pubkey_parse(const char *line, struct pubkey *out, struct gw_errmsg *msg)
{
    struct pubkey k = {.from = NULL};
    enum gw_err err = parse(line, &k, msg);
    if (err != GW_OK)
        pubkey_free(&k);
    else
        *out = k;
    return err;
}

void pubkey_free(struct pubkey *k)
{
    gw_buf_free(&k->blob);
    mem_free(k->from);
    k->from = NULL;
}

static bool from_holds(const char *from, const char *address)
{
    struct cidr a;
    if (from == NULL)
        return true;
    if (address == NULL || !cidr_parse_address(address, &a))
        return false;
    for (const char *p = from;;) {
        char block[64];
        struct cidr c;
        size_t n = strcspn(p, ",");
        if (n < sizeof block) {
            memcpy(block, p, n);
            block[n] = '\0';
            if (cidr_parse(block, &c) && cidr_holds(&c, &a))
                return true;
        }
        if (p[n] == '\0')
            return false;
        p += n + 1;
    }
}

bool pubkey_among(char *const *lines, size_t n, struct gw_span blob, const char *address)
{
    bool found = false;
    /* Every line is looked at, so that the time does not tell which one matched. */
    for (size_t i = 0; i < n; i++) {
        struct pubkey k;
        if (pubkey_parse(lines[i], &k, NULL) != GW_OK)
            continue;
        bool same = k.blob.len == blob.len && blob.len > 0 &&
                    CRYPTO_memcmp(k.blob.data, blob.ptr, blob.len) == 0;
        found |= same && from_holds(k.from, address);
        pubkey_free(&k);
    }
    return found;
}
