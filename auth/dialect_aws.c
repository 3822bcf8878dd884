/*
 * The custom identity provider of AWS Transfer Family, as its REST template (API Gateway, by GET)
 * or its Lambda function (the same in a JSON object, posted) is asked.
 *
 * The user is authenticated if and only if the answer has a Role that is not blank; for a key login
 * the provider only looks the keys up, and the server compares. HomeDirectoryDetails is JSON in a
 * string. Policy scopes the role down: nothing here could apply it. PosixProfile counts for
 * EFS only, so not for a bucket.
 * Source: AWS Transfer Family User Guide, "Using AWS Lambda to integrate your identity provider"
 * (custom-lambda-idp) and "Using Amazon API Gateway to integrate your identity provider"
 * (authentication-api-gateway).
 */
#include <string.h>

#include "auth/dialect_field.h"
#include "auth/dialect_impl.h"
#include "auth/dialect_url.h"
#include "gateway/base/mem.h"

static const char default_server[] = "postern";
static const char user_variable[] = "${transfer:UserName}";

enum { FORM_API_GATEWAY, FORM_JSON };

static const char *server_id(const struct dialect *d)
{
    return d->conf->server_id == NULL ? default_server : d->conf->server_id;
}

static const char *address_of(const struct auth_req *req)
{
    return req->client_address == NULL ? "" : req->client_address;
}

/* May it stand in a header as it is? Older templates read Password, newer ones PasswordBase64. */
static bool is_plain(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || s[0] == ' ' || s[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] < ' ' || s[i] == 0x7f)
            return false;
    return true;
}

static void put_password(struct dialect_ask *ask, const char *password)
{
    char *b64 = dialect_base64(gw_span_str(password));
    dialect_header(ask, mem_printf("PasswordBase64: %s", b64));
    mem_free_secret_str(&b64);
    if (is_plain(password))
        dialect_header(ask, mem_printf("Password: %s", password));
}

static bool ask_api_gateway(const struct dialect *d, const struct auth_req *req,
                            struct dialect_ask *ask, struct dialect_verdict *v)
{
    struct gw_buf url;
    gw_buf_init(&url, DIALECT_URL_MAX_BYTES);
    size_t base = strlen(d->url);
    while (base > 0 && d->url[base - 1] == '/')
        base--;
    gw_buf_put(&url, d->url, base);
    gw_buf_put_text(&url, "/servers/");
    bool ok = dialect_url_segment(&url, server_id(d));
    gw_buf_put_text(&url, "/users/");
    ok = ok && dialect_url_segment(&url, req->user);
    gw_buf_put_text(&url, "/config?protocol=SFTP&sourceIp=");
    dialect_url_escape(&url, address_of(req));
    ask->method = "GET";
    ask->url = mem_strdup(gw_buf_cstr(&url));
    ok = ok && url.failed == GW_OK;
    gw_buf_free(&url);
    if (!ok)
        return dialect_say(v, AUTH_REJECT, "the user's name cannot stand in a URL");
    if (req->method == AUTH_PASSWORD)
        put_password(ask, req->password);
    return true;
}

static bool ask_aws(const struct dialect *d, const struct auth_req *req, struct dialect_ask *ask,
                    struct dialect_verdict *v)
{
    dialect_header(ask, mem_strdup("Accept: application/json"));
    if (d->conf->form == FORM_API_GATEWAY)
        return ask_api_gateway(d, req, ask, v);
    ask->method = "POST";
    dialect_header(ask, mem_strdup("Content-Type: application/json"));
    return dialect_body(ask,
                        json_pack("{s:s, s:s, s:s, s:s, s:s}", "username", req->user, "password",
                                  req->method == AUTH_PASSWORD ? req->password : "", "protocol",
                                  "SFTP", "serverId", server_id(d), "sourceIp", address_of(req)),
                        v);
}

static bool is_blank(const char *s)
{
    return s == NULL || s[strspn(s, " \t\r\n")] == '\0';
}

/* What we call the user's name is what AWS calls it; any other variable identity_from_json()
 * refuses. Gives. */
static char *with_our_variable(const char *s)
{
    struct gw_buf b;
    gw_buf_init(&b, 8192);
    for (;;) {
        const char *at = strstr(s, user_variable);
        if (at == NULL)
            break;
        gw_buf_put(&b, s, (size_t)(at - s));
        gw_buf_put_text(&b, "${user}");
        s = at + strlen(user_variable);
    }
    gw_buf_put_text(&b, s);
    char *out = b.failed == GW_OK ? mem_strdup(gw_buf_cstr(&b)) : NULL;
    gw_buf_free(&b);
    return out;
}

