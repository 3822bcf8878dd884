#include "backends/http/web_ops.h"

#include <stdio.h>
#include <string.h>

#include "backends/http/web_dir.h"
#include "backends/reserved.h"
#include "gateway/base/mem.h"

struct name_op {
    struct fs_task task;
    struct web_view *view;
    char *path, *to;
    struct fs_dir *dir;
    uint64_t since;
    bool folder, overwrite;
    size_t made; /* of path: how much of it was made */
    uint32_t flags;
    struct fs_attr attr;
    enum gw_err err; /* what the request said whose effect is looked for */
    char text[FS_TEXT_MAX];
};

static const struct web_dialect *dialect_of(const struct name_op *o)
{
    return o->view->access->store->dialect;
}

/* At the start of a change and at its end. */
static void forget(const struct name_op *o)
{
    struct attr_cache *c = o->view->access->store->cache;
    const char *paths[] = {o->path, o->to};
    for (size_t i = 0; i < 2 && paths[i] != NULL; i++) {
        attr_cache_forget(c, paths[i]);
        if (o->folder) {
            char *under = mem_printf("%s/", paths[i]);
            attr_cache_forget_under(c, under);
            mem_free(under);
        }
    }
}

static void release_reader(struct fs_task *t)
{
    struct name_op *o = (struct name_op *)t;
    if (o->dir != NULL)
        web_dir_close(o->dir);
    mem_free(o->path);
    mem_free(o->to);
}

static void release_writer(struct fs_task *t)
{
    forget((struct name_op *)t);
    release_reader(t);
}

/* path: of the view; NULL = the caller sets o->path. */
static struct name_op *op_new(struct fs *fs, const char *path, bool writes, fs_done_fn *done,
                              void *arg)
{
    struct web_view *v = (struct web_view *)fs;
    struct name_op *o = fs_task_new(sizeof *o, &v->access->store->base, v->log, done, arg);
    o->view = v;
    o->path = path != NULL ? web_view_path(v, path) : NULL;
    o->task.release = writes ? release_writer : release_reader;
    return o;
}

struct op *web_ops_refuse_reserved(struct fs *fs, const char *path, enum gw_err err,
                                   fs_done_fn *done, void *arg)
{
    if (!reserved_path(path))
        return NULL;
    return fs_fail(fs->loop, err, err == GW_DENIED ? "this name is reserved" : NULL, done, arg);
}

static struct op *refuse_change(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    if (((struct web_view *)fs)->read_only)
        return fs_fail(fs->loop, GW_READ_ONLY, NULL, done, arg);
    return web_ops_refuse_reserved(fs, path, GW_DENIED, done, arg);
}

/* ---- what is there ---- */

static void looked(void *arg, const struct fs_res *res);

static void root_made(void *arg, const struct remote_res *res);

/* The next folder of the prefix, from the store's root on. */
static void make_root(struct name_op *o)
{
    size_t n = o->made + 1 + strcspn(o->path + o->made + 1, "/");
    char *folder = mem_strndup(o->path, n);
    o->made = n;
    o->task.step = dialect_of(o)->mkdir(o->view->access, folder, o->task.log, root_made, o);
    mem_free(folder);
}

static void root_made(void *arg, const struct remote_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    if (res->err != GW_OK && res->err != GW_EXISTS)
        remote_end_task(&o->task, res);
    else if (o->path[o->made] != '\0')
        make_root(o);
    else
        o->task.step = dialect_of(o)->look(o->view->access, o->path, o->task.log, looked, o);
}

static void looked(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    struct web_view *v = o->view;
    o->task.step = NULL;
    bool root = strcmp(o->path, v->prefix) == 0;
    if (res->err == GW_NOT_FOUND && root && !v->read_only && *o->path != '\0' && o->made == 0) {
        make_root(o);
        return;
    }
    if (res->err == GW_OK) {
        v->rooted |= root;
        web_cache_put(v, o->path, res->attr, o->since);
    }
    fs_task_end(&o->task, res);
}

