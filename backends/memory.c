#include "backends/memory.h"

#include <string.h>

#include "backends/memory_file.h"
#include "backends/memory_impl.h"
#include "gateway/base/mem.h"

#define READDIR_MAX 256u

struct memory_backend {
    struct backend base;
    struct memory_tree *tree;
};

struct memory_dir {
    struct fs_dir base;
    struct memory_node *node;
    char *last; /* the name given last; NULL = none yet */
};

static void op_free(struct memory_op *o)
{
    for (size_t i = 0; i < o->res.nentries; i++)
        mem_free((void *)(uintptr_t)o->entries[i].name);
    mem_free(o->entries);
    mem_free(o->data);
    mem_free(o);
}

static void memory_cancel(struct op *op)
{
    struct memory_op *o = (struct memory_op *)op;
    op_cancel(&o->turn);
    fs_abort(&o->res.file);
    fs_closedir(&o->res.dir);
    op_free(o);
}

static const struct op_type memory_op_type = {"memory", memory_cancel};

static void fire(void *arg)
{
    struct memory_op *o = arg;
    o->turn = NULL;
    o->done(o->arg, &o->res);
    op_free(o);
}

struct memory_op *memory_op_new(struct fs *fs, fs_done_fn *done, void *arg)
{
    struct memory_op *o = mem_zalloc(sizeof *o);
    o->op.type = &memory_op_type;
    o->done = done;
    o->arg = arg;
    o->turn = loop_defer(fs->loop, fire, o);
    return o;
}

struct op *memory_op_end(struct fs *fs, enum gw_err err, fs_done_fn *done, void *arg)
{
    struct memory_op *o = memory_op_new(fs, done, arg);
    o->res.err = err;
    return &o->op;
}

struct memory_fs *memory_lock(struct fs *fs)
{
    struct memory_fs *m = (struct memory_fs *)fs;
    memory_tree_lock(m->tree);
    return m;
}

bool memory_is_read_only(const struct memory_fs *m)
{
    return (m->base.caps & FS_CAP_READ_ONLY) != 0;
}

enum gw_err memory_walk(struct memory_fs *m, const char *path, bool follow, struct memory_place *at)
{
    return memory_tree_find(m->root, path, (follow ? MEMORY_TREE_FOLLOW : 0u) | m->no_links, at);
}

void memory_unref(struct memory_fs *m, struct memory_node **np)
{
    memory_tree_lock(m->tree);
    memory_tree_unref(m->tree, np);
    memory_tree_unlock(m->tree);
}

enum gw_err memory_set_attr(struct memory_fs *m, struct memory_node *n, const struct fs_attr *a)
{
    if ((a->set & FS_ATTR_SIZE) != 0) {
        if (n->attr.kind != FS_KIND_REG)
            return n->attr.kind == FS_KIND_DIR ? GW_IS_DIR : GW_BAD_ARG;
        enum gw_err err = memory_tree_resize(m->tree, n, a->size);
        if (err != GW_OK)
            return err;
    }
    if ((a->set & FS_ATTR_OWNER) != 0) {
        n->attr.uid = a->uid;
        n->attr.gid = a->gid;
    }
    if ((a->set & FS_ATTR_MODE) != 0)
        n->attr.mode = a->mode & 07777;
    if ((a->set & FS_ATTR_ATIME) != 0) {
        n->attr.atime_s = a->atime_s;
        n->attr.atime_ns = a->atime_ns;
    }
    if ((a->set & FS_ATTR_MTIME) != 0) {
        n->attr.mtime_s = a->mtime_s;
        n->attr.mtime_ns = a->mtime_ns;
    }
    return GW_OK;
}

/* An existing node, or GW_NOT_FOUND. */
static enum gw_err find(struct memory_fs *m, const char *path, bool follow, struct memory_place *at)
{
    enum gw_err err = memory_walk(m, path, follow, at);
    return err == GW_OK && at->node == NULL ? GW_NOT_FOUND : err;
}

/* A name that is free. */
static enum gw_err find_free(struct memory_fs *m, const char *path, struct memory_place *at)
{
    if (memory_is_read_only(m))
        return GW_READ_ONLY;
    enum gw_err err = memory_walk(m, path, false, at);
    return err == GW_OK && at->node != NULL ? GW_EXISTS : err;
}

static struct op *memory_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done,
                              void *arg)
{
    struct memory_op *o = memory_op_new(fs, done, arg);
    struct memory_fs *m = memory_lock(fs);
    struct memory_place at;
    o->res.err = find(m, path, follow, &at);
    if (o->res.err == GW_OK) {
        o->attr = at.node->attr;
        o->res.attr = &o->attr;
    }
    memory_tree_unlock(m->tree);
    return &o->op;
}

