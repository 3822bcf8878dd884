/*
 * SFTPGo's user object as an identity. What is not known and not empty rejects: it may restrict.
 * Source: SFTPGo v2.5, openapi/openapi.yaml (schemas User, UserFilters, VirtualFolder);
 * github.com/sftpgo/sdk, user.go.
 */
#include <string.h>

#include "auth/cidr.h"
#include "auth/dialect_field.h"
#include "auth/dialect_sftpgo.h"
#include "gateway/base/mem.h"
#include "gateway/base/rfc3339.h"

/* Read below, or about other things than what this user may do here: SFTPGo's own counters and
 * texts, ownership on its disk, its web client, FTP and TLS. */
static const char *const user_known[] = {"id",
                                         "status",
                                         "username",
                                         "email",
                                         "description",
                                         "expiration_date",
                                         "password",
                                         "public_keys",
                                         "has_password",
                                         "home_dir",
                                         "uid",
                                         "gid",
                                         "max_sessions",
                                         "quota_size",
                                         "quota_files",
                                         "permissions",
                                         "used_quota_size",
                                         "used_quota_files",
                                         "last_quota_update",
                                         "used_upload_data_transfer",
                                         "used_download_data_transfer",
                                         "upload_bandwidth",
                                         "download_bandwidth",
                                         "last_login",
                                         "first_download",
                                         "first_upload",
                                         "created_at",
                                         "updated_at",
                                         "last_password_change",
                                         "filters",
                                         "virtual_folders",
                                         "filesystem",
                                         "additional_info",
                                         "role",
                                         "external_auth_cache_time",
                                         NULL};
static const char *const filters_known[] = {"allowed_ip",
                                            "denied_ip",
                                            "denied_login_methods",
                                            "denied_protocols",
                                            "max_upload_file_size",
                                            "tls_username",
                                            "tls_certs",
                                            "hooks",
                                            "disable_fs_checks",
                                            "web_client",
                                            "allow_api_key_auth",
                                            "user_type",
                                            "external_auth_cache_time",
                                            "start_directory",
                                            "two_factor_protocols",
                                            "2fa_protocols",
                                            "recovery_codes",
                                            "ftp_security",
                                            "default_shares_expiration",
                                            "max_shares_expiration",
                                            "password_strength",
                                            "additional_emails",
                                            NULL};
static const char *const folder_known[] = {"id",
                                           "name",
                                           "mapped_path",
                                           "description",
                                           "used_quota_size",
                                           "used_quota_files",
                                           "last_quota_update",
                                           "users",
                                           "groups",
                                           "filesystem",
                                           "virtual_path",
                                           "quota_size",
                                           "quota_files",
                                           NULL};

static bool take_name(const struct auth_req *req, const json_t *user, json_t *over,
                      struct dialect_verdict *v)
{
    const char *name = NULL;
    json_int_t status = 0;
    if (!dialect_field_text(user, "", "username", &name, v) ||
        !dialect_field_number(user, "", "status", &status, v))
        return false;
    if (name == NULL || name[0] == '\0')
        return dialect_say(v, AUTH_REJECT, "the hook refuses the user");
    if (status != 1)
        return dialect_say(v, AUTH_REJECT, "status: the user is disabled");
    if (strcmp(name, req->user) != 0)
        json_object_set_new(over, "user", json_string(name));
    return true;
}

static bool take_expiry(const json_t *user, json_t *over, struct dialect_verdict *v)
{
    json_int_t ms = 0;
    char text[32];
    if (!dialect_field_number(user, "", "expiration_date", &ms, v))
        return false;
    if (ms < 0 || ms / 1000 > 253402300799) /* the end of the year 9999 */
        return dialect_say(v, AUTH_REJECT, "expiration_date: out of range");
    if (ms > 0) {
        rfc3339_format(ms / 1000, text);
        json_object_set_new(over, "expires", json_string(text));
    }
    return true;
}

static bool take_limit(const json_t *obj, const char *path, const char *key, json_t *limits,
                       const char *name, struct dialect_verdict *v)
{
    json_int_t n = 0;
    if (!dialect_field_number(obj, path, key, &n, v))
        return false;
    if (n < 0)
        return dialect_say(v, AUTH_REJECT, "%s%s: must not be negative", path, key);
    if (n > 0) /* 0 = no limit of its own: that of `users` stays */
        json_object_set_new(limits, name, json_integer(n));
    return true;
}

static bool take_limits(const json_t *user, const json_t *filters, json_t *over,
                        struct dialect_verdict *v)
{
    json_t *limits = json_object();
    json_object_set_new(over, "limits", limits);
    return take_limit(user, "", "max_sessions", limits, "sessions", v) &&
           take_limit(user, "", "quota_size", limits, "quota_bytes", v) &&
           take_limit(user, "", "quota_files", limits, "quota_files", v) &&
           take_limit(user, "", "upload_bandwidth", limits, "upload_kib_s", v) &&
           take_limit(user, "", "download_bandwidth", limits, "download_kib_s", v) &&
           take_limit(filters, "filters.", "max_upload_file_size", limits, "max_file_bytes", v);
}

