/*
 * The tree behind the memory store: nodes, the links between them, and the walk along a path.
 * One tree a backend name and process. Everything but get, put and lock needs the lock held.
 */
#ifndef BACKENDS_MEMORY_TREE_H
#define BACKENDS_MEMORY_TREE_H

#include "backends/fs.h"

#define MEMORY_TREE_NAME_MAX 255u

struct memory_tree;

struct memory_link {
    char *name;
    struct memory_node *node;
};

struct memory_node {
    struct fs_attr attr; /* kind, mode, owner, nlink, times; size as well, of a file */
    unsigned refs;       /* links, open handles, roots of views */
    uint8_t *data;       /* FS_KIND_REG: attr.size bytes */
    size_t cap;
    char *target;              /* FS_KIND_LINK */
    struct memory_node *up;    /* FS_KIND_DIR: not counted; NULL = the root, or no longer linked */
    struct memory_link *links; /* FS_KIND_DIR: sorted by name */
    size_t nlinks, links_cap;
};

/* Where a path leads: node is NULL where nothing of that name is, dir is NULL of the root itself.
 */
struct memory_place {
    struct memory_node *dir, *node;
    char name[MEMORY_TREE_NAME_MAX + 1];
};

/* max_bytes counts of the first getter. */
struct memory_tree *memory_tree_get(const char *name, uint64_t max_bytes);
void memory_tree_put(struct memory_tree **tp);
void memory_tree_lock(struct memory_tree *t);
void memory_tree_unlock(struct memory_tree *t);
struct memory_node *memory_tree_root(struct memory_tree *t);
void memory_tree_space(const struct memory_tree *t, struct fs_space *out);

/* With one reference, the caller's. NULL = the store is full. */
struct memory_node *memory_tree_node(struct memory_tree *t, enum fs_kind kind, uint32_t mode);
struct memory_node *memory_tree_ref(struct memory_node *n);
void memory_tree_unref(struct memory_tree *t, struct memory_node **np);

/* How to walk: follow a link at the end of the path; refuse every link that would be followed. */
enum { MEMORY_TREE_FOLLOW = 1u << 0, MEMORY_TREE_NO_LINKS = 1u << 1 };

/*
 * `path` below `root`; links are followed on the way, and at its end where `how` says so. An
 * absolute target starts at `root` again, and ".." stops there.
 * Errors: GW_NO_PATH, GW_NOT_DIR, GW_LOOP, GW_BAD_NAME, GW_DENIED (NO_LINKS); a missing last name
 * is GW_OK, node NULL.
 */
enum gw_err memory_tree_find(struct memory_node *root, const char *path, unsigned how,
                             struct memory_place *out);
/* Takes a reference of its own. A node of that name must not be there. */
enum gw_err memory_tree_link(struct memory_tree *t, struct memory_node *dir, const char *name,
                             struct memory_node *n);
void memory_tree_unlink(struct memory_tree *t, struct memory_node *dir, const char *name);
/* The index of the first link whose name is after `name` (NULL = the first of all). */
size_t memory_tree_after(const struct memory_node *dir, const char *name);

/* Errors: GW_NO_SPACE. The gap before `off` is zeros. */
enum gw_err memory_tree_resize(struct memory_tree *t, struct memory_node *n, uint64_t size);
enum gw_err memory_tree_write(struct memory_tree *t, struct memory_node *n, uint64_t off,
                              struct gw_span data);

#endif
