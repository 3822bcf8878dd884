#include "auth/verifier_program.h"

#include "auth/dialect.h"
#include "auth/guard.h"
#include "auth/program_cmd.h"
#include "auth/program_dialog.h"
#include "auth/program_pool.h"
#include "gateway/base/mem.h"
#include "gateway/io/gate.h"
#include "gateway/io/proc.h"

struct conf {
    struct verifier_common common;
    struct opt_strs command;
    struct opt_map env; /* OPT_SECRETS */
    bool persistent;
    uint32_t workers;
    struct dialect_conf dialect;
};

struct program {
    struct verifier v;
    struct loop *loop;
    struct dialect *dialect;
    struct program_cmd main, talk; /* zero where it is not configured */
    struct gate *gate;             /* one process a question: `workers` at a time */
    struct program_pool *pool;     /* persistent */
    struct program_dialogs *dialogs;
};

struct check {
    struct op op;
    struct program *v;
    struct auth_req
        req; /* who asked owns all in it but a state that we replaced; NULL user = probe */
    struct dialect_ask ask;
    struct op *soon; /* the first turn */
    struct op *slot; /* a place to run in is waited for */
    bool has_slot;
    struct op *run; /* the program */
    struct program_dialog *dialog;
    auth_done_fn *done;
    void *arg;
};

static void check_free(struct check *c)
{
    op_cancel(&c->soon);
    op_cancel(&c->slot);
    op_cancel(&c->run);
    if (c->has_slot)
        gate_give(c->v->gate);
    program_dialog_free(&c->dialog, false);
    dialect_ask_free(&c->ask);
    mem_free(c);
}

static void cancel(struct op *op)
{
    check_free((struct check *)op);
}

static const struct op_type check_type = {"verifier_program", cancel};

/* Takes c and what *v holds. */
static void finish(struct check *c, struct dialect_verdict *v, bool down)
{
    struct auth_res res = dialect_res(v);
    auth_done_fn *done = c->done;
    void *arg = c->arg;
    res.down = down;
    if (v->verdict == AUTH_ASK && c->dialog != NULL)
        res.state = program_dialog_park(&c->dialog, v->state);
    else
        program_dialog_free(&c->dialog, v->verdict != AUTH_FAULT);
    check_free(c);
    done(arg, &res);
    dialect_verdict_free(v);
}

static void fault(struct check *c, const char *why, bool down)
{
    struct dialect_verdict v = {.verdict = AUTH_FAULT};
    (void)gw_err_set(&v.why, GW_UPSTREAM, "%s", why);
    finish(c, &v, down);
}

static void ask(struct check *c);

/* A program that can be started and does not know what to say is no dead verifier: what one user
 * makes of it must lock out nobody else. */
static bool is_down(enum gw_err err)
{
    return err == GW_NOT_FOUND || err == GW_DENIED || err == GW_BUSY || err == GW_IO;
}

static void answered(struct check *c, const struct proc_res *res)
{
    struct dialect_got got = {.status = (unsigned)res->exit_code, .body = res->out};
    struct dialect_verdict v;
    if (res->err != GW_OK) {
        fault(c, res->text, is_down(res->err));
        return;
    }
    dialect_answer(c->v->dialect, &c->req, &c->ask, &got, &v);
    if (!v.more) {
        finish(c, &v, false);
        return;
    }
    dialect_verdict_free(&v);
    ask(c);
}

static void on_answer(void *arg, const struct proc_res *res)
{
    struct check *c = arg;
    c->run = NULL;
    answered(c, res);
}

static void on_exit_of(void *arg, const struct proc_res *res)
{
    struct check *c = arg;
    c->run = NULL;
    c->has_slot = false;
    gate_give(c->v->gate);
    answered(c, res);
}

static void run(void *arg)
{
    struct check *c = arg;
    struct program *v = c->v;
    const char **env = program_cmd_env(&v->main, c->ask.env, c->ask.nenv);
    struct proc_req req = {.argv = program_cmd_argv(&v->main),
                           .env = env,
                           .in = gw_buf_span(&c->ask.body),
                           .max_out = DIALECT_ANSWER_MAX_BYTES};
    c->slot = NULL;
    c->has_slot = true;
    c->run = proc_start(v->loop, &req, on_exit_of, c);
    mem_free(env);
}

