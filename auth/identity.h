/*
 * Who a session is and what it may touch: the answer of a verifier, laid over `users` of the
 * configuration. Plain data, immutable once made.
 *
 * ${user} may stand in home, mounts[].path, mounts[].prefix and the paths of permissions. There the
 * name is one path component and no name can be anything else: "/", "\\", "%", control bytes, DEL
 * and a leading dot become %XX. The escape is reversible, so two names never share a folder (on a
 * store that tells upper from lower case).
 */
#ifndef AUTH_IDENTITY_H
#define AUTH_IDENTITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/err.h"

/* SFTPGo's words. "*" is all of them; "delete" = both delete_*, "rename" = both rename_*. */
enum {
    PERM_LIST = 1u << 0,
    PERM_DOWNLOAD = 1u << 1,
    PERM_UPLOAD = 1u << 2,
    PERM_OVERWRITE = 1u << 3,
    PERM_DELETE_FILES = 1u << 4,
    PERM_DELETE_DIRS = 1u << 5,
    PERM_RENAME_FILES = 1u << 6,
    PERM_RENAME_DIRS = 1u << 7,
    PERM_CREATE_DIRS = 1u << 8,
    PERM_CREATE_SYMLINKS = 1u << 9,
    PERM_CHMOD = 1u << 10,
    PERM_CHOWN = 1u << 11,
    PERM_CHTIMES = 1u << 12,
    PERM_COPY = 1u << 13,
    PERM_ALL = (1u << 14) - 1,
};

/* On a backend of the configuration, or on a store of its own: one of the two is NULL. */
struct identity_mount {
    char *path;    /* normal virtual path */
    char *backend; /* a name of `backends` */
    char *store;   /* secret: {"type": ..., ...} as canonical JSON (compact, keys sorted) */
    char *prefix;  /* normal and relative to the backend's root; "" = all of it */
    bool read_only;
};

/* With what its mounts on S3 are signed instead of the store's own. All NULL = the store's own. */
struct identity_credentials {
    char *set; /* a name of the store's `credential_sets`; or these: */
    char *access_key_id;
    char *secret_access_key; /* secret */
    char *session_token;     /* secret; may be NULL */
};

/* The longest matching path decides. */
struct identity_perm {
    char *path;
    uint32_t perms;
};

struct identity_limits {
    uint32_t sessions; /* 0 = no limit, here and below */
    uint32_t upload_kib_s, download_kib_s;
    uint64_t quota_bytes, quota_files, max_file_bytes;
};

enum identity_partial { IDENTITY_PARTIAL_DISCARD, IDENTITY_PARTIAL_KEEP, IDENTITY_PARTIAL_RESUME };

struct identity {
    char *user;
    char *home; /* virtual; "/" by default */
    bool restrict_to_home;
    struct identity_mount *mounts;
    size_t nmounts;
    struct identity_perm *perms; /* none = everything is allowed */
    size_t nperms;
    struct identity_limits limits;
    char **public_keys; /* authorized_keys lines */
    size_t npublic_keys;
    char **methods; /* "publickey", "publickey,password": each a complete way in; none =
                       auth.methods, one step */
    size_t nmethods;
    char **next_methods; /* not empty: SSH partial success, these may follow */
    size_t nnext_methods;
    char **allow; /* CIDR; none = everywhere */
    size_t nallow;
    int64_t expires_s; /* Unix seconds; 0 = never */
    char *banner;
    uint32_t idle_s; /* 0 = timeouts.idle_s */
    struct identity_credentials credentials;
    enum identity_partial partial_uploads;
};

#define IDENTITY_USER_MAX  255u /* bytes of a user name */
#define IDENTITY_STEPS_MAX 5u   /* of one way in */

/* What `over` may hold. */
enum {
    IDENTITY_STORES = 1u << 0, /* mounts[].store: whoever writes it decides what is opened */
};

/*
 * `over` (may be NULL) laid over `base` (may be NULL) for `user` (what the client called itself; a
 * "user" in `over` replaces it). A key of `over` replaces the one of `base` whole, but `limits` is
 * laid over key by key, and mounts and root replace each other. Unknown keys, null and everything
 * that is not understood are refused, and so is a store of its own without IDENTITY_STORES in
 * `may`; base, which is the configuration's, may hold one. "root": "x" is short for one mount at
 * "/" of "x" on the backend named "local". Thread-safe: neither base nor over is changed or
 * referenced. Errors: GW_CONFIG with the JSON path in *msg; GW_BAD_NAME for a user name that cannot
 * be one.
 */
enum gw_err identity_from_json(const char *user, const json_t *base, const json_t *over,
                               unsigned may, struct identity **out, struct gw_errmsg *msg);
/* As JSON, for `postern try`: secrets are masked. Gives a new reference. */
json_t *identity_to_json(const struct identity *id);
struct identity *identity_copy(const struct identity *id);
void identity_free(struct identity **idp);

#endif
