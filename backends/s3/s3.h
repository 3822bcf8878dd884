/*
 * The kind `s3`: one bucket of an S3 API, or a prefix of it. What the files of this folder share:
 * the configuration, the store (one a loop), the view (one a session and mount).
 *
 * A path maps to the key prefix + path without its first slash. "d/" is the marker of folder d.
 */
#ifndef BACKENDS_S3_S3_H
#define BACKENDS_S3_S3_H

#include "backends/backends.h"
#include "backends/fs_task.h"
#include "backends/remote_file.h"
#include "backends/s3/s3_client.h"
#include "config/http_conf.h"
#include "gateway/base/list.h"

struct attr_cache;

enum { S3_SETSTAT_IGNORE, S3_SETSTAT_STRICT };
enum { S3_PAYLOAD_AUTO, S3_PAYLOAD_ALWAYS, S3_PAYLOAD_NEVER };
enum { S3_SSE_NONE, S3_SSE_AES256, S3_SSE_KMS };

struct s3_conf_credentials {
    char *access_key_id;
    char *secret_access_key; /* secret */
    char *session_token;     /* secret */
};

struct s3_conf_tls {
    struct http_conf_tls common;
    bool insecure;
};

struct s3_conf_sse {
    int type;
    char *key_id;
};

struct s3_conf {
    char *bucket, *region;
    char *endpoint; /* "https://host:port"; NULL = AWS's of the region */
    bool path_style;
    char *prefix; /* without a leading slash, NULL = "" */
    struct s3_conf_credentials credentials;
    struct opt_map credential_sets; /* struct s3_conf_credentials */
    struct s3_conf_tls tls;
    uint32_t part_mb; /* the first parts' size; the ladder grows from there */
    uint32_t max_parts;
    bool equal_parts;                                  /* no ladder */
    uint32_t upload_concurrency, download_concurrency; /* requests a file */
    uint32_t copy_part_mb;       /* a server-side copy of more goes in parts */
    uint32_t rename_max_objects; /* of a folder */
    char *storage_class, *acl, *tags;
    struct s3_conf_sse sse;
    uint32_t request_timeout_s, max_retries;
    int setstat, payload_signing;
    bool directory_markers;
    uint32_t stat_cache_ms;
    uint32_t sweep_age_h; /* multipart uploads of ours that are older are aborted at start */
};

struct s3_store {
    struct backend base; /* base.env has the loop and the budget */
    const struct s3_conf *conf;
    struct s3_client *client;
    struct attr_cache *cache;
    bool no_write_conditions; /* the server answered 501 to If-None-Match on a write */
    struct list twins;        /* the same store with other credentials: struct s3_store.node */
    struct list node;
    struct s3_store *original; /* of a twin, which holds a reference */
};

struct s3_view {
    struct fs fs;
    struct s3_store *store; /* holds a reference */
    char *prefix;           /* the store's and the view's, "" or ending in '/' */
    struct budget *budget;  /* the session's share */
    unsigned listings;      /* folders being read, not at their end */
    size_t listing_bytes;   /* of the budget, what those of them hold that are open */
    bool read_only;
    const struct log_ctx *log;
};

extern const struct backend_kind s3_kind;

struct s3_store *s3_store_ref(struct s3_store *s);
void s3_store_unref(struct s3_store **sp);
/* That a task runs on. */
static inline struct s3_store *s3_store_of(const struct fs_task *t)
{
    return (struct s3_store *)t->backend;
}
/* That an open file is in. An orphan that it leaves holds s3_store_ref(). */
static inline struct s3_store *s3_store_of_file(const struct remote_file *f)
{
    return ((struct s3_view *)f->base.fs)->store;
}

/*
 * The key of `path`. `key` has S3_KEY_MAX + 2 bytes: room for a marker's slash and the NUL.
 * The root gives the prefix itself.
 * Errors: GW_BAD_NAME: longer than S3_KEY_MAX.
 */
enum gw_err s3_view_key(const struct s3_view *v, const char *path, char *key);

/* What the headers of a write say by configuration (storage class, encryption, acl, tags), each
 * "name: value" + NUL in out; gives how many there are. For PutObject, CreateMultipartUpload and
 * CopyObject. */
#define S3_WRITE_HEADERS_MAX 6u
size_t s3_write_headers(const struct s3_conf *conf, struct gw_buf *out,
                        size_t offsets[S3_WRITE_HEADERS_MAX]);

#endif
