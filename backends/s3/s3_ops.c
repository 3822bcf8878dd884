#include "backends/s3/s3_ops.h"

#include <string.h>

#include "backends/attr_cache.h"
#include "backends/s3/s3_look.h"
#include "backends/s3/s3_marker.h"
#include "gateway/base/mem.h"

struct ops_task {
    struct fs_task task;
    struct s3_view *view;
    char key[S3_KEY_MAX + 2]; /* as s3_view_key() gives it; of a folder then its prefix */
};

static void deleted(void *arg, const struct remote_res *res);

/* NULL and *failed: the name cannot be one. */
static struct ops_task *ops_new(struct s3_view *v, const char *path, fs_done_fn *done, void *arg,
                                struct op **failed)
{
    char key[S3_KEY_MAX + 2];
    enum gw_err err = s3_view_key(v, path, key);
    if (err != GW_OK || strcmp(path, "/") == 0) {
        *failed = fs_fail(v->fs.loop, err != GW_OK ? err : GW_DENIED, NULL, done, arg);
        return NULL;
    }
    struct ops_task *o = fs_task_new(sizeof *o, &v->store->base, v->log, done, arg);
    o->view = v;
    memcpy(o->key, key, sizeof key);
    return o;
}

/* The cache knows a folder without its slash. */
static void forget(struct ops_task *o)
{
    size_t n = strlen(o->key);
    if (o->key[n - 1] == '/') {
        char *folder = mem_strndup(o->key, n - 1);
        attr_cache_forget(s3_store_of(&o->task)->cache, folder);
        mem_free(folder);
    } else {
        attr_cache_forget(s3_store_of(&o->task)->cache, o->key);
    }
}

static void delete_key(struct ops_task *o)
{
    const struct s3_req req = {.method = "DELETE", .key = o->key, .log = o->task.log};
    forget(o);
    o->task.step = s3_client_start(s3_store_of(&o->task)->client, &req, deleted, o);
}

static void parent_kept(void *arg)
{
    struct ops_task *o = arg;
    o->task.step = NULL;
    fs_task_ok(&o->task);
}

static void deleted(void *arg, const struct remote_res *res)
{
    struct ops_task *o = arg;
    o->task.step = NULL;
    forget(o);
    if (res->err != GW_OK) {
        remote_end_task(&o->task, res);
        return;
    }
    o->task.step = s3_marker_keep_parent(o->view, o->key, parent_kept, o);
    if (o->task.step == NULL)
        fs_task_ok(&o->task);
}

/* True: the look failed or found nothing, and the task has ended. */
static bool nothing_there(struct ops_task *o, const struct s3_look_res *res)
{
    if (res->err == GW_OK && res->kind != FS_KIND_UNKNOWN)
        return false;
    fs_task_fail(&o->task, res->err != GW_OK ? res->err : GW_NOT_FOUND, res->text);
    return true;
}

static void remove_looked(void *arg, const struct s3_look_res *res)
{
    struct ops_task *o = arg;
    o->task.step = NULL;
    if (nothing_there(o, res))
        return;
    if (res->kind == FS_KIND_DIR)
        fs_task_fail(&o->task, GW_IS_DIR, NULL);
    else
        delete_key(o);
}

struct op *s3_ops_remove(struct s3_view *v, const char *path, fs_done_fn *done, void *arg)
{
    struct op *failed;
    struct ops_task *o = ops_new(v, path, done, arg, &failed);
    if (o == NULL)
        return failed;
    o->task.step = s3_look_start(v->store, o->key, S3_LOOK_ANY, v->log, remove_looked, o);
    return &o->task.op;
}

static void rmdir_looked(void *arg, const struct s3_look_res *res)
{
    struct ops_task *o = arg;
    o->task.step = NULL;
    if (nothing_there(o, res))
        return;
    if (res->kind != FS_KIND_DIR) {
        fs_task_fail(&o->task, GW_NOT_DIR, NULL);
    } else if (res->filled || s3_look_prefix(o->key, o->key) != GW_OK) {
        fs_task_fail(&o->task, GW_NOT_EMPTY, NULL);
    } else {
        delete_key(o);
    }
}

struct op *s3_ops_rmdir(struct s3_view *v, const char *path, fs_done_fn *done, void *arg)
{
    struct op *failed;
    struct ops_task *o = ops_new(v, path, done, arg, &failed);
    if (o == NULL)
        return failed;
    o->task.step = s3_look_start(v->store, o->key, S3_LOOK_ANY, v->log, rmdir_looked, o);
    return &o->task.op;
}

static void mkdir_put(void *arg, const struct remote_res *res)
{
    struct ops_task *o = arg;
    o->task.step = NULL;
    forget(o);
    remote_end_task(&o->task, res);
}

static void mkdir_looked(void *arg, const struct s3_look_res *res)
{
    struct ops_task *o = arg;
    o->task.step = NULL;
    if (res->err != GW_OK || res->kind != FS_KIND_UNKNOWN) {
        fs_task_fail(&o->task, res->err != GW_OK ? res->err : GW_EXISTS, res->text);
        return;
    }
    if (!s3_store_of(&o->task)->conf->directory_markers) {
        fs_task_ok(&o->task);
        return;
    }
    if (s3_look_prefix(o->key, o->key) != GW_OK) {
        fs_task_fail(&o->task, GW_BAD_NAME, "the name is too long for a folder in S3");
        return;
    }
    forget(o);
    o->task.step = s3_marker_put(s3_store_of(&o->task), o->key, o->task.log, mkdir_put, o);
}

struct op *s3_ops_mkdir(struct s3_view *v, const char *path, fs_done_fn *done, void *arg)
{
    if (strcmp(path, "/") == 0)
        return fs_fail(v->fs.loop, GW_EXISTS, NULL, done, arg);
    struct op *failed;
    struct ops_task *o = ops_new(v, path, done, arg, &failed);
    if (o == NULL)
        return failed;
    o->task.step = s3_look_start(v->store, o->key, S3_LOOK_ANY, v->log, mkdir_looked, o);
    return &o->task.op;
}
