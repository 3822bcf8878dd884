#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/vfs/quota_impl.h"

void quota_saw(struct quota_seen *seen, const struct fs_attr *attr)
{
    bool regular = attr->kind == FS_KIND_REG && (attr->set & FS_ATTR_SIZE);
    bool names = (attr->set & FS_ATTR_NLINK) && attr->nlink > 1;
    seen->is_file = attr->kind != FS_KIND_DIR;
    seen->size = regular ? (int64_t)attr->size : 0;
    seen->freed = names ? 0 : seen->size;
}

static void step_out(struct quota_call *c)
{
    quota_let_go(c->q, &c->hold);
    quota_let_go(c->q, &c->move);
    if (c->inside)
        quota_leave(c->q);
    c->inside = false;
}

static void call_free(struct quota_call *c)
{
    op_cancel(&c->step);
    if (c->reserves)
        quota_unreserve(c->q, &c->charged);
    else
        quota_give_back(c->q, &c->charged);
    step_out(c);
    if (c->drop != NULL)
        c->drop(c);
    mem_free(c->path[0]);
    mem_free(c->path[1]);
    mem_free(c);
}

static void cancel(struct op *op)
{
    struct quota_call *c = (struct quota_call *)op;
    if (c->acts && c->changes) {
        c->charged = (struct usage_sum){0, 0};
        quota_doubt(c->q);
    }
    call_free(c);
}

static const struct op_type call_type = {"quota", cancel};

struct quota_call *quota_call_new(struct quota *q, const char *path, const char *second,
                                  fs_done_fn *done, void *arg)
{
    struct quota_call *c = mem_zalloc(sizeof *c);
    c->op.type = &call_type;
    c->q = q;
    c->path[0] = mem_strdup(path);
    c->path[1] = mem_strdup(second);
    c->done = done;
    c->arg = arg;
    return c;
}

void quota_call_done(void *arg, const struct fs_res *res)
{
    struct quota_call *c = arg;
    struct fs_res mine = *res;
    c->step = NULL;
    if (res->err == GW_OK) {
        c->charged = (struct usage_sum){0, 0}; /* it stays */
        if (c->holds && !usage_hold_good(c->hold))
            c->on_ok = (struct usage_sum){0, 0};
        if (c->changes)
            quota_settle(c->q, c->on_ok);
    }
    if (c->tell != NULL)
        c->tell(c, &mine);
    c->done(c->arg, &mine);
    call_free(c);
}

static void refused(void *arg)
{
    struct quota_call *c = arg;
    c->step = NULL;
    const struct fs_res res = {.err = c->err, .text = c->text[0] == '\0' ? NULL : c->text};
    c->done(c->arg, &res);
    call_free(c);
}

static void count_ended(void *arg);

void quota_call_refuse(struct quota_call *c, enum gw_err err, const char *text)
{
    c->err = err;
    c->acts = false;
    if (err == GW_QUOTA && !c->again) {
        c->again = true;
        step_out(c);
        c->seen = (struct quota_seen){.is_file = false};
        if (quota_recount(c->q)) {
            c->step = quota_wait(c->q, count_ended, c);
            return;
        }
    }
    if (text != NULL)
        snprintf(c->text, sizeof c->text, "%s", text);
    else
        (void)quota_text(c->q, err, c->text);
    c->step = loop_defer(c->q->fs.loop, refused, c);
}

static void act(struct quota_call *c)
{
    c->acts = true;
    c->act(c);
}

static void looked(void *arg, const struct fs_res *res)
{
    struct quota_call *c = arg;
    c->step = NULL;
    if (res->err != GW_OK && res->err != GW_NOT_FOUND && res->err != GW_NO_PATH &&
        res->err != GW_NOT_DIR && res->err != GW_LOOP) {
        quota_call_refuse(c, res->err, res->text);
        return;
    }
    if (res->err == GW_OK)
        quota_saw(&c->seen, res->attr);
    act(c);
}

static void proceed(struct quota_call *c)
{
    if (c->look != NULL && c->holds && c->q->usage != NULL)
        c->hold = usage_hold_new(c->q->usage, c->look, c->hold_for);
    if (c->look == NULL)
        act(c);
    else
        c->step = fs_stat(c->q->inner, c->look, c->follow, looked, c);
}

static void ready_or_wait(struct quota_call *c)
{
    c->inside = quota_enter(c->q) == USAGE_KNOWN;
    if (c->inside)
        proceed(c);
    else
        c->step = quota_wait(c->q, count_ended, c);
}

/* A count that failed is tried once more, by the first who comes. */
static void count_ended(void *arg)
{
    struct quota_call *c = arg;
    c->step = NULL;
    if (c->waited && !usage_is_known(c->q->usage)) {
        char why[FS_TEXT_MAX];
        usage_why(c->q->usage, why, sizeof why);
        quota_call_refuse(c, GW_UPSTREAM,
                          why[0] == '\0' ? "quota: what is stored could not be counted" : why);
        return;
    }
    c->waited = true;
    ready_or_wait(c);
}

struct op *quota_call_start(struct quota_call *c)
{
    ready_or_wait(c);
    return &c->op;
}