/* denied_ip wins over allowed_ip, as there. */
static bool take_addresses(const struct auth_req *req, const json_t *filters, json_t *over,
                           struct dialect_verdict *v)
{
    const json_t *allowed = NULL;
    const json_t *denied = NULL;
    struct cidr client;
    if (!dialect_field_list(filters, "filters.", "allowed_ip", &allowed, v) ||
        !dialect_field_list(filters, "filters.", "denied_ip", &denied, v))
        return false;
    if (json_array_size(denied) > 0 &&
        (req->client_address == NULL || !cidr_parse_address(req->client_address, &client)))
        return dialect_say(v, AUTH_REJECT, "filters.denied_ip: the client has no address");
    for (size_t i = 0; i < json_array_size(denied); i++) {
        const char *text = json_string_value(json_array_get(denied, i));
        struct cidr block;
        if (text == NULL || !cidr_parse(text, &block))
            return dialect_say(v, AUTH_REJECT, "filters.denied_ip[%zu]: is no block", i);
        if (cidr_holds(&block, &client))
            return dialect_say(v, AUTH_REJECT, "filters.denied_ip: holds the client's address");
    }
    if (json_array_size(allowed) > 0)
        json_object_set(over, "allow", (json_t *)(uintptr_t)allowed);
    return true;
}

/* SFTPGo's words for what a client may log in with; "" = a way in that is not one here. */
static const struct {
    const char *word, *way;
    bool several; /* counts only where no single method is left */
} login_words[] = {
    {"publickey", "publickey", false},
    {"password", "password", false},
    {"password-over-SSH", "password", false},
    {"keyboard-interactive", "keyboard-interactive", false},
    {"publickey+password", "publickey,password", true},
    {"publickey+keyboard-interactive", "publickey,keyboard-interactive", true},
    {"TLSCertificate", "", false},
    {"TLSCertificate+password", "", false},
};
enum { NLOGIN_WORDS = sizeof login_words / sizeof login_words[0] };

static bool mark_denied(const json_t *denied, bool out[NLOGIN_WORDS], struct dialect_verdict *v)
{
    for (size_t i = 0; i < json_array_size(denied); i++) {
        const char *word = json_string_value(json_array_get(denied, i));
        size_t w = 0;
        while (word != NULL && w < NLOGIN_WORDS && strcmp(login_words[w].word, word) != 0)
            w++;
        if (word == NULL || w == NLOGIN_WORDS)
            return dialect_say(v, AUTH_REJECT, "filters.denied_login_methods[%zu]: is not known",
                               i);
        for (size_t k = 0; k < NLOGIN_WORDS; k++)
            out[k] |= strcmp(login_words[k].way, login_words[w].way) == 0;
    }
    return true;
}

static bool take_methods(const json_t *filters, json_t *over, struct dialect_verdict *v)
{
    const json_t *denied = NULL;
    bool is_denied[NLOGIN_WORDS] = {false};
    if (!dialect_field_list(filters, "filters.", "denied_login_methods", &denied, v) ||
        !mark_denied(denied, is_denied, v))
        return false;
    if (json_array_size(denied) == 0)
        return true;
    json_t *ways = json_array();
    json_object_set_new(over, "methods", ways);
    for (int several = 0; several <= 1 && json_array_size(ways) == 0; several++)
        for (size_t w = 0; w < NLOGIN_WORDS; w++)
            if (login_words[w].several == (several != 0) && !is_denied[w] &&
                login_words[w].way[0] != '\0' &&
                strcmp(login_words[w].word, "password-over-SSH") != 0)
                json_array_append_new(ways, json_string(login_words[w].way));
    return json_array_size(ways) > 0 ||
           dialect_say(v, AUTH_REJECT, "filters.denied_login_methods: leaves no method");
}

/* Of FTP, DAV and HTTP too; SFTP is "SSH" there. */
static bool refuse_ssh(const json_t *filters, const char *key, const char *why,
                       struct dialect_verdict *v)
{
    const json_t *list = NULL;
    if (!dialect_field_list(filters, "filters.", key, &list, v))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        if (word == NULL || strcmp(word, "SSH") == 0)
            return dialect_say(v, AUTH_REJECT, "filters.%s: %s", key, why);
    }
    return true;
}

static bool take_filters(const struct auth_req *req, const json_t *filters, json_t *over,
                         struct dialect_verdict *v)
{
    const char *start = NULL;
    if (!dialect_field_known(filters, "filters.", filters_known, v) ||
        !take_addresses(req, filters, over, v) || !take_methods(filters, over, v) ||
        !refuse_ssh(filters, "denied_protocols", "SSH is denied", v) ||
        !refuse_ssh(filters, "two_factor_protocols", "asks for a second factor", v) ||
        !refuse_ssh(filters, "2fa_protocols", "asks for a second factor", v) ||
        !dialect_field_text(filters, "filters.", "start_directory", &start, v))
        return false;
    if (start != NULL && start[0] != '\0')
        json_object_set_new(over, "home", json_string(start));
    return true;
}