static void ask_dialog(struct check *c)
{
    struct program *v = c->v;
    if (c->dialog == NULL) {
        const char **env = program_cmd_env(&v->talk, c->ask.env, c->ask.nenv);
        struct gw_errmsg why;
        enum gw_err err =
            program_dialog_start(v->dialogs, program_cmd_argv(&v->talk), env, &c->dialog, &why);
        mem_free(env);
        if (err != GW_OK) {
            fault(c, why.text, is_down(err));
            return;
        }
    }
    c->run = program_dialog_ask(c->dialog, gw_buf_span(&c->ask.body), on_answer, c);
}

/* The next question of the check. */
static void ask(struct check *c)
{
    struct program *v = c->v;
    struct dialect_verdict verdict;
    if (!dialect_ask(v->dialect, &c->req, &c->ask, &verdict)) {
        finish(c, &verdict, false);
        return;
    }
    if (c->ask.target == DIALECT_TARGET_DIALOG) {
        ask_dialog(c);
        return;
    }
    if (c->ask.body.len > 0) /* a line, as scripts read it */
        gw_buf_put_u8(&c->ask.body, '\n');
    if (v->pool != NULL)
        c->run = program_pool_ask(v->pool, c->ask.id, gw_buf_span(&c->ask.body), on_answer, c);
    else
        c->slot = gate_wait(v->loop, v->gate, run, c);
}

/* Goes on with the program that asked the last question, if it was one that leads the login. */
static void begin(void *arg)
{
    struct check *c = arg;
    struct program *v = c->v;
    c->soon = NULL;
    if (c->req.kbdint.state != NULL && v->dialogs != NULL) {
        c->dialog = program_dialog_take(v->dialogs, c->req.kbdint.state);
        if (c->dialog == NULL) {
            fault(c, "the program that asked has ended meanwhile", false);
            return;
        }
        const char *state = program_dialog_state(c->dialog);
        c->req.kbdint.state = state != NULL ? state : "";
    }
    ask(c);
}

static struct check *check_new(struct program *v, auth_done_fn *done, void *arg)
{
    struct check *c = mem_zalloc(sizeof *c);
    c->op.type = &check_type;
    c->v = v;
    c->done = done;
    c->arg = arg;
    return c;
}

static struct op *verify(struct verifier *vp, const struct auth_req *req, auth_done_fn *done,
                         void *arg)
{
    struct program *v = (struct program *)vp;
    struct check *c = check_new(v, done, arg);
    c->req = *req;
    c->soon = loop_defer(v->loop, begin, c);
    return &c->op;
}

static void look(void *arg)
{
    struct check *c = arg;
    const struct program *v = c->v;
    struct dialect_verdict verdict = {.verdict = AUTH_ACCEPT};
    c->soon = NULL;
    if ((v->main.argv != NULL && program_cmd_check("command", &v->main, &verdict.why) != GW_OK) ||
        (v->talk.argv != NULL &&
         program_cmd_check("keyboard_interactive_command", &v->talk, &verdict.why) != GW_OK))
        verdict.verdict = AUTH_FAULT;
    else
        (void)gw_err_set(&verdict.why, GW_OK, "can be started, and was asked nothing");
    finish(c, &verdict, verdict.verdict == AUTH_FAULT);
}

/* Whether it can be started; what it would say to nobody's question is not known. */
static struct op *probe(struct verifier *vp, auth_done_fn *done, void *arg)
{
    struct program *v = (struct program *)vp;
    struct check *c = check_new(v, done, arg);
    c->soon = loop_defer(v->loop, look, c);
    return &c->op;
}

/* The client has left between two rounds. */
static void forget(struct verifier *vp, const char *state)
{
    struct program *v = (struct program *)vp;
    struct program_dialog *d = v->dialogs != NULL ? program_dialog_take(v->dialogs, state) : NULL;
    program_dialog_free(&d, false);
}

