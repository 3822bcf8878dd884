#include "gateway/ssh/host_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/ssh/algorithms.h"

#define KEY_TEXT_MAX (64u * 1024u)
/* libssh multiplies by 1,000 in 32 bits. */
#define REKEY_S_MAX   4294967u
#define PROBLEMS_MAX  (1024u * 1024u)
#define HOST_KEYS_MAX 3 /* one each of RSA, ECDSA and Ed25519: libssh has room for no more */

struct host_keys {
    ssh_bind bind;
    pthread_mutex_t lock; /* guards bind: accepting copies keys out of it and sets its error */
    char *fingerprints[HOST_KEYS_MAX];
    size_t n;
    bool is_offered; /* one of them */
    const char *compression;
    uint64_t rekey_bytes;
    uint32_t rekey_s;
};

/* Without it OpenSSL would ask on the terminal. */
static int no_prompt(const char *prompt, char *buf, size_t len, int echo, int verify,
                     void *userdata)
{
    (void)prompt, (void)buf, (void)len, (void)echo, (void)verify, (void)userdata;
    return -1;
}

static int pem_passphrase(char *buf, int size, int rwflag, void *u)
{
    (void)rwflag;
    const char *pass = u;
    if (pass == NULL || size < 0 || strlen(pass) > (size_t)size)
        return -1;
    memcpy(buf, pass, strlen(pass));
    return (int)strlen(pass);
}

/* OpenSSH's server refuses such a key. Containers are given theirs as files that everybody in them
 * may read: it is said, and taken. */
static void warn_if_exposed(const char *path, int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IRWXO) != 0)
        LOG_EVENT(LOG_LVL_WARN, NULL, "host_key_exposed", log_str("file", path),
                  log_str("msg", "everybody on this machine may read or change it: chmod 600"));
}

/* The whole file into *text. */
static enum gw_err read_key_file(const char *path, struct gw_buf *text, struct gw_errmsg *msg)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return gw_err_set(msg, GW_CONFIG, "%s: %s", path, strerrordesc_np(errno));
    warn_if_exposed(path, fd);
    for (;;) {
        uint8_t *to = gw_buf_reserve(text, 4096);
        ssize_t n = to != NULL ? read(fd, to, 4096) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int saved = errno;
            close(fd);
            return gw_err_set(msg, GW_CONFIG, "%s: %s", path, strerrordesc_np(saved));
        }
        if (n == 0)
            break;
        gw_buf_commit(text, (size_t)n);
    }
    close(fd);
    if (text->failed)
        return gw_err_set(msg, GW_CONFIG, "%s: too large for a key", path);
    return GW_OK;
}

static void put_wrapped_base64(struct gw_buf *out, const uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len; at += 48) {
        unsigned char line[68];
        size_t n = len - at < 48 ? len - at : 48;
        int got = EVP_EncodeBlock(line, data + at, (int)n);
        gw_buf_put(out, line, (size_t)got);
        gw_buf_put_text(out, "\n");
        OPENSSL_cleanse(line, sizeof line);
    }
}

