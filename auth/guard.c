#include "auth/guard.h"

#include <stdio.h>

#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"

#define RETRY_MS 100u /* before the first repetition; twice as long before each further one */

static const char *const late = "no answer within timeout_ms";

const struct opt_spec guard_breaker_table[] = {
    {.key = "faults",
     .type = OPT_U32,
     .offset = offsetof(struct breaker_conf, faults),
     .dflt = "5",
     .max = 10000,
     .help = "Leave a verifier alone after it was not there (no connection, no answer in time) so "
             "many times in a row. 0 = never."},
    {.key = "pause_s",
     .type = OPT_U32,
     .offset = offsetof(struct breaker_conf, pause_s),
     .dflt = "5",
     .min = 1,
     .max = 3600,
     .help = "For so long every login that needs it fails at once; then one tries it again."},
    {.key = NULL},
};

struct guard {
    struct loop *loop;
    struct verifier *v;
    const struct verifier_common *common;
    char *name;
    struct breaker *breaker;
};

struct check {
    struct op op;
    struct guard *g;
    const struct auth_req *req; /* NULL = a probe */
    struct op *asked;           /* the verifier */
    struct op *wait;            /* the pause before the next question, or a turn */
    struct op *timer;           /* timeout_ms of all of it */
    uint64_t end_ms;
    enum breaker_leave leave; /* of `asked` */
    unsigned tries;
    char why[256]; /* of the fault that is tried again */
    auth_done_fn *done;
    void *arg;
};

struct guard *guard_new(struct loop *l, struct verifier *v, const struct verifier_common *common,
                        const char *name)
{
    struct guard *g = mem_zalloc(sizeof *g);
    g->loop = l;
    g->v = v;
    g->common = common;
    g->name = mem_strdup(name);
    g->breaker = breaker_ref(common, name, &common->breaker);
    return g;
}

void guard_free(struct guard **gp)
{
    struct guard *g = *gp;
    *gp = NULL;
    if (g == NULL)
        return;
    g->v->type->free(g->v);
    breaker_unref(&g->breaker);
    mem_free(g->name);
    mem_free(g);
}

const char *guard_name(const struct guard *g)
{
    return g->name;
}

const struct verifier_common *guard_common(const struct guard *g)
{
    return g->common;
}

struct breaker_counts guard_counts(const struct guard *g)
{
    return breaker_counts(g->breaker);
}

static void check_free(struct check *c)
{
    op_cancel(&c->asked);
    op_cancel(&c->wait);
    op_cancel(&c->timer);
    mem_free(c);
}

static void cancel(struct op *op)
{
    struct check *c = (struct check *)op;
    if (c->asked != NULL && c->req != NULL)
        breaker_dropped(c->g->breaker, c->leave);
    check_free(c);
}

static const struct op_type check_type = {"guard", cancel};

static void finish(struct check *c, struct auth_res *res)
{
    op_cancel(&c->timer);
    c->done(c->arg, res); /* may end everything but c */
    check_free(c);
}

static void fault(struct check *c, const char *why)
{
    struct auth_res res = {.verdict = AUTH_FAULT, .why = why};
    finish(c, &res);
}

static void ask(void *arg);

/* Another question, if there is time for it. */
static bool try_again(struct check *c, const struct auth_res *res)
{
    uint64_t pause_ms = (uint64_t)RETRY_MS << (c->tries - 1);
    if (res->verdict != AUTH_FAULT || c->tries > c->g->common->retries ||
        loop_now_ms(c->g->loop) + pause_ms >= c->end_ms)
        return false;
    snprintf(c->why, sizeof c->why, "%s", res->why == NULL ? "" : res->why);
    c->wait = deadline_start(c->g->loop, pause_ms, ask, c);
    return true;
}

static void answered(void *arg, struct auth_res *res)
{
    struct check *c = arg;
    c->asked = NULL;
    if (res->verdict == AUTH_FAULT && res->down)
        breaker_failed(c->g->breaker, c->leave, loop_now_ms(c->g->loop), res->why);
    else
        breaker_answered(c->g->breaker, c->leave);
    if (!try_again(c, res))
        finish(c, res);
}

static void probed(void *arg, struct auth_res *res)
{
    struct check *c = arg;
    c->asked = NULL;
    finish(c, res);
}

static void timed_out(void *arg)
{
    struct check *c = arg;
    c->timer = NULL;
    if (c->asked != NULL && c->req != NULL)
        breaker_failed(c->g->breaker, c->leave, loop_now_ms(c->g->loop), late);
    op_cancel(&c->asked);
    op_cancel(&c->wait);
    fault(c, late);
}

static void refused(void *arg)
{
    struct check *c = arg;
    c->wait = NULL;
    fault(c, c->tries > 0 ? c->why : "not asked: it has failed too often just now");
}

static void ask(void *arg)
{
    struct check *c = arg;
    struct guard *g = c->g;
    c->wait = NULL;
    c->leave = breaker_ask(g->breaker, loop_now_ms(g->loop));
    if (c->leave == BREAKER_REFUSED) {
        c->wait = loop_defer(g->loop, refused, c);
        return;
    }
    c->tries++;
    c->asked = g->v->type->verify(g->v, c->req, answered, c);
}

void guard_forget(struct guard *g, const char *state)
{
    if (g->v->type->forget != NULL)
        g->v->type->forget(g->v, state);
}

static void alive(void *arg)
{
    struct check *c = arg;
    struct auth_res res = {.verdict = AUTH_ACCEPT};
    c->wait = NULL;
    finish(c, &res);
}

static struct check *check_new(struct guard *g, auth_done_fn *done, void *arg)
{
    struct check *c = mem_zalloc(sizeof *c);
    c->op.type = &check_type;
    c->g = g;
    c->done = done;
    c->arg = arg;
    c->timer = deadline_start(g->loop, g->common->timeout_ms, timed_out, c);
    c->end_ms = loop_now_ms(g->loop) + g->common->timeout_ms;
    return c;
}

struct op *guard_ask(struct guard *g, const struct auth_req *req, auth_done_fn *done, void *arg)
{
    struct check *c = check_new(g, done, arg);
    c->req = req;
    ask(c);
    return &c->op;
}

struct op *guard_probe(struct guard *g, auth_done_fn *done, void *arg)
{
    struct check *c = check_new(g, done, arg);
    if (g->v->type->probe == NULL)
        c->wait = loop_defer(g->loop, alive, c);
    else
        c->asked = g->v->type->probe(g->v, probed, c);
    return &c->op;
}
