#include "auth/identity_words.h"

#include <string.h>

#include "auth/cidr.h"
#include "auth/identity_rd.h"
#include "auth/verifier.h"
#include "config/nearest.h"
#include "config/wiped_json.h"
#include "gateway/base/buf.h"
#include "gateway/base/mem.h"
#include "gateway/base/rfc3339.h"

#define NAME_MAX_BYTES  255u
#define LINE_MAX_BYTES  16384u /* an authorized_keys line; RSA of 16384 bits needs under 3 KiB */
#define TEXT_MAX_BYTES  4096u
#define STORE_MAX_BYTES 16384u
#define TOKEN_MAX_BYTES 8192u /* a session token; Amazon's have under 2 KiB */

enum {
    MAX_MOUNTS = 64,
    MAX_PERMS = 256,
    MAX_KEYS = 256,
    MAX_METHODS = 16,
    MAX_ALLOW = 1024,
    MAX_RATE_KIB_S = 1u << 30,
};

/* jansson's iterators take no const, though they change nothing. */
static void *first(const json_t *v)
{
    return json_object_iter((json_t *)(uintptr_t)v);
}

static void *next(const json_t *v, void *it)
{
    return json_object_iter_next((json_t *)(uintptr_t)v, it);
}

static enum gw_err read_home(struct identity_rd *r, const json_t *v, struct identity *id)
{
    const char *s = NULL;
    enum gw_err err = identity_rd_str(r, v, IDENTITY_RD_PATH_MAX, &s);
    return err != GW_OK ? err : identity_rd_path(r, s, true, &id->home);
}

static enum gw_err read_restrict(struct identity_rd *r, const json_t *v, struct identity *id)
{
    return identity_rd_bool(r, v, &id->restrict_to_home);
}

/* What its keys mean only the stores know; here it becomes text, of which equal ones are equal. */
static enum gw_err read_store(struct identity_rd *r, const json_t *v, char **out)
{
    if (!r->stores)
        return identity_rd_fail(
            r, "a store in an answer is not allowed: set \"allow_stores\" of the verifier, "
               "or name a backend");
    if (!json_is_string(json_object_get(v, "type")))
        return identity_rd_fail(r, "must be an object with a \"type\", like one of `backends`");
    char *text = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS);
    size_t n = text == NULL ? 0 : strlen(text);
    enum gw_err err = GW_OK;
    if (n == 0 || n > STORE_MAX_BYTES)
        err = identity_rd_fail(r, "must be at most %u bytes", STORE_MAX_BYTES);
    else
        *out = mem_strdup(text);
    wiped_json_free_text(&text);
    return err;
}

static enum gw_err read_mount(struct identity_rd *r, size_t i, const json_t *v,
                              struct identity_mount *m)
{
    const char *s = NULL;
    enum gw_err err = GW_OK;
    identity_rd_at(r, "mounts[%zu]", i);
    if (!json_is_object(v))
        return identity_rd_fail(r, "must be an object");
    bool named = json_object_get(v, "backend") != NULL;
    if (json_object_get(v, "path") == NULL || named == (json_object_get(v, "store") != NULL))
        return identity_rd_fail(r, "needs \"path\", and \"backend\" or \"store\"");
    void *it = first(v);
    for (; it != NULL && err == GW_OK; it = next(v, it)) {
        const char *key = json_object_iter_key(it);
        const json_t *val = json_object_iter_value(it);
        identity_rd_at(r, "mounts[%zu].%.64s", i, key);
        if (strcmp(key, "read_only") == 0) {
            err = identity_rd_bool(r, val, &m->read_only);
        } else if (strcmp(key, "backend") == 0) {
            err = identity_rd_dup(r, val, NAME_MAX_BYTES, &m->backend);
        } else if (strcmp(key, "store") == 0) {
            err = read_store(r, val, &m->store);
        } else if (strcmp(key, "prefix") == 0) {
            if (!json_is_string(val) || json_string_length(val) != 0)
                err = identity_rd_str(r, val, IDENTITY_RD_PATH_MAX, &s);
            else
                s = "";
            if (err == GW_OK)
                err = identity_rd_path(r, s, false, &m->prefix);
        } else if (strcmp(key, "path") == 0) {
            err = identity_rd_str(r, val, IDENTITY_RD_PATH_MAX, &s);
            if (err == GW_OK)
                err = identity_rd_path(r, s, true, &m->path);
        } else {
            err = identity_rd_fail(r, "unknown key");
        }
    }
    if (err == GW_OK && m->prefix == NULL)
        m->prefix = mem_strdup("");
    return err;
}