static void program_free(struct verifier *vp)
{
    struct program *v = (struct program *)vp;
    program_pool_free(&v->pool);
    program_dialogs_free(&v->dialogs);
    gate_free(&v->gate);
    dialect_free(&v->dialect);
    program_cmd_free(&v->main);
    program_cmd_free(&v->talk);
    mem_free(v);
}

static const struct verifier_type program_type = {
    .name = "program", .verify = verify, .probe = probe, .free = program_free, .forget = forget};

static enum gw_err fill(struct program *v, const struct verifier_env *env, const struct conf *cf,
                        struct gw_errmsg *msg)
{
    const struct opt_strs *talk = &cf->dialect.keyboard_interactive_command;
    struct dialect_args args = {.conf = &cf->dialect,
                                .transport = DIALECT_PROGRAM,
                                .has_target = cf->command.n > 0,
                                .users = env->users,
                                .backends = env->backends};
    enum gw_err err = dialect_new(&args, &v->dialect, msg);
    if (err == GW_OK && cf->persistent && !dialect_has_ids(v->dialect))
        return gw_err_set(
            msg, GW_CONFIG,
            "persistent: answers of the dialect %s cannot be told apart: it needs one "
            "process a question",
            dialect_name(v->dialect));
    if (err == GW_OK && cf->command.n > 0)
        err = program_cmd_new("command", &cf->command, &cf->env, &v->main, msg);
    if (err == GW_OK && talk->n > 0)
        err = program_cmd_new("keyboard_interactive_command", talk, &cf->env, &v->talk, msg);
    if (err != GW_OK)
        return err;
    if (talk->n > 0)
        v->dialogs = program_dialogs_new(v->loop, PROGRAM_DIALOG_LIFE_MS);
    if (cf->persistent)
        v->pool = program_pool_new(
            v->loop, &(struct program_pool_conf){.cmd = &v->main,
                                                 .workers = cf->workers,
                                                 .silence_ms = cf->common.timeout_ms});
    v->gate = gate_new(cf->workers);
    return GW_OK;
}

static enum gw_err make(const struct verifier_env *env, const void *conf, struct verifier **out,
                        struct gw_errmsg *msg)
{
    struct program *v = mem_zalloc(sizeof *v);
    v->v.type = &program_type;
    v->loop = env->loop;
    if (fill(v, env, conf, msg) != GW_OK) {
        program_free(&v->v);
        return GW_CONFIG;
    }
    *out = &v->v;
    return GW_OK;
}

static const struct opt_spec options[] = {
    VERIFIER_COMMON_OPTIONS,
    GUARD_OPTIONS,
    {.key = "command",
     .type = OPT_STRS,
     .offset = offsetof(struct conf, command),
     .max = 64,
     .help = "The program and its arguments, one string each. No shell reads them. A program "
             "without a \"/\" is looked for in PATH when postern starts."},
    {.key = "env",
     .type = OPT_SECRETS,
     .offset = offsetof(struct conf, env),
     .max = 64,
     .help = "The environment of the program. It inherits none."},
    {.key = "persistent",
     .type = OPT_BOOL,
     .offset = offsetof(struct conf, persistent),
     .dflt = "false",
     .help = "Keep the program running: a question and an answer a line, told apart by \"id\"."},
    {.key = "workers",
     .type = OPT_U32,
     .offset = offsetof(struct conf, workers),
     .dflt = "8",
     .min = 1,
     .max = 256,
     .help = "How many of the program run at a time, at most, on each loop (limits.loops). Further "
             "questions wait."},
    DIALECT_OPTIONS(struct conf, dialect),
    {.key = NULL},
};

const struct verifier_kind verifier_program_kind = {
    .opt = {.name = "program",
            .help = "A command that says who may enter: JSON on its stdin and stdout, or another "
                    "dialect.",
            .tab = options,
            .size = sizeof(struct conf)},
    .make = make,
};
