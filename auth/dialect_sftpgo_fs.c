/*
 * SFTPGo's filesystem object: a folder of its disk, a bucket, or a server that speaks HTTPFs.
 * Source: SFTPGo v2.5, openapi/openapi.yaml (schemas FilesystemConfig, S3Config, HTTPFsConfig,
 * Secret); github.com/sftpgo/sdk, filesystem.go.
 */
#include <stdio.h>
#include <string.h>

#include "auth/dialect_field.h"
#include "auth/dialect_sftpgo.h"
#include "gateway/base/mem.h"

enum { PROVIDER_LOCAL = 0, PROVIDER_S3 = 1, PROVIDER_HTTP = 6 };
enum { AT_MAX_BYTES = 64 };

/* Where a field of `key` stands, for messages: "filesystem.s3config.". */
struct at {
    char s[AT_MAX_BYTES];
};

static struct at at_of(const char *path, const char *key)
{
    struct at at;
    snprintf(at.s, sizeof at.s, "%s%s.", path, key);
    return at;
}

static bool take_local(const struct dialect *d, const char *local, json_t *mount,
                       struct dialect_verdict *v)
{
    if (d->conf->home_base == NULL)
        return dialect_say(v, AUTH_REJECT,
                           "home_dir: a folder of SFTPGo's machine means nothing here without "
                           "`home_base` and `backend`");
    char *prefix =
        local == NULL ? mem_strdup("${user}") : dialect_field_below(d->conf->home_base, local);
    if (prefix == NULL)
        return dialect_say(v, AUTH_REJECT, "home_dir: \"%.128s\" is not below `home_base`", local);
    json_object_set_new(mount, "backend", json_string(d->conf->backend));
    json_object_set_new(mount, "prefix", json_string(prefix));
    mem_free(prefix);
    return true;
}

/* {"status": "Plain", "payload": "..."}; the other states are sealed with a key that SFTPGo has. */
static bool take_secret(const json_t *obj, const char *path, const char *key, json_t *to,
                        const char *name, struct dialect_verdict *v)
{
    static const char *const known[] = {"status",          "payload", "key",
                                        "additional_data", "mode",    NULL};
    const json_t *secret = NULL;
    const char *status = NULL;
    const char *payload = NULL;
    struct at at = at_of(path, key);
    if (!dialect_field_object(obj, path, key, &secret, v))
        return false;
    if (secret == NULL || dialect_field_is_empty(secret))
        return true;
    if (!dialect_field_known(secret, at.s, known, v) ||
        !dialect_field_text(secret, at.s, "status", &status, v) ||
        !dialect_field_text(secret, at.s, "payload", &payload, v))
        return false;
    if (status == NULL || strcmp(status, "Plain") != 0)
        return dialect_say(v, AUTH_REJECT, "%sstatus: only \"Plain\" can be read here", at.s);
    if (payload != NULL)
        json_object_set_new(to, name, json_string(payload));
    return true;
}

static bool take_s3_settings(const json_t *c, const char *path, json_t *store,
                             struct dialect_verdict *v)
{
    json_t *credentials = json_object();
    json_object_set_new(store, "credentials", credentials);
    bool ok =
        dialect_field_copy(c, path, "bucket", store, "bucket", v) &&
        dialect_field_copy(c, path, "region", store, "region", v) &&
        dialect_field_copy(c, path, "endpoint", store, "endpoint", v) &&
        dialect_field_copy(c, path, "force_path_style", store, "path_style", v) &&
        dialect_field_copy(c, path, "storage_class", store, "storage_class", v) &&
        dialect_field_copy(c, path, "acl", store, "acl", v) &&
        dialect_field_copy(c, path, "upload_part_size", store, "part_mb", v) &&
        dialect_field_copy(c, path, "upload_concurrency", store, "upload_concurrency", v) &&
        dialect_field_copy(c, path, "download_concurrency", store, "download_concurrency", v) &&
        dialect_field_copy(c, path, "access_key", credentials, "access_key_id", v) &&
        dialect_field_copy(c, path, "session_token", credentials, "session_token", v) &&
        take_secret(c, path, "access_secret", credentials, "secret_access_key", v);
    if (ok && json_object_size(credentials) == 0)
        (void)json_object_del(store, "credentials");
    return ok;
}

