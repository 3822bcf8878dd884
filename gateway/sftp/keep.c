#include "gateway/sftp/keep.h"

#include "gateway/base/mem.h"
#include "gateway/sftp/request.h"
#include "gateway/sftp/run.h"

struct keep {
    struct op op;
    struct sftpd *s;
    struct op *step; /* the next look, or a close */
    struct handle *closing;
    loop_fn *done;
    void *arg;
};

static bool is_upload(const struct handle *h)
{
    return h->file != NULL && (h->flags & FS_WRITE) && h->broken == GW_OK;
}

bool keep_wanted(const struct sftpd *s)
{
    LIST_EACH(it, &s->handles.open)
    {
        const struct handle *h = LIST_ENTRY(it, struct handle, node);
        if ((h->flags & FS_WRITE) && h->broken == GW_OK) /* also one whose CLOSE is under way */
            return true;
    }
    return false;
}

static void keep_free(struct keep *k)
{
    op_cancel(&k->step);
    sftpd_free(&k->s);
    mem_free(k);
}

static void cancel(struct op *op)
{
    keep_free((struct keep *)op);
}

static const struct op_type keep_type = {"keep", cancel};

static void look(void *arg);

static void closed(void *arg, const struct fs_res *res)
{
    struct keep *k = arg;
    k->step = NULL;
    run_log_end(k->s, "partial", k->closing, res->err == GW_OK ? "kept" : gw_err_name(res->err));
    handles_remove(&k->s->handles, &k->closing);
    k->step = loop_defer(k->s->env.loop, look, k);
}

static void look(void *arg)
{
    struct keep *k = arg;
    struct sftpd *s = k->s;
    k->step = NULL;
    /* Nobody reads the answers; room for them lets what waited go on. */
    for (struct gw_span out = sftpd_output(s); out.len > 0; out = sftpd_output(s))
        sftpd_sent(s, out.len);
    if (s->nrequests > 0)
        return; /* the engine wakes us */
    while (!list_empty(&s->handles.open)) {
        struct handle *h = LIST_ENTRY(list_first(&s->handles.open), struct handle, node);
        if (is_upload(h)) {
            k->closing = h;
            k->step = fs_close(&h->file, closed, k);
            return;
        }
        run_abandon(s, &h);
    }
    /* The engine borrows what its owner frees when told. */
    loop_fn *done = k->done;
    void *owner = k->arg;
    keep_free(k);
    done(owner);
}

static void woken(void *arg)
{
    struct keep *k = arg;
    if (k->step == NULL)
        k->step = loop_defer(k->s->env.loop, look, k);
}

/* It may go on for hours, and what is missing of it would be a hole in the middle. */
static void drop_copies(struct sftpd *s)
{
    LIST_EACH_SAFE(it, next, &s->requests)
    {
        struct request *r = LIST_ENTRY(it, struct request, node);
        if (r->row->run != run_copy_data)
            continue;
        if (r->h[1] != NULL && r->h[1]->broken == GW_OK)
            r->h[1]->broken = GW_CANCELLED;
        request_drop(&r);
    }
    sftpd_settle(s);
}

struct op *keep_start(struct sftpd **sp, loop_fn *done, void *arg)
{
    struct keep *k = mem_zalloc(sizeof *k);
    k->op.type = &keep_type;
    k->s = *sp;
    *sp = NULL;
    k->done = done;
    k->arg = arg;
    sftpd_unthrottle(k->s);
    k->s->env.wake = woken;
    k->s->env.arg = k;
    drop_copies(k->s);
    if (k->step == NULL)
        k->step = loop_defer(k->s->env.loop, look, k);
    return &k->op;
}