static struct op *memory_setstat(struct fs *fs, const char *path, bool follow,
                                 const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct memory_fs *m = memory_lock(fs);
    struct memory_place at;
    enum gw_err err = memory_is_read_only(m) ? GW_READ_ONLY : find(m, path, follow, &at);
    if (err == GW_OK)
        err = memory_set_attr(m, at.node, attr);
    memory_tree_unlock(m->tree);
    return memory_op_end(fs, err, done, arg);
}

static struct op *memory_opendir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct memory_op *o = memory_op_new(fs, done, arg);
    struct memory_fs *m = memory_lock(fs);
    struct memory_place at;
    o->res.err = find(m, path, true, &at);
    if (o->res.err == GW_OK && at.node->attr.kind != FS_KIND_DIR)
        o->res.err = GW_NOT_DIR;
    if (o->res.err == GW_OK) {
        struct memory_dir *d = mem_zalloc(sizeof *d);
        d->base.fs = fs;
        d->node = memory_tree_ref(at.node);
        o->res.dir = &d->base;
    }
    memory_tree_unlock(m->tree);
    return &o->op;
}

static struct op *memory_readdir(struct fs_dir *dir, size_t want, fs_done_fn *done, void *arg)
{
    struct memory_dir *d = (struct memory_dir *)dir;
    struct memory_op *o = memory_op_new(dir->fs, done, arg);
    if (want == 0 || want > READDIR_MAX)
        want = READDIR_MAX;
    o->entries = mem_array(want, sizeof *o->entries);
    struct memory_fs *m = memory_lock(dir->fs);
    size_t i = memory_tree_after(d->node, d->last);
    for (; i < d->node->nlinks && o->res.nentries < want; i++) {
        const struct memory_link *link = &d->node->links[i];
        o->entries[o->res.nentries++] =
            (struct fs_entry){.name = mem_strdup(link->name), .attr = link->node->attr};
    }
    memory_tree_unlock(m->tree);
    if (o->res.nentries == 0) {
        o->res.err = GW_EOF;
        return &o->op;
    }
    mem_free(d->last);
    d->last = mem_strdup(o->entries[o->res.nentries - 1].name);
    o->res.entries = o->entries;
    return &o->op;
}

static void memory_closedir(struct fs_dir *dir)
{
    struct memory_dir *d = (struct memory_dir *)dir;
    memory_unref((struct memory_fs *)dir->fs, &d->node);
    mem_free(d->last);
    mem_free(d);
}

static enum gw_err take_away(struct memory_fs *m, const char *path, bool dir)
{
    struct memory_place at;
    enum gw_err err = memory_is_read_only(m) ? GW_READ_ONLY : find(m, path, false, &at);
    if (err != GW_OK)
        return err;
    if (at.dir == NULL)
        return GW_DENIED; /* the root */
    if (dir != (at.node->attr.kind == FS_KIND_DIR))
        return dir ? GW_NOT_DIR : GW_IS_DIR;
    if (at.node->nlinks > 0)
        return GW_NOT_EMPTY;
    memory_tree_unlink(m->tree, at.dir, at.name);
    return GW_OK;
}

static struct op *memory_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct memory_fs *m = memory_lock(fs);
    enum gw_err err = take_away(m, path, false);
    memory_tree_unlock(m->tree);
    return memory_op_end(fs, err, done, arg);
}

static struct op *memory_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct memory_fs *m = memory_lock(fs);
    enum gw_err err = take_away(m, path, true);
    memory_tree_unlock(m->tree);
    return memory_op_end(fs, err, done, arg);
}

/* A new node at a free name; target for a link. */
static enum gw_err create(struct memory_fs *m, const char *path, enum fs_kind kind,
                          const struct fs_attr *attr, const char *target)
{
    struct memory_place at;
    enum gw_err err = find_free(m, path, &at);
    if (err != GW_OK)
        return err;
    struct memory_node *n = memory_tree_node(m->tree, kind, kind == FS_KIND_LINK ? 0777 : 0755);
    if (n == NULL)
        return GW_NO_SPACE;
    if (target != NULL) {
        n->target = mem_strdup(target);
        n->attr.size = strlen(target);
    }
    if (attr != NULL && (attr->set & FS_ATTR_MODE) != 0)
        n->attr.mode = attr->mode & 07777;
    err = memory_tree_link(m->tree, at.dir, at.name, n);
    memory_tree_unref(m->tree, &n);
    return err;
}

