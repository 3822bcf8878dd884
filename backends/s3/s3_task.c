#include "backends/s3/s3_task.h"

#include "gateway/base/mem.h"

static void task_free(struct s3_task *t)
{
    if (t->release != NULL)
        t->release(t);
    s3_store_unref(&t->store);
    mem_free(t);
}

static void task_cancel(struct op *op)
{
    struct s3_task *t = (struct s3_task *)op;
    op_cancel(&t->step);
    task_free(t);
}

static const struct op_type task_type = {"s3_task", task_cancel};

void *s3_task_new(size_t size, struct s3_store *store, const struct log_ctx *log, fs_done_fn *done,
                  void *arg)
{
    struct s3_task *t = mem_zalloc(size);
    t->op.type = &task_type;
    t->store = s3_store_ref(store);
    t->log = log;
    t->done = done;
    t->arg = arg;
    return t;
}

void s3_task_end(struct s3_task *t, const struct fs_res *res)
{
    t->done(t->arg, res);
    task_free(t);
}

void s3_task_ok(struct s3_task *t)
{
    s3_task_end(t, &(struct fs_res){.err = GW_OK});
}

void s3_task_fail(struct s3_task *t, enum gw_err err, const char *text)
{
    s3_task_end(t, &(struct fs_res){.err = err, .text = text});
}

void s3_task_end_res(struct s3_task *t, const struct remote_res *res)
{
    const struct fs_res out = remote_fs_res(res);
    s3_task_end(t, &out);
}
