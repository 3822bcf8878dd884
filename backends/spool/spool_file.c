#include "backends/spool/spool_file.h"

#include <stdio.h>

#include "gateway/base/mem.h"

#define MODE_NEW 0644u

static const char DISK_FULL[] = "the gateway's disk for files that are being changed is full";
static const char AT_CLOSE[] = "a file of this store is stored at its close";

/* A call of the disk's file whose answer is looked at. */
struct call {
    struct op op;
    struct op *step;
    struct spool_file *file;
    fs_done_fn *done;
    void *arg;
};

static void call_cancel(struct op *op)
{
    struct call *c = (struct call *)op;
    op_cancel(&c->step);
    mem_free(c);
}

static const struct op_type call_type = {"spool_file", call_cancel};

static struct call *call_new(struct spool_file *f, fs_done_fn *done, void *arg)
{
    struct call *c = mem_zalloc(sizeof *c);
    *c = (struct call){.op.type = &call_type, .file = f, .done = done, .arg = arg};
    return c;
}

static void call_end(struct call *c, const struct fs_res *res)
{
    c->done(c->arg, res);
    mem_free(c);
}

static struct spool_file *of(struct fs_file *f)
{
    return (struct spool_file *)f;
}

static struct spool_fs *layer_of(const struct spool_file *f)
{
    return (struct spool_fs *)f->base.fs;
}

struct spool_file *spool_file_new(struct spool_fs *fs, const char *path, uint32_t flags,
                                  const struct fs_attr *attr)
{
    struct spool_file *f = mem_zalloc(sizeof *f);
    f->base.fs = &fs->base;
    f->path = mem_strdup(path);
    f->flags = flags;
    if (attr != NULL)
        f->create = *attr;
    f->shown = (struct fs_attr){.set = FS_ATTR_SIZE | FS_ATTR_MODE,
                                .kind = FS_KIND_REG,
                                .mode = f->create.set & FS_ATTR_MODE ? f->create.mode : MODE_NEW};
    return f;
}

void spool_file_free(struct spool_file **fp)
{
    struct spool_file *f = *fp;
    *fp = NULL;
    if (f == NULL)
        return;
    fs_abort(&f->disk);
    (void)spool_resize(layer_of(f)->spool, &layer_of(f)->held, f->size, 0);
    mem_free(f->path);
    mem_free(f);
}

void spool_file_fail(struct spool_file *f, enum gw_err err, const char *text)
{
    if (f->failed != GW_OK)
        return;
    f->failed = err;
    snprintf(f->text, sizeof f->text, "%s", text != NULL ? text : gw_err_text(err));
}

const char *spool_file_text(enum gw_err err)
{
    return err == GW_NO_SPACE ? DISK_FULL : NULL;
}

bool spool_file_resize(struct spool_file *f, uint64_t size)
{
    struct spool_fs *l = layer_of(f);
    if (!spool_resize(l->spool, &l->held, f->size, size)) {
        char text[FS_TEXT_MAX];
        snprintf(text, sizeof text,
                 "no room to change this file: the gateway keeps %llu MiB of such files for all "
                 "its sessions (limits.spool_mb)",
                 (unsigned long long)(spool_max_bytes(l->spool) >> 20));
        spool_file_fail(f, GW_NO_SPACE, text);
        return false;
    }
    f->size = size;
    return true;
}

enum gw_err spool_file_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n)
{
    return fs_read_now(of(f)->disk, off, to, len, n);
}

struct op *spool_file_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg)
{
    return fs_read(of(f)->disk, off, len, done, arg);
}

/* Room for `len` bytes at off. */
static enum gw_err extend(struct spool_file *f, uint64_t off, size_t len)
{
    if (f->failed == GW_OK && off > (uint64_t)INT64_MAX - len)
        spool_file_fail(f, GW_TOO_LARGE, NULL);
    if (f->failed == GW_OK && off + len > f->size)
        (void)spool_file_resize(f, off + len);
    return f->failed;
}

