#include "backends/http/web.h"

#include <stdio.h>
#include <string.h>

#include "backends/http/dav.h"
#include "backends/http/httpfs.h"
#include "backends/http/web_dir.h"
#include "backends/http/web_ops.h"
#include "backends/http/web_read.h"
#include "backends/http/web_write.h"
#include "backends/remote_open.h"
#include "gateway/base/mem.h"

static const struct web_dialect *const dialects[] = {&dav_dialect, &httpfs_dialect};

/* ---- who asks ---- */

static struct web_access *access_new(struct web_store *s, const struct http_conf_auth *auth)
{
    struct web_access *a = mem_zalloc(sizeof *a);
    a->refs = 1;
    a->store = s;
    backend_ref(&s->base);
    a->nlines = http_conf_lines(&s->conf->headers, auth, &a->lines);
    return a;
}

struct web_access *web_access_ref(struct web_access *a)
{
    a->refs++;
    return a;
}

void web_access_unref(struct web_access **ap)
{
    struct web_access *a = *ap;
    *ap = NULL;
    if (a == NULL || --a->refs > 0)
        return;
    struct backend *b = &a->store->base;
    http_conf_lines_free(&a->lines, a->nlines);
    mem_free(a);
    backend_unref(&b);
}

struct op *web_access_start(struct web_access *a, const struct remote_req *req,
                            remote_done_fn *done, void *arg)
{
    const char *headers[REMOTE_LINES_MAX];
    struct remote_req mine = *req;
    mine.headers = headers;
    if (req->nheaders + a->nlines > REMOTE_LINES_MAX) {
        mine.nheaders = 0;
        mine.broken = GW_TOO_LARGE;
    } else {
        for (size_t i = 0; i < req->nheaders; i++)
            headers[i] = req->headers[i];
        for (size_t i = 0; i < a->nlines; i++)
            headers[mine.nheaders++] = a->lines[i];
    }
    return remote_start(a->store->remote, &mine, done, arg);
}

/* ---- views ---- */

static struct web_view *view_of(struct fs *fs)
{
    return (struct web_view *)fs;
}

char *web_view_path(const struct web_view *v, const char *path)
{
    return mem_printf("%s%s", v->prefix, path[1] == '\0' ? "" : path);
}

bool web_cache_get(const struct web_view *v, const char *path, struct fs_attr *out)
{
    return v->cached && attr_cache_get(v->access->store->cache, path, out);
}

void web_cache_put(const struct web_view *v, const char *path, const struct fs_attr *attr,
                   uint64_t since)
{
    if (v->cached)
        attr_cache_put(v->access->store->cache, path, attr, since);
}

static struct op *view_open(struct fs *fs, const char *path, uint32_t flags,
                            const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct web_view *v = view_of(fs);
    struct op *refused = remote_open_refuse(fs, flags, done, arg);
    if (refused == NULL)
        refused = web_ops_refuse_reserved(fs, path, flags & FS_CREATE ? GW_DENIED : GW_NOT_FOUND,
                                          done, arg);
    if (refused != NULL)
        return refused;
    if (path[1] == '\0')
        return fs_fail(fs->loop, GW_IS_DIR, NULL, done, arg);
    char *full = web_view_path(v, path);
    struct op *op = flags & FS_WRITE ? web_write_open(v, full, flags, attr, done, arg)
                                     : web_read_open(v, full, done, arg);
    mem_free(full);
    return op;
}

static void view_free(struct fs *fs)
{
    struct web_view *v = view_of(fs);
    budget_free(&v->budget);
    web_access_unref(&v->access);
    mem_free(v->prefix);
    mem_free(v);
}

static const struct fs_type view_type = {
    .name = "http",
    .open = view_open,
    REMOTE_FILE_ROWS,
    .stat = web_ops_stat,
    .setstat = web_ops_setstat,
    .opendir = web_ops_opendir,
    .readdir = web_dir_read,
    .closedir = web_dir_close,
    .remove = web_ops_remove,
    .mkdir = web_ops_mkdir,
    .rmdir = web_ops_rmdir,
    .rename = web_ops_rename,
    .statvfs = web_ops_statvfs,
    .free = view_free,
};

/* NULL: there is no such set, or it names S3's keys. */
static const struct http_conf_auth *auth_of(const struct web_conf *c,
                                            const struct backend_credentials *who)
{
    const struct http_conf_auth *sets = c->credential_sets.v;
    if (who == NULL)
        return &c->auth;
    for (size_t i = 0; who->set != NULL && i < c->credential_sets.n; i++)
        if (strcmp(c->credential_sets.names[i], who->set) == 0)
            return &sets[i];
    return NULL;
}

static enum gw_err store_admits(struct backend *b, const struct backend_view *args,
                                struct gw_errmsg *msg)
{
    const struct web_store *s = (const struct web_store *)b;
    if (auth_of(s->conf, args->credentials) != NULL)
        return GW_OK;
    if (args->credentials->set == NULL)
        return gw_err_set(msg, GW_CONFIG,
                          "backend %s: credentials must name one of its credential_sets", b->name);
    return gw_err_set(msg, GW_CONFIG, "backend %s: credential_sets has no \"%s\"", b->name,
                      args->credentials->set);
}

