#include "backends/fs_task.h"

#include "gateway/base/mem.h"

static void task_free(struct fs_task *t)
{
    if (t->release != NULL)
        t->release(t);
    backend_unref(&t->backend);
    mem_free(t);
}

static void task_cancel(struct op *op)
{
    struct fs_task *t = (struct fs_task *)op;
    op_cancel(&t->step);
    task_free(t);
}

static const struct op_type task_type = {"fs_task", task_cancel};

void *fs_task_new(size_t size, struct backend *b, const struct log_ctx *log, fs_done_fn *done,
                  void *arg)
{
    struct fs_task *t = mem_zalloc(size);
    t->op.type = &task_type;
    t->backend = backend_ref(b);
    t->log = log;
    t->done = done;
    t->arg = arg;
    return t;
}

void fs_task_end(struct fs_task *t, const struct fs_res *res)
{
    t->done(t->arg, res);
    task_free(t);
}

void fs_task_ok(struct fs_task *t)
{
    fs_task_end(t, &(struct fs_res){.err = GW_OK});
}

void fs_task_fail(struct fs_task *t, enum gw_err err, const char *text)
{
    fs_task_end(t, &(struct fs_res){.err = err, .text = text});
}