struct op *web_ops_look(struct web_view *v, const char *path, fs_done_fn *done, void *arg)
{
    struct fs_attr seen;
    if (web_cache_get(v, path, &seen))
        return fs_ok(v->fs.loop, &seen, done, arg);
    struct name_op *o = op_new(&v->fs, NULL, false, done, arg);
    o->path = mem_strdup(path);
    o->since = attr_cache_now();
    o->task.step = dialect_of(o)->look(v->access, path, v->log, looked, o);
    return &o->task.op;
}

struct op *web_ops_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done, void *arg)
{
    (void)follow;
    struct op *refused = web_ops_refuse_reserved(fs, path, GW_NOT_FOUND, done, arg);
    if (refused != NULL)
        return refused;
    char *full = web_view_path((struct web_view *)fs, path);
    struct op *op = web_ops_look((struct web_view *)fs, full, done, arg);
    mem_free(full);
    return op;
}

/* ---- listings ---- */

static void dir_opened(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    fs_task_end(&o->task, res);
}

static void root_looked(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    if (res->err != GW_OK)
        fs_task_fail(&o->task, res->err, res->text);
    else
        o->task.step = web_dir_open(o->view, o->path, dir_opened, o);
}

struct op *web_ops_opendir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct web_view *v = (struct web_view *)fs;
    struct op *refused = web_ops_refuse_reserved(fs, path, GW_NOT_FOUND, done, arg);
    if (refused != NULL)
        return refused;
    struct name_op *o = op_new(fs, path, false, done, arg);
    if (path[1] == '\0' && *v->prefix != '\0' && !v->rooted)
        o->task.step = web_ops_look(v, o->path, root_looked, o);
    else
        o->task.step = web_dir_open(v, o->path, dir_opened, o);
    return &o->task.op;
}

/* ---- attributes ---- */

static void set_done(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    bool ignored =
        res->err == GW_UNSUPPORTED && o->view->access->store->conf->setstat == WEB_SETSTAT_IGNORE;
    if (res->err == GW_OK) {
        o->attr.set &= FS_ATTR_MTIME | FS_ATTR_MODE;
        o->attr.mode &= 0777u;
        fs_task_end(&o->task, &(struct fs_res){.attr = &o->attr});
        return;
    }
    fs_task_fail(&o->task, ignored ? GW_OK : res->err, ignored ? NULL : res->text);
}

static void set_nothing(void *arg)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    fs_task_ok(&o->task);
}

struct op *web_ops_set(struct web_view *v, const char *path, const struct fs_attr *attr,
                       fs_done_fn *done, void *arg)
{
    const struct web_store *s = v->access->store;
    uint32_t kept = FS_ATTR_MTIME | FS_ATTR_ATIME | (s->dialect->keeps_modes ? FS_ATTR_MODE : 0u);
    if ((attr->set & ~kept) != 0 && s->conf->setstat == WEB_SETSTAT_STRICT)
        return fs_fail(v->fs.loop, GW_UNSUPPORTED, "the server keeps no owner and no permissions",
                       done, arg);
    struct name_op *o = op_new(&v->fs, NULL, true, done, arg);
    o->path = mem_strdup(path);
    o->attr = *attr;
    o->attr.set &= kept;
    forget(o);
    if (o->attr.set & (FS_ATTR_MTIME | FS_ATTR_MODE))
        o->task.step = s->dialect->set(v->access, path, &o->attr, v->log, set_done, o);
    else
        o->task.step = loop_defer(v->fs.loop, set_nothing, o);
    return &o->task.op;
}

