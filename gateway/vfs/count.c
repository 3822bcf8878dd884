#include "gateway/vfs/count.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

#define BATCH 1000u

struct folder {
    struct list node;
    char path[];
};

struct count {
    struct op op;
    struct vfs *v;
    struct op *step;
    struct fs_dir *dir;
    struct folder *now;  /* being listed */
    struct list folders; /* to be listed */
    unsigned nfolders;
    struct count_sum found;
    char *first_foreign;
    enum gw_err err; /* of what could not be read */
    char text[FS_TEXT_MAX];
    count_done_fn *done;
    void *arg;
};

static void count_free(struct count *c)
{
    op_cancel(&c->step);
    fs_closedir(&c->dir);
    mem_free(c->now);
    mem_free(c->first_foreign);
    while (!list_empty(&c->folders)) {
        struct folder *f = LIST_ENTRY(list_first(&c->folders), struct folder, node);
        list_remove(&f->node);
        mem_free(f);
    }
    mem_free(c);
}

static void cancel(struct op *op)
{
    count_free((struct count *)op);
}

static const struct op_type count_type = {"count", cancel};

static void end(struct count *c, enum gw_err err, const char *text)
{
    c->found.first_foreign = c->first_foreign;
    c->found.where = c->now == NULL ? NULL : c->now->path;
    c->done(c->arg, err, text, &c->found);
    count_free(c);
}

/* False: the path is too long to be anybody's, or there are too many. */
static bool add_folder(struct count *c, const char *in, const char *name)
{
    size_t a = strcmp(in, "/") == 0 ? 0 : strlen(in), b = strlen(name);
    if (c->nfolders >= COUNT_FOLDERS_MAX || a + 1 + b > FS_PATH_MAX)
        return false;
    struct folder *f = mem_alloc(sizeof *f + a + 1 + b + 1);
    memcpy(f->path, in, a);
    f->path[a] = '/';
    memcpy(f->path + a + 1, name, b + 1);
    list_push(&c->folders, &f->node);
    c->nfolders++;
    return true;
}

/* Files with holes may have more bytes than there are numbers. */
static void add_bytes(struct usage_sum *sum, uint64_t n)
{
    uint64_t room = (uint64_t)(INT64_MAX - sum->bytes);
    sum->bytes += (int64_t)(n < room ? n : room);
}

static void next_folder(void *arg);
static void list_more(struct count *c);

/* Nothing that came through this gateway can be in it. */
static bool is_foreign(const struct fs_attr *attr)
{
    return (attr->set & FS_ATTR_OWNER) && (attr->set & FS_ATTR_MODE) && attr->uid != geteuid() &&
           (attr->mode & 022u) == 0;
}

static void judge_folder(void *arg, const struct fs_res *res)
{
    struct count *c = arg;
    c->step = NULL;
    if (res->err != GW_OK || !is_foreign(res->attr)) {
        end(c, c->err, c->text[0] == '\0' ? NULL : c->text);
        return;
    }
    if (c->found.foreign++ == 0)
        c->first_foreign = mem_strdup(c->now->path);
    fs_closedir(&c->dir);
    c->step = loop_defer(vfs_fs(c->v)->loop, next_folder, c);
}

/* The folder in hand cannot be read, or what is in it not looked at. */
static void unreadable(struct count *c, enum gw_err err, const char *text)
{
    if (err != GW_DENIED) {
        end(c, err, text);
        return;
    }
    c->err = err;
    snprintf(c->text, sizeof c->text, "%s", text == NULL ? "" : text);
    c->step = fs_stat(vfs_fs(c->v), c->now->path, false, judge_folder, c);
}

static void listed(void *arg, const struct fs_res *res)
{
    struct count *c = arg;
    c->step = NULL;
    if (res->err == GW_EOF) {
        fs_closedir(&c->dir);
        c->step = loop_defer(vfs_fs(c->v)->loop, next_folder, c);
        return;
    }
    if (res->err != GW_OK) {
        unreadable(c, res->err, res->text);
        return;
    }
    bool counts = !vfs_is_read_only(c->v, c->now->path);
    for (size_t i = 0; i < res->nentries; i++) {
        const struct fs_entry *e = &res->entries[i];
        if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
            continue;
        /* A folder may be listed whose entries may not be looked at (chmod 0400). */
        if (e->attr.kind == FS_KIND_UNKNOWN && e->attr.set == 0) {
            unreadable(c, GW_DENIED, NULL);
            return;
        }
        if (e->attr.kind == FS_KIND_DIR) {
            if (!add_folder(c, c->now->path, e->name)) {
                end(c, GW_TOO_LARGE, "too many folders to count");
                return;
            }
        } else if (counts) {
            c->found.sum.files++;
            if (e->attr.kind == FS_KIND_LINK ||
                ((e->attr.set & FS_ATTR_NLINK) && e->attr.nlink > 1))
                c->found.links = true;
            if (e->attr.kind == FS_KIND_REG && (e->attr.set & FS_ATTR_SIZE))
                add_bytes(&c->found.sum, e->attr.size);
        }
    }
    list_more(c);
}

static void list_more(struct count *c)
{
    c->step = fs_readdir(c->dir, BATCH, listed, c);
}

static void opened(void *arg, const struct fs_res *res)
{
    struct count *c = arg;
    c->step = NULL;
    /* Removed meanwhile, or a user's folder that its first upload will make: nothing is there. */
    if (res->err == GW_NOT_FOUND || res->err == GW_NO_PATH) {
        c->step = loop_defer(vfs_fs(c->v)->loop, next_folder, c);
        return;
    }
    if (res->err != GW_OK) {
        unreadable(c, res->err, res->text);
        return;
    }
    c->dir = res->dir;
    list_more(c);
}

static void next_folder(void *arg)
{
    struct count *c = arg;
    c->step = NULL;
    mem_free(c->now);
    c->now = NULL;
    while (c->now == NULL && !list_empty(&c->folders)) {
        struct folder *f = LIST_ENTRY(c->folders.prev, struct folder, node); /* depth first */
        list_remove(&f->node);
        c->nfolders--;
        if (vfs_is_read_only(c->v, f->path) && !vfs_leads_to_mount(c->v, f->path))
            mem_free(f);
        else
            c->now = f;
    }
    if (c->now == NULL)
        end(c, GW_OK, NULL);
    else
        c->step = fs_opendir(vfs_fs(c->v), c->now->path, opened, c);
}

struct op *count_start(struct vfs *v, count_done_fn *done, void *arg)
{
    struct count *c = mem_zalloc(sizeof *c);
    c->op.type = &count_type;
    c->v = v;
    c->done = done;
    c->arg = arg;
    list_init(&c->folders);
    (void)add_folder(c, "/", "");
    c->step = loop_defer(vfs_fs(v)->loop, next_folder, c);
    return &c->op;
}
