#include "gateway/vfs/vfs_impl.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/vfs/vpath.h"

#define PERM_READING ((uint32_t)(PERM_LIST | PERM_DOWNLOAD))

/* The mount that `path` lies on: the longest one; NULL = none. *rest is the path inside it. */
static struct vfs_mount *mount_of(struct vfs *v, const char *path, const char **rest)
{
    struct vfs_mount *best = NULL;
    size_t best_len = 0;
    for (size_t i = 0; i < v->nmounts; i++) {
        const char *inside;
        size_t len = strlen(v->mounts[i].path);
        if (len >= best_len && vpath_under(path, v->mounts[i].path, &inside)) {
            best = &v->mounts[i];
            best_len = len;
            *rest = inside;
        }
    }
    return best;
}

/* Is there a mount below `path` (or, `itself`, at it)? */
static bool leads_to_mount(struct vfs *v, const char *path, bool itself)
{
    for (size_t i = 0; i < v->nmounts; i++) {
        const char *rest;
        if (vpath_under(v->mounts[i].path, path, &rest) && (itself || strcmp(rest, "/") != 0))
            return true;
    }
    return false;
}

bool vfs_is_fixed(struct vfs *v, const char *path)
{
    if (leads_to_mount(v, path, true))
        return true;
    for (size_t i = 0; i < v->nperms && v->perms_differ; i++) {
        const char *rest;
        if (vpath_under(v->perms[i].path, path, &rest))
            return true;
    }
    return false;
}

uint32_t vfs_perms_of(const struct vfs *v, const char *path)
{
    uint32_t best = v->nperms == 0 ? (uint32_t)PERM_ALL : 0;
    size_t best_len = 0;
    for (size_t i = 0; i < v->nperms; i++) {
        const char *rest;
        size_t len = strlen(v->perms[i].path);
        if (len >= best_len && vpath_under(path, v->perms[i].path, &rest)) {
            best = v->perms[i].perms;
            best_len = len;
        }
    }
    return best;
}

/* Does m have, below the path of `other`, files that `other` shows? */
static bool hides_shown(const struct vfs_mount *m, const struct vfs_mount *other)
{
    const char *rest;
    if (!vpath_under(other->path, m->path, &rest))
        return false;
    char *hidden = mem_printf("%s%s", m->prefix, m->prefix[0] == '\0' ? rest + 1 : rest);
    bool shown = backend_covers(m->backend, hidden, other->backend, other->prefix) ||
                 backend_covers(other->backend, other->prefix, m->backend, hidden);
    mem_free(hidden);
    return shown;
}

/* Are files of m kept from change by a read-only mount below it? A symbolic link in m would lead to
 * them by another path. */
static bool has_guarded(const struct vfs *v, const struct vfs_mount *m)
{
    for (size_t i = 0; i < v->nmounts && !m->read_only; i++) {
        if (v->mounts[i].read_only && hides_shown(m, &v->mounts[i]))
            return true;
    }
    return false;
}

/* What m asks of its store. */
static struct backend_view view_args(const struct vfs *v, const struct vfs_mount *m)
{
    bool with = v->has_credentials && backend_has_credentials(m->backend);
    return (struct backend_view){
        .prefix = m->prefix,
        .user = v->user,
        .credentials = with ? &v->credentials : NULL,
        .read_only = m->read_only,
        .no_links = v->perms_differ || has_guarded(v, m),
        .log = v->log,
    };
}

static enum gw_err view_of(struct vfs *v, struct vfs_mount *m, struct fs **out)
{
    enum gw_err err = GW_OK;
    if (m->view == NULL) {
        const struct backend_view args = view_args(v, m);
        err = backend_view_new(m->backend, &args, &m->view);
        if (err != GW_OK)
            log_msg(LOG_LVL_ERROR, v->log, "mount", "%s: backend %s: %s", m->path, m->backend->name,
                    gw_err_text(err));
    }
    *out = m->view;
    return err;
}

enum gw_err vfs_find(struct vfs *v, const char *path, struct vfs_spot *at)
{
    *at = (struct vfs_spot){.leads = leads_to_mount(v, path, false)};
    at->mount = mount_of(v, path, &at->path);
    if (at->mount != NULL)
        return view_of(v, at->mount, &at->view);
    return at->leads ? GW_OK : GW_NOT_FOUND;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct vfs_mount *)a)->path, ((const struct vfs_mount *)b)->path);
}

static enum gw_err normal(const char *path, const char *what, struct vpath *out,
                          struct gw_errmsg *msg)
{
    enum gw_err err = vpath_resolve("/", gw_span_str(path), out);
    if (err != GW_OK)
        return gw_err_set(msg, GW_CONFIG, "%s: not a path: %s", what, gw_err_text(err));
    return GW_OK;
}

