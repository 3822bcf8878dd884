#include "auth/verifier_file.h"

#include <stdio.h>
#include <string.h>

#include "auth/passwd.h"
#include "auth/pubkey.h"
#include "auth/user_source.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/work.h"

#define HASH_MAX_BYTES 384u /* CRYPT_OUTPUT_SIZE */

struct conf {
    struct verifier_common common;
    char *path;
};

struct file {
    struct verifier v;
    struct verifier_env env;
    struct user_source *source;
    struct op *load;
    struct list waiting; /* checks that a load must start for */
    struct list riding;  /* checks that wait for `load` */
};

/* On the pool: owns all it touches, for the verifier may be gone. */
struct load {
    struct file *owner; /* only for done() */
    struct loop *loop;
    struct user_source *source;
    struct user_file *users;
    struct gw_errmsg broken;
};

struct check {
    struct op op;
    struct list node; /* in waiting, then riding */
    struct file *v;
    const struct auth_req *req; /* NULL = a probe */
    struct user_file *users;    /* from the end of the load on */
    const struct user_entry *entry;
    struct op *hash;
    auth_done_fn *done;
    void *arg;
};

static void load_run(void *job)
{
    struct load *j = job;
    j->users = user_source_look(j->source, &j->broken);
}

static void load_free(struct load *j)
{
    user_file_unref_on(j->loop, &j->users);
    user_source_unref(&j->source);
    mem_free(j);
}

static void load_orphan(void *job, bool ran)
{
    (void)ran;
    load_free(job);
}

static void load_done(void *job);
static const struct work_fns load_fns = {load_run, load_done, load_orphan};

/* A check waits for a load that began after it came: what was true then is what counts. */
static void kick(struct file *v)
{
    if (v->load != NULL || list_empty(&v->waiting))
        return;
    while (!list_empty(&v->waiting)) {
        struct list *n = list_first(&v->waiting);
        list_remove(n);
        list_push(&v->riding, n);
    }
    struct load *j = mem_zalloc(sizeof *j);
    j->owner = v;
    j->loop = v->env.loop;
    j->source = user_source_ref(v->source);
    v->load = work_start(v->env.loop, &load_fns, j);
}

static void finish(struct check *c, struct auth_res *res)
{
    auth_done_fn *done = c->done;
    void *arg = c->arg;
    char decoy[HASH_MAX_BYTES];
    if (res->decoy != NULL) { /* what it points at may go with our reference */
        snprintf(decoy, sizeof decoy, "%s", res->decoy);
        res->decoy = decoy;
    }
    user_file_unref_on(c->v->env.loop, &c->users);
    mem_free(c);
    done(arg, res);
}

static void hashed(void *arg, bool match)
{
    struct check *c = arg;
    struct auth_res res = {.verdict = AUTH_REJECT, .why = "wrong password", .hashed = true};
    c->hash = NULL;
    if (match) {
        res.verdict = AUTH_ACCEPT;
        res.id = identity_copy(c->entry->id);
        res.why = NULL;
    }
    finish(c, &res);
}

/* By a password, or by keyboard-interactive with the password as its one answer. */
static void judge_secret(struct check *c, struct auth_res *res)
{
    const struct auth_req *req = c->req;
    const char *secret = auth_req_secret(req);
    if (c->entry->password == NULL) {
        res->why = "the user has no password";
    } else if (req->method == AUTH_KEYBOARD_INTERACTIVE && req->kbdint.answers == NULL) {
        *res =
            (struct auth_res){.verdict = AUTH_ASK, .prompts = &auth_password_prompt, .nprompts = 1};
    } else if (secret == NULL) {
        res->why = "a password is one answer";
    } else {
        c->hash = passwd_verify(c->v->env.passwd, req->client_address, secret, c->entry->password,
                                hashed, c);
    }
}

