#include "gateway/ssh/algorithms.h"

#include <libssh/libssh.h>
#include <string.h>

#include "config/nearest.h"

enum {
    DEFAULT = 1u << 0,
    SINCE_0_12 = 1u << 1, /* of libssh */
};

struct row {
    enum algorithm_class cls;
    const char *name;
    unsigned flags;
};

/* In the order of our offer. The client's order decides, but many clients take the first of ours
 * that they know. AES-GCM and chacha20 come first: CTR with an HMAC costs libssh twice as much.
 * group16, group18, and the group exchanges hold a loop for 20 to 240 ms: never by default. */
static const struct row rows[] = {
    {ALGORITHM_KEX, "mlkem768x25519-sha256", DEFAULT | SINCE_0_12},
    {ALGORITHM_KEX, "sntrup761x25519-sha512", DEFAULT | SINCE_0_12},
    {ALGORITHM_KEX, "sntrup761x25519-sha512@openssh.com", DEFAULT | SINCE_0_12},
    {ALGORITHM_KEX, "curve25519-sha256", DEFAULT},
    {ALGORITHM_KEX, "curve25519-sha256@libssh.org", DEFAULT},
    {ALGORITHM_KEX, "ecdh-sha2-nistp256", DEFAULT},
    {ALGORITHM_KEX, "ecdh-sha2-nistp384", 0},
    {ALGORITHM_KEX, "ecdh-sha2-nistp521", 0},
    {ALGORITHM_KEX, "diffie-hellman-group14-sha256", DEFAULT},
    {ALGORITHM_KEX, "diffie-hellman-group16-sha512", 0},
    {ALGORITHM_KEX, "diffie-hellman-group18-sha512", 0},
    {ALGORITHM_KEX, "diffie-hellman-group-exchange-sha256", 0},
    {ALGORITHM_KEX, "diffie-hellman-group-exchange-sha1", 0},
    {ALGORITHM_KEX, "diffie-hellman-group14-sha1", 0},
    {ALGORITHM_KEX, "diffie-hellman-group1-sha1", 0},

    {ALGORITHM_CIPHER, "aes128-gcm@openssh.com", DEFAULT},
    {ALGORITHM_CIPHER, "aes256-gcm@openssh.com", DEFAULT},
    {ALGORITHM_CIPHER, "chacha20-poly1305@openssh.com", DEFAULT},
    {ALGORITHM_CIPHER, "aes128-ctr", DEFAULT},
    {ALGORITHM_CIPHER, "aes192-ctr", DEFAULT},
    {ALGORITHM_CIPHER, "aes256-ctr", DEFAULT},
    {ALGORITHM_CIPHER, "aes128-cbc", 0},
    {ALGORITHM_CIPHER, "aes192-cbc", 0},
    {ALGORITHM_CIPHER, "aes256-cbc", 0},
    {ALGORITHM_CIPHER, "3des-cbc", 0},

    {ALGORITHM_MAC, "hmac-sha2-256-etm@openssh.com", DEFAULT},
    {ALGORITHM_MAC, "hmac-sha2-512-etm@openssh.com", DEFAULT},
    {ALGORITHM_MAC, "hmac-sha2-256", DEFAULT},
    {ALGORITHM_MAC, "hmac-sha2-512", DEFAULT},
    {ALGORITHM_MAC, "hmac-sha1-etm@openssh.com", 0},
    {ALGORITHM_MAC, "hmac-sha1", 0},

    {ALGORITHM_HOST_KEY, "ssh-ed25519", DEFAULT},
    {ALGORITHM_HOST_KEY, "ecdsa-sha2-nistp256", DEFAULT},
    {ALGORITHM_HOST_KEY, "ecdsa-sha2-nistp384", DEFAULT},
    {ALGORITHM_HOST_KEY, "ecdsa-sha2-nistp521", DEFAULT},
    {ALGORITHM_HOST_KEY, "rsa-sha2-512", DEFAULT},
    {ALGORITHM_HOST_KEY, "rsa-sha2-256", DEFAULT},
    {ALGORITHM_HOST_KEY, "ssh-rsa", 0},

    {ALGORITHM_PUBLIC_KEY, "ssh-ed25519", DEFAULT},
    {ALGORITHM_PUBLIC_KEY, "ecdsa-sha2-nistp256", DEFAULT},
    {ALGORITHM_PUBLIC_KEY, "ecdsa-sha2-nistp384", DEFAULT},
    {ALGORITHM_PUBLIC_KEY, "ecdsa-sha2-nistp521", DEFAULT},
    {ALGORITHM_PUBLIC_KEY, "rsa-sha2-512", DEFAULT},
    {ALGORITHM_PUBLIC_KEY, "rsa-sha2-256", DEFAULT},
    /* libssh checks the signature of a security key, but not that somebody touched it. */
    {ALGORITHM_PUBLIC_KEY, "sk-ssh-ed25519@openssh.com", 0},
    {ALGORITHM_PUBLIC_KEY, "sk-ecdsa-sha2-nistp256@openssh.com", 0},
    {ALGORITHM_PUBLIC_KEY, "ssh-rsa", 0},
};
#define NROWS (sizeof rows / sizeof rows[0])

