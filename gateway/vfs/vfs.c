#include "gateway/vfs/vfs.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/vfs/merge.h"
#include "gateway/vfs/vpath.h"

#define PERM_READING ((uint32_t)(PERM_LIST | PERM_DOWNLOAD))

static const char ACROSS[] =
    "the two names are on different stores: copy the file there and delete it here";
static const char FIXED[] = "this folder is part of the configuration and stays where it is";
static const char LEADS[] = "this folder only leads to others: nothing can be put here";
static const char OUTSIDE[] = "a link cannot lead to another store";

struct vfs_mount {
    char *path;
    char *prefix;
    bool read_only;
    struct backend *backend;
    struct fs *view; /* NULL = not made yet */
};

struct vfs_perm {
    char *path;
    uint32_t perms;
};

struct vfs {
    struct fs base;
    const struct log_ctx *log;
    char *user, *home;
    struct identity_credentials keys;       /* what credentials shows */
    struct backend_credentials credentials; /* of the mounts whose store takes them */
    bool has_credentials;
    struct vfs_mount *mounts; /* sorted by path */
    size_t nmounts;
    struct vfs_perm *perms;
    size_t nperms;
    bool perms_differ;
    bool caps_known;
};

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

/* Removing or renaming it would take a mount, or a folder with permissions of its own, along. */
static bool is_fixed(struct vfs *v, const char *path)
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

static uint32_t perms_of(const struct vfs *v, const char *path)
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

/* A path of the tree, mapped. */
struct spot {
    struct vfs_mount *mount; /* NULL = on no mount */
    struct fs *view;
    const char *path; /* inside the view; a pointer into the caller's */
    bool leads;       /* there is a mount below it: it is a folder, always */
};

/* Errors: GW_NOT_FOUND where no mount is, and none below. */
static enum gw_err find(struct vfs *v, const char *path, struct spot *at)
{
    *at = (struct spot){.leads = leads_to_mount(v, path, false)};
    at->mount = mount_of(v, path, &at->path);
    if (at->mount != NULL)
        return view_of(v, at->mount, &at->view);
    return at->leads ? GW_OK : GW_NOT_FOUND;
}

/* The same for what must be inside a store. `here` is the answer of a folder that only leads. */
static enum gw_err find_inside(struct vfs *v, const char *path, enum gw_err here, struct spot *at)
{
    enum gw_err err = find(v, path, at);
    if (err == GW_OK && (at->leads || at->mount == NULL))
        return here;
    return err;
}

static struct op *fail(struct fs *fs, enum gw_err err, const char *text, fs_done_fn *done,
                       void *arg)
{
    return fs_fail(fs->loop, err, text, done, arg);
}

