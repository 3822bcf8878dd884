#include "gateway/io/proc.h"

#include "gateway/base/mem.h"
#include "gateway/io/child.h"
#include "gateway/io/deadline.h"

struct proc {
    struct op op;
    struct child *child;
    struct op *timer; /* the timeout, or the turn on which a failed start is told */
    struct gw_buf out;
    enum gw_err err;
    struct gw_errmsg why;
    proc_done_fn *done;
    void *arg;
};

static void proc_free(struct proc *p)
{
    op_cancel(&p->timer);
    child_free(&p->child);
    gw_buf_free_secret(&p->out);
    mem_free(p);
}

static void cancel(struct op *op)
{
    proc_free((struct proc *)op);
}

static const struct op_type proc_type = {"proc", cancel};

static void finish(struct proc *p, int exit_code)
{
    struct proc_res res = {
        .err = p->err, .exit_code = exit_code, .out = gw_buf_span(&p->out), .text = p->why.text};
    p->done(p->arg, &res);
    proc_free(p);
}

static void fail(struct proc *p, enum gw_err err, const char *why)
{
    p->err = gw_err_set(&p->why, err, "%s", why);
    finish(p, -1);
}

static void on_output(void *arg, struct gw_span part)
{
    struct proc *p = arg;
    gw_buf_put(&p->out, part.ptr, part.len);
    if (p->out.failed != GW_OK)
        fail(p, p->out.failed,
             p->out.failed == GW_TOO_LARGE ? "the program's answer is too long"
                                           : gw_err_text(p->out.failed));
}

static void on_ended(void *arg, const struct child_end *end)
{
    struct proc *p = arg;
    if (end->exit_code < 0)
        p->err =
            gw_err_set(&p->why, GW_UPSTREAM, "the program was killed by signal %d", end->signal);
    finish(p, end->exit_code);
}

static const struct child_fns child_fns = {on_output, on_ended};

static void on_timeout(void *arg)
{
    struct proc *p = arg;
    p->timer = NULL;
    fail(p, GW_TIMEOUT, "the program did not end in time");
}

static void not_started(void *arg)
{
    struct proc *p = arg;
    p->timer = NULL;
    finish(p, -1);
}

struct op *proc_start(struct loop *l, const struct proc_req *req, proc_done_fn *done, void *arg)
{
    struct proc *p = mem_zalloc(sizeof *p);
    p->op.type = &proc_type;
    p->done = done;
    p->arg = arg;
    gw_buf_init(&p->out, req->max_out);
    p->err = child_start(l, req->argv, req->env, &child_fns, p, &p->child, &p->why);
    if (p->err == GW_OK) {
        p->err = child_write(p->child, req->in);
        child_close_input(p->child);
        if (p->err != GW_OK)
            (void)gw_err_set(&p->why, p->err, "the question is too long for a program's stdin");
    }
    if (p->err != GW_OK) {
        child_free(&p->child);
        p->timer = loop_defer(l, not_started, p);
    } else if (req->timeout_ms > 0) {
        p->timer = deadline_start(l, req->timeout_ms, on_timeout, p);
    }
    return &p->op;
}
