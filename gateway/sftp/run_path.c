/* Requests on paths. */
#include "gateway/sftp/run.h"

#include <string.h>

#include "gateway/vfs/vpath.h"

static void status_done(struct request *r, const struct fs_res *res)
{
    request_status(r, res->err, res->text);
}

static void attrs_known(struct request *r, enum gw_err err, const char *text,
                        const struct fs_attr *attr)
{
    if (err != GW_OK)
        request_status(r, err, text);
    else
        request_attrs(r, attr);
}

static void attrs_done(struct request *r, const struct fs_res *res)
{
    attrs_known(r, res->err, res->text, res->attr);
}

/* What changed the tree: one line each, also when it failed. */
static void change_done(struct request *r, const struct fs_res *res)
{
    const char *event = r->row->event != NULL ? r->row->event : r->row->name;
    LOG_EVENT(LOG_LVL_INFO, r->s->env.log, event, log_str("path", r->path[0]),
              log_str("to", r->text != NULL ? r->text : r->path[1]),
              log_str("result", gw_err_name(res->err)));
    request_status(r, res->err, res->text);
}

void run_attrs_of_file(struct request *r, struct fs_file *f)
{
    struct fs_attr attr;
    enum gw_err err = fs_fstat_now(f, &attr);
    r->then = attrs_done;
    if (err == GW_BUSY)
        r->op = fs_fstat(f, request_done, r);
    else
        attrs_known(r, err, NULL, &attr);
}

void run_attrs_of_path(struct request *r, const char *path, bool follow)
{
    struct fs_attr attr;
    enum gw_err err = fs_stat_now(r->s->fs, path, follow, &attr);
    r->then = attrs_done;
    if (err == GW_BUSY)
        r->op = fs_stat(r->s->fs, path, follow, request_done, r);
    else
        attrs_known(r, err, NULL, &attr);
}

/* A file that this session writes may not be in the store before its CLOSE: its handle answers, as
 * clients know it from a disk. */
static void stat_path(struct request *r, bool follow)
{
    if (r->h[0] != NULL)
        run_attrs_of_file(r, r->h[0]->file);
    else
        run_attrs_of_path(r, r->path[0], follow);
}

void run_stat(struct request *r)
{
    stat_path(r, true);
}

void run_lstat(struct request *r)
{
    stat_path(r, false);
}

static void setstat_done(struct request *r, const struct fs_res *res)
{
    LOG_EVENT(LOG_LVL_DEBUG, r->s->env.log, "setstat", log_str("path", r->path[0]),
              log_u64("set", r->q.u.attr.set), log_str("result", gw_err_name(res->err)));
    request_status(r, res->err, res->text);
}

static void setstat_path(struct request *r, bool follow)
{
    const struct fs_attr *attr = &r->q.u.attr;
    r->then = setstat_done;
    if (r->h[0] != NULL) {
        r->op = fs_fsetstat(r->h[0]->file, attr, request_done, r);
    } else if (attr->set == 0) {
        r->then = status_done;
        r->op = fs_stat(r->s->fs, r->path[0], follow, request_done, r);
    } else {
        r->op = fs_setstat(r->s->fs, r->path[0], follow, attr, request_done, r);
    }
}

void run_setstat(struct request *r)
{
    setstat_path(r, true);
}

void run_lsetstat(struct request *r)
{
    setstat_path(r, false);
}

void run_remove(struct request *r)
{
    r->then = change_done;
    r->op = fs_remove(r->s->fs, r->path[0], request_done, r);
}

void run_mkdir(struct request *r)
{
    r->then = change_done;
    r->op = fs_mkdir(r->s->fs, r->path[0], request_create_attr(r, &r->q.u.attr), request_done, r);
}

void run_rmdir(struct request *r)
{
    r->then = change_done;
    r->op = fs_rmdir(r->s->fs, r->path[0], request_done, r);
}