/* An Ed25519 key as openssh-key-v1 text. Source: OpenSSH PROTOCOL.key. */
static bool encode_ed25519(EVP_PKEY *key, struct gw_buf *text)
{
    uint8_t seed[32], pub[32];
    uint32_t check;
    size_t ns = sizeof seed, np = sizeof pub;
    if (EVP_PKEY_get_raw_private_key(key, seed, &ns) != 1 ||
        EVP_PKEY_get_raw_public_key(key, pub, &np) != 1 ||
        RAND_bytes((unsigned char *)&check, sizeof check) != 1)
        return false;

    struct gw_buf blob;
    gw_buf_init(&blob, 1024);
    gw_buf_put(&blob, "openssh-key-v1", sizeof "openssh-key-v1");
    gw_buf_put_cstr(&blob, "none");
    gw_buf_put_cstr(&blob, "none");
    gw_buf_put_cstr(&blob, "");
    gw_buf_put_u32(&blob, 1);
    size_t mark = gw_buf_begin_len(&blob);
    gw_buf_put_cstr(&blob, "ssh-ed25519");
    gw_buf_put_str(&blob, pub, sizeof pub);
    gw_buf_end_len(&blob, mark);
    mark = gw_buf_begin_len(&blob);
    size_t inner = blob.len;
    gw_buf_put_u32(&blob, check);
    gw_buf_put_u32(&blob, check);
    gw_buf_put_cstr(&blob, "ssh-ed25519");
    gw_buf_put_str(&blob, pub, sizeof pub);
    gw_buf_put_u32(&blob, sizeof seed + sizeof pub);
    gw_buf_put(&blob, seed, sizeof seed);
    gw_buf_put(&blob, pub, sizeof pub);
    gw_buf_put_cstr(&blob, "");
    for (uint8_t pad = 1; (blob.len - inner) % 8 != 0; pad++)
        gw_buf_put_u8(&blob, pad);
    gw_buf_end_len(&blob, mark);

    gw_buf_put_text(text, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    put_wrapped_base64(text, blob.data, blob.len);
    gw_buf_put_text(text, "-----END OPENSSH PRIVATE KEY-----\n");
    bool ok = !blob.failed && !text->failed;
    gw_buf_free_secret(&blob);
    OPENSSL_cleanse(seed, sizeof seed);
    return ok;
}

/* libssh 0.10 imports an Ed25519 key from PKCS#8 without a word, and then every key exchange
 * dies: rewrite it in OpenSSH's own format. Other keys stay as they are. */
static void recode_pkcs8(struct gw_buf *text, const char *passphrase)
{
    const char *s = gw_buf_cstr(text);
    if (strstr(s, "-----BEGIN PRIVATE KEY-----") == NULL &&
        strstr(s, "-----BEGIN ENCRYPTED PRIVATE KEY-----") == NULL)
        return;
    BIO *in = BIO_new_mem_buf(text->data, (int)text->len);
    if (in == NULL)
        return;
    char pass[256] = "";
    bool has_pass = passphrase != NULL && strlen(passphrase) < sizeof pass;
    if (has_pass)
        memcpy(pass, passphrase, strlen(passphrase) + 1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, pem_passphrase, has_pass ? pass : NULL);
    if (key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        struct gw_buf recoded;
        gw_buf_init(&recoded, KEY_TEXT_MAX);
        if (encode_ed25519(key, &recoded)) {
            gw_buf_free_secret(text);
            *text = recoded;
        } else {
            gw_buf_free_secret(&recoded);
        }
    }
    EVP_PKEY_free(key);
    BIO_free(in);
    OPENSSL_cleanse(pass, sizeof pass);
}

static enum gw_err key_text(const struct settings_host_key *k, struct gw_buf *text,
                            struct gw_errmsg *msg)
{
    int sources = (k->file != NULL) + (k->pem != NULL) + (k->env != NULL);
    if (sources != 1)
        return gw_err_set(msg, GW_CONFIG, "exactly one of file, pem and env is needed");
    if (k->file != NULL)
        return read_key_file(k->file, text, msg);
    const char *s = k->pem != NULL ? k->pem : getenv(k->env);
    if (s == NULL)
        return gw_err_set(msg, GW_CONFIG, "the environment variable %s is not set", k->env);
    gw_buf_put_text(text, s);
    /* A newline at the end gets lost in many a secret store; parsers want it. */
    gw_buf_put_text(text, "\n");
    if (text->failed)
        return gw_err_set(msg, GW_CONFIG, "too large for a key");
    return GW_OK;
}

static enum gw_err import(const struct settings_host_key *k, ssh_key *out, struct gw_errmsg *msg)
{
    struct gw_buf text;
    gw_buf_init(&text, KEY_TEXT_MAX);
    enum gw_err err = key_text(k, &text, msg);
    if (err == GW_OK) {
        recode_pkcs8(&text, k->passphrase);
        if (ssh_pki_import_privkey_base64(gw_buf_cstr(&text), k->passphrase, no_prompt, NULL,
                                          out) != SSH_OK)
            err = gw_err_set(msg, GW_CONFIG,
                             "%s%snot a private key in PEM or OpenSSH format, or %s passphrase",
                             k->file == NULL ? "" : k->file, k->file == NULL ? "" : ": ",
                             k->passphrase == NULL ? "it needs a" : "a wrong");
    }
    gw_buf_free_secret(&text);
    return err;
}

/* "ED25519 SHA256:...": the name as ssh-keygen -l has it. It is also the self-test: a key that
 * cannot give its public half would fail every key exchange. NULL = it cannot. */
static char *fingerprint_of(ssh_key key)
{
    char *b64 = NULL, *text = NULL, *out = NULL;
    unsigned char *hash = NULL;
    size_t len = 0;
    ssh_key pub = NULL;
    if (ssh_pki_export_privkey_to_pubkey(key, &pub) != SSH_OK ||
        ssh_pki_export_pubkey_base64(pub, &b64) != SSH_OK ||
        ssh_get_publickey_hash(pub, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) != 0)
        goto done;
    text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
    enum ssh_keytypes_e type = ssh_key_type(key);
    if (text != NULL)
        out = mem_printf("%s %s",
                         type == SSH_KEYTYPE_ED25519 ? "ED25519"
                         : type == SSH_KEYTYPE_RSA   ? "RSA"
                                                     : "ECDSA",
                         text);
done:
    ssh_string_free_char(text);
    ssh_clean_pubkey_hash(&hash);
    ssh_string_free_char(b64);
    ssh_key_free(pub);
    return out;
}

/* Which of libssh's slots a key takes; 0 = none. */
static unsigned slot_of(ssh_key key)
{
    switch (ssh_key_type(key)) {
    case SSH_KEYTYPE_RSA:
        return 1u << 0;
    case SSH_KEYTYPE_ECDSA_P256:
    case SSH_KEYTYPE_ECDSA_P384:
    case SSH_KEYTYPE_ECDSA_P521:
        return 1u << 1;
    case SSH_KEYTYPE_ED25519:
        return 1u << 2;
    default:
        return 0;
    }
}

/* Is an algorithm on offer that this key signs with? */
static bool is_offered(const struct settings_ssh *ssh, ssh_key key)
{
    const struct opt_strs *names = &ssh->host_key_algorithms;
    if (ssh_key_type(key) == SSH_KEYTYPE_RSA)
        return algorithms_offered(ALGORITHM_HOST_KEY, names, "rsa-sha2-256") ||
               algorithms_offered(ALGORITHM_HOST_KEY, names, "rsa-sha2-512") ||
               algorithms_offered(ALGORITHM_HOST_KEY, names, "ssh-rsa");
    return algorithms_offered(ALGORITHM_HOST_KEY, names, ssh_key_type_to_char(ssh_key_type(key)));
}

static enum gw_err add_key(struct host_keys *h, const struct settings_ssh *ssh, size_t i,
                           unsigned *slots, struct gw_errmsg *msg)
{
    ssh_key key = NULL;
    char *fingerprint = NULL;
    enum gw_err err = import((const struct settings_host_key *)ssh->host_keys.v + i, &key, msg);
    if (err != GW_OK)
        return err;
    unsigned slot = slot_of(key);
    bool offered = is_offered(ssh, key);
    if (slot == 0) {
        err = gw_err_set(msg, GW_CONFIG, "a key of type %s cannot be a host key",
                         ssh_key_type_to_char(ssh_key_type(key)));
    } else if (*slots & slot) {
        /* libssh would silently keep the last one. */
        err = gw_err_set(msg, GW_CONFIG, "a second key of type %s: one of each type is possible",
                         ssh_key_type_to_char(ssh_key_type(key)));
    } else if ((fingerprint = fingerprint_of(key)) == NULL) {
        err = gw_err_set(msg, GW_CONFIG, "the key has no usable public half");
    } else if (ssh_bind_options_set(h->bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) != 0) {
        err = gw_err_set(msg, GW_CONFIG, "%s", ssh_get_error(h->bind));
    } else {
        key = NULL; /* the bind's now */
        *slots |= slot;
        h->is_offered |= offered;
        h->fingerprints[h->n++] = fingerprint;
        fingerprint = NULL;
    }
    mem_free(fingerprint);
    ssh_key_free(key);
    return err;
}

static const struct {
    enum algorithm_class cls;
    enum ssh_bind_options_e option;
} bind_lists[] = {
    {ALGORITHM_KEX, SSH_BIND_OPTIONS_KEY_EXCHANGE},
    {ALGORITHM_CIPHER, SSH_BIND_OPTIONS_CIPHERS_C_S},
    {ALGORITHM_CIPHER, SSH_BIND_OPTIONS_CIPHERS_S_C},
    {ALGORITHM_MAC, SSH_BIND_OPTIONS_HMAC_C_S},
    {ALGORITHM_MAC, SSH_BIND_OPTIONS_HMAC_S_C},
    {ALGORITHM_HOST_KEY, SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS},
    {ALGORITHM_PUBLIC_KEY, SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES},
};

static bool set_options(struct host_keys *h, const struct settings_ssh *ssh,
                        struct gw_buf *problems)
{
    bool no = false, ok = true;
    int rsa_min = (int)ssh->rsa_min_bits;
    /* Or the first accept reads a system-wide configuration of libssh. */
    if (ssh_bind_options_set(h->bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no) != 0 ||
        (rsa_min > 0 &&
         ssh_bind_options_set(h->bind, SSH_BIND_OPTIONS_RSA_MIN_SIZE, &rsa_min) != 0)) {
        gw_buf_printf(problems, "ssh.rsa_min_bits: %s\n", ssh_get_error(h->bind));
        ok = false;
    }
    if (ssh->version != NULL &&
        ssh_bind_options_set(h->bind, SSH_BIND_OPTIONS_BANNER, ssh->version) != 0) {
        gw_buf_printf(problems, "ssh.version: %s\n", ssh_get_error(h->bind));
        ok = false;
    }
    const char *said = NULL; /* both directions have the same list */
    for (size_t i = 0; i < sizeof bind_lists / sizeof bind_lists[0]; i++) {
        struct gw_buf names;
        algorithms_list(bind_lists[i].cls, algorithms_configured(ssh, bind_lists[i].cls), &names);
        int rc = ssh_bind_options_set(h->bind, bind_lists[i].option, gw_buf_cstr(&names));
        gw_buf_free(&names);
        const char *path = algorithms_path(bind_lists[i].cls);
        if (rc == 0 || path == said)
            continue;
        gw_buf_printf(problems, "%s: none of them can be offered\n", path);
        said = path;
        ok = false;
    }
    return ok;
}

/* On 0.10 the guard of maxpacket.c has to read packets, and reads no compressed ones. */
static bool can_compress(void)
{
    return ssh_version(SSH_VERSION_INT(0, 11, 0)) != NULL;
}

enum gw_err host_keys_try(const struct settings *s, struct host_keys **out, struct gw_buf *problems)
{
    static const char *const compressions[] = {"none", "zlib@openssh.com,none",
                                               "zlib@openssh.com,zlib,none"};
    /* libssh answers gssapi-with-mic by itself and would look for a keytab on the loop. */
    setenv("KRB5_KTNAME", "FILE:/nonexistent", 1);

    struct host_keys *h = mem_zalloc(sizeof *h);
    pthread_mutex_init(&h->lock, NULL);
    h->rekey_bytes = s->ssh.rekey_bytes;
    h->rekey_s = s->ssh.rekey_s < REKEY_S_MAX ? s->ssh.rekey_s : REKEY_S_MAX;
    h->compression = compressions[can_compress() ? s->ssh.compression : 0];
    h->bind = ssh_bind_new();
    if (h->bind == NULL) {
        host_keys_free(&h);
        return GW_NO_MEMORY;
    }

    bool ok = set_options(h, &s->ssh, problems), loaded = s->ssh.host_keys.n > 0;
    unsigned slots = 0;
    if (!loaded)
        gw_buf_put_text(problems, "ssh.host_keys: at least one is needed\n");
    for (size_t i = 0; i < s->ssh.host_keys.n; i++) {
        struct gw_errmsg why = {""};
        if (add_key(h, &s->ssh, i, &slots, &why) == GW_OK)
            continue;
        gw_buf_printf(problems, "ssh.host_keys[%zu]: %s\n", i, why.text);
        loaded = false;
    }
    bool meet = h->is_offered || !loaded; /* the key that would do may be the one that is wrong */
    if (!meet)
        gw_buf_put_text(problems,
                        "ssh.host_key_algorithms: none of them goes with one of ssh.host_keys\n");
    if (!ok || !loaded || !meet) {
        host_keys_free(&h);
        return GW_CONFIG;
    }
    *out = h;
    return GW_OK;
}

enum gw_err host_keys_load(const struct settings *s, struct host_keys **out, struct gw_errmsg *msg)
{
    struct gw_buf problems;
    gw_buf_init(&problems, PROBLEMS_MAX);
    enum gw_err err = host_keys_try(s, out, &problems);
    const char *text = gw_buf_cstr(&problems);
    if (err != GW_OK)
        gw_err_set(msg, err, "%.*s", (int)strcspn(text, "\n"), text);
    gw_buf_free(&problems);
    return err;
}

void host_keys_free(struct host_keys **hp)
{
    struct host_keys *h = *hp;
    *hp = NULL;
    if (h == NULL)
        return;
    for (size_t i = 0; i < h->n; i++)
        mem_free(h->fingerprints[i]);
    if (h->bind != NULL)
        ssh_bind_free(h->bind);
    pthread_mutex_destroy(&h->lock);
    mem_free(h);
}

size_t host_keys_count(const struct host_keys *h)
{
    return h->n;
}

const char *host_keys_fingerprint(const struct host_keys *h, size_t i)
{
    return i < h->n ? h->fingerprints[i] : NULL;
}

enum gw_err host_keys_accept(struct host_keys *h, struct ssh_session_struct *ssh, int fd)
{
    bool no = false;
    if (ssh_options_set(ssh, SSH_OPTIONS_PROCESS_CONFIG, &no) != SSH_OK)
        return GW_INTERNAL;
    pthread_mutex_lock(&h->lock);
    int rc = ssh_bind_accept_fd(h->bind, ssh, fd);
    pthread_mutex_unlock(&h->lock);
    /* libssh owns the fd from the moment that the session holds it, also when accepting fails. */
    if (rc != SSH_OK && ssh_get_fd(ssh) != fd)
        close(fd);
    if (rc != SSH_OK || ssh_options_set(ssh, SSH_OPTIONS_COMPRESSION, h->compression) != SSH_OK ||
        (h->rekey_bytes > 0 &&
         ssh_options_set(ssh, SSH_OPTIONS_REKEY_DATA, &h->rekey_bytes) != SSH_OK) ||
        (h->rekey_s > 0 && ssh_options_set(ssh, SSH_OPTIONS_REKEY_TIME, &h->rekey_s) != SSH_OK))
        return GW_IO;
    return GW_OK;
}

void host_keys_check_algorithms(const struct settings *s, struct gw_buf *problems)
{
    for (int cls = 0; cls < ALGORITHM_CLASS_COUNT; cls++)
        (void)algorithms_check((enum algorithm_class)cls,
                               algorithms_configured(&s->ssh, (enum algorithm_class)cls), problems);
    if (s->ssh.compression != 0 && !can_compress())
        gw_buf_printf(problems,
                      "ssh.compression: only \"none\": more needs libssh 0.11, this one is %s\n",
                      ssh_version(0));
}

static enum gw_err write_new_file(const char *path, const char *text, struct gw_errmsg *msg)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST)
        return gw_err_set(msg, GW_EXISTS,
                          "%s: is there already, and is kept: clients know its key. Remove it "
                          "first, or name another file",
                          path);
    if (fd < 0)
        return gw_err_set(msg, GW_IO, "%s: %s", path, strerrordesc_np(errno));
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        text += n;
        left -= (size_t)n;
    }
    int rc = fsync(fd);
    if (close(fd) != 0 || rc != 0 || left > 0) {
        unlink(path);
        return gw_err_set(msg, GW_IO, "%s: cannot be written whole", path);
    }
    return GW_OK;
}

