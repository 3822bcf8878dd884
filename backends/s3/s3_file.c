#include "backends/s3/s3_file.h"

#include "backends/s3/s3_read.h"
#include "backends/s3/s3_stat.h"
#include "backends/s3/s3_write.h"

static struct s3_file *of(struct fs_file *f)
{
    return (struct s3_file *)f;
}

static bool reads(struct fs_file *f)
{
    return of(f)->role == S3_ROLE_READ;
}

static struct op *refuse(struct fs *fs, const char *text, fs_done_fn *done, void *arg)
{
    return fs_fail(fs->loop, GW_UNSUPPORTED, text, done, arg);
}

struct op *s3_file_open(struct fs *fs, const char *path, uint32_t flags, const struct fs_attr *attr,
                        fs_done_fn *done, void *arg)
{
    struct s3_view *v = (struct s3_view *)fs;
    if (!(flags & FS_WRITE) && !(flags & FS_APPEND))
        return s3_read_open(v, path, done, arg);
    if (v->read_only)
        return fs_fail(fs->loop, GW_READ_ONLY, NULL, done, arg);
    if (flags & FS_READ)
        return refuse(fs, "a file in S3 cannot be open for reading and writing at once", done, arg);
    if (flags & FS_APPEND)
        return refuse(fs, "appending to a file in S3 is not supported", done, arg);
    return s3_write_open(v, path, flags, attr, done, arg);
}

enum gw_err s3_file_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n)
{
    return reads(f) ? s3_read_now(of(f), off, to, len, n) : GW_DENIED;
}

struct op *s3_file_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg)
{
    if (!reads(f))
        return fs_fail(f->fs->loop, GW_DENIED, "the file is open for writing only", done, arg);
    return s3_read_start(of(f), off, len, done, arg);
}

enum gw_err s3_file_write_now(struct fs_file *f, uint64_t off, struct gw_span data)
{
    return reads(f) ? GW_DENIED : s3_write_now(of(f), off, data);
}

struct op *s3_file_write(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                         void *arg)
{
    if (reads(f))
        return fs_fail(f->fs->loop, GW_DENIED, "the file is open for reading only", done, arg);
    return s3_write_start(of(f), off, data, done, arg);
}

struct op *s3_file_fsync(struct fs_file *f, fs_done_fn *done, void *arg)
{
    if (!reads(f))
        return s3_write_fsync(of(f), done, arg);
    return fs_ok(f->fs->loop, NULL, done, arg);
}

struct op *s3_file_fstat(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return reads(f) ? s3_read_fstat(of(f), done, arg) : s3_write_fstat(of(f), done, arg);
}

struct op *s3_file_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done,
                            void *arg)
{
    if (reads(f))
        return s3_stat_set_key(of(f)->view, of(f)->key, attr, done, arg);
    return s3_write_fsetstat(of(f), attr, done, arg);
}

struct op *s3_file_close(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return reads(f) ? s3_read_close(of(f), done, arg) : s3_write_close(of(f), done, arg);
}

void s3_file_abort(struct fs_file *f)
{
    if (reads(f))
        s3_read_abort(of(f));
    else
        s3_write_abort(of(f));
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
struct op *s3_file_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                        uint64_t to_off, fs_done_fn *done, void *arg)
{
    static const char *const whole = "S3 copies whole files into new ones only";
    if (!reads(from) || reads(to) || off != 0 || to_off != 0)
        return refuse(from->fs, whole, done, arg);
    uint64_t size = s3_read_size(of(from));
    if (len != 0 && len < size)
        return refuse(from->fs, whole, done, arg);
    enum gw_err err = s3_write_set_source(of(to), of(from));
    if (err != GW_OK)
        return fs_fail(from->fs->loop, err, whole, done, arg);
    const struct s3_view *v = of(from)->view;
    struct copied *c = fs_task_new(sizeof *c, &v->store->base, v->log, done, arg);
    c->bytes = size;
    c->task.step = loop_defer(from->fs->loop, copy_noted, c);
    return &c->task.op;
}