static struct op *memory_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr,
                               fs_done_fn *done, void *arg)
{
    struct memory_fs *m = memory_lock(fs);
    enum gw_err err = create(m, path, FS_KIND_DIR, attr, NULL);
    memory_tree_unlock(m->tree);
    return memory_op_end(fs, err, done, arg);
}

static struct op *memory_symlink(struct fs *fs, const char *target, const char *path,
                                 fs_done_fn *done, void *arg)
{
    struct memory_fs *m = memory_lock(fs);
    enum gw_err err = m->no_links != 0 ? GW_DENIED
                      : target[0] == '\0' || strlen(target) >= FS_PATH_MAX
                          ? GW_BAD_ARG
                          : create(m, path, FS_KIND_LINK, NULL, target);
    memory_tree_unlock(m->tree);
    return memory_op_end(fs, err, done, arg);
}

static struct op *memory_readlink(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct memory_op *o = memory_op_new(fs, done, arg);
    struct memory_fs *m = memory_lock(fs);
    struct memory_place at;
    o->res.err = find(m, path, false, &at);
    if (o->res.err == GW_OK && at.node->attr.kind != FS_KIND_LINK)
        o->res.err = GW_BAD_ARG;
    if (o->res.err == GW_OK)
        o->data = (uint8_t *)mem_strdup(at.node->target);
    memory_tree_unlock(m->tree);
    o->res.target = (char *)o->data;
    return &o->op;
}

static struct op *memory_hardlink(struct fs *fs, const char *from, const char *to, fs_done_fn *done,
                                  void *arg)
{
    struct memory_fs *m = memory_lock(fs);
    struct memory_place a;
    struct memory_place b;
    enum gw_err err = find(m, from, false, &a);
    if (err == GW_OK && a.node->attr.kind == FS_KIND_DIR)
        err = GW_IS_DIR;
    if (err == GW_OK)
        err = find_free(m, to, &b);
    if (err == GW_OK)
        err = memory_tree_link(m->tree, b.dir, b.name, a.node);
    memory_tree_unlock(m->tree);
    return memory_op_end(fs, err, done, arg);
}

static enum gw_err move(struct memory_fs *m, const char *from, const char *to, uint32_t flags)
{
    struct memory_place a;
    struct memory_place b;
    enum gw_err err = memory_is_read_only(m) ? GW_READ_ONLY : find(m, from, false, &a);
    if (err == GW_OK)
        err = memory_walk(m, to, false, &b);
    if (err != GW_OK)
        return err;
    if (a.dir == NULL || b.dir == NULL)
        return GW_DENIED;
    bool is_dir = a.node->attr.kind == FS_KIND_DIR;
    for (const struct memory_node *up = b.dir; up != NULL && is_dir; up = up->up)
        if (up == a.node)
            return GW_BAD_ARG; /* into its own subtree */
    if (b.node != NULL) {
        if ((flags & FS_RENAME_OVERWRITE) == 0)
            return GW_EXISTS;
        if (a.node == b.node)
            return GW_OK;
        if (is_dir != (b.node->attr.kind == FS_KIND_DIR))
            return is_dir ? GW_NOT_DIR : GW_IS_DIR;
        if (b.node->nlinks > 0)
            return GW_NOT_EMPTY;
        memory_tree_unlink(m->tree, b.dir, b.name);
    }
    struct memory_node *n = memory_tree_ref(a.node);
    memory_tree_unlink(m->tree, a.dir, a.name);
    err = memory_tree_link(m->tree, b.dir, b.name, n);
    memory_tree_unref(m->tree, &n);
    return err;
}

static struct op *memory_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                                fs_done_fn *done, void *arg)
{
    struct memory_fs *m = memory_lock(fs);
    enum gw_err err = move(m, from, to, flags);
    memory_tree_unlock(m->tree);
    return memory_op_end(fs, err, done, arg);
}

static struct op *memory_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct memory_op *o = memory_op_new(fs, done, arg);
    struct memory_fs *m = memory_lock(fs);
    struct memory_place at;
    o->res.err = find(m, path, true, &at);
    memory_tree_space(m->tree, &o->space);
    o->space.read_only = memory_is_read_only(m);
    memory_tree_unlock(m->tree);
    o->res.space = &o->space;
    return &o->op;
}

static void memory_fs_free(struct fs *fs)
{
    struct memory_fs *m = (struct memory_fs *)fs;
    memory_unref(m, &m->root);
    backend_unref(&m->backend);
    mem_free(m);
}

