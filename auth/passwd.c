#include "auth/passwd.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/gate.h"
#include "gateway/io/work.h"

struct passwd_queue {
    struct loop *loop;
    struct list waiting; /* jobs by turn */
    struct op *slot;     /* asked for while anything waits */
    uint64_t turn;       /* of the job that ran last */
};

struct job {
    struct op op;
    struct list node; /* in waiting; out of it once `work` is set */
    struct passwd_queue *owner;
    struct op *work;
    uint64_t turn;
    char *source;
    char *password, *hash; /* wiped on free */
    passwd_done_fn *done;
    void *arg;
    bool match;
};

/* The hashing slots of the process, for its whole life. */
static struct gate *slots;
static pthread_once_t slots_once = PTHREAD_ONCE_INIT;
static _Atomic uint64_t hashes;

static void make_slots(void)
{
    unsigned threads = work_threads();
    slots = gate_new(threads < 2 ? 1 : threads / 2);
}

static bool matches(const char *password, const char *hash)
{
    struct crypt_data *data = mem_zalloc(sizeof *data);
    bool whole = strlen(password) <= PASSWD_MAX;
    size_t n = strlen(hash);
    const char *made = crypt_r(whole ? password : "", hash, data);
    bool match = whole && made != NULL && made[0] == '$' && strlen(made) == n &&
                 CRYPTO_memcmp(made, hash, n) == 0;
    /* libcrypt gives up at once on a setting that it cannot read. The cost is paid in any case: how
     * long an answer takes must not tell why it is no. */
    if (made == NULL || made[0] != '$')
        (void)crypt_r(whole ? password : "", passwd_decoy(), data);
    atomic_fetch_add_explicit(&hashes, 1, memory_order_relaxed);
    mem_free_secret(data, sizeof *data);
    return match;
}

static void job_free(struct job *j)
{
    mem_free(j->source);
    mem_free_secret_str(&j->password);
    mem_free_secret_str(&j->hash);
    mem_free(j);
}

static void run(void *arg)
{
    struct job *j = arg;
    j->match = matches(j->password, j->hash);
}

static void finished(void *arg)
{
    struct job *j = arg;
    passwd_done_fn *done = j->done;
    void *to = j->arg;
    bool match = j->match;
    gate_give(slots);
    job_free(j);
    done(to, match);
}

static void orphaned(void *arg, bool ran)
{
    (void)ran;
    gate_give(slots);
    job_free(arg);
}

static const struct work_fns hash_fns = {run, finished, orphaned};

static void cancel(struct op *op)
{
    struct job *j = (struct job *)op;
    if (j->work != NULL) {
        op_cancel(&j->work);
        return;
    }
    struct passwd_queue *p = j->owner;
    list_remove(&j->node);
    job_free(j);
    if (list_empty(&p->waiting))
        op_cancel(&p->slot);
}

static const struct op_type job_type = {"passwd", cancel};

static void granted(void *arg)
{
    struct passwd_queue *p = arg;
    p->slot = NULL;
    struct job *j = LIST_ENTRY(list_first(&p->waiting), struct job, node);
    list_remove(&j->node);
    p->turn = j->turn;
    j->work = work_start(p->loop, &hash_fns, j);
    if (!list_empty(&p->waiting))
        p->slot = gate_wait(p->loop, slots, granted, p);
}

/* Start-time fair queueing: the n-th job of one source goes into the n-th turn from now. */
static void enqueue(struct passwd_queue *p, struct job *j)
{
    struct list *after = &p->waiting;
    j->turn = p->turn;
    LIST_EACH(it, &p->waiting)
    {
        const struct job *other = LIST_ENTRY(it, struct job, node);
        if (strcmp(other->source, j->source) == 0)
            j->turn = other->turn + 1;
    }
    LIST_EACH(it, &p->waiting)
    {
        if (LIST_ENTRY(it, struct job, node)->turn > j->turn)
            break;
        after = it;
    }
    list_push(after->next, &j->node);
}

struct op *passwd_verify(struct passwd_queue *p, const char *source, const char *password,
                         const char *hash, passwd_done_fn *done, void *arg)
{
    struct job *j = mem_zalloc(sizeof *j);
    j->op.type = &job_type;
    j->owner = p;
    j->source = mem_strdup(source == NULL ? "" : source);
    j->password = mem_strdup(password);
    j->hash = mem_strdup(hash);
    j->done = done;
    j->arg = arg;
    enqueue(p, j);
    if (p->slot == NULL)
        p->slot = gate_wait(p->loop, slots, granted, p);
    return &j->op;
}

struct passwd_queue *passwd_new(struct loop *l)
{
    pthread_once(&slots_once, make_slots);
    struct passwd_queue *p = mem_zalloc(sizeof *p);
    p->loop = l;
    list_init(&p->waiting);
    return p;
}

void passwd_free(struct passwd_queue **pp)
{
    mem_free(*pp);
    *pp = NULL;
}

bool passwd_usable(const char *hash)
{
    if (hash[0] != '$' || strlen(hash) >= CRYPT_OUTPUT_SIZE)
        return false;
    int rc = crypt_checksalt(hash);
    return rc == CRYPT_SALT_OK || rc == CRYPT_SALT_METHOD_LEGACY;
}

enum gw_err passwd_hash(const char *password, char **out, struct gw_errmsg *msg)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (password[0] == '\0' || strlen(password) > PASSWD_MAX)
        return gw_err_set(msg, GW_BAD_ARG, "a password has 1 to %u bytes", PASSWD_MAX);
    if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, (int)sizeof setting) == NULL)
        return gw_err_set(msg, GW_INTERNAL, "libcrypt makes no yescrypt salt");
    struct crypt_data *data = mem_zalloc(sizeof *data);
    const char *made = crypt_r(password, setting, data);
    bool ok = made != NULL && made[0] == '$';
    if (ok)
        *out = mem_strdup(made);
    mem_free_secret(data, sizeof *data);
    return ok ? GW_OK : gw_err_set(msg, GW_INTERNAL, "libcrypt makes no yescrypt hash");
}

const char *passwd_decoy(void)
{
    /* crypt_gensalt's default parameters and a salt, but no hash behind it: nothing is equal. */
    return "$y$j9T$3Hh1JBZI7Oxwj5dGmtFuw0";
}

uint64_t passwd_count(void)
{
    return atomic_load_explicit(&hashes, memory_order_relaxed);
}
