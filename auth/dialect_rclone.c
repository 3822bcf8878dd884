/*
 * rclone's auth proxy: a program that is told who asks and answers with a backend's configuration,
 * all of it strings; an answer lets in. Types that a store here can be: local, s3, webdav.
 *
 * A folder of the local disk below home_base becomes a prefix of `backend`; everything else is the
 * user's own store and needs allow_stores. A "pass" that _obscure does not name is obscured, as
 * rclone keeps it, and cannot be read here.
 *
 * It has no word for "no": rclone refuses the login when the program ends with another exit code
 * than 0, whatever the cause, and that is what such programs do about a wrong password. It is a
 * reject here, so that guesses count; but for the codes that tell of a cause (sysexits.h, and what
 * shells give for a program that could not be run or was killed).
 * Source: rclone, cmd/serve/proxy/proxy.go and the pages of its s3, local and webdav backends.
 */
#include <string.h>

#include "auth/dialect_field.h"
#include "auth/dialect_impl.h"
#include "gateway/base/mem.h"

static bool ask_rclone(const struct dialect *d, const struct auth_req *req, struct dialect_ask *ask,
                       struct dialect_verdict *v)
{
    (void)d;
    json_t *obj = NULL;
    if (req->method == AUTH_PASSWORD) {
        obj = json_pack("{s:s, s:s}", "user", req->user, "pass", req->password);
    } else {
        char *blob = dialect_base64(req->key.blob);
        obj = json_pack("{s:s, s:s}", "user", req->user, "public_key", blob);
        mem_free(blob);
    }
    if (obj != NULL && req->client_address != NULL)
        json_object_set_new(obj, "client_ip", json_string(req->client_address));
    return dialect_body(ask, obj, v);
}

static bool is_config(const json_t *obj, struct dialect_verdict *v)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)obj, key, value)
    {
        if (!json_is_string(value))
            return dialect_say(v, AUTH_FAULT, "%.64s: must be a string", key);
    }
    if (json_object_get(obj, "type") == NULL || json_object_get(obj, "_root") == NULL)
        return dialect_say(v, AUTH_FAULT, "the answer needs \"type\" and \"_root\"");
    return true;
}

static const char *text_of(const json_t *obj, const char *key)
{
    const char *s = json_string_value(json_object_get(obj, key));
    return s == NULL ? "" : s;
}

/* rclone's strings for true and false; absent = dflt. */
static bool take_bool(const json_t *obj, const char *key, bool dflt, bool *out,
                      struct dialect_verdict *v)
{
    const char *s = text_of(obj, key);
    *out = s[0] == '\0' ? dflt : strcmp(s, "true") == 0 || strcmp(s, "1") == 0;
    return s[0] == '\0' || *out || strcmp(s, "false") == 0 || strcmp(s, "0") == 0 ||
           dialect_say(v, AUTH_FAULT, "%s: must be \"true\" or \"false\"", key);
}

/* Does the comma-separated list hold the word? */
static bool is_listed(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; *p != '\0'; p += *p == ',') {
        size_t len = strcspn(p, ",");
        if (len == n && memcmp(p, word, n) == 0)
            return true;
        p += len;
    }
    return false;
}

static bool take_local(const struct dialect *d, const json_t *obj, json_t *mount,
                       struct dialect_verdict *v)
{
    static const char *const known[] = {"type", "_root", "_obscure", NULL};
    const char *root = text_of(obj, "_root");
    if (!dialect_field_known(obj, "", known, v))
        return false;
    if (d->conf->home_base != NULL) {
        char *prefix = dialect_field_below(d->conf->home_base, root);
        if (prefix == NULL)
            return dialect_say(v, AUTH_REJECT, "_root: \"%.128s\" is not below `home_base`", root);
        json_object_set_new(mount, "backend", json_string(d->conf->backend));
        json_object_set_new(mount, "prefix", json_string(prefix));
        mem_free(prefix);
        return true;
    }
    if (root[0] != '/' || strstr(root, "${") != NULL)
        return dialect_say(v, AUTH_REJECT, "_root: must be an absolute path");
    json_object_set_new(mount, "store", json_pack("{s:s, s:s}", "type", "local", "root", root));
    return true;
}