struct op *web_ops_setstat(struct fs *fs, const char *path, bool follow, const struct fs_attr *attr,
                           fs_done_fn *done, void *arg)
{
    (void)follow;
    struct op *refused = refuse_change(fs, path, done, arg);
    if (refused != NULL)
        return refused;
    if (attr->set & FS_ATTR_SIZE)
        return fs_fail(fs->loop, GW_UNSUPPORTED, "the server stores whole files only", done, arg);
    char *full = web_view_path((struct web_view *)fs, path);
    struct op *op = web_ops_set((struct web_view *)fs, full, attr, done, arg);
    mem_free(full);
    return op;
}

/* ---- remove ---- */

/* After a lost answer the server was asked again: what is not there any more is what was wanted. */
static void removed(void *arg, const struct remote_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    if (res->err == GW_NOT_FOUND && res->maybe_done)
        fs_task_ok(&o->task);
    else
        remote_end_task(&o->task, res);
}

static void remove_looked(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    if (res->err != GW_OK)
        fs_task_fail(&o->task, res->err, res->text);
    else if (res->attr->kind == FS_KIND_DIR)
        fs_task_fail(&o->task, GW_IS_DIR, NULL);
    else
        o->task.step =
            dialect_of(o)->remove(o->view->access, o->path, false, o->task.log, removed, o);
}

struct op *web_ops_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct op *refused = refuse_change(fs, path, done, arg);
    if (refused != NULL)
        return refused;
    struct name_op *o = op_new(fs, path, true, done, arg);
    o->task.step = web_ops_look(o->view, o->path, remove_looked, o);
    forget(o);
    return &o->task.op;
}

/* ---- folders ---- */

/* Where its answer was lost, or is not to be trusted, what is at its path tells. */
static void end_or_look(struct name_op *o, const struct remote_res *res, fs_done_fn *then)
{
    o->task.step = NULL;
    if (res->err == GW_OK || !res->maybe_done) {
        remote_end_task(&o->task, res);
        return;
    }
    o->err = res->err;
    snprintf(o->text, sizeof o->text, "%s", res->text != NULL ? res->text : gw_err_text(res->err));
    o->task.step = dialect_of(o)->look(o->view->access, o->path, o->task.log, then, o);
}

static void end_looked(struct name_op *o, bool done)
{
    fs_task_fail(&o->task, done ? GW_OK : o->err, done ? NULL : o->text);
}

static void made_looked(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    end_looked(o, res->err == GW_OK && res->attr->kind == FS_KIND_DIR);
}

static void made(void *arg, const struct remote_res *res)
{
    end_or_look(arg, res, made_looked);
}

/* Not every server minds that the name is taken. */
static void mkdir_looked(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    if (res->err == GW_OK)
        fs_task_fail(&o->task, GW_EXISTS, NULL);
    else if (res->err != GW_NOT_FOUND)
        fs_task_fail(&o->task, res->err, res->text);
    else
        o->task.step = dialect_of(o)->mkdir(o->view->access, o->path, o->task.log, made, o);
}

struct op *web_ops_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr,
                         fs_done_fn *done, void *arg)
{
    (void)attr;
    struct op *refused = refuse_change(fs, path, done, arg);
    if (refused != NULL)
        return refused;
    struct name_op *o = op_new(fs, path, true, done, arg);
    forget(o);
    o->task.step = dialect_of(o)->look(o->view->access, o->path, o->task.log, mkdir_looked, o);
    return &o->task.op;
}

static void rmdir_read(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    if (res->err == GW_OK)
        fs_task_fail(&o->task, GW_NOT_EMPTY, NULL);
    else if (res->err != GW_EOF)
        fs_task_fail(&o->task, res->err, res->text);
    else
        o->task.step =
            dialect_of(o)->remove(o->view->access, o->path, true, o->task.log, removed, o);
}

static void rmdir_opened(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    if (res->err != GW_OK) {
        fs_task_fail(&o->task, res->err, res->text);
        return;
    }
    o->dir = res->dir;
    o->task.step = web_dir_read(o->dir, 1, rmdir_read, o);
}