/* Gives a reference. */
static enum gw_err open_backend(const struct vfs_env *env, const struct identity_mount *in,
                                const char *path, struct backend **out, struct gw_errmsg *msg)
{
    if (in->backend != NULL) {
        struct backend *b = env->backend(env->arg, in->backend);
        if (b == NULL)
            return gw_err_set(msg, GW_CONFIG, "mounts: %s: no such backend: %s", path, in->backend);
        *out = backend_ref(b);
        return GW_OK;
    }
    struct gw_errmsg why = {"no stores of users here"};
    enum gw_err err =
        env->stores == NULL ? GW_CONFIG : stores_open(env->stores, in->store, out, &why);
    return err == GW_OK ? err : gw_err_set(msg, err, "mounts: %s: %.400s", path, why.text);
}

static enum gw_err add_mount(struct vfs *v, const struct vfs_env *env,
                             const struct identity_mount *in, struct gw_errmsg *msg)
{
    struct vpath path;
    struct vpath prefix;
    enum gw_err err = normal(in->path, "mounts: path", &path, msg);
    if (err == GW_OK)
        err = normal(in->prefix == NULL ? "" : in->prefix, "mounts: prefix", &prefix, msg);
    if (err != GW_OK)
        return err;
    for (size_t i = 0; i < v->nmounts; i++)
        if (strcmp(v->mounts[i].path, path.s) == 0)
            return gw_err_set(msg, GW_CONFIG, "mounts: %s is there twice", path.s);
    struct backend *b = NULL;
    err = open_backend(env, in, path.s, &b, msg);
    if (err != GW_OK)
        return err;
    struct vfs_mount *m = &v->mounts[v->nmounts++];
    m->path = mem_strdup(path.s);
    m->prefix = mem_strdup(prefix.s + 1);
    m->read_only = in->read_only;
    m->backend = b;
    return GW_OK;
}

static void mount_free(struct vfs_mount *m)
{
    fs_free(&m->view);
    backend_unref(&m->backend);
    mem_free(m->path);
    mem_free(m->prefix);
    *m = (struct vfs_mount){.path = NULL};
}

/* The mount that holds home becomes one at home; those that are not below it go. */
static enum gw_err confine(struct vfs *v, struct gw_errmsg *msg)
{
    const char *rest;
    struct vfs_mount *holds = mount_of(v, v->home, &rest);
    if (holds != NULL && strcmp(rest, "/") != 0) {
        char *prefix =
            mem_printf("%s%s", holds->prefix, holds->prefix[0] == '\0' ? rest + 1 : rest);
        mem_free(holds->prefix);
        holds->prefix = prefix;
        mem_free(holds->path);
        holds->path = mem_strdup(v->home);
    }
    size_t kept = 0;
    for (size_t i = 0; i < v->nmounts; i++) {
        if (vpath_under(v->mounts[i].path, v->home, &rest))
            v->mounts[kept++] = v->mounts[i];
        else
            mount_free(&v->mounts[i]);
    }
    v->nmounts = kept;
    return kept == 0 ? gw_err_set(msg, GW_CONFIG, "home: %s is on no mount", v->home) : GW_OK;
}

static enum gw_err add_perms(struct vfs *v, const struct identity *id, struct gw_errmsg *msg)
{
    v->perms = mem_array(id->nperms, sizeof *v->perms);
    for (size_t i = 0; i < id->nperms; i++) {
        struct vpath path;
        enum gw_err err = normal(id->perms[i].path, "permissions", &path, msg);
        if (err != GW_OK)
            return err;
        v->perms[v->nperms++] = (struct vfs_perm){mem_strdup(path.s), id->perms[i].perms};
        if (id->perms[i].perms != id->perms[0].perms)
            v->perms_differ = true;
    }
    /* Without a row for "/", what no row matches is forbidden: that differs as well. */
    if (v->nperms > 0 && vfs_perms_of(v, "/") != v->perms[0].perms)
        v->perms_differ = true;
    return GW_OK;
}

static void copy_credentials(struct vfs *v, const struct identity_credentials *from)
{
    struct identity_credentials *k = &v->keys;
    *k = (struct identity_credentials){mem_strdup(from->set), mem_strdup(from->access_key_id),
                                       mem_strdup(from->secret_access_key),
                                       mem_strdup(from->session_token)};
    v->credentials = (struct backend_credentials){k->set, k->access_key_id, k->secret_access_key,
                                                  k->session_token};
    v->has_credentials = k->set != NULL || k->access_key_id != NULL;
}

/* To continue a file that was kept is to write at any offset. */
static enum gw_err ask_resume(struct vfs *v, struct vfs_mount *m, struct gw_errmsg *msg)
{
    struct fs *view = NULL;
    if (m->read_only)
        return GW_OK;
    enum gw_err err = view_of(v, m, &view);
    if (err != GW_OK)
        return gw_err_set(msg, err, "%s", gw_err_text(err));
    if (view->caps & FS_CAP_RANDOM_WRITE)
        return GW_OK;
    return gw_err_set(msg, GW_CONFIG,
                      "partial_uploads: \"resume\" needs a store that continues a file: backend %s "
                      "does with a state_dir to spool in; or take \"keep\"",
                      m->backend->name);
}

