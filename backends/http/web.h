/*
 * The kind `http`: a folder of a server that speaks HTTP. What the files of this folder share: the
 * configuration, the store (one a loop), who asks it (access), the view (one a session and mount),
 * and what a dialect must know.
 *
 * Paths of the store are decoded, "" is its root, others begin with a slash and have none at their
 * end: "/prefix/of the view/file".
 */
#ifndef BACKENDS_HTTP_WEB_H
#define BACKENDS_HTTP_WEB_H

#include "backends/attr_cache.h"
#include "backends/backends.h"
#include "backends/fs_task.h"
#include "backends/http/web_url.h"
#include "backends/remote_file.h"
#include "config/http_conf.h"

enum { WEB_SETSTAT_IGNORE, WEB_SETSTAT_STRICT };

struct web_conf {
    char *url;
    int dialect;            /* index into the dialects of web.c */
    struct opt_map headers; /* char *: secrets */
    struct http_conf_auth auth;
    struct opt_map credential_sets; /* struct http_conf_auth */
    struct http_conf_tls tls;
    uint32_t timeout_s, max_retries, download_concurrency, stat_cache_ms, sweep_age_h;
    int setstat;
    bool atomic_uploads;
};
extern const struct opt_spec web_options[];

struct web_store {
    struct backend base; /* base.env has the loop and the budget */
    const struct web_conf *conf;
    const struct web_dialect *dialect;
    struct web_url url;
    struct remote *remote;
    struct attr_cache *cache;
    bool wants_length; /* refuses a body whose length is not known */
    bool no_times;     /* keeps no time that it is given */
    bool keeps_times;  /* it was looked at: it does */
    bool knows_ranges; /* httpfs: it has answered with one */
};

/* Who asks: the header lines of one set of credentials. Counted by references: what goes on after
 * a view's end (a clean-up) holds one. */
struct web_access {
    unsigned refs;
    struct web_store *store; /* holds a reference */
    char **lines;
    size_t nlines;
};
struct web_access *web_access_ref(struct web_access *a);
void web_access_unref(struct web_access **ap); /* NULL-safe */
/* remote_start() with the lines of a. */
struct op *web_access_start(struct web_access *a, const struct remote_req *req,
                            remote_done_fn *done, void *arg);

struct web_view {
    struct fs fs;
    struct web_access *access;
    char *prefix;          /* of the store: "" or "/a/b" */
    struct budget *budget; /* the session's share */
    bool read_only;
    bool rooted; /* the folder of the prefix was seen */
    bool cached; /* the store's own credentials: its cache is for them */
    const struct log_ctx *log;
};

/* Who asks for an open file. An orphan that it leaves holds web_access_ref(). */
static inline struct web_access *web_access_of(const struct remote_file *f)
{
    return ((struct web_view *)f->base.fs)->access;
}

/* The path in the store. Gives it. */
char *web_view_path(const struct web_view *v, const char *path);

/* The cache of attributes, where the view may use it. `path` is the store's. */
bool web_cache_get(const struct web_view *v, const char *path, struct fs_attr *out);
void web_cache_put(const struct web_view *v, const char *path, const struct fs_attr *attr,
                   uint64_t since);

/* From one name to another. Borrowed for the call. */
struct web_move {
    const char *from, *to;
    bool folder, overwrite;
    const struct log_ctx *log;
};

/* A body to store at `path`: its bytes come by `send`. */
struct web_put {
    const char *path;
    http_send_fn *send;
    remote_rewind_fn *rewind; /* NULL = the bytes cannot be had twice */
    http_head_fn *on_head;    /* of a success */
    int64_t bytes;            /* -1 = not known */
    bool exclusive;           /* only if there is no such file */
    bool has_mtime;
    int64_t mtime_s;
    const struct log_ctx *log;
};

/*
 * What a dialect adds. Paths are the store's. Requests end in a remote_res (remote_done_fn) as
 * remote_start() gives it, or in an fs_res, whose text is for the client.
 */
struct web_dialect {
    const char *name; /* in the configuration */
    const struct remote_type *remote;
    const struct read_ahead_type
        *ahead;           /* src: struct remote_file, whose attr is what the look gave */
    bool keeps_modes;     /* permissions can be set */
    bool slash_is_folder; /* a GET of a folder is redirected to its name with a slash */
    bool moves_onto;      /* move() replaces what is there, whatever `overwrite` says */
    /* attr. GW_NOT_FOUND where there is nothing. */
    struct op *(*look)(struct web_access *a, const char *path, const struct log_ctx *log,
                       fs_done_fn *done, void *arg);
    struct op *(*put)(struct web_access *a, const struct web_put *put, remote_done_fn *done,
                      void *arg);
    /* Did the answer to a put say that the file has the time it was given? */
    bool (*put_kept_time)(const struct remote_res *res);
    struct op *(*move)(struct web_access *a, const struct web_move *m, remote_done_fn *done,
                       void *arg);
    /* NULL = cannot be done by the server. */
    struct op *(*copy)(struct web_access *a, const struct web_move *m, remote_done_fn *done,
                       void *arg);
    struct op *(*remove)(struct web_access *a, const char *path, bool folder,
                         const struct log_ctx *log, remote_done_fn *done, void *arg);
    struct op *(*mkdir)(struct web_access *a, const char *path, const struct log_ctx *log,
                        remote_done_fn *done, void *arg);
    /* Times and permissions of attr->set. GW_UNSUPPORTED: the server keeps none. */
    struct op *(*set)(struct web_access *a, const char *path, const struct fs_attr *attr,
                      const struct log_ctx *log, fs_done_fn *done, void *arg);
    struct op *(*space)(struct web_access *a, const char *path, const struct log_ctx *log,
                        fs_done_fn *done, void *arg);
    const struct web_dir_type *listing; /* web_dir.h */
};

extern const struct backend_kind web_kind;

#endif