static enum gw_err store_view(struct backend *b, const struct backend_view *args, struct fs **out)
{
    struct web_store *s = (struct web_store *)b;
    const struct http_conf_auth *auth = auth_of(s->conf, args->credentials);
    const char *prefix = args->prefix != NULL ? args->prefix : "";
    if (auth == NULL)
        return GW_DENIED;
    if (!fs_prefix_ok(prefix))
        return GW_BAD_NAME;
    struct web_view *v = mem_zalloc(sizeof *v);
    v->fs.type = &view_type;
    v->fs.loop = b->env.loop;
    v->fs.caps = FS_CAP_STATVFS | (args->read_only ? FS_CAP_READ_ONLY : 0) |
                 (s->dialect->copy != NULL ? FS_CAP_COPY : 0) |
                 (s->wants_length ? FS_CAP_NEEDS_LENGTH : 0);
    v->access = access_new(s, auth);
    v->budget = b->env.budget == NULL ? NULL : budget_share(b->env.budget);
    v->read_only = args->read_only;
    v->cached = args->credentials == NULL;
    v->log = args->log;
    size_t n = strlen(prefix);
    while (n > 0 && prefix[n - 1] == '/')
        n--;
    v->prefix = n == 0 ? mem_strdup("") : mem_printf("/%.*s", (int)n, prefix);
    *out = &v->fs;
    return GW_OK;
}

/* ---- the store ---- */

struct probe {
    struct fs_task task;
    const struct web_store *store;
    struct web_access *access;
    backend_done_fn *done;
    void *arg;
};

static void probe_release(struct fs_task *t)
{
    web_access_unref(&((struct probe *)t)->access);
}

static void probe_end(void *arg, const struct fs_res *res)
{
    struct probe *p = arg;
    p->done(p->arg, res->err, res->text);
}

static void probe_seen(void *arg, const struct fs_res *res)
{
    struct probe *p = arg;
    p->task.step = NULL;
    enum gw_err err = res->err;
    const char *text = res->text != NULL ? res->text : gw_err_text(err);
    const char *cause = remote_cause(p->store->remote);
    char both[FS_TEXT_MAX];
    if (err != GW_OK && *cause != '\0') {
        snprintf(both, sizeof both, "%s: %s", text, cause);
        text = both;
    } else if (err == GW_NOT_FOUND) {
        text = "there is no such folder: check the path of `url`";
    } else if (err == GW_DENIED && p->access->nlines == 0) {
        text = "the server refuses who does not say who it is: set `auth`";
    } else if (err == GW_OK && res->attr->kind != FS_KIND_DIR) {
        err = GW_NOT_DIR;
        text = "`url` is a file, not a folder";
    } else if (err == GW_OK) {
        text = "the server answers";
    }
    fs_task_fail(&p->task, err, text);
}

static struct op *store_probe(struct backend *b, backend_done_fn *done, void *arg)
{
    struct web_store *s = (struct web_store *)b;
    struct probe *p = fs_task_new(sizeof *p, b, NULL, probe_end, NULL);
    p->task.arg = p;
    p->task.release = probe_release;
    p->store = s;
    p->access = access_new(s, &s->conf->auth);
    p->done = done;
    p->arg = arg;
    p->task.step = s->dialect->look(p->access, "", NULL, probe_seen, p);
    return &p->task.op;
}

static void store_free(struct backend *b)
{
    struct web_store *s = (struct web_store *)b;
    remote_free(&s->remote);
    attr_cache_free(&s->cache);
    web_url_free(&s->url);
    mem_free(s);
}

static const struct backend_type store_type = {
    .view = store_view, .probe = store_probe, .free = store_free, .admits = store_admits};

static enum gw_err store_make(const struct backend_env *env, const void *conf, struct backend **out,
                              struct gw_errmsg *msg)
{
    struct web_store *s = mem_zalloc(sizeof *s);
    s->base.type = &store_type;
    s->conf = conf;
    s->dialect = dialects[s->conf->dialect];
    struct gw_errmsg why;
    enum gw_err err = http_conf_headers_check(&s->conf->headers, &why);
    if (err != GW_OK)
        (void)gw_err_set(msg, err, "headers: %.480s", why.text);
    else if ((err = web_url_parse(s->conf->url, &s->url, &why)) != GW_OK)
        (void)gw_err_set(msg, err, "url: %.480s", why.text);
    const struct remote_conf remote = {.loop = env->loop,
                                       .type = s->dialect->remote,
                                       .store = s,
                                       .base = s->url.origin,
                                       .unix_socket = s->url.unix_socket,
                                       .tls = &s->conf->tls,
                                       .http2 = true,
                                       .max_retries = s->conf->max_retries,
                                       .timeout_ms = (uint64_t)s->conf->timeout_s * 1000,
                                       .log_key = "backend",
                                       .log_value = env->name};
    if (err == GW_OK)
        err = remote_new(&remote, &s->remote, msg);
    if (err != GW_OK) {
        web_url_free(&s->url);
        mem_free(s);
        return err;
    }
    s->cache = attr_cache_new(env->loop, s->conf->stat_cache_ms);
    *out = &s->base;
    return GW_OK;
}

const struct backend_kind web_kind = {
    .opt = {.name = "http",
            .help = "A folder of a WebDAV server, or of a service that speaks httpfs.",
            .tab = web_options,
            .size = sizeof(struct web_conf)},
    .make = store_make,
};
