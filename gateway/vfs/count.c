#include "gateway/vfs/count.h"

#include <string.h>

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
    count_done_fn *done;
    void *arg;
};

static void count_free(struct count *c)
{
    op_cancel(&c->step);
    fs_closedir(&c->dir);
    mem_free(c->now);
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
        end(c, res->err, res->text);
        return;
    }
    bool counts = !vfs_is_read_only(c->v, c->now->path);
    for (size_t i = 0; i < res->nentries; i++) {
        const struct fs_entry *e = &res->entries[i];
        if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
            continue;
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
        end(c, res->err, res->text);
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
