#include "backends/spool/spool_file.h"

#include "backends/fs_pipe.h"
#include "gateway/base/mem.h"

static const char CHANGED[] = "the file changed while it was being fetched: open it again";

struct load {
    struct op op;
    struct op *step;
    struct spool_file *file;
    struct fs_file *reader; /* of the store */
    fs_done_fn *done;
    void *arg;
};

static void load_free(struct load *l)
{
    op_cancel(&l->step);
    fs_abort(&l->reader);
    spool_file_free(&l->file);
    mem_free(l);
}

static void load_cancel(struct op *op)
{
    load_free((struct load *)op);
}

static const struct op_type load_type = {"spool_load", load_cancel};

static void end(struct load *l, enum gw_err err, const char *text)
{
    struct fs_res res = {.err = err, .text = text};
    if (err == GW_OK) {
        res.file = &l->file->base;
        l->file = NULL;
    }
    l->done(l->arg, &res);
    load_free(l);
}

static void fetched(void *arg, const struct fs_res *res)
{
    struct load *l = arg;
    l->step = NULL;
    if (res->err != GW_OK)
        end(l, res->err, res->text != NULL ? res->text : spool_file_text(res->err));
    else if (res->bytes != l->file->size)
        end(l, GW_CHANGED, CHANGED);
    else
        end(l, GW_OK, NULL);
}

static void disk_opened(void *arg, const struct fs_res *res)
{
    struct load *l = arg;
    l->step = NULL;
    if (res->err != GW_OK) {
        end(l, res->err, spool_file_text(res->err));
        return;
    }
    l->file->disk = res->file;
    if (l->file->size == 0) {
        end(l, GW_OK, NULL);
        return;
    }
    const struct fs_pipe pipe = {.from = l->reader, .to = res->file, .len = l->file->size};
    l->step = fs_pipe_start(&pipe, fetched, l);
}

static void open_disk(struct load *l)
{
    struct spool_fs *fs = (struct spool_fs *)l->file->base.fs;
    l->step = spool_open(fs->spool, disk_opened, l);
}

static void open_new(struct load *l)
{
    if (!(l->file->flags & FS_CREATE)) {
        end(l, GW_NOT_FOUND, NULL);
        return;
    }
    l->file->changed = true;
    open_disk(l);
}

static void reader_known(void *arg, const struct fs_res *res)
{
    struct load *l = arg;
    l->step = NULL;
    if (res->err != GW_OK) {
        end(l, res->err, res->text);
        return;
    }
    l->file->shown = *res->attr;
    if (spool_file_resize(l->file, res->attr->size))
        open_disk(l);
    else
        end(l, l->file->failed, l->file->text);
}

/* What is opened is what is fetched: its size is that of these bytes, not of a moment before. */
static void reader_opened(void *arg, const struct fs_res *res)
{
    struct load *l = arg;
    l->step = NULL;
    if (res->err == GW_NOT_FOUND) {
        open_new(l);
    } else if (res->err != GW_OK) {
        end(l, res->err, res->text);
    } else {
        l->reader = res->file;
        l->step = fs_fstat(l->reader, reader_known, l);
    }
}

static void looked(void *arg, const struct fs_res *res)
{
    struct load *l = arg;
    bool exclusive = (l->file->flags & FS_EXCL) != 0;
    l->step = NULL;
    if (res->err == GW_NOT_FOUND) {
        open_new(l);
    } else if (res->err != GW_OK) {
        end(l, res->err, res->text);
    } else if (exclusive) {
        end(l, GW_EXISTS, NULL);
    } else if (res->attr->kind == FS_KIND_DIR) {
        end(l, GW_IS_DIR, NULL);
    } else {
        l->file->shown = *res->attr;
        l->file->changed = true;
        open_disk(l);
    }
}

struct op *spool_load_start(struct spool_fs *fs, const char *path, uint32_t flags,
                            const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct load *l = mem_zalloc(sizeof *l);
    *l = (struct load){.op.type = &load_type, .done = done, .arg = arg};
    l->file = spool_file_new(fs, path, flags, attr);
    if (flags & (FS_TRUNC | FS_EXCL))
        l->step = fs_stat(fs->inner, path, true, looked, l);
    else
        l->step = fs_open(fs->inner, path, FS_READ, NULL, reader_opened, l);
    return &l->op;
}
