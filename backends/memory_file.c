#include "backends/memory_file.h"

#include <string.h>

#include "backends/memory_impl.h"
#include "gateway/base/mem.h"

struct memory_file {
    struct fs_file base;
    struct memory_node *node;
    uint32_t flags;
    char *upload; /* the name under which it appears at close; NULL = it is there already */
    uint32_t set; /* attributes that the client chose: an older file's are not taken over */
};

static enum gw_err open_node(struct memory_fs *m, const char *path, uint32_t flags,
                             const struct fs_attr *attr, struct memory_file *f)
{
    struct memory_place at;
    enum gw_err err = memory_walk(m, path, (flags & FS_EXCL) == 0, &at);
    if (err != GW_OK)
        return err;
    bool write = (flags & (FS_WRITE | FS_APPEND | FS_TRUNC | FS_CREATE)) != 0;
    if (write && memory_is_read_only(m))
        return GW_READ_ONLY;
    if (at.node == NULL && (flags & FS_CREATE) == 0)
        return GW_NOT_FOUND;
    if (at.node != NULL && (flags & (FS_CREATE | FS_EXCL)) == (FS_CREATE | FS_EXCL))
        return GW_EXISTS;
    if (at.node != NULL && at.node->attr.kind == FS_KIND_DIR)
        return GW_IS_DIR;
    if (at.node != NULL && (flags & FS_TRUNC) == 0) {
        f->node = memory_tree_ref(at.node);
        return GW_OK;
    }
    f->node = memory_tree_node(m->tree, FS_KIND_REG, at.node == NULL ? 0644 : at.node->attr.mode);
    if (f->node == NULL)
        return GW_NO_SPACE;
    f->upload = mem_strdup(path);
    if (attr == NULL)
        return GW_OK;
    f->set = attr->set;
    struct fs_attr wanted = *attr;
    wanted.set &= ~(uint32_t)FS_ATTR_SIZE; /* a hint here, not an order */
    return memory_set_attr(m, f->node, &wanted);
}

struct op *memory_file_open(struct fs *fs, const char *path, uint32_t flags,
                            const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct memory_file *f = mem_zalloc(sizeof *f);
    f->base.fs = fs;
    f->flags = flags;
    struct memory_fs *m = memory_lock(fs);
    enum gw_err err = open_node(m, path, flags, attr, f);
    if (err != GW_OK)
        memory_tree_unref(m->tree, &f->node);
    memory_tree_unlock(m->tree);
    struct memory_op *o = memory_op_new(fs, done, arg);
    o->res.err = err;
    if (err == GW_OK) {
        o->res.file = &f->base;
    } else {
        mem_free(f->upload);
        mem_free(f);
    }
    return &o->op;
}

enum gw_err memory_file_read_now(struct fs_file *file, uint64_t off, uint8_t *to, size_t len,
                                 size_t *n)
{
    struct memory_file *f = (struct memory_file *)file;
    if ((f->flags & FS_READ) == 0)
        return GW_DENIED;
    struct memory_fs *m = memory_lock(file->fs);
    uint64_t size = f->node->attr.size;
    enum gw_err err = off >= size && len > 0 ? GW_EOF : GW_OK;
    if (off < size) {
        *n = size - off < len ? (size_t)(size - off) : len;
        memcpy(to, f->node->data + off, *n);
    }
    memory_tree_unlock(m->tree);
    return err;
}

struct op *memory_file_read(struct fs_file *file, uint64_t off, size_t len, fs_done_fn *done,
                            void *arg)
{
    struct memory_op *o = memory_op_new(file->fs, done, arg);
    size_t n = 0;
    o->data = mem_try_alloc(len);
    o->res.err = o->data == NULL ? GW_NO_MEMORY : memory_file_read_now(file, off, o->data, len, &n);
    o->res.data = gw_span_of(o->data, n);
    return &o->op;
}

enum gw_err memory_file_write_now(struct fs_file *file, uint64_t off, struct gw_span data)
{
    struct memory_file *f = (struct memory_file *)file;
    if ((f->flags & (FS_WRITE | FS_APPEND)) == 0)
        return GW_DENIED;
    struct memory_fs *m = memory_lock(file->fs);
    if ((f->flags & FS_APPEND) != 0)
        off = f->node->attr.size;
    enum gw_err err = memory_tree_write(m->tree, f->node, off, data);
    memory_tree_unlock(m->tree);
    return err;
}

