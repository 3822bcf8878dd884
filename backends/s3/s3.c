#include "backends/s3/s3.h"

#include <stdio.h>
#include <string.h>

#include "backends/attr_cache.h"
#include "backends/remote_open.h"
#include "backends/s3/s3_dir.h"
#include "backends/s3/s3_ops.h"
#include "backends/s3/s3_options.h"
#include "backends/s3/s3_page.h"
#include "backends/s3/s3_probe.h"
#include "backends/s3/s3_read.h"
#include "backends/s3/s3_rename.h"
#include "backends/s3/s3_stat.h"
#include "backends/s3/s3_sweep.h"
#include "backends/s3/s3_twin.h"
#include "backends/s3/s3_write.h"
#include "gateway/base/mem.h"

/* ---- what the files of this folder share ---- */

struct s3_store *s3_store_ref(struct s3_store *s)
{
    return (struct s3_store *)backend_ref(&s->base);
}

void s3_store_unref(struct s3_store **sp)
{
    struct backend *b = *sp != NULL ? &(*sp)->base : NULL;
    *sp = NULL;
    backend_unref(&b);
}

enum gw_err s3_view_key(const struct s3_view *v, const char *path, char *key)
{
    size_t n = strlen(v->prefix);
    size_t len = strlen(path + 1);
    if (n + len > S3_KEY_MAX)
        return GW_BAD_NAME;
    memcpy(key, v->prefix, n);
    memcpy(key + n, path + 1, len + 1);
    return GW_OK;
}

size_t s3_write_headers(const struct s3_conf *conf, struct gw_buf *out,
                        size_t offsets[S3_WRITE_HEADERS_MAX])
{
    static const char *const sse[] = {
        [S3_SSE_NONE] = NULL, [S3_SSE_AES256] = "AES256", [S3_SSE_KMS] = "aws:kms"};
    const struct {
        const char *name, *value;
    } all[S3_WRITE_HEADERS_MAX] = {
        {"x-amz-storage-class", conf->storage_class},
        {"x-amz-acl", conf->acl},
        {"x-amz-tagging", conf->tags},
        {"x-amz-server-side-encryption", sse[conf->sse.type]},
        {"x-amz-server-side-encryption-aws-kms-key-id",
         conf->sse.type == S3_SSE_KMS ? conf->sse.key_id : NULL},
    };
    size_t n = 0;
    for (size_t i = 0; i < S3_WRITE_HEADERS_MAX; i++) {
        if (all[i].value == NULL || *all[i].value == '\0')
            continue;
        offsets[n++] = out->len;
        gw_buf_printf(out, "%s: %s", all[i].name, all[i].value);
        gw_buf_put_u8(out, 0);
    }
    return n;
}

/* ---- views ---- */

static struct s3_view *view_of(struct fs *fs)
{
    return (struct s3_view *)fs;
}

static struct op *read_only(struct fs *fs, fs_done_fn *done, void *arg)
{
    return fs_fail(fs->loop, GW_READ_ONLY, NULL, done, arg);
}

static struct op *view_open(struct fs *fs, const char *path, uint32_t flags,
                            const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct op *refused = remote_open_refuse(fs, flags, done, arg);
    if (refused != NULL)
        return refused;
    return flags & FS_WRITE ? s3_write_open(view_of(fs), path, flags, attr, done, arg)
                            : s3_read_open(view_of(fs), path, done, arg);
}

static struct op *view_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done,
                            void *arg)
{
    (void)follow;
    return s3_stat_start(view_of(fs), path, done, arg);
}

static struct op *view_setstat(struct fs *fs, const char *path, bool follow,
                               const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    (void)follow;
    if (view_of(fs)->read_only)
        return read_only(fs, done, arg);
    return s3_stat_set(view_of(fs), path, attr, done, arg);
}

static struct op *view_opendir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return s3_dir_open(view_of(fs), path, done, arg);
}

static struct op *view_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    if (view_of(fs)->read_only)
        return read_only(fs, done, arg);
    return s3_ops_remove(view_of(fs), path, done, arg);
}

static struct op *view_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr,
                             fs_done_fn *done, void *arg)
{
    (void)attr;
    if (view_of(fs)->read_only)
        return read_only(fs, done, arg);
    return s3_ops_mkdir(view_of(fs), path, done, arg);
}

static struct op *view_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    if (view_of(fs)->read_only)
        return read_only(fs, done, arg);
    return s3_ops_rmdir(view_of(fs), path, done, arg);
}

static struct op *view_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                              fs_done_fn *done, void *arg)
{
    if (view_of(fs)->read_only)
        return read_only(fs, done, arg);
    return s3_rename_start(view_of(fs), from, to, flags, done, arg);
}

