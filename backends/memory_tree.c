#include "backends/memory_tree.h"

#include <string.h>
#include <time.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

#define HOPS_MAX   40    /* symbolic links on one path, as Linux has it */
#define NODE_BYTES 1024u /* what a node costs the bound at least: names and links are not free */

struct memory_tree {
    struct list node; /* in `trees` */
    char *name;
    unsigned refs;
    uv_mutex_t lock;
    struct memory_node *root;
    uint64_t used, max; /* bytes */
    uint64_t nodes;
};

static uv_once_t trees_once = UV_ONCE_INIT;
static uv_mutex_t trees_lock; /* guards trees and every refs */
static struct list trees;

static void trees_init(void)
{
    uv_mutex_init(&trees_lock);
    list_init(&trees);
}

struct memory_tree *memory_tree_get(const char *name, uint64_t max_bytes)
{
    uv_once(&trees_once, trees_init);
    uv_mutex_lock(&trees_lock);
    struct memory_tree *t = NULL;
    LIST_EACH(it, &trees)
    {
        struct memory_tree *old = LIST_ENTRY(it, struct memory_tree, node);
        if (strcmp(old->name, name) == 0)
            t = old;
    }
    if (t == NULL) {
        t = mem_zalloc(sizeof *t);
        t->name = mem_strdup(name);
        t->max = max_bytes;
        uv_mutex_init(&t->lock);
        t->max += NODE_BYTES; /* the root is always there */
        t->root = memory_tree_node(t, FS_KIND_DIR, 0755);
        t->root->attr.nlink = 2;
        list_push(&trees, &t->node);
    }
    t->refs++;
    uv_mutex_unlock(&trees_lock);
    return t;
}

void memory_tree_put(struct memory_tree **tp)
{
    struct memory_tree *t = *tp;
    *tp = NULL;
    if (t == NULL)
        return;
    uv_mutex_lock(&trees_lock);
    bool last = --t->refs == 0;
    if (last)
        list_remove(&t->node);
    uv_mutex_unlock(&trees_lock);
    if (!last)
        return;
    memory_tree_unref(t, &t->root);
    uv_mutex_destroy(&t->lock);
    mem_free(t->name);
    mem_free(t);
}

void memory_tree_lock(struct memory_tree *t)
{
    uv_mutex_lock(&t->lock);
}

void memory_tree_unlock(struct memory_tree *t)
{
    uv_mutex_unlock(&t->lock);
}

struct memory_node *memory_tree_root(struct memory_tree *t)
{
    return t->root;
}

void memory_tree_space(const struct memory_tree *t, struct fs_space *out)
{
    uint64_t free_blocks = (t->max - t->used) / 4096;
    *out = (struct fs_space){
        .bsize = 4096,
        .frsize = 4096,
        .blocks = t->max / 4096,
        .bfree = free_blocks,
        .bavail = free_blocks,
        .files = t->max / NODE_BYTES,
        .ffree = (t->max - t->used) / NODE_BYTES,
        .favail = (t->max - t->used) / NODE_BYTES,
        .namemax = MEMORY_TREE_NAME_MAX,
    };
}

static void touch(struct memory_node *n)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    n->attr.mtime_s = n->attr.ctime_s = now.tv_sec;
    n->attr.mtime_ns = n->attr.ctime_ns = (uint32_t)now.tv_nsec;
}

struct memory_node *memory_tree_node(struct memory_tree *t, enum fs_kind kind, uint32_t mode)
{
    if (t->max - t->used < NODE_BYTES)
        return NULL;
    struct memory_node *n = mem_zalloc(sizeof *n);
    t->used += NODE_BYTES;
    t->nodes++;
    n->refs = 1;
    n->attr = (struct fs_attr){
        .set = FS_ATTR_SIZE | FS_ATTR_OWNER | FS_ATTR_MODE | FS_ATTR_ATIME | FS_ATTR_MTIME |
               FS_ATTR_CTIME | FS_ATTR_NLINK,
        .kind = kind,
        .mode = mode,
    };
    touch(n);
    n->attr.atime_s = n->attr.mtime_s;
    n->attr.atime_ns = n->attr.mtime_ns;
    return n;
}

