#include "backends/remote_file.h"

#include <time.h>

#include "backends/remote_meta.h"
#include "gateway/base/mem.h"

static const char NOT_YET[] =
    "a file of this store can be read when it is closed: to read it while it is written, the "
    "gateway needs a state_dir, and none is configured";
static const char WHOLE[] = "this store copies whole files into new ones only";

static struct remote_file *of(struct fs_file *f)
{
    return (struct remote_file *)f;
}

static bool reads(const struct remote_file *f)
{
    return f->ahead != NULL;
}

void *remote_file_new(size_t size, const struct remote_file_type *type, struct fs *fs,
                      const char *name, const struct log_ctx *log)
{
    struct remote_file *f = mem_zalloc(size);
    f->base.fs = fs;
    f->type = type;
    f->name = mem_strdup(name);
    f->log = log;
    return f;
}

void remote_file_free(struct remote_file **fp)
{
    struct remote_file *f = *fp;
    *fp = NULL;
    if (f == NULL)
        return;
    if (f->type->drop != NULL)
        f->type->drop(f);
    part_writer_free(&f->parts);
    read_ahead_free(&f->ahead);
    mem_free(f->source);
    mem_free(f->source_etag);
    mem_free(f->name);
    mem_free(f);
}

void remote_file_want(struct remote_file *f, const struct fs_attr *attr)
{
    if (attr != NULL && (attr->set & FS_ATTR_MTIME))
        f->attr = (struct fs_attr){
            .set = FS_ATTR_MTIME, .mtime_s = attr->mtime_s, .mtime_ns = attr->mtime_ns};
}

uint64_t remote_file_size(const struct remote_file *f)
{
    return f->source != NULL ? f->source_size : part_writer_size(f->parts);
}

void remote_file_moved(struct remote_file *f, enum gw_err err, const char *text)
{
    if (err != GW_OK)
        part_writer_fail(f->parts, err, text);
    if (part_writer_waits(f->parts))
        part_writer_wake(f->parts);
    if (f->moved != NULL)
        f->moved(f->moved_arg);
}

/* ---- bytes ---- */

enum gw_err remote_file_read_now(struct fs_file *base, uint64_t off, uint8_t *to, size_t len,
                                 size_t *n)
{
    struct remote_file *f = of(base);
    return reads(f) ? read_ahead_now(f->ahead, off, to, len, n) : GW_BUSY;
}

struct op *remote_file_read(struct fs_file *base, uint64_t off, size_t len, fs_done_fn *done,
                            void *arg)
{
    struct remote_file *f = of(base);
    if (!reads(f))
        return fs_fail(base->fs->loop, GW_UNSUPPORTED, NOT_YET, done, arg);
    return read_ahead_start(f->ahead, off, len, done, arg);
}

enum gw_err remote_file_write_now(struct fs_file *base, uint64_t off, struct gw_span data)
{
    struct remote_file *f = of(base);
    return reads(f) || f->source != NULL ? GW_BUSY : part_writer_now(f->parts, off, data);
}

struct op *remote_file_write(struct fs_file *base, uint64_t off, struct gw_span data,
                             fs_done_fn *done, void *arg)
{
    struct remote_file *f = of(base);
    if (reads(f))
        return fs_fail(base->fs->loop, GW_DENIED, "the file is open for reading only", done, arg);
    if (f->source != NULL)
        return fs_fail(base->fs->loop, GW_UNSUPPORTED, PART_WRITER_RANDOM, done, arg);
    return part_writer_start(f->parts, off, data, done, arg);
}

struct op *remote_file_fsync(struct fs_file *f, fs_done_fn *done, void *arg)
{
    if (reads(of(f)))
        return fs_ok(f->fs->loop, NULL, done, arg);
    return fs_fail(f->fs->loop, GW_UNSUPPORTED, "a file of this store is stored at its close", done,
                   arg);
}

/* ---- attributes ---- */

struct op *remote_file_fstat(struct fs_file *base, fs_done_fn *done, void *arg)
{
    const struct remote_file *f = of(base);
    struct fs_attr attr = f->attr;
    if (!reads(f))
        remote_meta_attr_file(remote_file_size(f),
                              f->attr.set & FS_ATTR_MTIME ? f->attr.mtime_s : time(NULL), &attr);
    return fs_ok(base->fs->loop, &attr, done, arg);
}