/* -1 = counted with the user's own quota, as everything is here; 0 = none of its own. */
static bool take_folder_quota(const json_t *folder, const char *key, struct dialect_verdict *v)
{
    json_int_t n = 0;
    if (!dialect_field_number(folder, "virtual_folders.", key, &n, v))
        return false;
    return n == 0 || n == -1 ||
           dialect_say(v, AUTH_REJECT, "virtual_folders.%s: a folder's own quota is not kept here",
                       key);
}

static bool add_folder(const struct dialect *d, const json_t *folder, json_t *mounts,
                       struct dialect_verdict *v)
{
    static const char at[] = "virtual_folders.";
    const char *path = NULL;
    const char *mapped = NULL;
    const json_t *filesystem = NULL;
    if (!json_is_object(folder))
        return dialect_say(v, AUTH_FAULT, "virtual_folders: must hold objects");
    if (!dialect_field_known(folder, at, folder_known, v) ||
        !dialect_field_text(folder, at, "virtual_path", &path, v) ||
        !dialect_field_text(folder, at, "mapped_path", &mapped, v) ||
        !dialect_field_object(folder, at, "filesystem", &filesystem, v) ||
        !take_folder_quota(folder, "quota_size", v) || !take_folder_quota(folder, "quota_files", v))
        return false;
    if (path == NULL || strstr(path, "${") != NULL)
        return dialect_say(v, AUTH_REJECT, "virtual_folders.virtual_path: is no path");
    json_t *mount = json_pack("{s:s}", "path", path);
    json_array_append_new(mounts, mount);
    return dialect_sftpgo_filesystem(d, filesystem, "virtual_folders.filesystem.",
                                     mapped == NULL ? "" : mapped, mount, v);
}

static bool take_mounts(const struct dialect *d, const json_t *user, json_t *over,
                        struct dialect_verdict *v)
{
    const char *home = NULL;
    const json_t *filesystem = NULL;
    const json_t *folders = NULL;
    if (!dialect_field_text(user, "", "home_dir", &home, v) ||
        !dialect_field_object(user, "", "filesystem", &filesystem, v) ||
        !dialect_field_list(user, "", "virtual_folders", &folders, v))
        return false;
    json_t *mounts = json_array();
    json_t *top = json_pack("{s:s}", "path", "/");
    json_array_append_new(mounts, top);
    json_object_set_new(over, "mounts", mounts);
    /* No home_dir: SFTPGo's users_base_dir and the user's name. */
    if (!dialect_sftpgo_filesystem(d, filesystem, "filesystem.",
                                   home == NULL || home[0] == '\0' ? NULL : home, top, v))
        return false;
    for (size_t i = 0; i < json_array_size(folders); i++)
        if (!add_folder(d, json_array_get(folders, i), mounts, v))
            return false;
    return true;
}

/* None at all would be all of them. */
static bool take_permissions(const json_t *user, json_t *over, struct dialect_verdict *v)
{
    const char *path;
    json_t *words;
    const json_t *permissions = NULL;
    if (!dialect_field_object(user, "", "permissions", &permissions, v))
        return false;
    if (json_object_size(permissions) == 0)
        return dialect_say(v, AUTH_REJECT, "permissions: is missing");
    json_object_foreach((json_t *)(uintptr_t)permissions, path, words)
    {
        if (strstr(path, "${") != NULL)
            return dialect_say(v, AUTH_REJECT, "permissions: variables are not understood here");
    }
    json_object_set(over, "permissions", (json_t *)(uintptr_t)permissions);
    return true;
}

/* 0 means that the answer is not kept. SFTPGo has the key in `filters`; where it is in both places,
 * the shorter time holds. */
static bool take_cache(const json_t *obj, const char *path, struct dialect_verdict *v)
{
    static const char key[] = "external_auth_cache_time";
    json_int_t s = 0;
    if (!dialect_field_number(obj, path, key, &s, v))
        return false;
    if (!json_is_integer(json_object_get(obj, key)))
        return true;
    uint32_t given = s <= 0 ? 0 : s < UINT32_MAX ? (uint32_t)s : UINT32_MAX;
    if (!v->has_cache_s || given < v->cache_s)
        v->cache_s = given;
    v->has_cache_s = true;
    return true;
}

bool dialect_sftpgo_user(const struct dialect *d, const struct auth_req *req, const json_t *user,
                         json_t *identity, struct dialect_verdict *v)
{
    const json_t *filters = NULL;
    const json_t *keys = NULL;
    if (!take_name(req, user, identity, v) ||
        !dialect_field_object(user, "", "filters", &filters, v) ||
        !dialect_field_list(user, "", "public_keys", &keys, v) ||
        !dialect_field_known(user, "", user_known, v) || !take_expiry(user, identity, v) ||
        !take_limits(user, filters, identity, v) || !take_permissions(user, identity, v) ||
        !take_cache(user, "", v))
        return false;
    if (filters != NULL &&
        (!take_filters(req, filters, identity, v) || !take_cache(filters, "filters.", v)))
        return false;
    /* The hook has decided about the key. Where it names keys as well, they must agree. */
    if (json_array_size(keys) > 0)
        json_object_set(identity, "public_keys", (json_t *)(uintptr_t)keys);
    return take_mounts(d, user, identity, v);
}