static void view_free(struct fs *fs)
{
    struct s3_view *v = view_of(fs);
    budget_free(&v->budget);
    s3_store_unref(&v->store);
    mem_free(v->prefix);
    mem_free(v);
}

static const struct fs_type view_type = {
    .name = "s3",
    .open = view_open,
    REMOTE_FILE_ROWS,
    .stat = view_stat,
    .setstat = view_setstat,
    .opendir = view_opendir,
    .readdir = s3_dir_read,
    .closedir = s3_dir_close,
    .remove = view_remove,
    .mkdir = view_mkdir,
    .rmdir = view_rmdir,
    .rename = view_rename,
    .free = view_free,
};

static enum gw_err store_view(struct backend *b, const struct backend_view *args, struct fs **out)
{
    struct s3_store *s = NULL;
    enum gw_err err = s3_twin_of((struct s3_store *)b, args->credentials, &s, NULL);
    if (err != GW_OK)
        return err;
    const char *first = s->conf->prefix != NULL ? s->conf->prefix : "";
    const char *second = args->prefix != NULL ? args->prefix : "";
    if (!fs_prefix_ok(second)) {
        s3_store_unref(&s);
        return GW_BAD_NAME;
    }
    size_t a = strlen(first);
    size_t c = strlen(second);
    struct s3_view *v = mem_zalloc(sizeof *v);
    v->fs.type = &view_type;
    v->fs.loop = b->env.loop;
    v->fs.caps = FS_CAP_COPY | (args->read_only ? FS_CAP_READ_ONLY : 0);
    v->store = s;
    v->budget = b->env.budget == NULL ? NULL : budget_share(b->env.budget);
    v->read_only = args->read_only;
    v->log = args->log;
    v->prefix = mem_printf("%s%s%s%s", first, a > 0 && first[a - 1] != '/' ? "/" : "", second,
                           c > 0 && second[c - 1] != '/' ? "/" : "");
    *out = &v->fs;
    return GW_OK;
}

/* ---- the store ---- */

static struct op *store_probe(struct backend *b, backend_done_fn *done, void *arg)
{
    return s3_probe_start((struct s3_store *)b, done, arg);
}

static struct op *store_sweep(struct backend *b, backend_done_fn *done, void *arg)
{
    return s3_sweep_start((struct s3_store *)b, done, arg);
}

static void store_free(struct backend *b)
{
    struct s3_store *s = (struct s3_store *)b;
    struct s3_store *original = s->original;
    s3_client_free(&s->client);
    attr_cache_free(&s->cache);
    if (original != NULL)
        list_remove(&s->node);
    mem_free(s);
    s3_store_unref(&original); /* whose connections it used */
}

static enum gw_err store_admits(struct backend *b, const struct backend_view *args,
                                struct gw_errmsg *msg)
{
    struct s3_store *s = NULL;
    enum gw_err err = s3_twin_of((struct s3_store *)b, args->credentials, &s, msg);
    s3_store_unref(&s);
    return err;
}

static const struct backend_type store_type = {.view = store_view,
                                               .admits = store_admits,
                                               .probe = store_probe,
                                               .sweep = store_sweep,
                                               .free = store_free};

static enum gw_err store_make(const struct backend_env *env, const void *conf, struct backend **out,
                              struct gw_errmsg *msg)
{
    struct s3_store *s = mem_zalloc(sizeof *s);
    s->base.type = &store_type;
    s->conf = conf;
    list_init(&s->twins);
    enum gw_err err = GW_OK;
    if (s->conf->prefix != NULL && !fs_prefix_ok(s->conf->prefix))
        err = gw_err_set(msg, GW_CONFIG,
                         "prefix: must not begin with a slash, nor hold \"//\", \".\" or \"..\"");
    if (err == GW_OK && env->is_users && s->conf->credentials.access_key_id == NULL)
        err =
            gw_err_set(msg, GW_CONFIG,
                       "credentials: are missing: a user's own store takes none of the gateway's");
    if (err == GW_OK)
        err = s3_client_new(env->loop, s->conf, &s->client, msg);
    if (err != GW_OK) {
        mem_free(s);
        return err;
    }
    s->cache = attr_cache_new(env->loop, s->conf->stat_cache_ms);
    *out = &s->base;
    return GW_OK;
}

const struct backend_kind s3_kind = {
    .opt = {.name = "s3",
            .help = "One bucket of Amazon S3, or of a store that speaks its API.",
            .tab = s3_options,
            .size = sizeof(struct s3_conf)},
    .make = store_make,
};