/* "/bucket/folder" as a mount at `path`. Gives; NULL after a refusal. */
static json_t *mount_of(const struct dialect *d, const char *path, const char *target,
                        const char *field, struct dialect_verdict *v)
{
    if (target[0] != '/') {
        dialect_say(v, AUTH_REJECT, "%s: must begin with \"/\" and a bucket", field);
        return NULL;
    }
    size_t n = strcspn(target + 1, "/");
    char *bucket = mem_strndup(target + 1, n);
    const char *backend = json_string_value(json_object_get(d->buckets, bucket));
    json_t *mount = NULL;
    char *prefix = with_our_variable(target + 1 + n + strspn(target + 1 + n, "/"));
    char *at = with_our_variable(path);
    if (backend == NULL)
        dialect_say(v, AUTH_REJECT,
                    "%s: the bucket \"%.64s\" is no backend's, and not in `buckets`", field,
                    bucket);
    else if (prefix == NULL || at == NULL)
        dialect_say(v, AUTH_REJECT, "%s: is too long", field);
    else
        mount = json_pack("{s:s, s:s, s:s}", "path", at, "backend", backend, "prefix", prefix);
    mem_free(bucket);
    mem_free(prefix);
    mem_free(at);
    return mount;
}

static bool add_entry(const struct dialect *d, const json_t *entry, json_t *mounts,
                      struct dialect_verdict *v)
{
    static const char *const known[] = {"Entry", "Target", "Type", NULL};
    static const char at[] = "HomeDirectoryDetails.";
    const char *path = NULL;
    const char *target = NULL;
    const char *type = NULL;
    if (!json_is_object(entry))
        return dialect_say(v, AUTH_FAULT, "HomeDirectoryDetails: must hold objects");
    if (!dialect_field_known(entry, at, known, v) ||
        !dialect_field_text(entry, at, "Entry", &path, v) ||
        !dialect_field_text(entry, at, "Target", &target, v) ||
        !dialect_field_text(entry, at, "Type", &type, v))
        return false;
    if (path == NULL || target == NULL)
        return dialect_say(v, AUTH_FAULT, "HomeDirectoryDetails: needs \"Entry\" and \"Target\"");
    if (type != NULL && strcmp(type, "DIRECTORY") != 0)
        return dialect_say(v, AUTH_REJECT, "HomeDirectoryDetails.Type: only DIRECTORY");
    json_t *mount = mount_of(d, path, target, "HomeDirectoryDetails.Target", v);
    return mount != NULL && json_array_append_new(mounts, mount) == 0;
}

/* Several entries, or one at "/", whose paths the client sees. */
static bool take_logical(const struct dialect *d, const json_t *obj, json_t *over,
                         struct dialect_verdict *v)
{
    const char *text = NULL;
    if (!dialect_field_text(obj, "", "HomeDirectoryDetails", &text, v))
        return false;
    if (!dialect_field_is_empty(json_object_get(obj, "HomeDirectory") == NULL
                                    ? json_null()
                                    : json_object_get(obj, "HomeDirectory")))
        return dialect_say(v, AUTH_REJECT, "HomeDirectory: has no meaning beside LOGICAL");
    json_t *list = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    json_t *mounts = json_array();
    bool ok = json_array_size(list) > 0;
    if (!ok)
        dialect_say(v, AUTH_FAULT,
                    "HomeDirectoryDetails: must be a string that holds a JSON array");
    for (size_t i = 0; ok && i < json_array_size(list); i++)
        ok = add_entry(d, json_array_get(list, i), mounts, v);
    json_object_set_new(over, "mounts", mounts);
    json_decref(list);
    return ok;
}

/* Paths are those of S3: the user sees /bucket/folder, and nothing beside it. */
static bool take_path(const struct dialect *d, const json_t *obj, json_t *over,
                      struct dialect_verdict *v)
{
    const char *home = NULL;
    if (!dialect_field_text(obj, "", "HomeDirectory", &home, v))
        return false;
    if (json_object_get(obj, "HomeDirectoryDetails") != NULL &&
        !dialect_field_is_empty(json_object_get(obj, "HomeDirectoryDetails")))
        return dialect_say(v, AUTH_REJECT, "HomeDirectoryDetails: has no meaning without LOGICAL");
    if (is_blank(home))
        return dialect_say(v, AUTH_REJECT, "HomeDirectory: is missing");
    json_t *mount = mount_of(d, home, home, "HomeDirectory", v);
    if (mount == NULL)
        return false;
    json_object_set(over, "home", json_object_get(mount, "path"));
    json_object_set_new(over, "mounts", json_pack("[o]", mount));
    return true;
}

static bool take_home(const struct dialect *d, const json_t *obj, json_t *over,
                      struct dialect_verdict *v)
{
    const char *type = NULL;
    if (!dialect_field_text(obj, "", "HomeDirectoryType", &type, v))
        return false;
    if (is_blank(type) || strcmp(type, "PATH") == 0)
        return take_path(d, obj, over, v);
    if (strcmp(type, "LOGICAL") == 0)
        return take_logical(d, obj, over, v);
    return dialect_say(v, AUTH_REJECT, "HomeDirectoryType: \"%.32s\" is neither PATH nor LOGICAL",
                       type);
}

