/* The inside of the memory store's view: shared by memory.c (names, folders, views) and
 * memory_file.c (open files). */
#ifndef BACKENDS_MEMORY_IMPL_H
#define BACKENDS_MEMORY_IMPL_H

#include "backends/backends.h"
#include "backends/memory_tree.h"

struct memory_fs {
    struct fs base;
    struct backend *backend;
    struct memory_tree *tree;
    struct memory_node *root;
    unsigned no_links; /* MEMORY_TREE_NO_LINKS or 0 */
};

/* Everything is done at the call; what is left is to say so on the next turn, with what res holds
 * by then. */
struct memory_op {
    struct op op;
    struct op *turn;
    fs_done_fn *done;
    void *arg;
    struct fs_res res;
    struct fs_attr attr;
    struct fs_space space;
    struct fs_entry *entries;
    uint8_t *data; /* what was read, a link's target */
};

struct memory_op *memory_op_new(struct fs *fs, fs_done_fn *done, void *arg);
struct op *memory_op_end(struct fs *fs, enum gw_err err, fs_done_fn *done, void *arg);

/* Until memory_tree_unlock(m->tree). */
struct memory_fs *memory_lock(struct fs *fs);
void memory_unref(struct memory_fs *m, struct memory_node **np); /* not under the lock */
/* Under the lock. */
bool memory_is_read_only(const struct memory_fs *m);
enum gw_err memory_walk(struct memory_fs *m, const char *path, bool follow,
                        struct memory_place *at);
enum gw_err memory_set_attr(struct memory_fs *m, struct memory_node *n, const struct fs_attr *a);

#endif
