#include "auth/program_pool.h"

#include <jansson.h>
#include <string.h>

#include "config/wiped_json.h"
#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/child.h"
#include "gateway/io/deadline.h"
#include "gateway/io/lines.h"

#define BACK_OFF_MS     100u /* before the third start in vain; then twice as long each time */
#define BACK_OFF_MAX_MS 10000u
#define ID_MAX_BYTES    64u
#define GHOSTS_MAX      16u /* questions given up that a worker may owe */

struct program_pool {
    struct loop *loop;
    struct program_pool_conf conf;
    const char **env;
    struct list workers; /* running */
    unsigned nworkers;
    struct list waiting; /* questions that no worker has */
    unsigned vain;       /* workers in a row that ended without an answer */
    uint64_t not_before_ms;
};

struct worker {
    struct list node;
    struct program_pool *pool;
    struct child *child;
    struct lines lines;
    struct list owed; /* questions */
    unsigned nowed, nghosts;
    struct op *silence;
    struct op *doom; /* the turn on which it ends: it owes too many answers */
    bool answered;   /* something, once */
    bool *gone;      /* set when it ends while its output is taken in; or NULL */
};

struct question {
    struct op op;
    struct list node; /* in waiting, or owed */
    struct program_pool *pool;
    struct worker *worker;
    char id[ID_MAX_BYTES];
    struct gw_buf line; /* until a worker has it */
    struct op *failing; /* the turn on which it fails */
    struct proc_res res;
    struct gw_errmsg why;
    proc_done_fn *done; /* NULL = a ghost: cancelled, and still owed */
    void *arg;
};

static void question_free(struct question *q)
{
    op_cancel(&q->failing);
    list_remove(&q->node);
    gw_buf_free_secret(&q->line);
    mem_free(q);
}

/* Calls back, unless nobody waits any more. */
static void finish(struct question *q, const struct proc_res *res)
{
    proc_done_fn *done = q->done;
    void *arg = q->arg;
    struct gw_errmsg why = q->why;
    struct proc_res mine = *res;
    if (res->text == q->why.text)
        mine.text = why.text;
    question_free(q);
    if (done != NULL)
        done(arg, &mine);
}

static void fail_now(void *arg)
{
    struct question *q = arg;
    q->failing = NULL;
    finish(q, &q->res);
}

/* On the next turn. */
static void fail(struct question *q, enum gw_err err, const char *why)
{
    list_remove(&q->node);
    q->res = (struct proc_res){
        .err = gw_err_set(&q->why, err, "%s", why), .exit_code = -1, .text = q->why.text};
    q->failing = loop_defer(q->pool->loop, fail_now, q);
}

static void worker_fail(struct worker *w, enum gw_err err, const char *why);

static void on_doom(void *arg)
{
    struct worker *w = arg;
    w->doom = NULL;
    worker_fail(w, GW_TIMEOUT, "the program leaves too many questions without an answer");
}

static void cancel(struct op *op)
{
    struct question *q = (struct question *)op;
    struct worker *w = q->worker;
    if (w == NULL || q->failing != NULL) {
        question_free(q);
        return;
    }
    q->done = NULL; /* its answer may still come, and is no mistake then */
    if (++w->nghosts > GHOSTS_MAX && w->doom == NULL)
        w->doom = loop_defer(w->pool->loop, on_doom, w);
}

static const struct op_type question_type = {"program_pool", cancel};

static void assign(struct program_pool *p);

/* How long to wait before the next start, now that one more ended. */
static void count_end(struct program_pool *p, bool answered)
{
    p->vain = answered ? 0 : p->vain + 1;
    unsigned doublings = p->vain < 2 ? 0 : p->vain - 2;
    uint64_t ms = p->vain < 2       ? 0
                  : doublings >= 10 ? BACK_OFF_MAX_MS
                                    : (uint64_t)BACK_OFF_MS << doublings;
    p->not_before_ms = loop_now_ms(p->loop) + (ms < BACK_OFF_MAX_MS ? ms : BACK_OFF_MAX_MS);
}

static void worker_free(struct worker *w)
{
    if (w->gone != NULL)
        *w->gone = true;
    list_remove(&w->node);
    w->pool->nworkers--;
    op_cancel(&w->silence);
    op_cancel(&w->doom);
    lines_free(&w->lines);
    mem_free(w);
}