static bool take_role(const struct dialect *d, const char *role, json_t *over,
                      struct dialect_verdict *v)
{
    const char *set = json_string_value(json_object_get(d->conf->roles, role));
    if (set == NULL)
        return dialect_say(v, AUTH_REJECT, "Role: \"%.200s\" is not in `roles`", role);
    if (set[0] != '\0')
        json_object_set_new(over, "credentials", json_string(set));
    return true;
}

static bool take_user(const struct dialect *d, const json_t *obj, const char *role, json_t *over,
                      struct dialect_verdict *v)
{
    static const char *const known[] = {
        "Role",         "PublicKeys", "HomeDirectoryType", "HomeDirectory", "HomeDirectoryDetails",
        "PosixProfile", NULL};
    const char *policy = NULL;
    const json_t *keys = NULL;
    const json_t *posix = NULL;
    if (!dialect_field_text(obj, "", "Policy", &policy, v) ||
        !dialect_field_list(obj, "", "PublicKeys", &keys, v) ||
        !dialect_field_object(obj, "", "PosixProfile", &posix, v))
        return false;
    if (!is_blank(policy))
        return dialect_say(v, AUTH_REJECT, "Policy: a session policy cannot be applied here");
    if (!dialect_field_known(obj, "", known, v) || !take_role(d, role, over, v) ||
        !take_home(d, obj, over, v))
        return false;
    if (keys != NULL)
        json_object_set(over, "public_keys", (json_t *)(uintptr_t)keys);
    return true;
}

static void judge(const struct dialect *d, const struct auth_req *req, const json_t *obj,
                  struct dialect_verdict *v)
{
    const char *role = NULL;
    if (!dialect_field_text(obj, "", "Role", &role, v))
        return;
    if (is_blank(role)) {
        dialect_say(v, AUTH_REJECT, "no Role in the answer");
        return;
    }
    json_t *over = json_object();
    if (take_user(d, obj, role, over, v)) {
        if (req->method != AUTH_PUBLICKEY)
            (void)json_object_del(over, "public_keys");
        dialect_accept(d, req, over, DIALECT_KEYS_COMPARED, v);
    }
    json_decref(over);
}

static void answer_aws(const struct dialect *d, const struct auth_req *req, struct dialect_ask *ask,
                       const struct dialect_got *got, struct dialect_verdict *v)
{
    (void)ask;
    if (got->status != 200) {
        dialect_say(v, AUTH_FAULT, "HTTP status %u", got->status);
        return;
    }
    json_t *obj = dialect_object(got, v);
    if (obj != NULL)
        judge(d, req, obj, v);
    json_decref(obj);
}

/* An s3 backend that is the whole of its bucket is what the bucket's name means, unless there are
 * two of them. */
static void add_backend(struct dialect *d, const char *name, const struct opt_any *backend)
{
    if (strcmp(backend->kind->name, "s3") != 0)
        return;
    json_t *conf = options_print(backend->kind->tab, backend->conf);
    const char *bucket = json_string_value(json_object_get(conf, "bucket"));
    const char *prefix = json_string_value(json_object_get(conf, "prefix"));
    if (bucket != NULL && (prefix == NULL || prefix[0] == '\0')) {
        bool is_second = json_object_get(d->buckets, bucket) != NULL;
        json_object_set_new(d->buckets, bucket, is_second ? json_null() : json_string(name));
    }
    json_decref(conf);
}

static void find_buckets(struct dialect *d)
{
    const struct opt_any *any = d->backends == NULL ? NULL : d->backends->v;
    d->buckets = json_object();
    for (size_t i = 0; any != NULL && i < d->backends->n; i++)
        add_backend(d, d->backends->names[i], &any[i]);
    json_object_update(d->buckets, d->conf->buckets);
}

static enum gw_err open_aws(struct dialect *d, struct gw_errmsg *msg)
{
    const char *key;
    json_t *value;
    json_object_foreach(d->conf->roles, key, value)
    {
        if (!json_is_string(value))
            return gw_err_set(msg, GW_CONFIG, "roles[\"%.200s\"]: must be a string", key);
    }
    json_object_foreach(d->conf->buckets, key, value)
    {
        if (!json_is_string(value) || json_string_length(value) == 0)
            return gw_err_set(msg, GW_CONFIG, "buckets[\"%.64s\"]: must name a backend", key);
        enum gw_err err = dialect_open_backend(d, "buckets", json_string_value(value), msg);
        if (err != GW_OK)
            return err;
    }
    if (json_object_size(d->conf->roles) == 0)
        return gw_err_set(msg, GW_CONFIG, "roles: is missing: without one nobody is let in");
    find_buckets(d);
    if (json_object_size(d->buckets) == 0)
        return gw_err_set(msg, GW_CONFIG,
                          "buckets: is missing, and no backend is a whole bucket: nobody would be "
                          "let in");
    return GW_OK;
}

const struct dialect_type dialect_aws = {
    .name = "aws-transfer",
    .transports = 1u << DIALECT_HTTP,
    .methods = 1u << AUTH_PASSWORD | 1u << AUTH_PUBLICKEY,
    .keys = DIALECT_KEY_AWS,
    .open = open_aws,
    .ask = ask_aws,
    .answer = answer_aws,
};
