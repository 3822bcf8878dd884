#include "backends/spool/spool_file.h"

#include "backends/fs_pipe.h"
#include "gateway/base/mem.h"

static const char SHORT[] = "the gateway's disk gave back less than was written";

struct store {
    struct op op;
    struct op *step;
    struct spool_file *file;
    struct fs_file *writer; /* of the store; what it has appears with its close */
    fs_done_fn *done;
    void *arg;
};

static void store_free(struct store *s)
{
    op_cancel(&s->step);
    fs_abort(&s->writer);
    spool_file_free(&s->file);
    mem_free(s);
}

static void store_cancel(struct op *op)
{
    store_free((struct store *)op);
}

static const struct op_type store_type = {"spool_store", store_cancel};

static void end(struct store *s, enum gw_err err, const char *text)
{
    const struct fs_res res = {.err = err, .text = text};
    fs_done_fn *done = s->done;
    void *arg = s->arg;
    spool_file_free(&s->file); /* done may end the view */
    fs_abort(&s->writer);
    done(arg, &res);
    mem_free(s);
}

static void stored(void *arg, const struct fs_res *res)
{
    struct store *s = arg;
    s->step = NULL;
    end(s, res->err, res->text);
}

static void attributes_set(void *arg, const struct fs_res *res)
{
    struct store *s = arg;
    s->step = NULL;
    if (res->err != GW_OK)
        end(s, res->err, res->text);
    else
        s->step = fs_close(&s->writer, stored, s);
}

static void piped(void *arg, const struct fs_res *res)
{
    struct store *s = arg;
    s->step = NULL;
    if (res->err != GW_OK)
        end(s, res->err, res->text);
    else if (res->bytes != s->file->size)
        end(s, GW_IO, SHORT);
    else if (s->file->asked.set != 0)
        s->step = fs_fsetstat(s->writer, &s->file->asked, attributes_set, s);
    else
        s->step = fs_close(&s->writer, stored, s);
}

static void writer_opened(void *arg, const struct fs_res *res)
{
    struct store *s = arg;
    s->step = NULL;
    if (res->err != GW_OK) {
        end(s, res->err, res->text);
        return;
    }
    s->writer = res->file;
    const struct fs_pipe pipe = {.from = s->file->disk, .to = s->writer};
    s->step = fs_pipe_start(&pipe, piped, s);
}

struct op *spool_store_start(struct fs_file *file, fs_done_fn *done, void *arg)
{
    struct spool_file *f = (struct spool_file *)file;
    struct spool_fs *fs = (struct spool_fs *)file->fs;
    struct loop *loop = fs->base.loop;
    if (f->failed != GW_OK || (!f->changed && f->asked.set == 0)) {
        struct op *op = fs_fail(loop, f->failed, f->failed != GW_OK ? f->text : NULL, done, arg);
        spool_file_free(&f);
        return op;
    }
    struct store *s = mem_zalloc(sizeof *s);
    *s = (struct store){.op.type = &store_type, .file = f, .done = done, .arg = arg};
    f->create.set |= FS_ATTR_SIZE;
    f->create.size = f->size;
    if (f->changed)
        s->step =
            fs_open(fs->inner, f->path, FS_WRITE | FS_CREATE | FS_TRUNC | (f->flags & FS_EXCL),
                    &f->create, writer_opened, s);
    else
        s->step = fs_setstat(fs->inner, f->path, true, &f->asked, stored, s);
    return &s->op;
}