static enum gw_err read_mounts(struct identity_rd *r, const json_t *v, struct identity *id)
{
    if (!json_is_array(v) || json_array_size(v) > MAX_MOUNTS)
        return identity_rd_fail(r, "must be an array of at most %d mounts", MAX_MOUNTS);
    id->mounts = mem_array(json_array_size(v), sizeof *id->mounts);
    for (size_t i = 0; i < json_array_size(v); i++) {
        enum gw_err err = read_mount(r, i, json_array_get(v, i), &id->mounts[id->nmounts++]);
        if (err != GW_OK)
            return err;
        for (size_t j = 0; j < i; j++)
            if (strcmp(id->mounts[j].path, id->mounts[i].path) == 0) {
                identity_rd_at(r, "mounts[%zu].path", i);
                return identity_rd_fail(r, "the same path as mounts[%zu]", j);
            }
    }
    return GW_OK;
}

static enum gw_err read_root(struct identity_rd *r, const json_t *v, struct identity *id)
{
    const char *s = NULL;
    enum gw_err err = identity_rd_str(r, v, IDENTITY_RD_PATH_MAX, &s);
    if (err != GW_OK)
        return err;
    id->mounts = mem_array(1, sizeof *id->mounts);
    id->nmounts = 1;
    id->mounts[0].path = mem_strdup("/");
    id->mounts[0].backend = mem_strdup("local");
    return identity_rd_path(r, s, false, &id->mounts[0].prefix);
}

static enum gw_err no_permission(struct identity_rd *r, const char *word)
{
    struct nearest near = nearest_to(word);
    struct gw_buf all;
    gw_buf_init(&all, 256);
    for (const struct identity_perm_word *w = identity_perm_words; w->word != NULL; w++) {
        nearest_try(&near, w->word);
        gw_buf_printf(&all, " %s", w->word);
    }
    enum gw_err err = nearest_word(&near) != NULL
                          ? identity_rd_fail(r, "\"%.64s\" is no permission; did you mean \"%s\"?",
                                             word, nearest_word(&near))
                          : identity_rd_fail(r, "\"%.64s\" is no permission; there are:%s", word,
                                             gw_buf_cstr(&all));
    gw_buf_free(&all);
    return err;
}

static enum gw_err read_words(struct identity_rd *r, const json_t *v, uint32_t *out)
{
    char where[sizeof r->at];
    memcpy(where, r->at, sizeof where);
    if (!json_is_array(v) || json_array_size(v) > 64)
        return identity_rd_fail(r, "must be an array of permissions");
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *s = "";
        bool known = false;
        identity_rd_at(r, "%.200s[%zu]", where, i);
        enum gw_err err = identity_rd_str(r, json_array_get(v, i), NAME_MAX_BYTES, &s);
        if (err != GW_OK)
            return err;
        for (const struct identity_perm_word *w = identity_perm_words; w->word != NULL && !known;
             w++)
            if (strcmp(s, w->word) == 0) {
                *out |= w->perms;
                known = true;
            }
        if (!known)
            return no_permission(r, s);
    }
    return GW_OK;
}