static const struct fs_type memory_type = {
    .name = "memory",
    .open = memory_file_open,
    .read_now = memory_file_read_now,
    .read = memory_file_read,
    .write_now = memory_file_write_now,
    .write = memory_file_write,
    .fsync = memory_file_fsync,
    .fstat = memory_file_fstat,
    .fsetstat = memory_file_fsetstat,
    .close = memory_file_close,
    .abort = memory_file_abort,
    .stat = memory_stat,
    .setstat = memory_setstat,
    .opendir = memory_opendir,
    .readdir = memory_readdir,
    .closedir = memory_closedir,
    .remove = memory_remove,
    .mkdir = memory_mkdir,
    .rmdir = memory_rmdir,
    .rename = memory_rename,
    .readlink = memory_readlink,
    .symlink = memory_symlink,
    .hardlink = memory_hardlink,
    .statvfs = memory_statvfs,
    .copy = memory_file_copy,
    .free = memory_fs_free,
};

/* The prefix is made on the way: a user's folder exists from the first login on. */
static enum gw_err prefix_node(struct memory_tree *t, const char *prefix, struct memory_node **out)
{
    struct memory_node *n = memory_tree_root(t);
    while (*prefix != '\0') {
        size_t len = strcspn(prefix, "/");
        char *name = mem_strndup(prefix, len);
        struct memory_place at;
        enum gw_err err = memory_tree_find(n, name, 0, &at);
        if (err == GW_OK && at.node == NULL) {
            at.node = memory_tree_node(t, FS_KIND_DIR, 0755);
            err = at.node == NULL ? GW_NO_SPACE : memory_tree_link(t, n, name, at.node);
            struct memory_node *mine = at.node;
            memory_tree_unref(t, &mine);
        }
        mem_free(name);
        if (err == GW_OK && at.node->attr.kind != FS_KIND_DIR)
            err = GW_NOT_DIR;
        if (err != GW_OK)
            return err;
        n = at.node;
        prefix += len + strspn(prefix + len, "/");
    }
    *out = memory_tree_ref(n);
    return GW_OK;
}

static enum gw_err memory_view(struct backend *b, const struct backend_view *args, struct fs **out)
{
    struct memory_backend *mb = (struct memory_backend *)b;
    struct memory_node *root = NULL;
    memory_tree_lock(mb->tree);
    enum gw_err err = prefix_node(mb->tree, args->prefix, &root);
    memory_tree_unlock(mb->tree);
    if (err != GW_OK)
        return err;
    struct memory_fs *m = mem_zalloc(sizeof *m);
    m->base.type = &memory_type;
    m->base.loop = b->env.loop;
    m->base.caps = FS_CAP_RANDOM_WRITE | FS_CAP_HARDLINK | FS_CAP_STATVFS | FS_CAP_COPY |
                   FS_CAP_FSYNC | FS_CAP_OWNER | (args->no_links ? 0u : FS_CAP_SYMLINK) |
                   (args->read_only ? FS_CAP_READ_ONLY : 0u);
    m->backend = backend_ref(b);
    m->tree = mb->tree;
    m->root = root;
    m->no_links = args->no_links ? MEMORY_TREE_NO_LINKS : 0;
    *out = &m->base;
    return GW_OK;
}

static void memory_free(struct backend *b)
{
    struct memory_backend *mb = (struct memory_backend *)b;
    memory_tree_put(&mb->tree);
    mem_free(mb);
}

static const struct backend_type memory_backend_type = {.view = memory_view, .free = memory_free};

static enum gw_err memory_make(const struct backend_env *env, const void *conf,
                               struct backend **out, struct gw_errmsg *msg)
{
    (void)msg;
    const struct memory_conf *c = conf;
    struct memory_backend *mb = mem_zalloc(sizeof *mb);
    mb->base.type = &memory_backend_type;
    mb->tree = memory_tree_get(env->name, (uint64_t)c->max_mb << 20);
    *out = &mb->base;
    return GW_OK;
}

static const struct opt_spec memory_options[] = {
    {.key = "max_mb",
     .type = OPT_U32,
     .offset = offsetof(struct memory_conf, max_mb),
     .dflt = "256",
     .min = 1,
     .max = 65536,
     .help = "The most that the store holds, in MiB; beyond it an upload fails as on a full disk."},
    {.key = NULL},
};

const struct backend_kind memory_kind = {
    .opt = {.name = "memory",
            .help = "Files in memory, gone with the process: for tests and demonstrations.",
            .tab = memory_options,
            .size = sizeof(struct memory_conf)},
    .make = memory_make,
};