struct op *web_ops_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct op *refused = refuse_change(fs, path, done, arg);
    if (refused != NULL)
        return refused;
    if (path[1] == '\0')
        return fs_fail(fs->loop, GW_DENIED, "the root cannot be removed", done, arg);
    struct name_op *o = op_new(fs, path, true, done, arg);
    o->folder = true;
    forget(o);
    o->task.step = web_dir_open(o->view, o->path, rmdir_opened, o);
    return &o->task.op;
}

/* ---- rename ---- */

static void moved_looked(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    bool there = res->err == GW_OK &&
                 (o->folder ? res->attr->kind == FS_KIND_DIR
                            : res->attr->kind == FS_KIND_REG && res->attr->size == o->attr.size);
    end_looked(o, there);
}

static void source_looked(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    if (res->err == GW_NOT_FOUND)
        o->task.step = dialect_of(o)->look(o->view->access, o->to, o->task.log, moved_looked, o);
    else
        end_looked(o, false);
}

static void moved(void *arg, const struct remote_res *res)
{
    end_or_look(arg, res, source_looked);
}

/* What rename(2) says of what has the name. */
static enum gw_err in_the_way(const struct name_op *o, enum fs_kind there)
{
    bool file = there == FS_KIND_REG;
    if (!(o->flags & FS_RENAME_OVERWRITE))
        return GW_EXISTS;
    if (o->folder)
        return file ? GW_NOT_DIR : GW_EXISTS;
    return file ? GW_OK : GW_IS_DIR;
}

static void rename_to_looked(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    if (res->err != GW_OK && res->err != GW_NOT_FOUND) {
        fs_task_fail(&o->task, res->err, res->text);
        return;
    }
    o->overwrite = res->err == GW_OK;
    enum gw_err err = o->overwrite ? in_the_way(o, res->attr->kind) : GW_OK;
    if (err != GW_OK) {
        fs_task_fail(&o->task, err, NULL);
        return;
    }
    const struct web_move m = {.from = o->path,
                               .to = o->to,
                               .folder = o->folder,
                               .overwrite = o->overwrite,
                               .log = o->task.log};
    o->task.step = dialect_of(o)->move(o->view->access, &m, moved, o);
}

static void rename_from_looked(void *arg, const struct fs_res *res)
{
    struct name_op *o = arg;
    o->task.step = NULL;
    if (res->err != GW_OK) {
        fs_task_fail(&o->task, res->err, res->text);
        return;
    }
    o->attr = *res->attr;
    o->folder = res->attr->kind == FS_KIND_DIR;
    size_t n = strlen(o->path);
    if (o->folder && strncmp(o->to, o->path, n) == 0 && o->to[n] == '/') {
        fs_task_fail(&o->task, GW_BAD_ARG, "a folder cannot be moved into itself");
        return;
    }
    /* Not through the cache: what is there would be replaced. */
    o->task.step = dialect_of(o)->look(o->view->access, o->to, o->task.log, rename_to_looked, o);
    forget(o);
}

struct op *web_ops_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                          fs_done_fn *done, void *arg)
{
    struct op *refused = refuse_change(fs, from, done, arg);
    if (refused == NULL)
        refused = refuse_change(fs, to, done, arg);
    if (refused != NULL)
        return refused;
    if (from[1] == '\0' || to[1] == '\0')
        return fs_fail(fs->loop, GW_DENIED, "the root cannot be renamed", done, arg);
    struct name_op *o = op_new(fs, from, true, done, arg);
    o->to = web_view_path(o->view, to);
    o->flags = flags;
    if (strcmp(from, to) == 0)
        o->task.step = web_ops_look(o->view, o->path, looked, o);
    else
        o->task.step = web_ops_look(o->view, o->path, rename_from_looked, o);
    return &o->task.op;
}

struct op *web_ops_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct web_view *v = (struct web_view *)fs;
    char *full = web_view_path(v, path);
    struct op *op = v->access->store->dialect->space(v->access, full, v->log, done, arg);
    mem_free(full);
    return op;
}