static struct op *vfs_open(struct fs *fs, const char *path, uint32_t flags,
                           const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct spot at;
    enum gw_err err = find_inside((struct vfs *)fs, path, GW_IS_DIR, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    return fs_open(at.view, at.path, flags, attr, done, arg);
}

static struct merge_at merge_at(struct fs *fs, const struct spot *at)
{
    return (struct merge_at){.tree = fs, .inner = at->view, .path = at->path};
}

static struct op *vfs_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done,
                           void *arg)
{
    struct spot at;
    enum gw_err err = find((struct vfs *)fs, path, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    if (!at.leads)
        return fs_stat(at.view, at.path, follow, done, arg);
    struct merge_at m = merge_at(fs, &at);
    return merge_stat(&m, true, done, arg);
}

static struct op *vfs_setstat(struct fs *fs, const char *path, bool follow,
                              const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct spot at;
    enum gw_err err = find((struct vfs *)fs, path, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    if (at.mount == NULL)
        return fail(fs, GW_READ_ONLY, FIXED, done, arg);
    return fs_setstat(at.view, at.path, follow, attr, done, arg);
}

/* The names right below `path` that lead to a mount. mounts are sorted, so equal ones are
 * neighbours. */
static size_t names_below(struct vfs *v, const char *path, char ***out)
{
    char **names = mem_array(v->nmounts, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < v->nmounts; i++) {
        const char *rest;
        if (!vpath_under(v->mounts[i].path, path, &rest) || strcmp(rest, "/") == 0)
            continue;
        size_t len = strcspn(rest + 1, "/");
        bool known = false;
        for (size_t k = 0; k < n && !known; k++)
            known = strlen(names[k]) == len && strncmp(names[k], rest + 1, len) == 0;
        if (!known)
            names[n++] = mem_strndup(rest + 1, len);
    }
    *out = names;
    return n;
}

static struct op *vfs_opendir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct vfs *v = (struct vfs *)fs;
    struct spot at;
    enum gw_err err = find(v, path, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    if (!at.leads)
        return fs_opendir(at.view, at.path, done, arg);
    struct merge_at m = merge_at(fs, &at);
    char **names;
    size_t n = names_below(v, path, &names);
    return merge_opendir(&m, names, n, done, arg);
}

static struct op *vfs_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct spot at;
    enum gw_err err = find_inside((struct vfs *)fs, path, GW_IS_DIR, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    return fs_remove(at.view, at.path, done, arg);
}

static struct op *vfs_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr,
                            fs_done_fn *done, void *arg)
{
    struct spot at;
    enum gw_err err = find_inside((struct vfs *)fs, path, GW_EXISTS, &at);
    if (err == GW_NOT_FOUND)
        return fail(fs, GW_READ_ONLY, LEADS, done, arg);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    return fs_mkdir(at.view, at.path, attr, done, arg);
}

static struct op *vfs_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct vfs *v = (struct vfs *)fs;
    struct spot at;
    enum gw_err err = find(v, path, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    if (is_fixed(v, path))
        return fail(fs, GW_DENIED, FIXED, done, arg);
    return fs_rmdir(at.view, at.path, done, arg);
}

/* Two names that must be on one mount. */
static enum gw_err find_pair(struct vfs *v, const char *const path[2], struct spot at[2],
                             const char **text)
{
    *text = NULL;
    for (size_t i = 0; i < 2; i++) {
        enum gw_err err = find(v, path[i], &at[i]);
        if (err != GW_OK)
            return err;
        if (is_fixed(v, path[i])) {
            *text = FIXED;
            return GW_DENIED;
        }
    }
    if (at[0].mount != at[1].mount) {
        *text = ACROSS;
        return GW_UNSUPPORTED;
    }
    return GW_OK;
}

static struct op *vfs_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                             fs_done_fn *done, void *arg)
{
    struct spot at[2];
    const char *text;
    enum gw_err err = find_pair((struct vfs *)fs, (const char *const[]){from, to}, at, &text);
    if (err != GW_OK)
        return fail(fs, err, text, done, arg);
    return fs_rename(at[0].view, at[0].path, at[1].path, flags, done, arg);
}

static struct op *vfs_hardlink(struct fs *fs, const char *from, const char *to, fs_done_fn *done,
                               void *arg)
{
    struct vfs *v = (struct vfs *)fs;
    struct spot at[2];
    const char *text;
    enum gw_err err = find_pair(v, (const char *const[]){from, to}, at, &text);
    if (err != GW_OK)
        return fail(fs, err, text, done, arg);
    if ((perms_of(v, to) & ~perms_of(v, from)) != 0) /* a second name with more rights */
        return fail(fs, GW_DENIED, NULL, done, arg);
    return fs_hardlink(at[0].view, at[0].path, at[1].path, done, arg);
}

