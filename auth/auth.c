#include "auth/auth.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auth/cidr.h"
#include "auth/guard.h"
#include "auth/passwd.h"
#include "auth/verifier_file.h"
#include "gateway/base/mem.h"

static const struct verifier_kind *const kinds[] = {
    &verifier_file_kind,
};
enum { NKINDS = sizeof kinds / sizeof kinds[0] };

struct auth {
    struct verifier_env env;
    struct settings *settings;
    struct guard **members;
    size_t n;
};

struct check {
    struct op op;
    struct auth *a;
    struct auth_req *req; /* NULL = a probe */
    size_t i;             /* whom we ask */
    struct op *start;     /* the first turn */
    struct op *asked;     /* the i-th verifier */
    struct op *hash;      /* the decoy */
    char *decoy;          /* the first that was offered */
    bool hashed;          /* a verifier has spent a hash on this attempt */
    struct auth_res held; /* the answer, while the decoy is hashed */
    char why[256];
    auth_done_fn *done;
    void *arg;
};

static struct opt_kind opt_rows[NKINDS];
static const char *const later[] = {"http", "program", NULL};
static const struct opt_kinds opt_table = {opt_rows, NKINDS, later};

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
    identity_free(&id);
    return err == GW_OK ? GW_OK : gw_err_set(msg, GW_CONFIG, "users.%.480s", why.text);
}

enum gw_err auth_new(struct loop *l, struct settings *s, struct auth **out, struct gw_errmsg *msg)
{
    enum gw_err err = check_users(s, msg);
    if (err != GW_OK)
        return err;
    struct auth *a = mem_zalloc(sizeof *a);
    a->settings = s;
    a->env = (struct verifier_env){.loop = l, .passwd = passwd_new(l), .users = s->users};
    for (size_t i = 0; err == GW_OK && i < s->auth.verifiers.n; i++) {
        const struct opt_any *any = (const struct opt_any *)s->auth.verifiers.v + i;
        const struct verifier_kind *kind = kind_of(any);
        struct verifier *v = NULL;
        struct gw_errmsg why = {"unknown type"};
        err = kind == NULL ? GW_CONFIG : kind->make(&a->env, any->conf, &v, &why);
        if (err == GW_OK)
            auth_add(a, v, any->conf, kind->opt.name);
        else
            gw_err_set(msg, GW_CONFIG, "auth.verifiers[%zu]: %.460s", i, why.text);
    }
    if (err == GW_OK) {
        *out = a;
        return GW_OK;
    }
    auth_free(&a);
    return GW_CONFIG;
}

void auth_add(struct auth *a, struct verifier *v, const struct verifier_common *common,
              const char *name)
{
    struct guard **grown = mem_array(a->n + 1, sizeof *grown);
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
    passwd_free(&a->env.passwd);
    mem_free(a);
}

static void check_free(struct check *c)
{
    op_cancel(&c->start);
    op_cancel(&c->asked);
    op_cancel(&c->hash);
    mem_free_secret_str(&c->decoy);
    auth_req_free(&c->req);
    mem_free(c);
}

static void cancel(struct op *op)
{
    check_free((struct check *)op);
}

static const struct op_type check_type = {"auth", cancel};

static int method_of(const char *s, size_t n)
{
    for (int m = 0; m < AUTH_METHOD_COUNT; m++)
        if (strlen(auth_method_names[m]) == n && memcmp(auth_method_names[m], s, n) == 0)
            return m;
    return -1;
}

static unsigned mask_of(char *const *names, size_t n)
{
    unsigned mask = 0;
    for (size_t i = 0; i < n; i++) {
        int m = method_of(names[i], strlen(names[i]));
        if (m >= 0)
            mask |= 1u << m;
    }
    return mask;
}

/*
 * Where this step leads in one way in ("publickey,password"): the bit of the method that must
 * follow, 0 when the way ends here, -1 when the step is not on it.
 */
static int way_goes_on(const char *way, const struct auth_req *req)
{
    for (size_t step = 0;; step++) {
        size_t n = strcspn(way, ",");
        const char *want =
            step < req->nmethods_done ? req->methods_done[step] : auth_method_names[req->method];
        if (strlen(want) != n || memcmp(want, way, n) != 0)
            return -1;
        if (step == req->nmethods_done) {
            if (way[n] == '\0')
                return 0;
            way += n + 1;
            return 1 << method_of(way, strcspn(way, ","));
        }
        if (way[n] == '\0')
            return -1;
        way += n + 1;
    }
}

static void set_next_methods(struct identity *id, unsigned mask)
{
    for (size_t i = 0; i < id->nnext_methods; i++)
        mem_free(id->next_methods[i]);
    mem_free(id->next_methods);
    id->nnext_methods = 0;
    id->next_methods = mask == 0 ? NULL : mem_array(AUTH_METHOD_COUNT, sizeof(char *));
    for (unsigned m = 0; m < AUTH_METHOD_COUNT; m++)
        if (mask & 1u << m)
            id->next_methods[id->nnext_methods++] = mem_strdup(auth_method_names[m]);
}

