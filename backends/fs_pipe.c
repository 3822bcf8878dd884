#include "backends/fs_pipe.h"

#include "gateway/base/mem.h"

#define CHUNK_BYTES ((size_t)256 * 1024)

struct pipe_op {
    struct op op;
    struct op *step;
    struct fs_pipe pipe;
    uint64_t moved;
    size_t chunk; /* the one that is being written */
    fs_done_fn *done;
    void *arg;
};

static void pipe_cancel(struct op *op)
{
    struct pipe_op *p = (struct pipe_op *)op;
    op_cancel(&p->step);
    mem_free(p);
}

static const struct op_type pipe_type = {"fs_pipe", pipe_cancel};

static void end(struct pipe_op *p, enum gw_err err, const char *text)
{
    const struct fs_res res = {.err = err, .text = text, .bytes = p->moved};
    p->done(p->arg, &res);
    mem_free(p);
}

static void next(struct pipe_op *p);

static void written(void *arg, const struct fs_res *res)
{
    struct pipe_op *p = arg;
    p->step = NULL;
    if (res->err != GW_OK) {
        end(p, res->err, res->text);
        return;
    }
    p->moved += p->chunk;
    if (p->pipe.len != 0 && p->moved == p->pipe.len)
        end(p, GW_OK, NULL);
    else
        next(p);
}

static void was_read(void *arg, const struct fs_res *res)
{
    struct pipe_op *p = arg;
    p->step = NULL;
    if (res->err != GW_OK) {
        end(p, res->err == GW_EOF ? GW_OK : res->err, res->text);
        return;
    }
    p->chunk = res->data.len;
    p->step = fs_write(p->pipe.to, p->pipe.to_off + p->moved, res->data, written, p);
}

static void next(struct pipe_op *p)
{
    uint64_t left = p->pipe.len == 0 ? CHUNK_BYTES : p->pipe.len - p->moved;
    p->step = fs_read(p->pipe.from, p->pipe.off + p->moved,
                      left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES, was_read, p);
}

struct op *fs_pipe_start(const struct fs_pipe *pipe, fs_done_fn *done, void *arg)
{
    struct pipe_op *p = mem_zalloc(sizeof *p);
    *p = (struct pipe_op){.op.type = &pipe_type, .pipe = *pipe, .done = done, .arg = arg};
    next(p);
    return &p->op;
}
