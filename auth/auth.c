#include "auth/auth.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth_cache.h"
#include "auth/cidr.h"
#include "auth/guard.h"
#include "auth/judge.h"
#include "auth/passwd.h"
#include "auth/verifier_file.h"
#include "auth/verifier_http.h"
#include "auth/verifier_program.h"
#include "gateway/base/mem.h"
#include "gateway/io/loop.h"

static const struct verifier_kind *const kinds[] = {
    &verifier_file_kind,
    &verifier_http_kind,
    &verifier_program_kind,
};
enum { NKINDS = sizeof kinds / sizeof kinds[0] };

#define PROBLEMS_MAX (1024u * 1024u)

struct auth {
    struct verifier_env env;
    struct settings *settings;
    unsigned offered; /* auth.methods, as a mask */
    struct guard **members;
    size_t n;
    struct auth_cache *cache; /* a reload makes a new chain, and so empties it */
};

/*
 * A conversation by keyboard-interactive is with the verifier that asked: nobody else gets the
 * answers. What the client's next round comes back with says who that is: "2:" and the verifier's
 * own state, "2" where it gave none, or this where the configuration's prompts were asked.
 */
static const char asked_by_settings[] = "-";

struct check {
    struct op op;
    struct auth *a;
    struct auth_req *req; /* NULL = a probe */
    size_t i;             /* whom we ask */
    struct op *start;     /* the first turn */
    struct op *asked;     /* the i-th verifier */
    struct op *hash;      /* the decoy */
    char *decoy;          /* the first that was offered */
    size_t decoy_from;    /* by whom */
    bool hashed;          /* a verifier has spent a hash on this attempt */
    bool talks;           /* with the i-th only */
    struct auth_res held; /* the answer, while the decoy is hashed */
    char why[256];
    char *state; /* for the client's next round; secret */
    struct auth_said *said;
    size_t nsaid;
    auth_done_fn *done;
    void *arg;
};

static struct opt_kind opt_rows[NKINDS];
static const struct opt_kinds opt_table = {opt_rows, NKINDS, NULL};

static void fill_opt_rows(void)
{
    for (size_t i = 0; i < NKINDS; i++)
        opt_rows[i] = kinds[i]->opt;
}

const struct opt_kinds *auth_kinds(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_opt_rows);
    return &opt_table;
}

static const struct verifier_kind *kind_of(const struct opt_any *any)
{
    for (size_t i = 0; i < NKINDS; i++)
        if (strcmp(kinds[i]->opt.name, any->kind->name) == 0)
            return kinds[i];
    return NULL;
}

/* What every user gets must be right before the first one comes. */
static enum gw_err check_users(const struct settings *s, struct gw_errmsg *msg)
{
    struct identity *id = NULL;
    struct gw_errmsg why;
    enum gw_err err = identity_from_json("user", s->users, NULL, 0, &id, &why);
    if (err == GW_OK)
        err = judge_ways(id, auth_method_mask(s->auth.methods.v, s->auth.methods.n), &why);
    identity_free(&id);
    return err == GW_OK ? GW_OK : gw_err_set(msg, GW_CONFIG, "users.%.480s", why.text);
}

enum gw_err auth_try(struct loop *l, struct settings *s, struct auth **out, struct gw_buf *problems)
{
    struct gw_errmsg why = {""};
    bool ok = check_users(s, &why) == GW_OK;
    if (!ok)
        gw_buf_printf(problems, "%s\n", why.text);
    struct auth *a = mem_zalloc(sizeof *a);
    a->settings = s;
    a->cache = auth_cache_new();
    a->offered = auth_method_mask(s->auth.methods.v, s->auth.methods.n);
    a->env = (struct verifier_env){
        .loop = l, .passwd = passwd_new(l), .users = s->users, .backends = &s->backends};
    for (size_t i = 0; i < s->auth.verifiers.n; i++) {
        const struct opt_any *any = (const struct opt_any *)s->auth.verifiers.v + i;
        const struct verifier_kind *kind = kind_of(any);
        struct verifier *v = NULL;
        why = (struct gw_errmsg){"type: is not known"};
        if (kind != NULL && kind->make(&a->env, any->conf, &v, &why) == GW_OK) {
            auth_add(a, v, any->conf, kind->opt.name);
            continue;
        }
        ok = false;
        gw_buf_printf(problems, "auth.verifiers[%zu].%.460s\n", i, why.text);
    }
    if (ok) {
        *out = a;
        return GW_OK;
    }
    auth_free(&a);
    return GW_CONFIG;
}