static enum gw_err read_permissions(struct identity_rd *r, const json_t *v, struct identity *id)
{
    bool top = false;
    if (!json_is_object(v) || json_object_size(v) > MAX_PERMS)
        return identity_rd_fail(r, "must be an object of at most %d paths", MAX_PERMS);
    id->perms = mem_array(json_object_size(v), sizeof *id->perms);
    void *it = first(v);
    for (; it != NULL; it = next(v, it)) {
        const char *key = json_object_iter_key(it);
        struct identity_perm *p = &id->perms[id->nperms++];
        identity_rd_at(r, "permissions[\"%.128s\"]", key);
        /* A pattern that is taken for a name would restrict nothing. */
        if (strpbrk(key, "*?") != NULL)
            return identity_rd_fail(r, "patterns are not supported");
        enum gw_err err = identity_rd_path(r, key, true, &p->path);
        if (err != GW_OK)
            return err;
        for (size_t j = 0; j + 1 < id->nperms; j++)
            if (strcmp(id->perms[j].path, p->path) == 0)
                return identity_rd_fail(r, "the same path is there twice");
        err = read_words(r, json_object_iter_value(it), &p->perms);
        if (err != GW_OK)
            return err;
        top = top || strcmp(p->path, "/") == 0;
    }
    identity_rd_at(r, "permissions");
    return top ? GW_OK : identity_rd_fail(r, "needs an entry for \"/\"");
}

static enum gw_err check_allow(struct identity_rd *r, const char *s)
{
    struct cidr c;
    return cidr_parse(s, &c) ? GW_OK
                             : identity_rd_fail(r, "is no address or block (203.0.113.0/24)");
}

static enum gw_err check_method(struct identity_rd *r, const char *s)
{
    return auth_method_of(s, strlen(s)) >= 0
               ? GW_OK
               : identity_rd_fail(r, "must be publickey, password or keyboard-interactive");
}

static enum gw_err check_sequence(struct identity_rd *r, const char *s)
{
    unsigned seen = 0, steps = 0;
    for (;;) {
        size_t n = strcspn(s, ",");
        int m = auth_method_of(s, n);
        if (m < 0)
            return identity_rd_fail(
                r, "must be methods joined by commas, like \"publickey,password\"");
        if (++steps > IDENTITY_STEPS_MAX)
            return identity_rd_fail(r, "has more than %u steps", IDENTITY_STEPS_MAX);
        if (m != AUTH_PUBLICKEY && (seen & 1u << m)) /* a second key is a second thing to have */
            return identity_rd_fail(r, "%s is there twice", auth_method_names[m]);
        seen |= 1u << m;
        if (s[n] == '\0')
            return GW_OK;
        s += n + 1;
    }
}

static enum gw_err read_public_keys(struct identity_rd *r, const json_t *v, struct identity *id)
{
    return identity_rd_strs(r, v, MAX_KEYS, LINE_MAX_BYTES, NULL, &id->public_keys,
                            &id->npublic_keys);
}

static enum gw_err read_methods(struct identity_rd *r, const json_t *v, struct identity *id)
{
    return identity_rd_strs(r, v, MAX_METHODS, NAME_MAX_BYTES, check_sequence, &id->methods,
                            &id->nmethods);
}

static enum gw_err read_next_methods(struct identity_rd *r, const json_t *v, struct identity *id)
{
    return identity_rd_strs(r, v, AUTH_METHOD_COUNT, NAME_MAX_BYTES, check_method,
                            &id->next_methods, &id->nnext_methods);
}

static enum gw_err read_allow(struct identity_rd *r, const json_t *v, struct identity *id)
{
    return identity_rd_strs(r, v, MAX_ALLOW, NAME_MAX_BYTES, check_allow, &id->allow, &id->nallow);
}

static enum gw_err read_expires(struct identity_rd *r, const json_t *v, struct identity *id)
{
    const char *s = NULL;
    enum gw_err err = identity_rd_str(r, v, NAME_MAX_BYTES, &s);
    if (err != GW_OK)
        return err;
    if (!rfc3339_parse(s, &id->expires_s))
        return identity_rd_fail(r, "must be a time like \"2027-01-01T00:00:00Z\"");
    if (id->expires_s < 1) /* 0 would mean never */
        id->expires_s = 1;
    return GW_OK;
}

static enum gw_err read_banner(struct identity_rd *r, const json_t *v, struct identity *id)
{
    return identity_rd_dup(r, v, TEXT_MAX_BYTES, &id->banner);
}