/* _root is "bucket/folder". */
static bool take_s3(const struct dialect *d, const json_t *obj, json_t *mount,
                    struct dialect_verdict *v)
{
    static const char *const known[] = {"type",
                                        "_root",
                                        "_obscure",
                                        "provider",
                                        "access_key_id",
                                        "secret_access_key",
                                        "session_token",
                                        "region",
                                        "endpoint",
                                        "force_path_style",
                                        "storage_class",
                                        "acl",
                                        "env_auth",
                                        "chunk_size",
                                        "upload_concurrency",
                                        "upload_cutoff",
                                        "no_check_bucket",
                                        NULL};
    (void)d;
    const char *root = text_of(obj, "_root");
    size_t n = strcspn(root, "/");
    bool path_style = true;
    if (!dialect_field_known(obj, "", known, v) ||
        !take_bool(obj, "force_path_style", true, &path_style, v))
        return false;
    if (n == 0 || strstr(root, "${") != NULL)
        return dialect_say(v, AUTH_REJECT, "_root: must begin with a bucket");
    json_t *store = json_pack("{s:s, s:s%, s:b}", "type", "s3", "bucket", root, n, "path_style",
                              (int)path_style);
    json_t *credentials = json_object();
    json_object_set_new(mount, "store", store);
    json_object_set_new(mount, "prefix", json_string(root + n + strspn(root + n, "/")));
    bool ok =
        dialect_field_copy(obj, "", "region", store, "region", v) &&
        dialect_field_copy(obj, "", "endpoint", store, "endpoint", v) &&
        dialect_field_copy(obj, "", "storage_class", store, "storage_class", v) &&
        dialect_field_copy(obj, "", "acl", store, "acl", v) &&
        dialect_field_copy(obj, "", "access_key_id", credentials, "access_key_id", v) &&
        dialect_field_copy(obj, "", "secret_access_key", credentials, "secret_access_key", v) &&
        dialect_field_copy(obj, "", "session_token", credentials, "session_token", v);
    /* Without keys rclone asks without a signature, or with env_auth by its environment's: neither
     * is to be had here. */
    if (ok && json_object_size(credentials) == 0)
        ok = dialect_say(v, AUTH_REJECT,
                         "access_key_id: is missing: the gateway's own keys (env_auth) sign for no "
                         "store of an answer");
    json_object_set_new(store, "credentials", credentials);
    return ok;
}

static bool take_webdav(const struct dialect *d, const json_t *obj, json_t *mount,
                        struct dialect_verdict *v)
{
    static const char *const known[] = {"type", "_root", "_obscure",     "url", "vendor",
                                        "user", "pass",  "bearer_token", NULL};
    (void)d;
    const char *pass = text_of(obj, "pass");
    const char *token = text_of(obj, "bearer_token");
    const char *root = text_of(obj, "_root");
    if (!dialect_field_known(obj, "", known, v))
        return false;
    if (pass[0] != '\0' && !is_listed(text_of(obj, "_obscure"), "pass"))
        return dialect_say(v, AUTH_REJECT,
                           "pass: is obscured, which only rclone reads; name it in "
                           "_obscure and give it as it is");
    if (strstr(root, "${") != NULL)
        return dialect_say(v, AUTH_REJECT, "_root: variables are not understood here");
    json_t *store = json_pack("{s:s, s:s, s:s}", "type", "http", "dialect", "webdav", "url",
                              text_of(obj, "url"));
    if (token[0] != '\0')
        json_object_set_new(store, "auth",
                            json_pack("{s:s, s:s}", "type", "bearer", "token", token));
    else if (text_of(obj, "user")[0] != '\0')
        json_object_set_new(store, "auth",
                            json_pack("{s:s, s:s, s:s}", "type", "basic", "user",
                                      text_of(obj, "user"), "password", pass));
    json_object_set_new(mount, "store", store);
    json_object_set_new(mount, "prefix", json_string(root + strspn(root, "/")));
    return true;
}

static const struct {
    const char *type;
    bool (*take)(const struct dialect *d, const json_t *obj, json_t *mount,
                 struct dialect_verdict *v);
} stores[] = {{"local", take_local}, {"s3", take_s3}, {"webdav", take_webdav}};

static bool take_store(const struct dialect *d, const json_t *obj, json_t *mount,
                       struct dialect_verdict *v)
{
    const char *type = text_of(obj, "type");
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++)
        if (strcmp(stores[i].type, type) == 0)
            return stores[i].take(d, obj, mount, v);
    return dialect_say(v, AUTH_REJECT, "type: \"%.64s\" is no store here", type);
}

enum {
    EXIT_UNAVAILABLE = 69,
    EXIT_TEMPFAIL = 75,
    EXIT_NOT_RUN = 126,     /* 126 and 127, of a shell */
    EXIT_LAST_SIGNAL = 192, /* 128 + the signal; 255 is what exit(-1) gives */
};

static enum auth_verdict meaning_of(unsigned exit_code)
{
    bool fault = exit_code == EXIT_UNAVAILABLE || exit_code == EXIT_TEMPFAIL ||
                 (exit_code >= EXIT_NOT_RUN && exit_code <= EXIT_LAST_SIGNAL);
    return fault ? AUTH_FAULT : AUTH_REJECT;
}

static void answer_rclone(const struct dialect *d, const struct auth_req *req,
                          struct dialect_ask *ask, const struct dialect_got *got,
                          struct dialect_verdict *v)
{
    (void)ask;
    if (got->status != 0) {
        dialect_say(v, meaning_of(got->status), "the program ended with exit code %u", got->status);
        return;
    }
    json_t *obj = dialect_object(got, v);
    if (obj == NULL)
        return;
    json_t *mount = json_pack("{s:s}", "path", "/");
    json_t *over = json_pack("{s:[O]}", "mounts", mount);
    if (is_config(obj, v) && take_store(d, obj, mount, v))
        dialect_accept(d, req, over, DIALECT_KEYS_DECIDED, v);
    json_decref(over);
    json_decref(mount);
    json_decref(obj);
}

const struct dialect_type dialect_rclone = {
    .name = "rclone",
    .transports = 1u << DIALECT_PROGRAM,
    .methods = 1u << AUTH_PASSWORD | 1u << AUTH_PUBLICKEY,
    .keys = DIALECT_KEY_HOME | DIALECT_KEY_STORES,
    .exit_codes = true,
    .open = dialect_open_home,
    .ask = ask_rclone,
    .answer = answer_rclone,
};