/* Why attr cannot be had; NULL = it can. */
static const char *unfit(const struct remote_file *f, const struct fs_attr *attr)
{
    uint64_t size = reads(f) ? f->attr.size : remote_file_size(f);
    if ((attr->set & FS_ATTR_SIZE) && attr->size != size)
        return "this store takes whole files: one cannot be cut or extended";
    if (!reads(f) && f->strict && (attr->set & (FS_ATTR_MODE | FS_ATTR_OWNER)))
        return "this store keeps no owner and no permissions of a new file";
    return NULL;
}

/* FSETSTAT of one that is read, while the store does it. */
struct set {
    struct op op;
    struct op *step;
    struct remote_file *file;
    fs_done_fn *done;
    void *arg;
};

static void set_cancel(struct op *op)
{
    struct set *s = (struct set *)op;
    op_cancel(&s->step);
    mem_free(s);
}

static const struct op_type set_type = {"remote_file_set", set_cancel};

static void set_done(void *arg, const struct fs_res *res)
{
    struct set *s = arg;
    s->step = NULL;
    if (res->err == GW_OK && res->attr != NULL)
        fs_attr_lay(&s->file->attr, res->attr);
    s->done(s->arg, &(struct fs_res){.err = res->err, .text = res->text});
    mem_free(s);
}

static struct op *set_start(struct remote_file *f, const struct fs_attr *attr, fs_done_fn *done,
                            void *arg)
{
    struct set *s = mem_zalloc(sizeof *s);
    *s = (struct set){.op.type = &set_type, .file = f, .done = done, .arg = arg};
    s->step = f->type->set(f, attr, set_done, s);
    return &s->op;
}

struct op *remote_file_fsetstat(struct fs_file *base, const struct fs_attr *attr, fs_done_fn *done,
                                void *arg)
{
    struct remote_file *f = of(base);
    struct fs_attr others = *attr;
    others.set &= ~(uint32_t)FS_ATTR_SIZE;
    const char *text = unfit(f, attr);
    if (base->fs->caps & FS_CAP_READ_ONLY)
        return fs_fail(base->fs->loop, GW_READ_ONLY, NULL, done, arg);
    if (text != NULL)
        return fs_fail(base->fs->loop, GW_UNSUPPORTED, text, done, arg);
    if (reads(f))
        return set_start(f, &others, done, arg);
    remote_file_want(f, attr);
    return fs_ok(base->fs->loop, NULL, done, arg);
}

/* ---- the end ---- */

struct op *remote_file_close(struct fs_file *base, fs_done_fn *done, void *arg)
{
    struct remote_file *f = of(base);
    struct loop *l = base->fs->loop;
    if (!reads(f))
        return f->type->commit(f, done, arg);
    remote_file_free(&f);
    return fs_ok(l, NULL, done, arg);
}

void remote_file_abort(struct fs_file *base)
{
    struct remote_file *f = of(base);
    remote_file_free(&f);
}

struct op *remote_file_copy(struct fs_file *from_base, uint64_t off, uint64_t len,
                            struct fs_file *to_base, uint64_t to_off, fs_done_fn *done, void *arg)
{
    const struct remote_file *from = of(from_base);
    struct remote_file *to = of(to_base);
    struct loop *l = from_base->fs->loop;
    bool whole = reads(from) && !reads(to) && off == 0 && to_off == 0 &&
                 (len == 0 || len >= from->attr.size);
    if (!whole || !(from_base->fs->caps & FS_CAP_COPY) || to->source != NULL ||
        part_writer_begun(to->parts) > 0 || part_writer_waits(to->parts))
        return fs_fail(l, GW_UNSUPPORTED, WHOLE, done, arg);
    to->source = mem_strdup(from->name);
    to->source_etag = mem_strdup(read_ahead_etag(from->ahead));
    to->source_size = from->attr.size;
    return fs_copied(l, to->source_size, done, arg);
}
