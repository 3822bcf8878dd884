#include "backends/s3/s3_stat.h"

#include <string.h>

#include "backends/attr_cache.h"
#include "backends/s3/s3_copy.h"
#include "backends/s3/s3_look.h"
#include "backends/s3/s3_meta.h"
#include "gateway/base/mem.h"

struct stat_task {
    struct fs_task task;
    char *key;
    uint64_t since;
    struct fs_attr attr; /* found in the cache; or what is to be set */
    /* Of one that is open: held while the object is copied. Then its ETag is the copy's. */
    struct read_ahead *reader;
    char made[S3_COPY_ETAG_MAX];
};

static void reader_go_on(struct stat_task *s)
{
    if (s->reader != NULL)
        read_ahead_go_on(s->reader, s->made);
    s->reader = NULL;
}

static void stat_release(struct fs_task *t)
{
    struct stat_task *s = (struct stat_task *)t;
    reader_go_on(s);
    mem_free(s->key);
}

static struct stat_task *stat_new(struct s3_view *v, const char *key, fs_done_fn *done, void *arg)
{
    struct stat_task *s = fs_task_new(sizeof *s, &v->store->base, v->log, done, arg);
    s->task.release = stat_release;
    s->key = mem_strdup(key);
    s->since = attr_cache_now();
    return s;
}

static void stat_known(void *arg)
{
    struct stat_task *s = arg;
    s->task.step = NULL;
    fs_task_end(&s->task, &(struct fs_res){.attr = &s->attr});
}

static void stat_looked(void *arg, const struct s3_look_res *res)
{
    struct stat_task *s = arg;
    s->task.step = NULL;
    if (res->err == GW_OK && res->kind != FS_KIND_UNKNOWN)
        attr_cache_put(s3_store_of(&s->task)->cache, s->key, &res->attr, s->since);
    enum gw_err err = res->err;
    if (err == GW_OK && res->kind == FS_KIND_UNKNOWN)
        err = GW_NOT_FOUND;
    fs_task_end(&s->task, &(struct fs_res){.err = err, .text = res->text, .attr = &res->attr});
}

struct op *s3_stat_start(struct s3_view *v, const char *path, fs_done_fn *done, void *arg)
{
    char key[S3_KEY_MAX + 2];
    enum gw_err err = s3_view_key(v, path, key);
    if (err != GW_OK)
        return fs_fail(v->fs.loop, GW_NOT_FOUND, "no such file: the name is too long for S3", done,
                       arg);
    struct stat_task *s = stat_new(v, key, done, arg);
    bool root = strcmp(path, "/") == 0;
    if (root)
        remote_meta_attr_dir(s3_client_now_s(v->store->client), &s->attr);
    if (root || attr_cache_get(v->store->cache, key, &s->attr))
        s->task.step = loop_defer(v->fs.loop, stat_known, s);
    else
        s->task.step = s3_look_start(v->store, key, S3_LOOK_ANY, v->log, stat_looked, s);
    return &s->task.op;
}

static void set_kept(struct stat_task *s)
{
    s->attr.set = FS_ATTR_MTIME;
    fs_task_end(&s->task, &(struct fs_res){.attr = &s->attr});
}

static void set_copied(void *arg, const struct fs_res *res)
{
    struct stat_task *s = arg;
    s->task.step = NULL;
    attr_cache_forget(s3_store_of(&s->task)->cache, s->key);
    reader_go_on(s); /* done may free it */
    if (res->err != GW_OK)
        fs_task_fail(&s->task, res->err, res->text);
    else
        set_kept(s);
}

static bool same_mtime(const struct fs_attr *a, const struct fs_attr *b)
{
    return (a->set & FS_ATTR_MTIME) && a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns;
}

static void set_end(struct stat_task *s, enum gw_err err, const char *text)
{
    reader_go_on(s);
    fs_task_fail(&s->task, err, text);
}

static void set_looked(void *arg, const struct s3_look_res *res)
{
    struct stat_task *s = arg;
    s->task.step = NULL;
    if (res->err != GW_OK || res->kind == FS_KIND_UNKNOWN) {
        set_end(s, res->err != GW_OK ? res->err : GW_NOT_FOUND, res->text);
        return;
    }
    bool file = res->kind == FS_KIND_REG;
    if ((s->attr.set & FS_ATTR_SIZE) && (!file || s->attr.size != res->attr.size)) {
        set_end(s, GW_UNSUPPORTED, "an object in S3 cannot be cut or extended");
        return;
    }
    if (!file || !(s->attr.set & FS_ATTR_MTIME) || same_mtime(&res->attr, &s->attr)) {
        set_end(s, GW_OK, NULL);
        return;
    }
    attr_cache_forget(s3_store_of(&s->task)->cache, s->key);
    const struct s3_copy_args args = {.from = s->key,
                                      .to = s->key,
                                      .etag = s->reader != NULL ? read_ahead_etag(s->reader) : NULL,
                                      .made = s->made,
                                      .set_mtime = true,
                                      .mtime_s = s->attr.mtime_s,
                                      .mtime_ns = s->attr.mtime_ns,
                                      .log = s->task.log};
    s->task.step = s3_copy_start(s3_store_of(&s->task), &args, set_copied, s);
}

static struct op *set_start(struct s3_view *v, const char *key, struct read_ahead *reader,
                            const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    if (v->store->conf->setstat == S3_SETSTAT_STRICT &&
        (attr->set & (FS_ATTR_MODE | FS_ATTR_OWNER)))
        return fs_fail(v->fs.loop, GW_UNSUPPORTED, "S3 keeps no permissions and owners", done, arg);
    struct stat_task *s = stat_new(v, key, done, arg);
    s->attr = *attr;
    s->reader = reader;
    if (reader != NULL)
        read_ahead_hold(reader);
    s->task.step = s3_look_start(v->store, key, S3_LOOK_ANY, v->log, set_looked, s);
    return &s->task.op;
}

struct op *s3_stat_set(struct s3_view *v, const char *path, const struct fs_attr *attr,
                       fs_done_fn *done, void *arg)
{
    char key[S3_KEY_MAX + 2];
    enum gw_err err = s3_view_key(v, path, key);
    if (err != GW_OK)
        return fs_fail(v->fs.loop, GW_NOT_FOUND, "no such file: the name is too long for S3", done,
                       arg);
    return set_start(v, key, NULL, attr, done, arg);
}

struct op *s3_stat_set_open(struct s3_view *v, const char *key, struct read_ahead *reader,
                            const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    return set_start(v, key, reader, attr, done, arg);
}