enum gw_err host_keys_generate(const char *path, const char *type, struct gw_buf *pub,
                               struct gw_errmsg *msg)
{
    static const struct {
        const char *name;
        enum ssh_keytypes_e type;
        int bits;
    } types[] = {
        {"ed25519", SSH_KEYTYPE_ED25519, 0},
        {"rsa", SSH_KEYTYPE_RSA, 3072},
        {"ecdsa", SSH_KEYTYPE_ECDSA_P256, 256},
    };
    size_t i = 0;
    if (type != NULL)
        while (i < 3 && strcmp(types[i].name, type) != 0)
            i++;
    if (i == 3)
        return gw_err_set(msg, GW_BAD_ARG, "%s: a type is ed25519, rsa or ecdsa", type);

    ssh_key key = NULL;
    char *text = NULL, *b64 = NULL;
    enum gw_err err = GW_OK;
    /* No callback: libssh takes one as the wish to encrypt. */
    if (ssh_pki_generate(types[i].type, types[i].bits, &key) != SSH_OK ||
        ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text) != SSH_OK ||
        ssh_pki_export_pubkey_base64(key, &b64) != SSH_OK)
        err = gw_err_set(msg, GW_INTERNAL, "no key could be made");
    if (err == GW_OK && text != NULL)
        err = write_new_file(path, text, msg);
    if (err == GW_OK)
        gw_buf_printf(pub, "%s %s", ssh_key_type_to_char(types[i].type), b64);
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    ssh_string_free_char(text);
    ssh_string_free_char(b64);
    ssh_key_free(key);
    return err;
}