static enum gw_err read_credentials(struct identity_rd *r, const json_t *v, struct identity *id)
{
    struct identity_credentials *c = &id->credentials;
    const struct {
        const char *key;
        char **to;
    } row[] = {{"access_key_id", &c->access_key_id},
               {"secret_access_key", &c->secret_access_key},
               {"session_token", &c->session_token}};
    if (json_is_string(v))
        return identity_rd_dup(r, v, NAME_MAX_BYTES, &c->set);
    if (!json_is_object(v))
        return identity_rd_fail(r, "must be the name of a set, or an object with access_key_id and "
                                   "secret_access_key");
    void *it = first(v);
    for (; it != NULL; it = next(v, it)) {
        const char *key = json_object_iter_key(it);
        size_t i = 0;
        identity_rd_at(r, "credentials.%.64s", key);
        while (i < sizeof row / sizeof row[0] && strcmp(row[i].key, key) != 0)
            i++;
        if (i == sizeof row / sizeof row[0])
            return identity_rd_fail(r, "unknown key");
        enum gw_err err =
            identity_rd_line(r, json_object_iter_value(it), TOKEN_MAX_BYTES, row[i].to);
        if (err != GW_OK)
            return err;
    }
    identity_rd_at(r, "credentials");
    if (c->access_key_id == NULL || c->secret_access_key == NULL)
        return identity_rd_fail(r, "needs access_key_id and secret_access_key");
    return GW_OK;
}

static enum gw_err read_idle(struct identity_rd *r, const json_t *v, struct identity *id)
{
    uint64_t n = 0;
    enum gw_err err = identity_rd_uint(r, v, 30u * 24 * 3600, &n);
    id->idle_s = (uint32_t)n;
    return err;
}

static enum gw_err read_partial(struct identity_rd *r, const json_t *v, struct identity *id)
{
    for (size_t i = 0; json_is_string(v) && i < IDENTITY_NPARTIAL; i++)
        if (strcmp(json_string_value(v), identity_partial_words[i]) == 0) {
            id->partial_uploads = (enum identity_partial)i;
            return GW_OK;
        }
    return identity_rd_fail(r, "must be \"discard\", \"keep\" or \"resume\"");
}

/* Lays over what is there: called for base first, then for over. */
static enum gw_err read_limits(struct identity_rd *r, const json_t *v, struct identity *id)
{
    struct identity_limits *l = &id->limits;
    const struct {
        const char *key;
        uint32_t *u32;
        uint64_t *u64;
        uint64_t max;
    } row[] = {
        {"sessions", &l->sessions, NULL, UINT32_MAX},
        {"upload_kib_s", &l->upload_kib_s, NULL, MAX_RATE_KIB_S},
        {"download_kib_s", &l->download_kib_s, NULL, MAX_RATE_KIB_S},
        {"quota_bytes", NULL, &l->quota_bytes, INT64_MAX},
        {"quota_files", NULL, &l->quota_files, INT64_MAX},
        {"max_file_bytes", NULL, &l->max_file_bytes, INT64_MAX},
    };
    if (!json_is_object(v))
        return identity_rd_fail(r, "must be an object");
    void *it = first(v);
    for (; it != NULL; it = next(v, it)) {
        const char *key = json_object_iter_key(it);
        size_t i = 0;
        uint64_t n = 0;
        identity_rd_at(r, "limits.%.64s", key);
        while (i < sizeof row / sizeof row[0] && strcmp(row[i].key, key) != 0)
            i++;
        if (i == sizeof row / sizeof row[0])
            return identity_rd_fail(r, "unknown key");
        enum gw_err err = identity_rd_uint(r, json_object_iter_value(it), row[i].max, &n);
        if (err != GW_OK)
            return err;
        if (row[i].u32 != NULL)
            *row[i].u32 = (uint32_t)n;
        else if (row[i].u64 != NULL)
            *row[i].u64 = n;
    }
    return GW_OK;
}

