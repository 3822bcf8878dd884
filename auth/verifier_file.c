#include "auth/verifier_file.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auth/passwd.h"
#include "auth/pubkey.h"
#include "auth/user_file.h"
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
    char *path;
    struct user_file *users; /* the last good one */
    struct stat stamp;       /* of the last one that was read, good or not */
    int64_t read_s;          /* when */
    char broken[512];        /* why the last one was no good; "" = it was */
    struct op *load;
    struct list waiting; /* checks that a load must start for */
    struct list riding;  /* checks that wait for `load` */
};

/* On the pool: owns all it touches, for the verifier may be gone. */
struct load {
    struct file *owner; /* only for done() */
    char *path;
    json_t *base;
    struct stat stamp;
    int64_t read_s;
    bool changed;
    struct user_file *users;
    enum gw_err err;
    struct gw_errmsg msg;
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

static int64_t now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_stamp(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           same_time(a->st_mtim, b->st_mtim) && same_time(a->st_ctim, b->st_ctim);
}

/* A file that was read within two seconds of its last change may change again under the same
 * stamp: file systems count time in ticks. */
static bool unchanged(const struct load *j)
{
    struct stat st;
    int64_t age = j->read_s - (int64_t)j->stamp.st_mtim.tv_sec;
    return stat(j->path, &st) == 0 && same_stamp(&st, &j->stamp) && !(age >= 0 && age < 2);
}

static void load_run(void *job)
{
    struct load *j = job;
    if (unchanged(j))
        return;
    j->changed = true;
    j->read_s = now_s();
    j->err = user_file_load(j->path, j->base, &j->users, &j->stamp, &j->msg);
}

static void load_free(struct load *j)
{
    user_file_unref(&j->users);
    json_decref(j->base);
    mem_free(j->path);
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
    j->path = mem_strdup(v->path);
    j->base = json_incref((json_t *)(uintptr_t)v->env.users);
    j->stamp = v->stamp;
    j->read_s = v->read_s;
    v->load = work_start(v->env.loop, &load_fns, j);
}

static void install(struct file *v, struct load *j)
{
    if (!j->changed)
        return;
    bool other = !same_stamp(&v->stamp, &j->stamp);
    v->stamp = j->stamp;
    v->read_s = j->read_s;
    if (j->err != GW_OK) {
        if (strcmp(v->broken, j->msg.text) != 0)
            LOG_EVENT(LOG_LVL_ERROR, NULL, "user_file_broken", log_str("path", v->path),
                      log_str("reason", j->msg.text),
                      log_u64("users_kept", user_file_count(v->users)));
        snprintf(v->broken, sizeof v->broken, "%s", j->msg.text);
        return;
    }
    v->broken[0] = '\0';
    user_file_unref_on(v->env.loop, &v->users);
    v->users = j->users;
    j->users = NULL;
    if (other)
        LOG_EVENT(LOG_LVL_INFO, NULL, "user_file_read", log_str("path", v->path),
                  log_u64("users", user_file_count(v->users)));
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

static void answer(struct check *c)
{
    struct auth_res res = {.verdict = AUTH_NEXT, .why = "unknown user"};
    const struct auth_req *req = c->req;
    if (req == NULL) {
        char why[sizeof c->v->broken];
        memcpy(why, c->v->broken, sizeof why);
        res = (struct auth_res){.verdict = why[0] == '\0' ? AUTH_ACCEPT : AUTH_FAULT,
                                .why = why[0] == '\0' ? NULL : why};
        finish(c, &res);
        return;
    }
    c->entry = user_file_find(c->users, req->user);
    if (c->entry != NULL) {
        const struct identity *id = c->entry->id;
        res.verdict = AUTH_REJECT;
        res.why = "not a method of this verifier";
        if (req->method == AUTH_PASSWORD && c->entry->password != NULL) {
            c->hash = passwd_verify(c->v->env.passwd, req->client_address, req->password,
                                    c->entry->password, hashed, c);
            return;
        }
        if (req->method == AUTH_PASSWORD) {
            res.why = "the user has no password";
        } else if (req->method == AUTH_PUBLICKEY) {
            res.why = "not a key of the user";
            if (pubkey_among(id->public_keys, id->npublic_keys, req->key.blob, req->client_address))
                res = (struct auth_res){.verdict = AUTH_ACCEPT, .id = identity_copy(id)};
        }
    }
    if (req->method == AUTH_PASSWORD)
        res.decoy = user_file_decoy(c->users, req->user);
    finish(c, &res);
}

/* A callback may end every check and the verifier: the list is our own, and a check that is still
 * in it keeps the verifier alive. */
static void load_done(void *job)
{
    struct load *j = job;
    struct file *v = j->owner;
    struct list mine;
    v->load = NULL;
    install(v, j);
    load_free(j);
    list_init(&mine);
    while (!list_empty(&v->riding)) {
        struct check *c = LIST_ENTRY(list_first(&v->riding), struct check, node);
        list_remove(&c->node);
        list_push(&mine, &c->node);
        c->users = user_file_ref(v->users);
    }
    kick(v);
    while (!list_empty(&mine)) {
        struct check *c = LIST_ENTRY(list_first(&mine), struct check, node);
        list_remove(&c->node);
        answer(c);
    }
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
    user_file_unref(&v->users);
    mem_free(v->path);
    mem_free(v);
}

static const struct verifier_type file_type = {"file", verify, probe, file_free};

/* Reads the file at once, which blocks: this is the start, and a broken file must end it. */
static enum gw_err make(const struct verifier_env *env, const void *conf, struct verifier **out,
                        struct gw_errmsg *msg)
{
    const struct conf *cf = conf;
    struct file *v = mem_zalloc(sizeof *v);
    v->v.type = &file_type;
    v->env = *env;
    v->path = mem_strdup(cf->path);
    v->read_s = now_s();
    list_init(&v->waiting);
    list_init(&v->riding);
    enum gw_err err = user_file_load(v->path, env->users, &v->users, &v->stamp, msg);
    if (err != GW_OK) {
        file_free(&v->v);
        return GW_CONFIG;
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