static const char *const paths[ALGORITHM_CLASS_COUNT] = {
    [ALGORITHM_KEX] = "ssh.kex",
    [ALGORITHM_CIPHER] = "ssh.ciphers",
    [ALGORITHM_MAC] = "ssh.macs",
    [ALGORITHM_HOST_KEY] = "ssh.host_key_algorithms",
    [ALGORITHM_PUBLIC_KEY] = "ssh.public_key_algorithms",
};

/* ssh_version() compares with the library that runs, not with the headers. */
static bool available(const struct row *r)
{
    return (r->flags & SINCE_0_12) == 0 || ssh_version(SSH_VERSION_INT(0, 12, 0)) != NULL;
}

static const struct row *find(enum algorithm_class cls, const char *name)
{
    for (size_t i = 0; i < NROWS; i++)
        if (rows[i].cls == cls && strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

const char *algorithms_path(enum algorithm_class cls)
{
    return paths[cls];
}

const struct opt_strs *algorithms_configured(const struct settings_ssh *ssh,
                                             enum algorithm_class cls)
{
    switch (cls) {
    case ALGORITHM_KEX:
        return &ssh->kex;
    case ALGORITHM_CIPHER:
        return &ssh->ciphers;
    case ALGORITHM_MAC:
        return &ssh->macs;
    case ALGORITHM_HOST_KEY:
        return &ssh->host_key_algorithms;
    case ALGORITHM_PUBLIC_KEY:
    default:
        return &ssh->public_key_algorithms;
    }
}

static void append(struct gw_buf *out, const char *name)
{
    /* A trailing comma in one of libssh's lists is an empty name, which it then offers. */
    if (out->len > 0)
        gw_buf_put_text(out, ",");
    gw_buf_put_text(out, name);
}

void algorithms_list(enum algorithm_class cls, const struct opt_strs *chosen, struct gw_buf *out)
{
    gw_buf_init(out, 4096);
    if (chosen->n == 0) {
        for (size_t i = 0; i < NROWS; i++)
            if (rows[i].cls == cls && (rows[i].flags & DEFAULT) && available(&rows[i]))
                append(out, rows[i].name);
        return;
    }
    for (size_t i = 0; i < chosen->n; i++) {
        const struct row *r = find(cls, chosen->v[i]);
        if (r != NULL && available(r))
            append(out, r->name);
    }
}

bool algorithms_offered(enum algorithm_class cls, const struct opt_strs *chosen, const char *name)
{
    const struct row *r = find(cls, name);
    if (r == NULL || !available(r))
        return false;
    if (chosen->n == 0)
        return (r->flags & DEFAULT) != 0;
    for (size_t i = 0; i < chosen->n; i++)
        if (strcmp(chosen->v[i], name) == 0)
            return true;
    return false;
}

size_t algorithms_check(enum algorithm_class cls, const struct opt_strs *chosen,
                        struct gw_buf *problems)
{
    size_t bad = 0;
    for (size_t i = 0; i < chosen->n; i++) {
        const char *name = chosen->v[i];
        const struct row *r = find(cls, name);
        if (r != NULL && available(r))
            continue;
        bad++;
        if (r != NULL) {
            gw_buf_printf(problems, "%s[%zu]: \"%s\" needs libssh 0.12, this one is %s\n",
                          paths[cls], i, name, ssh_version(0));
            continue;
        }
        struct nearest n = nearest_to(name);
        for (size_t k = 0; k < NROWS; k++)
            if (rows[k].cls == cls)
                nearest_try(&n, rows[k].name);
        gw_buf_printf(problems, "%s[%zu]: \"%.64s\" is no algorithm that is known here", paths[cls],
                      i, name);
        if (nearest_word(&n) != NULL)
            gw_buf_printf(problems, "; the nearest is \"%s\"", nearest_word(&n));
        gw_buf_put_text(problems, "\n");
    }
    return bad;
}