enum gw_err spool_file_write_now(struct fs_file *file, uint64_t off, struct gw_span data)
{
    struct spool_file *f = of(file);
    if ((f->flags & FS_APPEND) != 0 || extend(f, off, data.len) != GW_OK)
        return GW_BUSY; /* the other way knows the end, and has the words */
    f->changed = true;
    enum gw_err err = fs_write_now(f->disk, off, data);
    if (err != GW_OK && err != GW_BUSY)
        spool_file_fail(f, err, spool_file_text(err));
    return err;
}

static void written(void *arg, const struct fs_res *res)
{
    struct call *c = arg;
    c->step = NULL;
    struct fs_res told = *res;
    if (res->err != GW_OK) {
        spool_file_fail(c->file, res->err, spool_file_text(res->err));
        told.text = c->file->text;
    }
    call_end(c, &told);
}

struct op *spool_file_write(struct fs_file *file, uint64_t off, struct gw_span data,
                            fs_done_fn *done, void *arg)
{
    struct spool_file *f = of(file);
    if ((f->flags & FS_APPEND) != 0)
        off = f->size;
    if (extend(f, off, data.len) != GW_OK)
        return fs_fail(file->fs->loop, f->failed, f->text, done, arg);
    f->changed = true;
    struct call *c = call_new(f, done, arg);
    c->step = fs_write(f->disk, off, data, written, c);
    return &c->op;
}

struct op *spool_file_fsync(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return fs_fail(f->fs->loop, GW_UNSUPPORTED, AT_CLOSE, done, arg);
}

/* The times of a file that is being changed are those that were asked for, else of its last write.
 */
static void show_times(const struct spool_file *f, const struct fs_attr *disk, struct fs_attr *out)
{
    if (f->changed) {
        out->mtime_s = out->atime_s = disk->mtime_s;
        out->mtime_ns = out->atime_ns = disk->mtime_ns;
        out->set |= FS_ATTR_MTIME | FS_ATTR_ATIME;
    }
    if (f->asked.set & FS_ATTR_MTIME) {
        out->mtime_s = f->asked.mtime_s;
        out->mtime_ns = f->asked.mtime_ns;
        out->set |= FS_ATTR_MTIME;
    }
    if (f->asked.set & FS_ATTR_ATIME) {
        out->atime_s = f->asked.atime_s;
        out->atime_ns = f->asked.atime_ns;
        out->set |= FS_ATTR_ATIME;
    }
}

static void looked(void *arg, const struct fs_res *res)
{
    struct call *c = arg;
    c->step = NULL;
    struct fs_attr attr = c->file->shown;
    struct fs_res told = *res;
    if (res->err == GW_OK) {
        attr.size = res->attr->size;
        show_times(c->file, res->attr, &attr);
        told.attr = &attr;
    }
    call_end(c, &told);
}

struct op *spool_file_fstat(struct fs_file *f, fs_done_fn *done, void *arg)
{
    struct call *c = call_new(of(f), done, arg);
    c->step = fs_fstat(of(f)->disk, looked, c);
    return &c->op;
}

struct op *spool_file_fsetstat(struct fs_file *file, const struct fs_attr *attr, fs_done_fn *done,
                               void *arg)
{
    struct spool_file *f = of(file);
    bool resizes = (attr->set & FS_ATTR_SIZE) != 0 && attr->size != f->size;
    if (resizes && f->failed == GW_OK)
        (void)spool_file_resize(f, attr->size);
    if (f->failed == GW_OK)
        fs_attr_lay(&f->asked, attr);
    if (!resizes || f->failed != GW_OK)
        return fs_fail(file->fs->loop, f->failed, f->failed != GW_OK ? f->text : NULL, done, arg);
    const struct fs_attr size = {.set = FS_ATTR_SIZE, .size = attr->size};
    struct call *c = call_new(f, done, arg);
    f->changed = true;
    c->step = fs_fsetstat(f->disk, &size, written, c);
    return &c->op;
}

void spool_file_abort(struct fs_file *file)
{
    struct spool_file *f = of(file);
    spool_file_free(&f);
}