struct op *memory_file_write(struct fs_file *file, uint64_t off, struct gw_span data,
                             fs_done_fn *done, void *arg)
{
    return memory_op_end(file->fs, memory_file_write_now(file, off, data), done, arg);
}

struct op *memory_file_fsync(struct fs_file *file, fs_done_fn *done, void *arg)
{
    return memory_op_end(file->fs, GW_OK, done, arg);
}

struct op *memory_file_fstat(struct fs_file *file, fs_done_fn *done, void *arg)
{
    struct memory_op *o = memory_op_new(file->fs, done, arg);
    struct memory_fs *m = memory_lock(file->fs);
    o->attr = ((struct memory_file *)file)->node->attr;
    memory_tree_unlock(m->tree);
    o->res.attr = &o->attr;
    return &o->op;
}

struct op *memory_file_fsetstat(struct fs_file *file, const struct fs_attr *attr, fs_done_fn *done,
                                void *arg)
{
    struct memory_file *f = (struct memory_file *)file;
    struct memory_fs *m = memory_lock(file->fs);
    enum gw_err err = memory_is_read_only(m) ? GW_READ_ONLY : memory_set_attr(m, f->node, attr);
    f->set |= attr->set;
    memory_tree_unlock(m->tree);
    return memory_op_end(file->fs, err, done, arg);
}

static void file_free(struct memory_file *f)
{
    memory_unref((struct memory_fs *)f->base.fs, &f->node);
    mem_free(f->upload);
    mem_free(f);
}

/* The upload takes its name; what was there goes. */
static enum gw_err appear(struct memory_fs *m, struct memory_file *f)
{
    struct memory_place at;
    bool excl = (f->flags & FS_EXCL) != 0;
    enum gw_err err = memory_walk(m, f->upload, !excl, &at);
    if (err != GW_OK)
        return err;
    if (at.node != NULL && excl)
        return GW_EXISTS;
    if (at.node != NULL && at.node->attr.kind == FS_KIND_DIR)
        return GW_IS_DIR;
    if (at.dir->up == NULL && at.dir != memory_tree_root(m->tree))
        return GW_NO_PATH; /* the folder was removed meanwhile */
    if (at.node != NULL) {
        if ((f->set & FS_ATTR_MODE) == 0)
            f->node->attr.mode = at.node->attr.mode;
        memory_tree_unlink(m->tree, at.dir, at.name);
    }
    return memory_tree_link(m->tree, at.dir, at.name, f->node);
}

struct op *memory_file_close(struct fs_file *file, fs_done_fn *done, void *arg)
{
    struct memory_file *f = (struct memory_file *)file;
    enum gw_err err = GW_OK;
    struct fs *fs = file->fs;
    if (f->upload != NULL) {
        struct memory_fs *m = memory_lock(fs);
        err = appear(m, f);
        memory_tree_unlock(m->tree);
    }
    file_free(f);
    return memory_op_end(fs, err, done, arg);
}

void memory_file_abort(struct fs_file *file)
{
    file_free((struct memory_file *)file);
}

struct op *memory_file_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                            uint64_t to_off, fs_done_fn *done, void *arg)
{
    struct memory_file *a = (struct memory_file *)from;
    struct memory_file *b = (struct memory_file *)to;
    struct memory_op *o = memory_op_new(from->fs, done, arg);
    if (a->node == b->node) {
        o->res.err = GW_BAD_ARG; /* the data would move while it is read */
        return &o->op;
    }
    struct memory_fs *m = memory_lock(from->fs);
    uint64_t size = a->node->attr.size;
    uint64_t n = off >= size ? 0 : size - off;
    if (len != 0 && len < n)
        n = len;
    if ((a->flags & FS_READ) == 0 || (b->flags & FS_WRITE) == 0)
        o->res.err = GW_DENIED;
    else if (n > 0)
        o->res.err =
            memory_tree_write(m->tree, b->node, to_off, gw_span_of(a->node->data + off, (size_t)n));
    o->res.bytes = o->res.err == GW_OK ? n : 0;
    memory_tree_unlock(m->tree);
    return &o->op;
}
