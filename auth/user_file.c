#include "auth/user_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/passwd.h"
#include "auth/pubkey.h"
#include "config/json_hint.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/work.h"

struct row {
    struct user_entry e;
    char *name;
    size_t index; /* in the file, for messages */
};

struct user_file {
    atomic_uint refs;
    struct row *rows; /* by name */
    size_t n;
    const char **hashes; /* of the users that have one; borrowed from rows */
    size_t nhashes;
    uint64_t salt; /* of user_file_decoy(): the choice must not be foreseeable */
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

/* "!" or "*" in front is how shadow(5) locks a password. */
static enum gw_err take_password(const json_t *v, struct row *row, struct gw_errmsg *msg)
{
    if (v == NULL)
        return GW_OK;
    const char *hash = json_string_value(v);
    if (hash != NULL && (hash[0] == '!' || hash[0] == '*'))
        return GW_OK;
    if (hash == NULL || strlen(hash) != json_string_length(v) || !passwd_usable(hash))
        return gw_err_set(
            msg, GW_CONFIG,
            "users[%zu].password: is no crypt(3) hash: make one with `postern passwd`", row->index);
    row->e.password = mem_strdup(hash);
    return GW_OK;
}

static void drop_bad_keys(const struct row *row)
{
    struct identity *id = row->e.id;
    size_t kept = 0;
    for (size_t i = 0; i < id->npublic_keys; i++) {
        struct pubkey k;
        struct gw_errmsg why;
        if (pubkey_parse(id->public_keys[i], &k, &why) == GW_OK) {
            pubkey_free(&k);
            id->public_keys[kept++] = id->public_keys[i];
            continue;
        }
        LOG_EVENT(LOG_LVL_WARN, NULL, "public_key_refused", log_str("user", row->name),
                  log_u64("index", i), log_str("reason", why.text));
        mem_free(id->public_keys[i]);
    }
    id->npublic_keys = kept;
}

static enum gw_err take_user(json_t *v, const json_t *base, struct row *row, struct gw_errmsg *msg)
{
    const char *name = json_string_value(json_object_get(v, "user"));
    if (!json_is_object(v) || name == NULL)
        return gw_err_set(msg, GW_CONFIG, "users[%zu]: must be an object with a \"user\"",
                          row->index);
    enum gw_err err = take_password(json_object_get(v, "password"), row, msg);
    if (err != GW_OK)
        return err;
    (void)json_object_del(v, "password"); /* the rest is the identity */
    struct gw_errmsg why;
    err = identity_from_json(name, base, v, IDENTITY_STORES, &row->e.id, &why);
    if (err != GW_OK)
        return gw_err_set(msg, GW_CONFIG, "users[%zu].%.480s", row->index, why.text);
    row->name = mem_strdup(row->e.id->user);
    drop_bad_keys(row);
    return GW_OK;
}

static enum gw_err take_users(const json_t *root, const json_t *base, struct user_file *f,
                              struct gw_errmsg *msg)
{
    const json_t *users = json_object_get(root, "users");
    if (!json_is_object(root) || json_object_size(root) != 1 || !json_is_array(users))
        return gw_err_set(msg, GW_CONFIG, "must be {\"users\": [...]} and nothing else");
    size_t n = json_array_size(users);
    f->rows = mem_try_alloc(n * sizeof *f->rows);
    f->hashes = mem_try_alloc(n * sizeof *f->hashes);
    if (f->rows == NULL || f->hashes == NULL)
        return GW_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        struct row *row = &f->rows[f->n++];
        *row = (struct row){.index = i};
        enum gw_err err = take_user(json_array_get(users, i), base, row, msg);
        if (err != GW_OK)
            return err;
    }
    qsort(f->rows, f->n, sizeof *f->rows, by_name);
    for (size_t i = 0; i < f->n; i++) {
        if (i > 0 && strcmp(f->rows[i - 1].name, f->rows[i].name) == 0)
            return gw_err_set(msg, GW_CONFIG, "users[%zu].user: the same as users[%zu].user",
                              f->rows[i].index, f->rows[i - 1].index);
        if (f->rows[i].e.password != NULL)
            f->hashes[f->nhashes++] = f->rows[i].e.password;
    }
    return GW_OK;
}

