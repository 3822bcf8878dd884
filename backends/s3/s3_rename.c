#include "backends/s3/s3_rename.h"

#include <stdio.h>
#include <string.h>

#include "backends/attr_cache.h"
#include "backends/s3/s3_copy.h"
#include "backends/s3/s3_look.h"
#include "backends/s3/s3_marker.h"
#include "backends/s3/s3_tree.h"
#include "gateway/base/mem.h"

struct rename {
    struct fs_task task;
    struct s3_view *view;
    struct op *look[2];
    struct seen {
        enum gw_err err;
        char text[FS_TEXT_MAX];
        enum fs_kind kind;
        bool filled;
    } from, to;
    bool overwrite;
    char from_key[S3_KEY_MAX + 2], to_key[S3_KEY_MAX + 2];
    char from_prefix[S3_KEY_MAX + 2], to_prefix[S3_KEY_MAX + 2];
};

static void rename_release(struct fs_task *t)
{
    struct rename *r = (struct rename *)t;
    op_cancel(&r->look[0]);
    op_cancel(&r->look[1]);
    attr_cache_forget(s3_store_of(t)->cache, r->from_key);
    attr_cache_forget(s3_store_of(t)->cache, r->to_key);
}

static void parent_kept(void *arg)
{
    struct rename *r = arg;
    r->task.step = NULL;
    fs_task_ok(&r->task);
}

static size_t parent_len(const char *key)
{
    const char *slash = strrchr(key, '/');
    return slash == NULL ? 0 : (size_t)(slash - key);
}

/* The old name is gone: its folder stays. */
static void moved(struct rename *r)
{
    size_t n = parent_len(r->from_key);
    bool same = n == parent_len(r->to_key) && strncmp(r->from_key, r->to_key, n) == 0;
    r->task.step = same ? NULL : s3_marker_keep_parent(r->view, r->from_key, parent_kept, r);
    if (r->task.step == NULL)
        fs_task_ok(&r->task);
}

/* ---- a file ---- */

static void file_deleted(void *arg, const struct remote_res *res)
{
    struct rename *r = arg;
    r->task.step = NULL;
    if (res->err == GW_OK) {
        moved(r);
        return;
    }
    char text[FS_TEXT_MAX];
    snprintf(text, sizeof text, "copied, but the old name could not be deleted: %s",
             res->text != NULL ? res->text : gw_err_text(res->err));
    fs_task_fail(&r->task, res->err, text);
}

static void file_copied(void *arg, const struct fs_res *res)
{
    struct rename *r = arg;
    r->task.step = NULL;
    if (res->err != GW_OK) {
        fs_task_fail(&r->task, res->err, res->text);
        return;
    }
    const struct s3_req req = {.method = "DELETE", .key = r->from_key, .log = r->task.log};
    r->task.step = s3_client_start(s3_store_of(&r->task)->client, &req, file_deleted, r);
}

static void move_file(struct rename *r)
{
    if (r->to.kind == FS_KIND_DIR) {
        fs_task_fail(&r->task, r->overwrite ? GW_IS_DIR : GW_EXISTS, NULL);
        return;
    }
    if (r->to.kind == FS_KIND_REG && !r->overwrite) {
        fs_task_fail(&r->task, GW_EXISTS, NULL);
        return;
    }
    const struct s3_copy_args args = {.from = r->from_key, .to = r->to_key, .log = r->task.log};
    r->task.step = s3_copy_start(s3_store_of(&r->task), &args, file_copied, r);
}

/* ---- a folder ---- */

static void tree_moved(void *arg, const struct fs_res *res)
{
    struct rename *r = arg;
    r->task.step = NULL;
    if (res->err == GW_OK) {
        moved(r);
        return;
    }
    enum gw_err err = res->err == GW_EXISTS && r->overwrite ? GW_NOT_EMPTY : res->err;
    fs_task_fail(&r->task, err, res->text);
}