enum gw_err auth_new(struct loop *l, struct settings *s, struct auth **out, struct gw_errmsg *msg)
{
    struct gw_buf problems;
    gw_buf_init(&problems, PROBLEMS_MAX);
    enum gw_err err = auth_try(l, s, out, &problems);
    const char *text = gw_buf_cstr(&problems);
    if (err != GW_OK)
        gw_err_set(msg, err, "%.*s", (int)strcspn(text, "\n"), text);
    gw_buf_free(&problems);
    return err;
}

void auth_add(struct auth *a, struct verifier *v, const struct verifier_common *common,
              const char *name)
{
    struct guard **grown = mem_array(a->n + 1, sizeof(struct guard *));
    for (size_t i = 0; i < a->n; i++)
        grown[i] = a->members[i];
    mem_free(a->members);
    a->members = grown;
    char *full = mem_printf("%s[%zu]", name, a->n);
    a->members[a->n++] = guard_new(a->env.loop, v, common, full);
    mem_free(full);
}

void auth_free(struct auth **ap)
{
    struct auth *a = *ap;
    *ap = NULL;
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->n; i++)
        guard_free(&a->members[i]);
    mem_free(a->members);
    auth_cache_free(&a->cache);
    passwd_free(&a->env.passwd);
    mem_free(a);
}

static void check_free(struct check *c)
{
    op_cancel(&c->start);
    op_cancel(&c->asked);
    op_cancel(&c->hash);
    mem_free_secret_str(&c->decoy);
    mem_free_secret_str(&c->state);
    for (size_t i = 0; i < c->nsaid; i++)
        mem_free(c->said[i].why);
    mem_free(c->said);
    auth_req_free(&c->req);
    mem_free(c);
}

static void cancel(struct op *op)
{
    check_free((struct check *)op);
}

static const struct op_type check_type = {"auth", cancel};

static void finish(struct check *c, struct auth_res *res)
{
    res->said = c->said;
    res->nsaid = c->nsaid;
    c->done(c->arg, res); /* may end everything but c */
    check_free(c);
}

static void note(struct check *c, const struct auth_res *res)
{
    struct auth_said *grown = mem_array(c->nsaid + 1, sizeof *grown);
    for (size_t i = 0; i < c->nsaid; i++)
        grown[i] = c->said[i];
    mem_free(c->said);
    c->said = grown;
    c->said[c->nsaid++] =
        (struct auth_said){guard_name(c->a->members[c->i]), res->verdict, mem_strdup(res->why)};
}

static void decoy_hashed(void *arg, bool match)
{
    struct check *c = arg;
    (void)match;
    c->hash = NULL;
    finish(c, &c->held);
}

/* The client is asked, and its next round finds the way back to who asks. */
static void finish_asking(struct check *c, struct auth_res *res, size_t who)
{
    res->verifier = guard_name(c->a->members[who]);
    c->state = res->state == NULL ? mem_printf("%zu", who) : mem_printf("%zu:%s", who, res->state);
    res->state = c->state;
    if (res->instruction == NULL)
        res->instruction = c->a->settings->auth.keyboard_interactive.instruction;
    finish(c, res);
}

/* Whoever is refused before a question was asked is asked for a password all the same, where the
 * users of a verifier are: the question must not tell which names it knows. */
static bool ask_anyway(struct check *c, enum auth_verdict verdict, const char *why, const char *who)
{
    if (c->req->method != AUTH_KEYBOARD_INTERACTIVE || c->req->kbdint.answers != NULL ||
        c->decoy == NULL)
        return false;
    LOG_EVENT(verdict == AUTH_FAULT ? LOG_LVL_WARN : LOG_LVL_DEBUG, c->req->log, "login_hopeless",
              log_str("reason", why), log_str("verifier", who));
    struct auth_res res = {.verdict = AUTH_ASK, .prompts = &auth_password_prompt, .nprompts = 1};
    finish_asking(c, &res, c->decoy_from);
    return true;
}

/* A password that is refused has cost exactly one hash, whoever refused it and why. */
static void refuse(struct check *c, enum auth_verdict verdict, const char *why, const char *who)
{
    if (c->req != NULL && ask_anyway(c, verdict, why, who))
        return;
    snprintf(c->why, sizeof c->why, "%s", why == NULL ? "" : why);
    c->held.verdict = verdict;
    c->held.why = c->why[0] == '\0' ? NULL : c->why;
    c->held.verifier = who;
    if (c->decoy == NULL || c->hashed) {
        finish(c, &c->held);
        return;
    }
    const char *secret = auth_req_secret(c->req);
    c->hash = passwd_verify(c->a->env.passwd, c->req->client_address, secret == NULL ? "" : secret,
                            c->decoy, decoy_hashed, c);
}