static struct op *vfs_symlink(struct fs *fs, const char *target, const char *path, fs_done_fn *done,
                              void *arg)
{
    struct vfs *v = (struct vfs *)fs;
    struct spot at;
    enum gw_err err = find_inside(v, path, GW_EXISTS, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    if (target[0] != '/' || strcmp(at.mount->path, "/") == 0)
        return fs_symlink(at.view, target, at.path, done, arg);
    struct vpath full;
    const char *inside;
    err = vpath_resolve("/", gw_span_str(target), &full);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    if (!vpath_under(full.s, at.mount->path, &inside))
        return fail(fs, GW_UNSUPPORTED, OUTSIDE, done, arg);
    return fs_symlink(at.view, inside, at.path, done, arg);
}

/* A link's absolute target is inside its store: seen from the tree, the mount's path leads it. */
struct relink {
    struct op op;
    struct op *inner;
    fs_done_fn *done;
    void *arg;
    char *mount;
};

static void relink_free(struct relink *r)
{
    mem_free(r->mount);
    mem_free(r);
}

static void relink_cancel(struct op *op)
{
    struct relink *r = (struct relink *)op;
    op_cancel(&r->inner);
    relink_free(r);
}

static const struct op_type relink_type = {"vfs_readlink", relink_cancel};

static void relink_done(void *arg, const struct fs_res *res)
{
    struct relink *r = arg;
    r->inner = NULL;
    struct fs_res mine = *res;
    char *full = NULL;
    if (res->err == GW_OK && res->target[0] == '/') {
        full = mem_printf("%s%s", r->mount, res->target[1] == '\0' ? "" : res->target);
        mine.target = full;
    }
    r->done(r->arg, &mine);
    mem_free(full);
    relink_free(r);
}

static struct op *vfs_readlink(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct spot at;
    enum gw_err err = find_inside((struct vfs *)fs, path, GW_BAD_ARG, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    if (strcmp(at.mount->path, "/") == 0)
        return fs_readlink(at.view, at.path, done, arg);
    struct relink *r = mem_zalloc(sizeof *r);
    *r = (struct relink){.op.type = &relink_type, .done = done, .arg = arg};
    r->mount = mem_strdup(at.mount->path);
    r->inner = fs_readlink(at.view, at.path, relink_done, r);
    return &r->op;
}

static struct op *vfs_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct spot at;
    enum gw_err err = find((struct vfs *)fs, path, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    if (at.mount == NULL)
        return fail(fs, GW_UNSUPPORTED, NULL, done, arg);
    return fs_statvfs(at.view, at.path, done, arg);
}

static void vfs_fs_free(struct fs *fs)
{
    struct vfs *v = (struct vfs *)fs;
    vfs_free(&v);
}

/* What is missing here belongs to a file, and a file is the store's own. */
static const struct fs_type vfs_type = {
    .name = "vfs",
    .open = vfs_open,
    .stat = vfs_stat,
    .setstat = vfs_setstat,
    .opendir = vfs_opendir,
    .readdir = merge_readdir,
    .closedir = merge_closedir,
    .remove = vfs_remove,
    .mkdir = vfs_mkdir,
    .rmdir = vfs_rmdir,
    .rename = vfs_rename,
    .readlink = vfs_readlink,
    .symlink = vfs_symlink,
    .hardlink = vfs_hardlink,
    .statvfs = vfs_statvfs,
    .free = vfs_fs_free,
};

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
    if (v->nperms > 0 && perms_of(v, "/") != v->perms[0].perms)
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
    v->base.type = &vfs_type;
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
    struct spot at;
    return find(v, path, &at) == GW_OK && at.view != NULL ? at.view->caps : FS_CAP_READ_ONLY;
}

enum gw_err vfs_permitted(struct vfs *v, const char *path, uint32_t perms, const char **text)
{
    const char *words = NULL;
    const char *rest;
    enum gw_err err = GW_OK;
    const struct vfs_mount *m = mount_of(v, path, &rest);
    if ((perms & ~perms_of(v, path)) != 0) {
        err = GW_DENIED;
    } else if ((perms & ~PERM_READING) != 0 && (m == NULL || m->read_only)) {
        err = GW_READ_ONLY;
        words = m == NULL ? LEADS : NULL;
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