static bool is_posix_rename(const struct request *r)
{
    return r->row->run == run_posix_rename;
}

static void rename_done(struct request *r, const struct fs_res *res)
{
    struct fs_res told = *res;
    if (res->err == GW_EXISTS && is_posix_rename(r) && !(r->granted & PERM_OVERWRITE)) {
        told.err = GW_DENIED;
        told.text = "overwriting is not permitted here";
    }
    change_done(r, &told);
}

static void rename_start(struct request *r)
{
    bool over = is_posix_rename(r) && (r->granted & PERM_OVERWRITE);
    r->then = rename_done;
    r->op = fs_rename(r->s->fs, r->path[0], r->path[1], over ? FS_RENAME_OVERWRITE : 0u,
                      request_done, r);
}

/* Only one of rename_files and rename_dirs is granted: which is needed? */
static void rename_kind_known(struct request *r, const struct fs_res *res)
{
    if (res->err != GW_OK) {
        change_done(r, res);
        return;
    }
    bool dir = res->attr->kind == FS_KIND_DIR;
    if (r->granted & (dir ? PERM_RENAME_DIRS : PERM_RENAME_FILES))
        rename_start(r);
    else
        request_status(r, GW_DENIED, NULL);
}

/* Onto itself: nothing to do if it is there. A store that renames by copy and delete must not see
 * it. */
static void rename_same(struct request *r, const struct fs_res *res)
{
    struct fs_res told = {.err = res->err, .text = res->text};
    if (res->err == GW_OK && !is_posix_rename(r))
        told.err = GW_EXISTS;
    change_done(r, &told);
}

void run_rename(struct request *r)
{
    const uint32_t both = PERM_RENAME_FILES | PERM_RENAME_DIRS;
    const char *rest;
    if (strcmp(r->path[0], r->path[1]) == 0) {
        r->then = rename_same;
        r->op = fs_stat(r->s->fs, r->path[0], false, request_done, r);
    } else if (vpath_under(r->path[1], r->path[0], &rest)) {
        request_status(r, GW_BAD_ARG, "a folder cannot be moved into itself");
    } else if ((r->granted & both) == both) {
        rename_start(r);
    } else {
        r->then = rename_kind_known;
        r->op = fs_stat(r->s->fs, r->path[0], false, request_done, r);
    }
}

void run_posix_rename(struct request *r)
{
    run_rename(r);
}

static void readlink_done(struct request *r, const struct fs_res *res)
{
    if (res->err != GW_OK)
        request_status(r, res->err, res->text);
    else if (strlen(res->target) > FS_PATH_MAX)
        request_status(r, GW_TOO_LARGE, NULL);
    else
        request_name(r, res->target);
}

void run_readlink(struct request *r)
{
    r->then = readlink_done;
    r->op = fs_readlink(r->s->fs, r->path[0], request_done, r);
}

void run_symlink(struct request *r)
{
    if (r->text[0] == '\0') {
        request_status(r, GW_NOT_FOUND, "a link needs a target");
        return;
    }
    r->then = change_done;
    r->op = fs_symlink(r->s->fs, r->text, r->path[0], request_done, r);
}

void run_hardlink(struct request *r)
{
    r->then = change_done;
    r->op = fs_hardlink(r->s->fs, r->path[0], r->path[1], request_done, r);
}

static void statvfs_done(struct request *r, const struct fs_res *res)
{
    if (res->err != GW_OK) {
        request_status(r, res->err, res->text);
        return;
    }
    wire_put_space(request_writer(r), r->id, res->space);
    request_end(r);
}

void run_statvfs(struct request *r)
{
    r->then = statvfs_done;
    r->op = fs_statvfs(r->s->fs, r->path[0], request_done, r);
}

void run_fstatvfs(struct request *r)
{
    r->then = statvfs_done;
    r->op = fs_statvfs(r->s->fs, r->h[0]->path, request_done, r);
}