enum gw_err user_file_parse(struct gw_span text, const json_t *base, struct user_file **out,
                            struct gw_errmsg *msg)
{
    json_error_t bad;
    json_t *root = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &bad);
    if (root == NULL) {
        const char *hint = json_hint((const char *)text.ptr, text.len, &bad);
        /* jansson's words end in "near '...'": that may be a hash. */
        char *near = strstr(bad.text, " near ");
        if (near != NULL)
            *near = '\0';
        return gw_err_set(msg, GW_CONFIG, "line %d, column %d: %s%s%s", bad.line, bad.column,
                          bad.text, hint == NULL ? "" : ": ", hint == NULL ? "" : hint);
    }
    struct user_file *f = mem_zalloc(sizeof *f);
    atomic_init(&f->refs, 1);
    enum gw_err err = take_users(root, base, f, msg);
    if (err == GW_OK && RAND_bytes((unsigned char *)&f->salt, sizeof f->salt) != 1)
        err = gw_err_set(msg, GW_INTERNAL, "no random bytes");
    json_decref(root);
    if (err == GW_OK) {
        *out = f;
        f = NULL;
    }
    user_file_unref(&f);
    return err;
}

static enum gw_err read_whole(int fd, size_t size, struct gw_buf *b)
{
    while (b->len < size) {
        uint8_t *to = gw_buf_reserve(b, size - b->len);
        if (to == NULL)
            return b->failed;
        ssize_t n = read(fd, to, size - b->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gw_err_from_errno(errno);
        if (n == 0)
            break; /* cut short while we read: the JSON will tell, and so will the next stamp */
        gw_buf_commit(b, (size_t)n);
    }
    return GW_OK;
}

enum gw_err user_file_load(const char *path, const json_t *base, struct user_file **out,
                           struct stat *stamp, struct gw_errmsg *msg)
{
    struct gw_buf text;
    *stamp = (struct stat){.st_size = 0};
    gw_buf_init(&text, USER_FILE_MAX_BYTES);
    /* O_NONBLOCK: a FIFO under this name must not hold a pool thread. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return gw_err_set(msg, GW_IO, "%s: %s", path, strerrordesc_np(errno));
    enum gw_err err = GW_OK;
    if (fstat(fd, stamp) != 0 || !S_ISREG(stamp->st_mode))
        err = gw_err_set(msg, GW_IO, "%s: not a regular file", path);
    else if (stamp->st_size > (off_t)USER_FILE_MAX_BYTES)
        err = gw_err_set(msg, GW_TOO_LARGE, "%s: over %u bytes", path, USER_FILE_MAX_BYTES);
    else if ((err = read_whole(fd, (size_t)stamp->st_size, &text)) != GW_OK)
        err = gw_err_set(msg, err, "%s: %s", path, gw_err_text(err));
    close(fd);
    if (err == GW_OK) {
        struct gw_errmsg why = {""};
        err = user_file_parse(gw_buf_span(&text), base, out, &why);
        if (err != GW_OK)
            err = gw_err_set(msg, err, "%.200s: %.300s", path,
                             why.text[0] == '\0' ? gw_err_text(err) : why.text);
    }
    gw_buf_free_secret(&text);
    return err;
}

struct user_file *user_file_ref(struct user_file *f)
{
    atomic_fetch_add(&f->refs, 1);
    return f;
}

static void free_now(void *arg)
{
    struct user_file *f = arg;
    for (size_t i = 0; i < f->n; i++) {
        mem_free_secret_str(&f->rows[i].e.password);
        identity_free(&f->rows[i].e.id);
        mem_free(f->rows[i].name);
    }
    mem_free(f->rows);
    mem_free(f->hashes);
    mem_free(f);
}

static void freed(void *arg)
{
    (void)arg;
}

static void freed_orphan(void *arg, bool ran)
{
    (void)ran; /* nobody cancels it */
    (void)arg;
}

static const struct work_fns free_fns = {free_now, freed, freed_orphan};

void user_file_unref(struct user_file **fp)
{
    struct user_file *f = *fp;
    *fp = NULL;
    if (f != NULL && atomic_fetch_sub(&f->refs, 1) == 1)
        free_now(f);
}

void user_file_unref_on(struct loop *l, struct user_file **fp)
{
    struct user_file *f = *fp;
    *fp = NULL;
    if (f != NULL && atomic_fetch_sub(&f->refs, 1) == 1)
        (void)work_start(l, &free_fns, f);
}

size_t user_file_count(const struct user_file *f)
{
    return f->n;
}

const struct user_entry *user_file_find(const struct user_file *f, const char *user)
{
    for (size_t lo = 0, hi = f->n; lo < hi;) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(user, f->rows[mid].name);
        if (c == 0)
            return &f->rows[mid].e;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const char *user_file_decoy(const struct user_file *f, const char *user)
{
    if (f->nhashes == 0)
        return passwd_decoy();
    uint64_t h = f->salt ^ 14695981039346656037u; /* FNV-1a */
    for (const char *p = user; *p != '\0'; p++)
        h = (h ^ (uint8_t)*p) * 1099511628211u;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu; /* or names that end alike would share one */
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return f->hashes[(h >> 32) % f->nhashes];
}