static uint32_t cache_s(const struct check *c)
{
    return guard_common(c->a->members[c->i])->cache_s;
}

/* The configuration says whether answers are kept; an answer may want it to be shorter. */
static uint32_t keep_s(const struct check *c, const struct auth_res *res)
{
    uint32_t s = cache_s(c);
    return res->has_cache_s && res->cache_s < s ? res->cache_s : s;
}

static void conclude(struct check *c, struct auth_res *res)
{
    const char *who = guard_name(c->a->members[c->i]);
    if (res->verdict == AUTH_ACCEPT && c->req != NULL) {
        const char *why = NULL;
        struct identity *given = keep_s(c, res) > 0 && res->id != NULL
                                     ? identity_copy(res->id)
                                     : NULL; /* before it is judged */
        enum auth_verdict v = judge_accept(res->id, c->req, c->a->offered, &why);
        if (v == AUTH_ACCEPT && given != NULL)
            auth_cache_keep(c->a->cache, c->i, c->req, given, loop_now_ms(c->a->env.loop),
                            keep_s(c, res));
        else
            identity_free(&given);
        if (v != AUTH_ACCEPT) {
            /* A password that is right must not look it; whose key is right may be told the rest.
             */
            if (v == AUTH_REJECT && c->req->method == AUTH_PUBLICKEY)
                c->held.methods = judge_step(res->id, c->req) & c->a->offered;
            identity_free(&res->id);
            refuse(c, v, why, who);
            return;
        }
    }
    if (res->verdict == AUTH_ASK && c->req != NULL &&
        (c->req->method != AUTH_KEYBOARD_INTERACTIVE || res->nprompts > AUTH_PROMPTS_MAX)) {
        refuse(c, AUTH_FAULT, "the verifier asks what cannot be asked", who);
        return;
    }
    if (res->verdict == AUTH_ASK) {
        finish_asking(c, res, c->i);
    } else if (res->verdict == AUTH_ACCEPT) {
        res->verifier = who;
        finish(c, res);
    } else {
        refuse(c, res->verdict, res->why, who);
    }
}

static void ask(struct check *c);

static void answered(void *arg, struct auth_res *res)
{
    struct check *c = arg;
    c->asked = NULL;
    if (res->decoy != NULL && c->decoy == NULL) {
        c->decoy = mem_strdup(res->decoy);
        c->decoy_from = c->i;
    }
    c->hashed |= res->hashed;
    note(c, res);
    if (res->verdict != AUTH_NEXT) {
        conclude(c, res);
        return;
    }
    c->i = c->talks ? c->a->n : c->i + 1;
    ask(c);
}

static bool asks_for(const struct guard *g, enum auth_method method)
{
    const struct opt_strs *only = &guard_common(g)->methods;
    return only->n == 0 || (auth_method_mask(only->v, only->n) & 1u << method) != 0;
}

/* What is judged otherwise by now is asked anew: a refusal has to take its time. */
static bool answered_before(struct check *c)
{
    const char *why = NULL;
    struct auth_res res = {
        .verdict = AUTH_ACCEPT, .verifier = guard_name(c->a->members[c->i]), .cached = true};
    if (cache_s(c) > 0)
        res.id = auth_cache_find(c->a->cache, c->i, c->req, loop_now_ms(c->a->env.loop));
    if (res.id == NULL || judge_accept(res.id, c->req, c->a->offered, &why) != AUTH_ACCEPT) {
        identity_free(&res.id);
        return false;
    }
    note(c, &res);
    finish(c, &res);
    return true;
}

static void ask(struct check *c)
{
    struct auth *a = c->a;
    while (c->i < a->n && !asks_for(a->members[c->i], c->req->method))
        c->i++;
    if (c->i == a->n) {
        refuse(c, AUTH_REJECT, "unknown user", NULL);
        return;
    }
    if (!answered_before(c))
        c->asked = guard_ask(a->members[c->i], c->req, answered, c);
}

