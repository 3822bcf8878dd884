#include "backends/http/web_file.h"

#include "backends/http/web_ops.h"
#include "backends/http/web_read.h"
#include "backends/http/web_write.h"
#include "gateway/base/mem.h"

static struct web_file *of(struct fs_file *f)
{
    return (struct web_file *)f;
}

static bool reads(struct fs_file *f)
{
    return of(f)->role == WEB_ROLE_READ;
}

static struct op *refuse(struct fs_file *f, const char *text, fs_done_fn *done, void *arg)
{
    return fs_fail(f->fs->loop, GW_UNSUPPORTED, text, done, arg);
}

struct op *web_file_open(struct fs *fs, const char *path, uint32_t flags,
                         const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct web_view *v = (struct web_view *)fs;
    bool writes = flags & FS_WRITE;
    if (writes && v->read_only)
        return fs_fail(fs->loop, GW_READ_ONLY, NULL, done, arg);
    struct op *refused =
        web_ops_refuse_reserved(fs, path, flags & FS_CREATE ? GW_DENIED : GW_NOT_FOUND, done, arg);
    if (refused != NULL)
        return refused;
    if (writes && (flags & (FS_READ | FS_APPEND)))
        return fs_fail(fs->loop, GW_UNSUPPORTED, "the server takes a file once, from begin to end",
                       done, arg);
    char *full = web_view_path(v, path);
    struct op *op = path[1] == '\0' ? fs_fail(fs->loop, GW_IS_DIR, NULL, done, arg)
                    : writes        ? web_write_open(v, full, flags, attr, done, arg)
                                    : web_read_open(v, full, done, arg);
    mem_free(full);
    return op;
}

enum gw_err web_file_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n)
{
    *n = 0;
    return reads(f) ? web_read_now(of(f), off, to, len, n) : GW_BUSY;
}

struct op *web_file_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg)
{
    if (!reads(f))
        return refuse(f, "the file is open for writing only", done, arg);
    return web_read_start(of(f), off, len, done, arg);
}

enum gw_err web_file_write_now(struct fs_file *f, uint64_t off, struct gw_span data)
{
    return reads(f) ? GW_BUSY : web_write_now(of(f), off, data);
}

struct op *web_file_write(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                          void *arg)
{
    if (reads(f))
        return refuse(f, "the file is open for reading only", done, arg);
    return web_write_start(of(f), off, data, done, arg);
}

struct op *web_file_fsync(struct fs_file *f, fs_done_fn *done, void *arg)
{
    if (reads(f))
        return fs_ok(f->fs->loop, NULL, done, arg);
    return refuse(f, "the file is stored at its close", done, arg);
}

struct op *web_file_fstat(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return reads(f) ? web_read_fstat(of(f), done, arg) : web_write_fstat(of(f), done, arg);
}

struct op *web_file_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done,
                             void *arg)
{
    if (!reads(f))
        return web_write_fsetstat(of(f), attr, done, arg);
    if (of(f)->view->read_only)
        return fs_fail(f->fs->loop, GW_READ_ONLY, NULL, done, arg);
    if (attr->set & FS_ATTR_SIZE)
        return refuse(f, "the server stores whole files only", done, arg);
    return web_ops_set(of(f)->view, of(f)->path, attr, done, arg);
}

struct op *web_file_close(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return reads(f) ? web_read_close(of(f), done, arg) : web_write_close(of(f), done, arg);
}

void web_file_abort(struct fs_file *f)
{
    if (reads(f))
        web_read_abort(of(f));
    else
        web_write_abort(of(f));
}

struct copied {
    struct fs_task task;
    uint64_t bytes;
};

static void copy_noted(void *arg)
{
    struct copied *c = arg;
    c->task.step = NULL;
    fs_task_end(&c->task, &(struct fs_res){.bytes = c->bytes});
}

/* A whole file only: the server copies it when `to` is closed, which is when it may appear. */
struct op *web_file_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                         uint64_t to_off, fs_done_fn *done, void *arg)
{
    static const char *const whole = "the server copies whole files into new ones only";
    if (!reads(from) || reads(to) || off != 0 || to_off != 0)
        return refuse(from, whole, done, arg);
    uint64_t size = web_read_size(of(from));
    if (len != 0 && len < size)
        return refuse(from, whole, done, arg);
    enum gw_err err = web_write_set_source(of(to), of(from)->path, size);
    if (err != GW_OK)
        return fs_fail(from->fs->loop, err, whole, done, arg);
    const struct web_view *v = of(from)->view;
    struct copied *c = fs_task_new(sizeof *c, &v->access->store->base, v->log, done, arg);
    c->bytes = size;
    c->task.step = loop_defer(from->fs->loop, copy_noted, c);
    return &c->task.op;
}
