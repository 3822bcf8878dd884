/*
 * The kinds of store, and one configured store of a loop.
 * A backend is shared by the sessions of its loop; each session gets views, rooted where its mounts
 * say.
 */
#ifndef BACKENDS_BACKENDS_H
#define BACKENDS_BACKENDS_H

#include "backends/fs.h"
#include "config/option.h"
#include "gateway/base/log.h"
#include "gateway/io/budget.h"

struct backend;
struct spool;

struct backend_env {
    const char *name; /* the backend's; filled in by backend_new() */
    struct loop *loop;
    struct budget *budget;
    const char *state_dir; /* NULL = none; borrowed for the backend's life */
    struct spool *spool; /* for writes that the store cannot take; NULL = none; borrowed as well */
    /* The configuration came with an identity: it has what it needs, and gets nothing that is the
     * gateway's own (credentials of its environment). */
    bool is_users;
};

/* Whom the view is to the store: one of its named sets, or these keys. */
struct backend_credentials {
    const char *set; /* NULL = the keys: */
    const char *access_key_id, *secret_access_key, *session_token;
};

struct backend_view {
    const char *prefix; /* normal and relative, "" = the whole store. The view cannot leave it. */
    const char *user;
    const struct backend_credentials *credentials; /* NULL = the store's own */
    bool read_only;
    bool no_links;             /* symbolic links are neither followed nor made */
    const struct log_ctx *log; /* borrowed for the view's life */
};

/* ok, or why not in words for an operator. Valid during the callback. */
typedef void backend_done_fn(void *arg, enum gw_err err, const char *text);

struct backend_type {
    /* Takes a reference of b (backend_ref) that the view's free gives back. */
    enum gw_err (*view)(struct backend *b, const struct backend_view *args, struct fs **out);
    /* Does it answer, and may we read and write? For `check --probe` and the start's log. */
    struct op *(*probe)(struct backend *b, backend_done_fn *done, void *arg);
    /* Removes what a killed process left: staging files, multipart uploads. Once, at start, on the
     * first loop; text says how many. NULL = nothing to do. */
    struct op *(*sweep)(struct backend *b, backend_done_fn *done, void *arg);
    void (*free)(struct backend *b); /* its own struct; name is backend_unref()'s */
    /* The folder it serves, normal: two backends may serve the same files. NULL = each has its own.
     */
    const char *(*folder)(const struct backend *b);
    /* Does the store have what such a view needs: the set of credentials, the way with uploads that
     * do not end? Asked before a login succeeds. NULL = it takes no credentials, all else is fine.
     * Errors: GW_CONFIG with words for the log. */
    enum gw_err (*admits)(struct backend *b, const struct backend_view *args,
                          struct gw_errmsg *msg);
};

/* The head of every kind's own struct. make() sets type, backend_new() the rest. */
struct backend {
    const struct backend_type *type;
    char *name;
    struct backend_env env; /* env.name is name */
    unsigned refs;
    void (*on_free)(void *arg); /* backend_on_free() */
    void *on_free_arg;
};

struct backend_kind {
    struct opt_kind opt;
    /* Errors: GW_CONFIG, *msg begins with the key: "tls.ca_file: ...". */
    enum gw_err (*make)(const struct backend_env *env, const void *conf, struct backend **out,
                        struct gw_errmsg *msg);
};

/* The kinds for settings_load(). */
const struct opt_kinds *backend_kinds(void);

/* `any` as read by settings_load(); its conf is borrowed for the backend's life. Starts with one
 * reference. *msg begins with a key of `any`. */
enum gw_err backend_new(const struct backend_env *env, const char *name, const struct opt_any *any,
                        struct backend **out, struct gw_errmsg *msg);
struct backend *backend_ref(struct backend *b);
void backend_unref(struct backend **bp); /* views hold one each */
/* Runs when the last reference, of a view or of what it left behind, has gone: to free what b
 * borrowed. */
void backend_on_free(struct backend *b, void (*fn)(void *arg), void *arg);
/* Can its views have credentials of their own? */
bool backend_has_credentials(const struct backend *b);
enum gw_err backend_admits(struct backend *b, const struct backend_view *args,
                           struct gw_errmsg *msg);
/* Are the files below prefix2 of b2 among those below prefix of b? */
bool backend_covers(const struct backend *b, const char *prefix, const struct backend *b2,
                    const char *prefix2);
/* args->credentials only where backend_has_credentials(). A view of a store without
 * FS_CAP_RANDOM_WRITE gets the layer of backends/spool/spool_fs.h. */
enum gw_err backend_view_new(struct backend *b, const struct backend_view *args, struct fs **out);
struct op *backend_probe(struct backend *b, backend_done_fn *done, void *arg);
struct op *backend_sweep(struct backend *b, backend_done_fn *done,
                         void *arg); /* NULL = nothing to do */

#endif
