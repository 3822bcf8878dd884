/* Operations on names: what each adds to, or takes from, what is stored. */
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/vfs/quota_impl.h"

static struct quota *of(struct fs *fs)
{
    return (struct quota *)fs;
}

static void setstat_act(struct quota_call *c)
{
    struct quota *q = c->q;
    enum gw_err err = c->attr.size > INT64_MAX ? GW_TOO_LARGE : GW_OK;
    int64_t more = err == GW_OK ? (int64_t)c->attr.size - c->seen.size : 0;
    if (more > 0)
        err = quota_fits(q, c->attr.size);
    if (err == GW_OK && c->seen.is_file && more > 0) {
        err = quota_charge(q, (struct usage_sum){more, 0});
        c->charged.bytes = err == GW_OK ? more : 0;
    } else if (c->seen.is_file) {
        c->on_ok.bytes = c->seen.freed > 0 ? more : 0;
    }
    if (err != GW_OK)
        quota_call_refuse(c, err, NULL);
    else
        c->step = fs_setstat(q->inner, c->path[0], c->follow, &c->attr, quota_call_done, c);
}

struct op *quota_path_setstat(struct fs *fs, const char *path, bool follow,
                              const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    if (!(attr->set & FS_ATTR_SIZE))
        return fs_setstat(of(fs)->inner, path, follow, attr, done, arg);
    struct quota_call *c = quota_call_new(of(fs), path, NULL, done, arg);
    c->attr = *attr;
    c->follow = follow;
    c->look = c->path[0];
    c->act = setstat_act;
    c->holds = c->changes = true;
    return quota_call_start(c);
}

static void remove_act(struct quota_call *c)
{
    if (c->seen.is_file)
        c->on_ok = (struct usage_sum){-c->seen.freed, -1};
    c->step = fs_remove(c->q->inner, c->path[0], quota_call_done, c);
}

struct op *quota_path_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    if (of(fs)->usage == NULL)
        return fs_remove(of(fs)->inner, path, done, arg);
    struct quota_call *c = quota_call_new(of(fs), path, NULL, done, arg);
    c->look = c->path[0];
    c->act = remove_act;
    c->holds = c->changes = true;
    return quota_call_start(c);
}

static void rename_act(struct quota_call *c)
{
    if (c->seen.is_file)
        c->on_ok = (struct usage_sum){-c->seen.freed, -1};
    c->move = usage_hold_new(c->q->usage, c->path[0], USAGE_HOLD_MOVE);
    c->step = fs_rename(c->q->inner, c->path[0], c->path[1], c->flags, quota_call_done, c);
}

/* It frees what it overwrites. */
struct op *quota_path_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                             fs_done_fn *done, void *arg)
{
    struct quota *q = of(fs);
    if (q->usage == NULL)
        return fs_rename(q->inner, from, to, flags, done, arg);
    struct quota_call *c = quota_call_new(q, from, to, done, arg);
    c->flags = flags;
    c->look = flags & FS_RENAME_OVERWRITE ? c->path[1] : NULL;
    c->act = rename_act;
    c->holds = c->changes = true;
    return quota_call_start(c);
}

static void symlink_act(struct quota_call *c)
{
    enum gw_err err = quota_charge(c->q, (struct usage_sum){0, 1});
    if (err != GW_OK) {
        quota_call_refuse(c, err, NULL);
        return;
    }
    c->charged.files = 1;
    usage_has_links(c->q->usage);
    c->step = fs_symlink(c->q->inner, c->path[1], c->path[0], quota_call_done, c);
}

struct op *quota_path_symlink(struct fs *fs, const char *target, const char *path, fs_done_fn *done,
                              void *arg)
{
    if (of(fs)->usage == NULL)
        return fs_symlink(of(fs)->inner, target, path, done, arg);
    struct quota_call *c = quota_call_new(of(fs), path, target, done, arg);
    c->act = symlink_act;
    c->changes = true;
    return quota_call_start(c);
}

/* A second name counts as a second file: so does a count. */
static void hardlink_act(struct quota_call *c)
{
    struct usage_sum more = {c->seen.size, 1};
    enum gw_err err = quota_charge(c->q, more);
    if (err != GW_OK) {
        quota_call_refuse(c, err, NULL);
        return;
    }
    c->charged = more;
    usage_has_links(c->q->usage);
    c->step = fs_hardlink(c->q->inner, c->path[0], c->path[1], quota_call_done, c);
}

struct op *quota_path_hardlink(struct fs *fs, const char *from, const char *to, fs_done_fn *done,
                               void *arg)
{
    if (of(fs)->usage == NULL)
        return fs_hardlink(of(fs)->inner, from, to, done, arg);
    struct quota_call *c = quota_call_new(of(fs), from, to, done, arg);
    c->look = c->path[0];
    c->act = hardlink_act;
    c->changes = true;
    return quota_call_start(c);
}

/* ---- statvfs ---- */

#define BLOCK_BYTES 4096u

static uint64_t left_of(int64_t most, int64_t now)
{
    return now >= most ? 0 : (uint64_t)(most - now);
}

/* The user's own limits, and no more free than the store has. */
static void lay_over(struct quota *q, struct fs_space *s)
{
    struct usage_sum now = usage_now(q->usage);
    if (q->most.bytes > 0) {
        uint64_t unit = s->frsize > 0 && s->frsize <= UINT32_MAX ? s->frsize : BLOCK_BYTES;
        uint64_t left = left_of(q->most.bytes, now.bytes) / unit;
        s->bsize = s->frsize = unit;
        s->blocks = (uint64_t)q->most.bytes / unit;
        s->bavail = s->bavail < left ? s->bavail : left;
        s->bfree = s->bavail;
    }
    if (q->most.files > 0) {
        uint64_t left = left_of(q->most.files, now.files);
        s->files = (uint64_t)q->most.files;
        s->favail = s->favail < left ? s->favail : left;
        s->ffree = s->favail;
    }
}

static void statvfs_tell(struct quota_call *c, struct fs_res *res)
{
    struct fs_space *s = c->data;
    if (res->err == GW_OK)
        *s = *res->space;
    else if (res->err == GW_UNSUPPORTED) /* a store without an end */
        *s = (struct fs_space){BLOCK_BYTES, BLOCK_BYTES, UINT64_MAX, UINT64_MAX,
                               UINT64_MAX,  UINT64_MAX,  UINT64_MAX, UINT64_MAX,
                               0,           255,         false,      false};
    else
        return;
    lay_over(c->q, s);
    *res = (struct fs_res){.space = s};
}

static void statvfs_drop(struct quota_call *c)
{
    mem_free(c->data);
}

static void statvfs_act(struct quota_call *c)
{
    c->step = fs_statvfs(c->q->inner, c->path[0], quota_call_done, c);
}

struct op *quota_path_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct quota *q = of(fs);
    if (q->usage == NULL)
        return fs_statvfs(q->inner, path, done, arg);
    struct quota_call *c = quota_call_new(q, path, NULL, done, arg);
    c->data = mem_zalloc(sizeof(struct fs_space));
    c->act = statvfs_act;
    c->tell = statvfs_tell;
    c->drop = statvfs_drop;
    return quota_call_start(c);
}
