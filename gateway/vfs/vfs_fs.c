#include "gateway/vfs/vfs_impl.h"

#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/vfs/merge.h"
#include "gateway/vfs/vpath.h"

static const char ACROSS[] =
    "the two names are on different stores: copy the file there and delete it here";
static const char FIXED[] = "this folder is part of the configuration and stays where it is";
static const char OUTSIDE[] = "a link cannot lead to another store";

/* vfs_find() for what must be inside a store. `here` is the answer of a folder that only leads. */
static enum gw_err find_inside(struct vfs *v, const char *path, enum gw_err here,
                               struct vfs_spot *at)
{
    enum gw_err err = vfs_find(v, path, at);
    if (err == GW_OK && (at->leads || at->mount == NULL))
        return here;
    return err;
}

static struct op *fail(struct fs *fs, enum gw_err err, const char *text, fs_done_fn *done,
                       void *arg)
{
    return fs_fail(fs->loop, err, text, done, arg);
}

static struct op *tree_open(struct fs *fs, const char *path, uint32_t flags,
                            const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct vfs_spot at;
    enum gw_err err = find_inside((struct vfs *)fs, path, GW_IS_DIR, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    return fs_open(at.view, at.path, flags, attr, done, arg);
}

static struct merge_at merge_at(struct fs *fs, const struct vfs_spot *at)
{
    return (struct merge_at){.tree = fs, .inner = at->view, .path = at->path};
}

static enum gw_err tree_stat_now(struct fs *fs, const char *path, bool follow, struct fs_attr *attr)
{
    struct vfs_spot at;
    if (vfs_find((struct vfs *)fs, path, &at) != GW_OK || at.leads)
        return GW_BUSY;
    return fs_stat_now(at.view, at.path, follow, attr);
}

static struct op *tree_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done,
                            void *arg)
{
    struct vfs_spot at;
    enum gw_err err = vfs_find((struct vfs *)fs, path, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    if (!at.leads)
        return fs_stat(at.view, at.path, follow, done, arg);
    struct merge_at m = merge_at(fs, &at);
    return merge_stat(&m, true, done, arg);
}

static struct op *tree_setstat(struct fs *fs, const char *path, bool follow,
                               const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct vfs_spot at;
    enum gw_err err = vfs_find((struct vfs *)fs, path, &at);
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

static struct op *tree_opendir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct vfs *v = (struct vfs *)fs;
    struct vfs_spot at;
    enum gw_err err = vfs_find(v, path, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    if (!at.leads)
        return fs_opendir(at.view, at.path, done, arg);
    struct merge_at m = merge_at(fs, &at);
    char **names;
    size_t n = names_below(v, path, &names);
    return merge_opendir(&m, names, n, done, arg);
}

static struct op *tree_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct vfs_spot at;
    enum gw_err err = find_inside((struct vfs *)fs, path, GW_IS_DIR, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    return fs_remove(at.view, at.path, done, arg);
}

static struct op *tree_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr,
                             fs_done_fn *done, void *arg)
{
    struct vfs_spot at;
    enum gw_err err = find_inside((struct vfs *)fs, path, GW_EXISTS, &at);
    if (err == GW_NOT_FOUND)
        return fail(fs, GW_READ_ONLY, VFS_LEADS, done, arg);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    return fs_mkdir(at.view, at.path, attr, done, arg);
}

static struct op *tree_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct vfs *v = (struct vfs *)fs;
    struct vfs_spot at;
    enum gw_err err = vfs_find(v, path, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    if (vfs_is_fixed(v, path))
        return fail(fs, GW_DENIED, FIXED, done, arg);
    return fs_rmdir(at.view, at.path, done, arg);
}

/* Two names that must be on one mount. */
static enum gw_err find_pair(struct vfs *v, const char *const path[2], struct vfs_spot at[2],
                             const char **text)
{
    *text = NULL;
    for (size_t i = 0; i < 2; i++) {
        enum gw_err err = vfs_find(v, path[i], &at[i]);
        if (err != GW_OK)
            return err;
        if (vfs_is_fixed(v, path[i])) {
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

static struct op *tree_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                              fs_done_fn *done, void *arg)
{
    struct vfs_spot at[2];
    const char *text;
    enum gw_err err = find_pair((struct vfs *)fs, (const char *const[]){from, to}, at, &text);
    if (err != GW_OK)
        return fail(fs, err, text, done, arg);
    return fs_rename(at[0].view, at[0].path, at[1].path, flags, done, arg);
}

static struct op *tree_hardlink(struct fs *fs, const char *from, const char *to, fs_done_fn *done,
                                void *arg)
{
    struct vfs *v = (struct vfs *)fs;
    struct vfs_spot at[2];
    const char *text;
    enum gw_err err = find_pair(v, (const char *const[]){from, to}, at, &text);
    if (err != GW_OK)
        return fail(fs, err, text, done, arg);
    if ((vfs_perms_of(v, to) & ~vfs_perms_of(v, from)) != 0) /* a second name with more rights */
        return fail(fs, GW_DENIED, VFS_NOT_GRANTED, done, arg);
    return fs_hardlink(at[0].view, at[0].path, at[1].path, done, arg);
}

static struct op *tree_symlink(struct fs *fs, const char *target, const char *path,
                               fs_done_fn *done, void *arg)
{
    struct vfs *v = (struct vfs *)fs;
    struct vfs_spot at;
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

static struct op *tree_readlink(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct vfs_spot at;
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

static struct op *tree_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct vfs_spot at;
    enum gw_err err = vfs_find((struct vfs *)fs, path, &at);
    if (err != GW_OK)
        return fail(fs, err, NULL, done, arg);
    if (at.mount == NULL)
        return fail(fs, GW_UNSUPPORTED, NULL, done, arg);
    return fs_statvfs(at.view, at.path, done, arg);
}

static void tree_free(struct fs *fs)
{
    struct vfs *v = (struct vfs *)fs;
    vfs_free(&v);
}

/* What is missing here belongs to a file, and a file is the store's own. */
const struct fs_type vfs_fs_type = {
    .name = "vfs",
    .open = tree_open,
    .stat_now = tree_stat_now,
    .stat = tree_stat,
    .setstat = tree_setstat,
    .opendir = tree_opendir,
    .readdir = merge_readdir,
    .closedir = merge_closedir,
    .remove = tree_remove,
    .mkdir = tree_mkdir,
    .rmdir = tree_rmdir,
    .rename = tree_rename,
    .readlink = tree_readlink,
    .symlink = tree_symlink,
    .hardlink = tree_hardlink,
    .statvfs = tree_statvfs,
    .free = tree_free,
};
