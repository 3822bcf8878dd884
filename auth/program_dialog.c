#include "auth/program_dialog.h"

#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/child.h"
#include "gateway/io/deadline.h"

#define TOKEN_BYTES 24u

struct program_dialogs {
    struct loop *loop;
    uint64_t life_ms;
    struct list parked;
    unsigned count; /* parked or not */
    uint64_t next;
};

struct program_dialog {
    struct list node; /* in parked */
    struct program_dialogs *all;
    struct child *child; /* NULL: it has ended */
    struct child_end end;
    struct op *life;
    bool is_parked, is_over; /* its life */
    char token[TOKEN_BYTES];
    char *state;
    struct gw_buf out; /* that no question has taken yet */
    struct round *round;
};

/* A question to it. */
struct round {
    struct op op;
    struct program_dialog *d;
    struct op *soon; /* the turn on which it is looked for a line that is there */
    enum gw_err err; /* of the writing */
    proc_done_fn *done;
    void *arg;
};

struct program_dialogs *program_dialogs_new(struct loop *l, uint64_t life_ms)
{
    struct program_dialogs *ds = mem_zalloc(sizeof *ds);
    ds->loop = l;
    ds->life_ms = life_ms;
    list_init(&ds->parked);
    return ds;
}

void program_dialogs_free(struct program_dialogs **dsp)
{
    struct program_dialogs *ds = *dsp;
    *dsp = NULL;
    if (ds == NULL)
        return;
    while (!list_empty(&ds->parked)) {
        struct program_dialog *d = LIST_ENTRY(list_first(&ds->parked), struct program_dialog, node);
        program_dialog_free(&d, false);
    }
    mem_free(ds);
}

unsigned program_dialogs_count(const struct program_dialogs *ds)
{
    return ds->count;
}

static void round_free(struct round *r)
{
    r->d->round = NULL;
    op_cancel(&r->soon);
    mem_free(r);
}

static void cancel(struct op *op)
{
    round_free((struct round *)op);
}

static const struct op_type round_type = {"program_dialog", cancel};

static void finish(struct program_dialog *d, const struct proc_res *res)
{
    proc_done_fn *done = d->round->done;
    void *arg = d->round->arg;
    round_free(d->round);
    done(arg, res); /* may free d */
}

static void fail(struct program_dialog *d, enum gw_err err, const char *why)
{
    struct proc_res res = {.err = err, .exit_code = -1, .text = why};
    finish(d, &res);
}

/* The line is taken out before it is given away: d may be gone with it. */
static void give_line(struct program_dialog *d, size_t len)
{
    struct gw_buf line;
    gw_buf_init(&line, PROGRAM_DIALOG_LINE_MAX_BYTES);
    gw_buf_put(&line, d->out.data, len);
    gw_buf_consume(&d->out, len < d->out.len ? len + 1 : len);
    struct proc_res res = {.err = line.failed, .out = gw_buf_span(&line), .text = ""};
    if (res.err != GW_OK)
        res.text = gw_err_text(res.err);
    finish(d, &res);
    gw_buf_free_secret(&line);
}

static void fail_ended(struct program_dialog *d)
{
    char why[96];
    if (d->end.exit_code >= 0)
        snprintf(why, sizeof why, "the program ended with exit code %d, without an answer",
                 d->end.exit_code);
    else
        snprintf(why, sizeof why, "the program was killed by signal %d", d->end.signal);
    fail(d, GW_UPSTREAM, why);
}

/* Answers the question, if what answers it is there. */
static void look(struct program_dialog *d)
{
    const uint8_t *nl = d->out.len > 0 ? memchr(d->out.data, '\n', d->out.len) : NULL;
    if (d->round == NULL || d->round->soon != NULL)
        return;
    if (d->is_over)
        fail(d, GW_TIMEOUT, "the login took the program too long");
    else if (d->out.failed != GW_OK)
        fail(d, d->out.failed, "the program's line is too long");
    else if (nl != NULL)
        give_line(d, (size_t)(nl - d->out.data));
    else if (d->child == NULL && d->out.len > 0)
        give_line(d, d->out.len);
    else if (d->child == NULL)
        fail_ended(d);
    else if (d->round->err != GW_OK)
        fail(d, d->round->err, gw_err_text(d->round->err));
}

static void on_output(void *arg, struct gw_span part)
{
    struct program_dialog *d = arg;
    gw_buf_put(&d->out, part.ptr, part.len);
    look(d);
}

static void on_ended(void *arg, const struct child_end *end)
{
    struct program_dialog *d = arg;
    d->end = *end;
    child_free(&d->child);
    look(d);
}

static const struct child_fns child_fns = {on_output, on_ended};

static void on_life(void *arg)
{
    struct program_dialog *d = arg;
    d->life = NULL;
    d->is_over = true;
    if (d->is_parked)
        program_dialog_free(&d, false);
    else
        look(d);
}

enum gw_err program_dialog_start(struct program_dialogs *ds, const char *const *argv,
                                 const char *const *env, struct program_dialog **out,
                                 struct gw_errmsg *msg)
{
    if (ds->count >= PROGRAM_DIALOGS_MAX)
        return gw_err_set(msg, GW_BUSY, "%u logins are led by programs already", ds->count);
    struct program_dialog *d = mem_zalloc(sizeof *d);
    enum gw_err err = child_start(ds->loop, argv, env, &child_fns, d, &d->child, msg);
    if (err != GW_OK) {
        mem_free(d);
        return err;
    }
    d->all = ds;
    ds->count++;
    gw_buf_init(&d->out, PROGRAM_DIALOG_LINE_MAX_BYTES);
    snprintf(d->token, sizeof d->token, "%llu", (unsigned long long)++ds->next);
    d->life = deadline_start(ds->loop, ds->life_ms, on_life, d);
    *out = d;
    return GW_OK;
}

static void look_soon(void *arg)
{
    struct round *r = arg;
    r->soon = NULL;
    look(r->d);
}

struct op *program_dialog_ask(struct program_dialog *d, struct gw_span in, proc_done_fn *done,
                              void *arg)
{
    struct round *r = mem_zalloc(sizeof *r);
    r->op.type = &round_type;
    r->d = d;
    r->done = done;
    r->arg = arg;
    if (in.len > 0 && d->child != NULL)
        r->err = child_write(d->child, in);
    r->soon = loop_defer(d->all->loop, look_soon, r);
    d->round = r;
    return &r->op;
}

const char *program_dialog_park(struct program_dialog **dp, const char *state)
{
    struct program_dialog *d = *dp;
    *dp = NULL;
    mem_free_secret_str(&d->state);
    d->state = mem_strdup(state);
    d->is_parked = true;
    list_push(&d->all->parked, &d->node);
    return d->token;
}

struct program_dialog *program_dialog_take(struct program_dialogs *ds, const char *token)
{
    LIST_EACH(it, &ds->parked)
    {
        struct program_dialog *d = LIST_ENTRY(it, struct program_dialog, node);
        if (strcmp(d->token, token) != 0)
            continue;
        list_remove(&d->node);
        d->is_parked = false;
        return d;
    }
    return NULL;
}

const char *program_dialog_state(const struct program_dialog *d)
{
    return d->state;
}

void program_dialog_free(struct program_dialog **dp, bool done)
{
    struct program_dialog *d = *dp;
    *dp = NULL;
    if (d == NULL)
        return;
    list_remove(&d->node);
    d->all->count--;
    op_cancel(&d->life);
    if (done)
        child_leave(&d->child);
    else
        child_free(&d->child);
    mem_free_secret_str(&d->state);
    gw_buf_free_secret(&d->out);
    mem_free(d);
}