/* The prompts of the configuration, before any verifier is asked. */
static void ask_settings_prompts(struct check *c)
{
    const struct settings_keyboard_interactive *conf = &c->a->settings->auth.keyboard_interactive;
    const struct settings_prompt *from = conf->prompts.v;
    struct auth_prompt prompts[AUTH_PROMPTS_MAX];
    struct auth_res res = {.verdict = AUTH_ASK,
                           .instruction = conf->instruction,
                           .prompts = prompts,
                           .nprompts = conf->prompts.n,
                           .state = asked_by_settings};
    assert(conf->prompts.n <= AUTH_PROMPTS_MAX);
    for (size_t i = 0; i < conf->prompts.n; i++)
        prompts[i] = (struct auth_prompt){from[i].text, from[i].echo};
    finish(c, &res);
}

/* Whose question has this state, of ours; *own is the state that he gave, or NULL. False: nobody's
 * that is here. */
static bool parse_state(const struct auth *a, const char *state, size_t *who, const char **own)
{
    char *end = NULL;
    unsigned long i = strtoul(state, &end, 10);
    if (end == state || (*end != ':' && *end != '\0') || i >= a->n)
        return false;
    *who = i;
    *own = *end == ':' ? end + 1 : NULL;
    return true;
}

void auth_forget(struct auth *a, const char *state)
{
    size_t who = 0;
    const char *own = NULL;
    if (state != NULL && parse_state(a, state, &who, &own) && own != NULL)
        guard_forget(a->members[who], own);
}

/* Whose question was answered? False: nobody's that is here. */
static bool find_who_asked(struct check *c)
{
    const char *state = c->req->kbdint.state;
    const char *own = NULL;
    if (state == NULL)
        return false;
    if (strcmp(state, asked_by_settings) == 0) {
        auth_req_set_state(c->req, NULL);
        return true;
    }
    if (!parse_state(c->a, state, &c->i, &own))
        return false;
    c->talks = true;
    auth_req_set_state(c->req, own);
    return true;
}

static void start_keyboard_interactive(struct check *c)
{
    bool settings_ask = c->a->settings->auth.keyboard_interactive.prompts.n > 0;
    if (c->req->kbdint.answers == NULL && settings_ask) {
        ask_settings_prompts(c);
    } else if (c->req->kbdint.answers != NULL && !find_who_asked(c)) {
        refuse(c, AUTH_REJECT, "answers to nobody's question", NULL);
    } else {
        if (settings_ask) /* for the verifiers that round was none */
            c->req->kbdint.step--;
        ask(c);
    }
}

static bool among(const char *const *list, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], word) == 0)
            return true;
    return false;
}

static void start(void *arg)
{
    struct check *c = arg;
    const struct auth_req *req = c->req;
    size_t n = strlen(req->user);
    c->start = NULL;
    if (n == 0 || n > IDENTITY_USER_MAX)
        refuse(c, AUTH_REJECT, "no name of a user", NULL);
    else if ((c->a->offered & 1u << req->method) == 0)
        refuse(c, AUTH_REJECT, "the method is not in auth.methods", NULL);
    else if (req->method == AUTH_PUBLICKEY &&
             among(req->keys_done, req->nkeys_done, req->key.fingerprint))
        refuse(c, AUTH_REJECT, "the key of an earlier step", NULL);
    else if (req->method == AUTH_KEYBOARD_INTERACTIVE)
        start_keyboard_interactive(c);
    else
        ask(c);
}

static struct check *check_new(struct auth *a, auth_done_fn *done, void *arg)
{
    struct check *c = mem_zalloc(sizeof *c);
    c->op.type = &check_type;
    c->a = a;
    c->done = done;
    c->arg = arg;
    return c;
}

struct op *auth_check(struct auth *a, const struct auth_req *req, auth_done_fn *done, void *arg)
{
    struct check *c = check_new(a, done, arg);
    c->req = auth_req_copy(req);
    c->start = loop_defer(a->env.loop, start, c);
    return &c->op;
}

size_t auth_count(const struct auth *a)
{
    return a->n;
}

struct breaker_counts auth_counts(const struct auth *a, size_t i)
{
    assert(i < a->n);
    return guard_counts(a->members[i]);
}

struct op *auth_probe(struct auth *a, size_t i, auth_done_fn *done, void *arg)
{
    assert(i < a->n);
    struct check *c = check_new(a, done, arg);
    c->i = i;
    c->asked = guard_probe(a->members[i], answered, c);
    return &c->op;
}

bool auth_address_in(const char *address, char *const *list, size_t n)
{
    struct cidr a;
    struct cidr block;
    if (!cidr_parse_address(address, &a))
        return false;
    for (size_t i = 0; i < n; i++)
        if (cidr_parse(list[i], &block) && cidr_holds(&block, &a))
            return true;
    return false;
}