/* Ends it, and fails what it owes. */
static void worker_fail(struct worker *w, enum gw_err err, const char *why)
{
    struct program_pool *p = w->pool;
    struct list owed;
    LOG_EVENT(LOG_LVL_WARN, NULL, "program_failed", log_str("program", p->conf.cmd->argv[0]),
              log_u64("pid", (uint64_t)child_pid(w->child)), log_str("msg", why),
              log_u64("owed", w->nowed));
    list_init(&owed);
    while (!list_empty(&w->owed)) {
        struct question *q = LIST_ENTRY(list_first(&w->owed), struct question, node);
        list_remove(&q->node);
        q->worker = NULL;
        list_push(&owed, &q->node);
    }
    child_free(&w->child);
    count_end(p, w->answered);
    worker_free(w);
    assign(p);
    struct proc_res res = {.err = err, .exit_code = -1, .text = why};
    while (!list_empty(&owed)) /* a callback may cancel others, and ask again */
        finish(LIST_ENTRY(list_first(&owed), struct question, node), &res);
}

static void on_silence(void *arg)
{
    struct worker *w = arg;
    w->silence = NULL;
    worker_fail(w, GW_TIMEOUT, "the program gives no answer");
}

static void listen_on(struct worker *w)
{
    op_cancel(&w->silence);
    if (w->nowed > 0)
        w->silence = deadline_start(w->pool->loop, w->pool->conf.silence_ms, on_silence, w);
}

/* Whose answer it is; NULL and *why. */
static struct question *asked_by(struct worker *w, struct gw_span line, const char **why)
{
    struct question *found = NULL;
    json_t *obj = json_loadb((const char *)line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL);
    const char *id = json_string_value(json_object_get(obj, "id"));
    *why = obj == NULL  ? "the program wrote a line that is no JSON object"
           : id == NULL ? "the program wrote an answer without an \"id\""
                        : "the program answered what it was not asked, or twice";
    LIST_EACH(it, &w->owed)
    {
        struct question *q = LIST_ENTRY(it, struct question, node);
        if (id != NULL && strcmp(q->id, id) == 0)
            found = q;
    }
    json_decref(obj);
    return found;
}

static bool on_line(void *arg, struct gw_span line, bool whole)
{
    struct worker *w = arg;
    bool *gone = w->gone;
    const char *why = "the program's answer is too long";
    struct question *q = whole ? asked_by(w, line, &why) : NULL;
    if (q == NULL) {
        worker_fail(w, whole ? GW_UPSTREAM : GW_TOO_LARGE, why);
        return false;
    }
    w->answered = true;
    w->pool->vain = 0;
    w->nowed--;
    w->nghosts -= q->done == NULL;
    listen_on(w);
    assign(w->pool);
    struct proc_res res = {.err = GW_OK, .out = line, .text = ""};
    finish(q, &res);
    return !*gone;
}

static void on_output(void *arg, struct gw_span part)
{
    struct worker *w = arg;
    bool gone = false;
    w->gone = &gone;
    (void)lines_feed(&w->lines, part, on_line, w);
    if (!gone)
        w->gone = NULL;
}

static void on_ended(void *arg, const struct child_end *end)
{
    struct worker *w = arg;
    char why[96];
    if (end->exit_code == 0 && w->nowed == 0) { /* as programs do that renew themselves */
        child_free(&w->child);
        count_end(w->pool, w->answered);
        worker_free(w);
        return;
    }
    if (end->exit_code >= 0)
        snprintf(why, sizeof why, "the program ended with exit code %d", end->exit_code);
    else
        snprintf(why, sizeof why, "the program was killed by signal %d", end->signal);
    worker_fail(w, GW_UPSTREAM, why);
}

static const struct child_fns child_fns = {on_output, on_ended};