/* Before the client is told that it is in: have the stores what the identity wants of them? */
static enum gw_err ask_stores(struct vfs *v, bool resume, struct gw_errmsg *msg)
{
    bool taken = !v->has_credentials;
    for (size_t i = 0; i < v->nmounts; i++) {
        struct vfs_mount *m = &v->mounts[i];
        const struct backend_view args = view_args(v, m);
        struct gw_errmsg why = {""};
        enum gw_err err = backend_admits(m->backend, &args, &why);
        if (err == GW_OK && resume)
            err = ask_resume(v, m, &why);
        if (err != GW_OK)
            return gw_err_set(msg, err, "mounts: %s: %.400s", m->path, why.text);
        taken = taken || args.credentials != NULL;
    }
    return taken
               ? GW_OK
               : gw_err_set(msg, GW_CONFIG, "credentials: no mount is on a store that takes them");
}

static enum gw_err fill(struct vfs *v, const struct vfs_env *env, const struct identity *id,
                        struct gw_errmsg *msg)
{
    struct vpath home;
    enum gw_err err = normal(id->home == NULL ? "/" : id->home, "home", &home, msg);
    if (err != GW_OK)
        return err;
    v->home = mem_strdup(home.s);
    if (id->nmounts == 0)
        return gw_err_set(msg, GW_CONFIG, "mounts: none: this user has nowhere to go");
    v->mounts = mem_array(id->nmounts, sizeof *v->mounts);
    for (size_t i = 0; i < id->nmounts && err == GW_OK; i++)
        err = add_mount(v, env, &id->mounts[i], msg);
    if (err == GW_OK && id->restrict_to_home)
        err = confine(v, msg);
    if (err == GW_OK)
        err = add_perms(v, id, msg);
    if (err == GW_OK)
        qsort(v->mounts, v->nmounts, sizeof *v->mounts, by_path);
    if (err != GW_OK)
        return err;
    return ask_stores(v, id->partial_uploads == IDENTITY_PARTIAL_RESUME, msg);
}

enum gw_err vfs_new(const struct vfs_env *env, const struct identity *id, struct vfs **out,
                    struct gw_errmsg *msg)
{
    struct vfs *v = mem_zalloc(sizeof *v);
    *out = NULL;
    v->base.type = &vfs_fs_type;
    v->base.loop = env->loop;
    v->log = env->log;
    v->user = mem_strdup(id->user);
    copy_credentials(v, &id->credentials);
    enum gw_err err = fill(v, env, id, msg);
    if (err != GW_OK) {
        vfs_free(&v);
        return err;
    }
    *out = v;
    return GW_OK;
}

void vfs_free(struct vfs **vp)
{
    struct vfs *v = *vp;
    *vp = NULL;
    if (v == NULL)
        return;
    for (size_t i = 0; i < v->nmounts; i++)
        mount_free(&v->mounts[i]);
    for (size_t i = 0; i < v->nperms; i++)
        mem_free(v->perms[i].path);
    mem_free(v->mounts);
    mem_free(v->perms);
    mem_free(v->user);
    mem_free(v->keys.set);
    mem_free(v->keys.access_key_id);
    mem_free_secret_str(&v->keys.secret_access_key);
    mem_free_secret_str(&v->keys.session_token);
    mem_free(v->home);
    mem_free(v);
}

struct fs *vfs_fs(struct vfs *v)
{
    if (!v->caps_known) {
        v->caps_known = true;
        uint32_t all = 0;
        uint32_t any = 0;
        for (size_t i = 0; i < v->nmounts; i++) {
            struct fs *view;
            if (view_of(v, &v->mounts[i], &view) != GW_OK)
                continue;
            all = any == 0 ? view->caps : all & view->caps;
            any |= view->caps;
        }
        v->base.caps = all;
    }
    return &v->base;
}

uint32_t vfs_caps(struct vfs *v, const char *path)
{
    struct vfs_spot at;
    return vfs_find(v, path, &at) == GW_OK && at.view != NULL ? at.view->caps : FS_CAP_READ_ONLY;
}

enum gw_err vfs_permitted(struct vfs *v, const char *path, uint32_t perms, const char **text)
{
    const char *words = NULL;
    const char *rest;
    enum gw_err err = GW_OK;
    const struct vfs_mount *m = mount_of(v, path, &rest);
    if ((perms & ~vfs_perms_of(v, path)) != 0) {
        err = GW_DENIED;
        words = VFS_NOT_GRANTED;
    } else if ((perms & ~PERM_READING) != 0 && (m == NULL || m->read_only)) {
        err = GW_READ_ONLY;
        words = m == NULL ? VFS_LEADS : NULL;
    }
    if (text != NULL)
        *text = words;
    return err;
}

bool vfs_is_read_only(struct vfs *v, const char *path)
{
    const char *rest;
    const struct vfs_mount *m = mount_of(v, path, &rest);
    return m != NULL && m->read_only;
}

bool vfs_leads_to_mount(struct vfs *v, const char *path)
{
    return leads_to_mount(v, path, false);
}

const char *vfs_home(struct vfs *v)
{
    return v->home;
}