static const struct {
    const char *key;
    const char *instead; /* a key of `over` that hides this one of `base` too */
    enum gw_err (*read)(struct identity_rd *r, const json_t *v, struct identity *id);
    bool merge; /* base's value is read first, over's is laid over it */
} rows[] = {
    {"user", NULL, NULL, false}, /* taken before everything else: ${user} needs it */
    {"home", NULL, read_home, false},
    {"restrict_to_home", NULL, read_restrict, false},
    {"mounts", "root", read_mounts, false},
    {"root", "mounts", read_root, false},
    {"permissions", NULL, read_permissions, false},
    {"limits", NULL, read_limits, true},
    {"public_keys", NULL, read_public_keys, false},
    {"next_methods", NULL, read_next_methods, false},
    {"methods", NULL, read_methods, false},
    {"allow", NULL, read_allow, false},
    {"expires", NULL, read_expires, false},
    {"banner", NULL, read_banner, false},
    {"idle_s", NULL, read_idle, false},
    {"credentials", NULL, read_credentials, false},
    {"partial_uploads", NULL, read_partial, false},
};

static enum gw_err check_keys(struct identity_rd *r, const json_t *obj)
{
    if (obj == NULL)
        return GW_OK;
    if (!json_is_object(obj))
        return identity_rd_fail(r, "must be an object");
    void *it = first(obj);
    for (; it != NULL; it = next(obj, it)) {
        const char *key = json_object_iter_key(it);
        size_t i = 0;
        while (i < sizeof rows / sizeof rows[0] && strcmp(rows[i].key, key) != 0)
            i++;
        if (i == sizeof rows / sizeof rows[0]) {
            identity_rd_at(r, "%.64s", key);
            return identity_rd_fail(r, "unknown key");
        }
    }
    if (json_object_get(obj, "root") != NULL && json_object_get(obj, "mounts") != NULL) {
        identity_rd_at(r, "root");
        return identity_rd_fail(r, "is short for one mount: not beside \"mounts\"");
    }
    return GW_OK;
}

static enum gw_err take_user(struct identity_rd *r, const char *user, const json_t *base,
                             const json_t *over, struct identity *id)
{
    identity_rd_at(r, "user");
    if (json_object_get(base, "user") != NULL)
        return identity_rd_fail(r, "belongs to one user, not to all");
    const json_t *own = json_object_get(over, "user");
    size_t n = strlen(user);
    if (own != NULL) {
        enum gw_err err = identity_rd_str(r, own, IDENTITY_USER_MAX, &user);
        if (err != GW_OK)
            return err;
    } else if (n == 0 || n > IDENTITY_USER_MAX) {
        return gw_err_set(r->msg, GW_BAD_NAME, "a user name has 1 to %u bytes", IDENTITY_USER_MAX);
    }
    id->user = mem_strdup(user);
    r->user = id->user;
    return GW_OK;
}

enum gw_err identity_from_json(const char *user, const json_t *base, const json_t *over,
                               unsigned may, struct identity **out, struct gw_errmsg *msg)
{
    struct identity_rd r = {.msg = msg};
    struct identity *id = mem_zalloc(sizeof *id);
    enum gw_err err = check_keys(&r, base);
    if (err == GW_OK)
        err = check_keys(&r, over);
    if (err == GW_OK)
        err = take_user(&r, user, base, over, id);
    for (size_t i = 0; err == GW_OK && i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].read == NULL)
            continue;
        const json_t *from_base = json_object_get(base, rows[i].key);
        const json_t *from_over = json_object_get(over, rows[i].key);
        bool hidden = rows[i].instead != NULL && json_object_get(over, rows[i].instead) != NULL;
        if (from_base != NULL && !hidden && (from_over == NULL || rows[i].merge)) {
            identity_rd_at(&r, "%s", rows[i].key);
            r.stores = true;
            err = rows[i].read(&r, from_base, id);
        }
        if (err == GW_OK && from_over != NULL) {
            identity_rd_at(&r, "%s", rows[i].key);
            r.stores = (may & IDENTITY_STORES) != 0;
            err = rows[i].read(&r, from_over, id);
        }
    }
    if (err == GW_OK && id->home == NULL)
        id->home = mem_strdup("/");
    if (err == GW_OK) {
        *out = id;
        id = NULL;
    }
    identity_free(&id);
    return err;
}
