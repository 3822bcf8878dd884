#include "gateway/vfs/merge.h"

#include <string.h>

#include "gateway/base/mem.h"

struct merge_dir {
    struct fs_dir base;
    struct fs_dir *inner; /* NULL = the store has no such folder */
    char **names;
    size_t n;
    bool names_given;
};

struct merge_op {
    struct op op;
    struct op *inner; /* the store's, or the next turn's */
    fs_done_fn *done;
    void *arg;
    struct merge_dir *dir; /* opendir: ours until done; readdir: borrowed */
    bool owns_dir;
    size_t want;
    struct fs_entry *entries; /* of a batch that had to be filtered, or of the names */
};

static const struct fs_attr folder = {
    .set = FS_ATTR_MODE,
    .kind = FS_KIND_DIR,
    .mode = 0755,
};

static void names_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free(names[i]);
    mem_free(names);
}

static void op_free(struct merge_op *o)
{
    if (o->owns_dir && o->dir != NULL)
        merge_closedir(&o->dir->base);
    mem_free(o->entries);
    mem_free(o);
}

static void merge_cancel(struct op *op)
{
    struct merge_op *o = (struct merge_op *)op;
    op_cancel(&o->inner);
    op_free(o);
}

static const struct op_type merge_op_type = {"merge", merge_cancel};

static struct merge_op *op_new(fs_done_fn *done, void *arg)
{
    struct merge_op *o = mem_zalloc(sizeof *o);
    o->op.type = &merge_op_type;
    o->done = done;
    o->arg = arg;
    return o;
}

static void finish(struct merge_op *o, const struct fs_res *res)
{
    o->done(o->arg, res);
    op_free(o);
}

static bool is_missing(enum gw_err err)
{
    return err == GW_NOT_FOUND || err == GW_NO_PATH;
}

static void stat_synthetic(void *arg)
{
    struct merge_op *o = arg;
    o->inner = NULL;
    struct fs_res res = {.attr = &folder};
    finish(o, &res);
}

static void stat_done(void *arg, const struct fs_res *res)
{
    struct merge_op *o = arg;
    o->inner = NULL;
    struct fs_res mine = is_missing(res->err) ? (struct fs_res){.attr = &folder} : *res;
    finish(o, &mine);
}

struct op *merge_stat(const struct merge_at *at, bool follow, fs_done_fn *done, void *arg)
{
    struct merge_op *o = op_new(done, arg);
    o->inner = at->inner == NULL ? loop_defer(at->tree->loop, stat_synthetic, o)
                                 : fs_stat(at->inner, at->path, follow, stat_done, o);
    return &o->op;
}

static void give_dir(struct merge_op *o)
{
    struct fs_res res = {.dir = &o->dir->base};
    o->dir = NULL;
    finish(o, &res);
}

static void opendir_synthetic(void *arg)
{
    struct merge_op *o = arg;
    o->inner = NULL;
    give_dir(o);
}

static void opendir_done(void *arg, const struct fs_res *res)
{
    struct merge_op *o = arg;
    o->inner = NULL;
    if (res->err != GW_OK && !is_missing(res->err)) {
        finish(o, res);
        return;
    }
    o->dir->inner = res->dir;
    give_dir(o);
}

struct op *merge_opendir(const struct merge_at *at, char **names, size_t n, fs_done_fn *done,
                         void *arg)
{
    struct merge_op *o = op_new(done, arg);
    o->dir = mem_zalloc(sizeof *o->dir);
    o->dir->base.fs = at->tree;
    o->dir->names = names;
    o->dir->n = n;
    o->owns_dir = true;
    o->inner = at->inner == NULL ? loop_defer(at->tree->loop, opendir_synthetic, o)
                                 : fs_opendir(at->inner, at->path, opendir_done, o);
    return &o->op;
}

static void give_names(void *arg)
{
    struct merge_op *o = arg;
    o->inner = NULL;
    struct merge_dir *d = o->dir;
    struct fs_res res = {.err = GW_EOF};
    if (!d->names_given && d->n > 0) {
        o->entries = mem_array(d->n, sizeof *o->entries);
        for (size_t i = 0; i < d->n; i++)
            o->entries[i] = (struct fs_entry){.name = d->names[i], .attr = folder};
        res = (struct fs_res){.entries = o->entries, .nentries = d->n};
    }
    d->names_given = true;
    finish(o, &res);
}

static bool is_merged_name(const struct merge_dir *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->names[i], name) == 0)
            return true;
    return false;
}

static void readdir_done(void *arg, const struct fs_res *res)
{
    struct merge_op *o = arg;
    o->inner = NULL;
    if (res->err != GW_OK) {
        finish(o, res);
        return;
    }
    size_t kept = 0;
    mem_free(o->entries);
    o->entries = mem_array(res->nentries, sizeof *o->entries);
    for (size_t i = 0; i < res->nentries; i++)
        if (!is_merged_name(o->dir, res->entries[i].name))
            o->entries[kept++] = res->entries[i];
    if (kept == 0) { /* nothing but names that were given already */
        o->inner = fs_readdir(o->dir->inner, o->want, readdir_done, o);
        return;
    }
    struct fs_res mine = {.entries = o->entries, .nentries = kept};
    finish(o, &mine);
}

struct op *merge_readdir(struct fs_dir *dir, size_t want, fs_done_fn *done, void *arg)
{
    struct merge_dir *d = (struct merge_dir *)dir;
    struct merge_op *o = op_new(done, arg);
    o->dir = d;
    o->want = want;
    o->inner = !d->names_given || d->inner == NULL ? loop_defer(dir->fs->loop, give_names, o)
                                                   : fs_readdir(d->inner, want, readdir_done, o);
    return &o->op;
}

void merge_closedir(struct fs_dir *dir)
{
    struct merge_dir *d = (struct merge_dir *)dir;
    fs_closedir(&d->inner);
    names_free(d->names, d->n);
    mem_free(d);
}
