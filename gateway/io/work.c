#include "gateway/io/work.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/mem.h"

struct work {
    struct op op;
    uv_work_t req;
    const struct work_fns *fns;
    void *job;
    bool cancelled;
};

static void cancel(struct op *op)
{
    struct work *w = (struct work *)op;
    w->cancelled = true;
    (void)uv_cancel(
        (uv_req_t *)&w->req); /* fails when it runs already: then it ends as an orphan */
}

static const struct op_type work_type = {"work", cancel};

static void run(uv_work_t *req)
{
    struct work *w = req->data;
    w->fns->run(w->job);
}

static void after(uv_work_t *req, int status)
{
    struct work *w = req->data;
    const struct work_fns *fns = w->fns;
    void *job = w->job;
    bool cancelled = w->cancelled;
    mem_free(w);
    if (cancelled)
        fns->orphan(job, status == 0);
    else
        fns->done(job);
}

struct op *work_start(struct loop *l, const struct work_fns *fns, void *job)
{
    struct work *w = mem_zalloc(sizeof *w);
    w->op.type = &work_type;
    w->fns = fns;
    w->job = job;
    w->req.data = w;
    if (uv_queue_work(loop_uv(l), &w->req, run, after) != 0)
        abort(); /* only for a NULL callback */
    return &w->op;
}

void work_set_threads(unsigned n)
{
    char text[16];
    snprintf(text, sizeof text, "%u", n);
    setenv("UV_THREADPOOL_SIZE", text, 0);
}

/* What libuv makes of the same variable. */
unsigned work_threads(void)
{
    const char *text = getenv("UV_THREADPOOL_SIZE");
    unsigned long n = text == NULL ? 4 : strtoul(text, NULL, 10);
    return n == 0 ? 1 : n > 1024 ? 1024 : (unsigned)n;
}