/* Is this method a step of the user's ways in, and which may follow? */
static enum auth_verdict judge_methods(struct identity *id, const struct auth_req *req,
                                       const char **why)
{
    bool complete = id->nmethods == 0;
    unsigned follow = 0;
    for (size_t i = 0; i < id->nmethods; i++) {
        int next = way_goes_on(id->methods[i], req);
        if (next == 0)
            complete = true;
        else if (next > 0)
            follow |= (unsigned)next;
    }
    if (!complete && follow == 0) {
        *why = "not a method of the user at this step";
        return AUTH_REJECT;
    }
    if (complete)
        return AUTH_ACCEPT; /* the verifier's own next_methods may ask for more */
    unsigned own = mask_of(id->next_methods, id->nnext_methods);
    if (own != 0 && (own & follow) == 0) {
        *why = "next_methods and methods contradict each other";
        return AUTH_FAULT;
    }
    set_next_methods(id, own != 0 ? own & follow : follow);
    return AUTH_ACCEPT;
}

static int64_t now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec;
}

/* What holds for every verifier's ACCEPT. */
static enum auth_verdict judge(struct identity *id, const struct auth_req *req, const char **why)
{
    if (id == NULL) {
        *why = "accepted without an identity";
        return AUTH_FAULT;
    }
    if (id->expires_s != 0 && now_s() >= id->expires_s) {
        *why = "the user has expired";
        return AUTH_REJECT;
    }
    if (id->nallow > 0 && (req->client_address == NULL ||
                           !auth_address_in(req->client_address, id->allow, id->nallow))) {
        *why = "the user may not come from this address";
        return AUTH_REJECT;
    }
    return judge_methods(id, req, why);
}

static void finish(struct check *c, struct auth_res *res)
{
    c->done(c->arg, res); /* may end everything but c */
    check_free(c);
}

static void decoy_hashed(void *arg, bool match)
{
    struct check *c = arg;
    (void)match;
    c->hash = NULL;
    finish(c, &c->held);
}

/* A password that is refused has cost exactly one hash, whoever refused it and why. */
static void refuse(struct check *c, enum auth_verdict verdict, const char *why, const char *who)
{
    snprintf(c->why, sizeof c->why, "%s", why == NULL ? "" : why);
    c->held = (struct auth_res){
        .verdict = verdict, .why = c->why[0] == '\0' ? NULL : c->why, .verifier = who};
    if (c->decoy == NULL || c->hashed) {
        finish(c, &c->held);
        return;
    }
    c->hash = passwd_verify(c->a->env.passwd, c->req->client_address, c->req->password, c->decoy,
                            decoy_hashed, c);
}

static void conclude(struct check *c, struct auth_res *res)
{
    const char *who = guard_name(c->a->members[c->i]);
    if (res->verdict == AUTH_ACCEPT && c->req != NULL) {
        const char *why = NULL;
        enum auth_verdict v = judge(res->id, c->req, &why);
        if (v != AUTH_ACCEPT) {
            identity_free(&res->id);
            refuse(c, v, why, who);
            return;
        }
    }
    if (res->verdict == AUTH_ACCEPT || res->verdict == AUTH_ASK) {
        res->verifier = who;
        finish(c, res);
        return;
    }
    refuse(c, res->verdict, res->why, who);
}

static void ask(struct check *c);

static void answered(void *arg, struct auth_res *res)
{
    struct check *c = arg;
    c->asked = NULL;
    if (res->decoy != NULL && c->decoy == NULL)
        c->decoy = mem_strdup(res->decoy);
    c->hashed |= res->hashed;
    if (res->verdict != AUTH_NEXT) {
        conclude(c, res);
        return;
    }
    c->i++;
    ask(c);
}

static bool asks_for(const struct guard *g, enum auth_method method)
{
    const struct opt_strs *only = &guard_common(g)->methods;
    return only->n == 0 || (mask_of(only->v, only->n) & 1u << method) != 0;
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
    c->asked = guard_ask(a->members[c->i], c->req, answered, c);
}

static void start(void *arg)
{
    struct check *c = arg;
    const struct opt_strs *on = &c->a->settings->auth.methods;
    size_t n = strlen(c->req->user);
    c->start = NULL;
    if (n == 0 || n > IDENTITY_USER_MAX)
        refuse(c, AUTH_REJECT, "no name of a user", NULL);
    else if ((mask_of(on->v, on->n) & 1u << c->req->method) == 0)
        refuse(c, AUTH_REJECT, "the method is not in auth.methods", NULL);
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