static struct worker *worker_new(struct program_pool *p, enum gw_err *err, struct gw_errmsg *why)
{
    struct worker *w = mem_zalloc(sizeof *w);
    *err =
        child_start(p->loop, program_cmd_argv(p->conf.cmd), p->env, &child_fns, w, &w->child, why);
    if (*err != GW_OK) {
        mem_free(w);
        return NULL;
    }
    w->pool = p;
    list_init(&w->owed);
    lines_init(&w->lines, PROGRAM_POOL_ANSWER_MAX_BYTES);
    list_push(&p->workers, &w->node);
    p->nworkers++;
    LOG_EVENT(LOG_LVL_INFO, NULL, "program_started", log_str("program", p->conf.cmd->argv[0]),
              log_u64("pid", (uint64_t)child_pid(w->child)));
    return w;
}

static struct worker *least_busy(struct program_pool *p)
{
    struct worker *least = NULL;
    LIST_EACH(it, &p->workers)
    {
        struct worker *w = LIST_ENTRY(it, struct worker, node);
        if (least == NULL || w->nowed < least->nowed)
            least = w;
    }
    return least;
}

/* Who takes the next question; NULL: it waits, or after *err it cannot be asked. */
static struct worker *taker(struct program_pool *p, enum gw_err *err, struct gw_errmsg *why)
{
    struct worker *least = least_busy(p);
    bool may_start = loop_now_ms(p->loop) >= p->not_before_ms;
    *err = GW_OK;
    if (least != NULL && least->nowed == 0)
        return least;
    if (p->nworkers < p->conf.workers && may_start) {
        struct worker *fresh = worker_new(p, err, why);
        if (fresh != NULL)
            return fresh;
    }
    if (least == NULL && *err == GW_OK)
        *err = gw_err_set(why, GW_BUSY, "the program ended %u times without an answer", p->vain);
    if (least == NULL)
        return NULL;
    *err = GW_OK;
    return least->nowed < PROGRAM_POOL_OWED_MAX ? least : NULL;
}

static void give(struct worker *w, struct question *q)
{
    enum gw_err err = q->line.failed;
    if (err == GW_OK)
        err = child_write(w->child, gw_buf_span(&q->line));
    gw_buf_free_secret(&q->line);
    if (err != GW_OK) {
        fail(q, err, gw_err_text(err));
        return;
    }
    list_remove(&q->node);
    list_push(&w->owed, &q->node);
    q->worker = w;
    if (w->nowed++ == 0)
        listen_on(w);
}

static void assign(struct program_pool *p)
{
    while (!list_empty(&p->waiting)) {
        struct question *q = LIST_ENTRY(list_first(&p->waiting), struct question, node);
        struct gw_errmsg why;
        enum gw_err err;
        struct worker *w = taker(p, &err, &why);
        if (w != NULL)
            give(w, q);
        else if (err != GW_OK)
            fail(q, err, why.text);
        else
            return;
    }
}

struct program_pool *program_pool_new(struct loop *l, const struct program_pool_conf *conf)
{
    struct program_pool *p = mem_zalloc(sizeof *p);
    p->loop = l;
    p->conf = *conf;
    p->env = program_cmd_env(conf->cmd, NULL, 0);
    list_init(&p->workers);
    list_init(&p->waiting);
    return p;
}

void program_pool_free(struct program_pool **pp)
{
    struct program_pool *p = *pp;
    *pp = NULL;
    if (p == NULL)
        return;
    while (!list_empty(&p->workers)) {
        struct worker *w = LIST_ENTRY(list_first(&p->workers), struct worker, node);
        while (!list_empty(&w->owed)) /* ghosts */
            question_free(LIST_ENTRY(list_first(&w->owed), struct question, node));
        child_leave(&w->child);
        worker_free(w);
    }
    mem_free(p->env);
    mem_free(p);
}

unsigned program_pool_count(const struct program_pool *p)
{
    return p->nworkers;
}

struct op *program_pool_ask(struct program_pool *p, const char *id, struct gw_span line,
                            proc_done_fn *done, void *arg)
{
    struct question *q = mem_zalloc(sizeof *q);
    q->op.type = &question_type;
    q->pool = p;
    q->done = done;
    q->arg = arg;
    snprintf(q->id, sizeof q->id, "%s", id);
    gw_buf_init(&q->line, CHILD_UNSENT_MAX_BYTES);
    gw_buf_put(&q->line, line.ptr, line.len);
    if (line.len == 0 || line.ptr[line.len - 1] != '\n')
        gw_buf_put_u8(&q->line, '\n');
    list_push(&p->waiting, &q->node);
    assign(p);
    return &q->op;
}