static bool take_s3(const json_t *c, const char *path, json_t *mount, struct dialect_verdict *v)
{
    static const char *const known[] = {
        "bucket", "region", "endpoint", "force_path_style", "storage_class", "acl",
        "upload_part_size", "upload_concurrency", "download_concurrency", "access_key",
        "session_token", "access_secret", "key_prefix",
        /* About speed, not about what the user may do. */
        "download_part_size", "upload_part_max_time", "download_part_max_time", NULL};
    const char *prefix = NULL;
    if (!dialect_field_known(c, path, known, v) ||
        !dialect_field_text(c, path, "key_prefix", &prefix, v))
        return false;
    if (prefix != NULL && strstr(prefix, "${") != NULL)
        return dialect_say(v, AUTH_REJECT, "%skey_prefix: variables are not understood here", path);
    json_t *store = json_pack("{s:s}", "type", "s3");
    json_object_set_new(mount, "store", store);
    json_object_set_new(mount, "prefix", json_string(prefix == NULL ? "" : prefix));
    return take_s3_settings(c, path, store, v);
}

static bool take_http(const json_t *c, const char *path, json_t *mount, struct dialect_verdict *v)
{
    static const char *const known[] = {
        "endpoint", "username", "password", "api_key", "equality_check_mode", NULL};
    json_t *store = json_pack("{s:s, s:s}", "type", "http", "dialect", "httpfs");
    json_object_set_new(mount, "store", store);
    if (!dialect_field_known(c, path, known, v) ||
        !dialect_field_copy(c, path, "endpoint", store, "url", v))
        return false;
    json_t *auth = json_object();
    bool ok = dialect_field_copy(c, path, "username", auth, "user", v) &&
              take_secret(c, path, "password", auth, "password", v) &&
              take_secret(c, path, "api_key", auth, "value", v);
    if (ok && json_object_get(auth, "value") != NULL) {
        json_object_set_new(auth, "type", json_string("header"));
        json_object_set_new(auth, "name", json_string("X-API-KEY"));
    } else if (json_object_size(auth) > 0) {
        json_object_set_new(auth, "type", json_string("basic"));
    }
    if (json_object_size(auth) > 0)
        json_object_set(store, "auth", auth);
    json_decref(auth);
    return ok;
}

bool dialect_sftpgo_filesystem(const struct dialect *d, const json_t *filesystem, const char *path,
                               const char *local, json_t *mount, struct dialect_verdict *v)
{
    /* Other providers' settings may stand there: SFTPGo reads those of the one that is named. */
    static const char *const known[] = {"provider",   "osconfig",     "s3config",
                                        "gcsconfig",  "azblobconfig", "cryptconfig",
                                        "sftpconfig", "httpconfig",   NULL};
    json_int_t provider = PROVIDER_LOCAL;
    const json_t *c = NULL;
    if (!dialect_field_known(filesystem, path, known, v) ||
        !dialect_field_number(filesystem, path, "provider", &provider, v))
        return false;
    if (provider == PROVIDER_LOCAL)
        return take_local(d, local, mount, v);
    if (provider != PROVIDER_S3 && provider != PROVIDER_HTTP)
        return dialect_say(v, AUTH_REJECT, "%sprovider: %lld is not supported here", path,
                           (long long)provider);
    if (!d->conf->allow_stores)
        return dialect_say(v, AUTH_REJECT,
                           "%sprovider: the user's own store is not taken without `allow_stores`",
                           path);
    const char *key = provider == PROVIDER_S3 ? "s3config" : "httpconfig";
    struct at at = at_of(path, key);
    if (!dialect_field_object(filesystem, path, key, &c, v))
        return false;
    if (c == NULL)
        return dialect_say(v, AUTH_FAULT, "%s%s: is missing", path, key);
    return provider == PROVIDER_S3 ? take_s3(c, at.s, mount, v) : take_http(c, at.s, mount, v);
}