static void move_folder(struct rename *r)
{
    if (r->to.kind == FS_KIND_REG) {
        fs_task_fail(&r->task, r->overwrite ? GW_NOT_DIR : GW_EXISTS, NULL);
        return;
    }
    if (r->to.kind == FS_KIND_DIR && !r->to.filled && !r->overwrite) {
        fs_task_fail(&r->task, GW_EXISTS, NULL);
        return;
    }
    if (s3_look_prefix(r->from_key, r->from_prefix) != GW_OK ||
        s3_look_prefix(r->to_key, r->to_prefix) != GW_OK) {
        fs_task_fail(&r->task, GW_BAD_NAME, "the name is too long for a folder in S3");
        return;
    }
    /* Into itself, or onto a folder that holds it. */
    if (strncmp(r->to_prefix, r->from_prefix, strlen(r->from_prefix)) == 0) {
        fs_task_fail(&r->task, GW_BAD_ARG, "a folder cannot be moved into itself");
        return;
    }
    if (strncmp(r->from_prefix, r->to_prefix, strlen(r->to_prefix)) == 0) {
        fs_task_fail(&r->task, r->overwrite ? GW_NOT_EMPTY : GW_EXISTS, NULL);
        return;
    }
    const struct s3_tree_args args = {
        .from = r->from_prefix, .to = r->to_prefix, .filled = r->to.filled, .log = r->task.log};
    r->task.step = s3_tree_move(s3_store_of(&r->task), &args, tree_moved, r);
}

/* ---- the beginning ---- */

static void decide(struct rename *r)
{
    if (r->look[0] != NULL || r->look[1] != NULL)
        return;
    const struct seen *bad = r->from.err != GW_OK ? &r->from : &r->to;
    if (bad->err != GW_OK)
        fs_task_fail(&r->task, bad->err, bad->text[0] != '\0' ? bad->text : NULL);
    else if (r->from.kind == FS_KIND_UNKNOWN)
        fs_task_fail(&r->task, GW_NOT_FOUND, NULL);
    else if (strcmp(r->from_key, r->to_key) == 0)
        fs_task_fail(&r->task, r->overwrite ? GW_OK : GW_EXISTS, NULL);
    else if (r->from.kind == FS_KIND_REG)
        move_file(r);
    else
        move_folder(r);
}

static void note(struct seen *s, const struct s3_look_res *res)
{
    s->err = res->err;
    s->kind = res->kind;
    s->filled = res->filled;
    if (res->text != NULL)
        snprintf(s->text, sizeof s->text, "%s", res->text);
}

static void from_looked(void *arg, const struct s3_look_res *res)
{
    struct rename *r = arg;
    r->look[0] = NULL;
    note(&r->from, res);
    decide(r);
}

static void to_looked(void *arg, const struct s3_look_res *res)
{
    struct rename *r = arg;
    r->look[1] = NULL;
    note(&r->to, res);
    decide(r);
}

struct op *s3_rename_start(struct s3_view *v, const char *from, const char *to, uint32_t flags,
                           fs_done_fn *done, void *arg)
{
    char from_key[S3_KEY_MAX + 2];
    char to_key[S3_KEY_MAX + 2];
    if (strcmp(from, "/") == 0 || strcmp(to, "/") == 0)
        return fs_fail(v->fs.loop, GW_DENIED, "the root cannot be renamed", done, arg);
    if (s3_view_key(v, from, from_key) != GW_OK)
        return fs_fail(v->fs.loop, GW_NOT_FOUND, NULL, done, arg);
    if (s3_view_key(v, to, to_key) != GW_OK)
        return fs_fail(v->fs.loop, GW_BAD_NAME, "the name is too long for S3", done, arg);
    struct rename *r = fs_task_new(sizeof *r, &v->store->base, v->log, done, arg);
    r->task.release = rename_release;
    r->view = v;
    r->overwrite = flags & FS_RENAME_OVERWRITE;
    memcpy(r->from_key, from_key, sizeof from_key);
    memcpy(r->to_key, to_key, sizeof to_key);
    r->look[0] = s3_look_start(v->store, from_key, S3_LOOK_ANY, v->log, from_looked, r);
    r->look[1] = s3_look_start(v->store, to_key, S3_LOOK_ANY, v->log, to_looked, r);
    return &r->task.op;
}