struct memory_node *memory_tree_ref(struct memory_node *n)
{
    n->refs++;
    return n;
}

static void node_free(struct memory_tree *t, struct memory_node *n)
{
    t->used -= NODE_BYTES + n->cap;
    t->nodes--;
    mem_free(n->links);
    mem_free(n->data);
    mem_free(n->target);
    mem_free(n);
}

/* Without recursion: renames can make a tree deeper than any path. */
void memory_tree_unref(struct memory_tree *t, struct memory_node **np)
{
    struct memory_node *n = *np;
    *np = NULL;
    if (n == NULL || --n->refs > 0)
        return;
    n->up = NULL;
    while (n != NULL) {
        if (n->nlinks > 0) {
            struct memory_link *last = &n->links[--n->nlinks];
            struct memory_node *child = last->node;
            mem_free(last->name);
            bool gone = --child->refs == 0;
            if (gone || child->up == n)
                child->up = gone ? n : NULL;
            if (gone)
                n = child;
        } else {
            struct memory_node *up = n->up;
            node_free(t, n);
            n = up;
        }
    }
}

/* The index of `name`, or where it belongs. */
static size_t slot(const struct memory_node *dir, const char *name, bool *found)
{
    size_t lo = 0;
    size_t hi = dir->nlinks;
    *found = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = strcmp(dir->links[mid].name, name);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

size_t memory_tree_after(const struct memory_node *dir, const char *name)
{
    if (name == NULL)
        return 0;
    bool found;
    size_t i = slot(dir, name, &found);
    return found ? i + 1 : i;
}

/* What is still to be walked: a link's target is put before the rest. */
struct walk {
    char left[FS_PATH_MAX * 2];
    unsigned hops;
};

static enum gw_err follow_link(struct walk *w, const char *target, const char *rest)
{
    size_t tlen = strlen(target);
    size_t rlen = strlen(rest);
    if (++w->hops > HOPS_MAX)
        return GW_LOOP;
    if (tlen + rlen + 2 > sizeof w->left)
        return GW_BAD_NAME;
    memmove(w->left + tlen + 1, rest, rlen + 1);
    memcpy(w->left, target, tlen);
    w->left[tlen] = '/';
    return GW_OK;
}

/* One component: into place->name; *rest is what follows its slashes. */
static enum gw_err component(const char *at, struct memory_place *place, const char **rest)
{
    size_t n = strcspn(at, "/");
    if (n > MEMORY_TREE_NAME_MAX)
        return GW_BAD_NAME;
    memcpy(place->name, at, n);
    place->name[n] = '\0';
    *rest = at + n + strspn(at + n, "/");
    return GW_OK;
}

static void step_up(struct memory_node *root, struct memory_place *p)
{
    if (p->node != root && p->node->up != NULL)
        p->node = p->node->up;
    p->dir = p->node == root ? NULL : p->node->up;
}

enum gw_err memory_tree_find(struct memory_node *root, const char *path, unsigned how,
                             struct memory_place *out)
{
    struct walk w = {.hops = 0};
    *out = (struct memory_place){.node = root};
    if (strlen(path) >= sizeof w.left)
        return GW_BAD_NAME;
    memcpy(w.left, path, strlen(path) + 1);
    const char *at = w.left + strspn(w.left, "/");
    while (*at != '\0') {
        struct memory_node *dir = out->node;
        const char *rest;
        if (dir == NULL)
            return GW_NO_PATH;
        if (dir->attr.kind != FS_KIND_DIR)
            return GW_NOT_DIR;
        enum gw_err err = component(at, out, &rest);
        if (err != GW_OK)
            return err;
        at = rest;
        if (strcmp(out->name, ".") == 0)
            continue;
        if (strcmp(out->name, "..") == 0) {
            step_up(root, out);
            continue;
        }
        bool found;
        size_t i = slot(dir, out->name, &found);
        out->dir = dir;
        out->node = found ? dir->links[i].node : NULL;
        if (!found || out->node->attr.kind != FS_KIND_LINK ||
            (*rest == '\0' && (how & MEMORY_TREE_FOLLOW) == 0))
            continue;
        if ((how & MEMORY_TREE_NO_LINKS) != 0)
            return GW_DENIED;
        const char *target = out->node->target;
        err = follow_link(&w, target, rest);
        if (err != GW_OK)
            return err;
        out->node = target[0] == '/' ? root : dir;
        out->dir = out->node == root ? NULL : out->node->up;
        at = w.left + strspn(w.left, "/");
    }
    return GW_OK;
}

enum gw_err memory_tree_link(struct memory_tree *t, struct memory_node *dir, const char *name,
                             struct memory_node *n)
{
    (void)t;
    bool found;
    size_t i = slot(dir, name, &found);
    if (found)
        return GW_EXISTS;
    if (dir->nlinks == dir->links_cap) {
        size_t cap = dir->links_cap == 0 ? 8 : dir->links_cap * 2;
        struct memory_link *grown = mem_try_realloc(dir->links, cap * sizeof *grown);
        if (grown == NULL)
            return GW_NO_MEMORY;
        dir->links = grown;
        dir->links_cap = cap;
    }
    memmove(dir->links + i + 1, dir->links + i, (dir->nlinks - i) * sizeof *dir->links);
    dir->links[i] = (struct memory_link){mem_strdup(name), memory_tree_ref(n)};
    dir->nlinks++;
    if (n->attr.kind == FS_KIND_DIR) {
        n->up = dir;
        n->attr.nlink = 2;
        dir->attr.nlink++;
    } else {
        n->attr.nlink++;
    }
    touch(dir);
    return GW_OK;
}

void memory_tree_unlink(struct memory_tree *t, struct memory_node *dir, const char *name)
{
    bool found;
    size_t i = slot(dir, name, &found);
    if (!found)
        return;
    struct memory_node *n = dir->links[i].node;
    mem_free(dir->links[i].name);
    dir->nlinks--;
    memmove(dir->links + i, dir->links + i + 1, (dir->nlinks - i) * sizeof *dir->links);
    if (n->attr.kind == FS_KIND_DIR) {
        n->up = NULL;
        n->attr.nlink = 0;
        dir->attr.nlink--;
    } else {
        n->attr.nlink--;
    }
    touch(dir);
    memory_tree_unref(t, &n);
}

enum gw_err memory_tree_resize(struct memory_tree *t, struct memory_node *n, uint64_t size)
{
    if (size > n->cap) {
        uint64_t room = t->max - t->used;
        if (size - n->cap > room)
            return GW_NO_SPACE;
        uint64_t cap = n->cap * 2;
        if (cap < size || cap - n->cap > room)
            cap = size;
        uint8_t *grown = mem_try_realloc(n->data, (size_t)cap);
        if (grown == NULL)
            return GW_NO_SPACE;
        t->used += cap - n->cap;
        n->data = grown;
        n->cap = (size_t)cap;
    }
    if (size > n->attr.size)
        memset(n->data + n->attr.size, 0, (size_t)(size - n->attr.size));
    n->attr.size = size;
    touch(n);
    return GW_OK;
}

enum gw_err memory_tree_write(struct memory_tree *t, struct memory_node *n, uint64_t off,
                              struct gw_span data)
{
    uint64_t end = off + data.len;
    if (end < off)
        return GW_TOO_LARGE;
    if (end > n->attr.size) {
        enum gw_err err = memory_tree_resize(t, n, end);
        if (err != GW_OK)
            return err;
    }
    if (data.len > 0)
        memcpy(n->data + off, data.ptr, data.len);
    touch(n);
    return GW_OK;
}