static void answer(struct check *c, const struct gw_errmsg *broken)
{
    struct auth_res res = {.verdict = AUTH_NEXT, .why = "unknown user"};
    const struct auth_req *req = c->req;
    if (req == NULL) {
        res = (struct auth_res){.verdict = AUTH_ACCEPT};
        if (broken->text[0] != '\0')
            res = (struct auth_res){.verdict = AUTH_FAULT, .why = broken->text};
        finish(c, &res);
        return;
    }
    c->entry = user_file_find(c->users, req->user);
    if (c->entry != NULL) {
        const struct identity *id = c->entry->id;
        res.verdict = AUTH_REJECT;
        res.why = "not a key of the user";
        if (req->method != AUTH_PUBLICKEY)
            judge_secret(c, &res);
        else if (pubkey_among(id->public_keys, id->npublic_keys, req->key.blob,
                              req->client_address))
            res = (struct auth_res){.verdict = AUTH_ACCEPT, .id = identity_copy(id)};
        if (c->hash != NULL)
            return;
    }
    if (req->method != AUTH_PUBLICKEY)
        res.decoy = user_file_decoy(c->users, req->user);
    finish(c, &res);
}

/* A callback may end every check and the verifier: list and load are our own, and a check that is
 * still in the list keeps the verifier alive. */
static void load_done(void *job)
{
    struct load *j = job;
    struct file *v = j->owner;
    struct list mine;
    v->load = NULL;
    list_init(&mine);
    while (!list_empty(&v->riding)) {
        struct check *c = LIST_ENTRY(list_first(&v->riding), struct check, node);
        list_remove(&c->node);
        list_push(&mine, &c->node);
        c->users = user_file_ref(j->users);
    }
    kick(v);
    while (!list_empty(&mine)) {
        struct check *c = LIST_ENTRY(list_first(&mine), struct check, node);
        list_remove(&c->node);
        answer(c, &j->broken);
    }
    load_free(j);
}

static void cancel(struct op *op)
{
    struct check *c = (struct check *)op;
    list_remove(&c->node);
    op_cancel(&c->hash);
    user_file_unref_on(c->v->env.loop, &c->users);
    mem_free(c);
}

static const struct op_type check_type = {"verifier_file", cancel};

static struct op *verify(struct verifier *vp, const struct auth_req *req, auth_done_fn *done,
                         void *arg)
{
    struct file *v = (struct file *)vp;
    struct check *c = mem_zalloc(sizeof *c);
    c->op.type = &check_type;
    c->v = v;
    c->req = req;
    c->done = done;
    c->arg = arg;
    list_push(&v->waiting, &c->node);
    kick(v);
    return &c->op;
}

static struct op *probe(struct verifier *vp, auth_done_fn *done, void *arg)
{
    return verify(vp, NULL, done, arg);
}

static void file_free(struct verifier *vp)
{
    struct file *v = (struct file *)vp;
    op_cancel(&v->load);
    user_source_unref(&v->source);
    mem_free(v);
}

static const struct verifier_type file_type = {
    .name = "file", .verify = verify, .probe = probe, .free = file_free};

/* Reads the file at once, which blocks: this is the start, and a broken file must end it. */
static enum gw_err make(const struct verifier_env *env, const void *conf, struct verifier **out,
                        struct gw_errmsg *msg)
{
    const struct conf *cf = conf;
    struct file *v = mem_zalloc(sizeof *v);
    v->v.type = &file_type;
    v->env = *env;
    list_init(&v->waiting);
    list_init(&v->riding);
    struct gw_errmsg why;
    enum gw_err err = user_source_open(cf->path, env->users, &v->source, &why);
    if (err != GW_OK) {
        file_free(&v->v);
        return gw_err_set(msg, GW_CONFIG, "path: %.480s", why.text);
    }
    *out = &v->v;
    return GW_OK;
}

static const struct opt_spec options[] = {
    VERIFIER_COMMON_OPTIONS,
    {.key = "path",
     .type = OPT_PATH,
     .offset = offsetof(struct conf, path),
     .min = 1,
     .max = 4095,
     .flags = OPT_REQUIRED,
     .help = "The JSON file with the users. Read again when it changes."},
    {.key = NULL},
};

const struct verifier_kind verifier_file_kind = {
    .opt = {.name = "file",
            .help = "Users, password hashes and public keys from one JSON file.",
            .tab = options,
            .size = sizeof(struct conf)},
    .make = make,
};
