#include "gateway/worker.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "auth/auth.h"
#include "backends/backends.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"
#include "gateway/ssh/conn.h"

/* One snapshot as it lives on this loop: sessions hold the one that they started with. */
struct generation {
    struct worker *worker;
    struct snapshot *snapshot;
    struct auth *auth;
    struct spool *spool;       /* NULL = none */
    struct backend **backends; /* in the order of settings->backends */
    struct stores *stores;
    struct conn_env conn_env;
    unsigned refs;
};

struct session {
    struct list node;
    struct worker *worker;
    struct generation *generation;
    struct admission_ticket *ticket;
    struct conn *conn;
};

struct sweep {
    struct list node;
    struct op *op;
    const char *what; /* a backend's name, or the spool */
};

struct worker {
    struct worker_env env;
    struct loop *loop;
    struct turns turns;
    struct lobby lobby;
    pthread_t thread;
    struct generation *now;
    struct list sessions, sweeps;
    struct op *grace; /* ends the last sessions */
    uint64_t grace_ms;
    unsigned load; /* atomic */
    bool draining, drained;
};

static struct sweep *sweep_new(struct worker *w, const char *what)
{
    struct sweep *s = mem_zalloc(sizeof *s);
    s->what = what;
    list_push(&w->sweeps, &s->node);
    return s;
}

static void sweep_free(struct sweep *s)
{
    list_remove(&s->node);
    op_cancel(&s->op);
    mem_free(s);
}

static void generation_free(void *arg)
{
    struct generation *g = arg;
    auth_free(&g->auth);
    for (size_t i = 0; g->backends != NULL && i < g->snapshot->settings->backends.n; i++)
        backend_unref(&g->backends[i]);
    mem_free(g->backends);
    stores_unref(&g->stores);
    spool_free(&g->spool);
    snapshot_unref(&g->snapshot);
    mem_free(g);
}

static void generation_unref(struct generation **gp)
{
    struct generation *g = *gp;
    *gp = NULL;
    /* On a later turn: the last session's end may still be on the stack, inside the verifier or the
     * store. */
    if (g != NULL && --g->refs == 0)
        loop_defer(g->worker->loop, generation_free, g);
}

static struct backend *generation_backend(void *arg, const char *name)
{
    struct generation *g = arg;
    const struct opt_map *map = &g->snapshot->settings->backends;
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->names[i], name) == 0)
            return g->backends[i];
    return NULL;
}

static bool session_authenticated(void *tag, const struct identity *id)
{
    struct session *s = tag;
    admission_logged_in(s->ticket);
    return admission_user(s->ticket, id->user, id->limits.sessions);
}

static void maybe_drained(struct worker *w)
{
    if (!w->draining || w->drained || !list_empty(&w->sessions))
        return;
    w->drained = true;
    op_cancel(&w->grace);
    w->env.drained(w->env.arg);
}

static void session_closed(void *tag)
{
    struct session *s = tag;
    struct worker *w = s->worker;
    list_remove(&s->node);
    admission_leave(&s->ticket);
    generation_unref(&s->generation);
    mem_free(s);
    __atomic_sub_fetch(&w->load, 1, __ATOMIC_RELAXED);
    maybe_drained(w);
}

static enum gw_err generation_spool(struct generation *g, struct gw_errmsg *msg)
{
    const struct settings *s = g->snapshot->settings;
    if (s->state_dir == NULL || s->limits.spool_mb == 0)
        return GW_OK;
    return spool_new(g->worker->loop, s->state_dir, (uint64_t)s->limits.spool_mb << 20,
                     g->worker->env.spool, &g->spool, msg);
}

/* A store's orphans (the abort of a multipart upload) read its configuration until they end. */
static void settings_let_go(void *arg)
{
    struct settings *s = arg;
    settings_unref(&s);
}

static enum gw_err generation_fill(struct generation *g, struct gw_errmsg *msg)
{
    struct settings *s = g->snapshot->settings;
    struct worker *w = g->worker;
    enum gw_err err = generation_spool(g, msg);
    if (err != GW_OK)
        return err;
    struct backend_env env = {
        .loop = w->loop, .budget = w->env.budget, .state_dir = s->state_dir, .spool = g->spool};
    const struct opt_any *confs = s->backends.v;
    g->backends = mem_array(s->backends.n, sizeof(struct backend *));
    for (size_t i = 0; i < s->backends.n; i++) {
        struct gw_errmsg why = {""};
        err = backend_new(&env, s->backends.names[i], &confs[i], &g->backends[i], &why);
        if (err != GW_OK)
            return gw_err_set(msg, err, "backends.%.100s.%.380s", s->backends.names[i], why.text);
        backend_on_free(g->backends[i], settings_let_go, settings_ref(s));
    }
    g->stores = stores_new(&env);
    err = auth_new(w->loop, s, &g->auth, msg);
    if (err != GW_OK)
        return err;
    g->conn_env = (struct conn_env){
        .loop = w->loop,
        .turns = &w->turns,
        .lobby = &w->lobby,
        .exchanges = w->env.exchanges,
        .settings = s,
        .auth = g->auth,
        .throttle = w->env.throttle,
        .host_keys = g->snapshot->host_keys,
        .backend = generation_backend,
        .stores = g->stores,
        .authenticated = session_authenticated,
        .closed = session_closed,
        .arg = g,
    };
    return GW_OK;
}

static enum gw_err generation_new(struct worker *w, struct snapshot *sn, struct generation **out,
                                  struct gw_errmsg *msg)
{
    struct generation *g = mem_zalloc(sizeof *g);
    g->worker = w;
    g->snapshot = snapshot_ref(sn);
    g->refs = 1;
    enum gw_err err = generation_fill(g, msg);
    if (err != GW_OK) {
        generation_free(g);
        return err;
    }
    *out = g;
    return GW_OK;
}

enum gw_err worker_new(const struct worker_env *env, struct snapshot *sn, struct worker **out,
                       struct gw_errmsg *msg)
{
    struct worker *w = mem_zalloc(sizeof *w);
    w->env = *env;
    list_init(&w->sessions);
    list_init(&w->sweeps);
    enum gw_err err = loop_new(&w->loop);
    if (err != GW_OK) {
        mem_free(w);
        return gw_err_set(msg, err, "cannot make an event loop: out of file descriptors?");
    }
    lobby_init(&w->lobby, w->loop);
    err = generation_new(w, sn, &w->now, msg);
    if (err != GW_OK) {
        worker_free(&w);
        return err;
    }
    *out = w;
    return GW_OK;
}

void worker_free(struct worker **wp)
{
    struct worker *w = *wp;
    *wp = NULL;
    if (w == NULL)
        return;
    LIST_EACH_SAFE(it, next, &w->sweeps)
    sweep_free(LIST_ENTRY(it, struct sweep, node));
    generation_unref(&w->now);
    loop_free(&w->loop);
    mem_free(w);
}

struct loop *worker_loop(struct worker *w)
{
    return w->loop;
}

static void *thread_main(void *arg)
{
    struct worker *w = arg;
    loop_run(w->loop);
    return NULL;
}

enum gw_err worker_start(struct worker *w)
{
    /* Signals belong to the first loop. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&w->thread, NULL, thread_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc == 0 ? GW_OK : GW_BUSY;
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

void worker_join(struct worker *w)
{
    loop_post(w->loop, stop_loop, w->loop);
    pthread_join(w->thread, NULL);
}

unsigned worker_load(struct worker *w)
{
    return __atomic_load_n(&w->load, __ATOMIC_RELAXED);
}

struct given {
    struct worker *worker;
    int fd;
    struct admission_ticket *ticket;
};

static void given_arrives(void *arg)
{
    struct given *in = arg;
    struct worker *w = in->worker;
    struct session *s = mem_zalloc(sizeof *s);
    s->worker = w;
    s->ticket = in->ticket;
    s->generation = w->now;
    w->now->refs++;
    list_push(&w->sessions, &s->node);
    int fd = in->fd;
    mem_free(in);
    if (w->draining) {
        close(fd);
        session_closed(s);
    } else if (conn_start(&w->now->conn_env, fd, s, &s->conn) != GW_OK) {
        session_closed(s);
    }
}

void worker_give(struct worker *w, int fd, struct admission_ticket *ticket)
{
    __atomic_add_fetch(&w->load, 1, __ATOMIC_RELAXED);
    struct given *in = mem_zalloc(sizeof *in);
    in->worker = w;
    in->fd = fd;
    in->ticket = ticket;
    loop_post(w->loop, given_arrives, in);
}

struct reload {
    struct worker *worker;
    struct snapshot *snapshot;
};

static void reload_arrives(void *arg)
{
    struct reload *r = arg;
    struct generation *g = NULL;
    struct gw_errmsg msg = {""};
    if (generation_new(r->worker, r->snapshot, &g, &msg) == GW_OK) {
        generation_unref(&r->worker->now);
        r->worker->now = g;
    } else {
        log_msg(LOG_LVL_ERROR, NULL, "reload_failed", "loop %u keeps the old configuration: %s",
                r->worker->env.index, msg.text);
    }
    snapshot_unref(&r->snapshot);
    mem_free(r);
}

void worker_reload(struct worker *w, struct snapshot *sn)
{
    struct reload *r = mem_zalloc(sizeof *r);
    r->worker = w;
    r->snapshot = snapshot_ref(sn);
    loop_post(w->loop, reload_arrives, r);
}

/* How much of the time of a drain is left to those uploads that are kept when they are cut off. */
static uint64_t keeping_ms(uint64_t grace_ms)
{
    return grace_ms / 3 < CONN_KEEP_MS ? grace_ms / 3 : CONN_KEEP_MS;
}

static void close_all_now(struct worker *w, const char *why)
{
    LIST_EACH_SAFE(it, next, &w->sessions)
    {
        struct session *s = LIST_ENTRY(it, struct session, node);
        conn_close_now(s->conn, why);
    }
}

static void grace_over(void *arg)
{
    struct worker *w = arg;
    w->grace = NULL;
    close_all_now(w, "shutdown: timeouts.drain_s is over");
}

static void grace_ends(void *arg)
{
    struct worker *w = arg;
    w->grace = deadline_start(w->loop, keeping_ms(w->grace_ms), grace_over, w);
    LIST_EACH_SAFE(it, next, &w->sessions)
    {
        struct session *s = LIST_ENTRY(it, struct session, node);
        if (conn_keeps(s->conn))
            conn_close(s->conn, "shutdown: timeouts.drain_s is nearly over");
    }
}

struct drain {
    struct worker *worker;
    uint64_t grace_ms;
};

static void drain_arrives(void *arg)
{
    struct drain *d = arg;
    struct worker *w = d->worker;
    if (!w->draining) {
        w->draining = true;
        w->grace_ms = d->grace_ms;
        uint64_t ms = d->grace_ms - keeping_ms(d->grace_ms);
        w->grace = deadline_start(w->loop, ms, grace_ends, w);
        LIST_EACH_SAFE(it, next, &w->sessions)
        {
            struct session *s = LIST_ENTRY(it, struct session, node);
            conn_drain(s->conn);
        }
        maybe_drained(w);
    }
    mem_free(d);
}

void worker_drain(struct worker *w, uint64_t grace_ms)
{
    struct drain *d = mem_zalloc(sizeof *d);
    d->worker = w;
    d->grace_ms = grace_ms;
    loop_post(w->loop, drain_arrives, d);
}

static void end_arrives(void *arg)
{
    struct worker *w = arg;
    op_cancel(&w->grace);
    close_all_now(w, "shutdown: at once");
}

void worker_end(struct worker *w)
{
    loop_post(w->loop, end_arrives, w);
}

static void sweep_done(void *arg, enum gw_err err, const char *text)
{
    struct sweep *s = arg;
    s->op = NULL;
    LOG_EVENT(err == GW_OK ? LOG_LVL_INFO : LOG_LVL_WARN, NULL, "sweep",
              log_str("backend", s->what), log_str("result", gw_err_name(err)),
              log_str("msg", text));
    sweep_free(s);
}

void worker_sweep(struct worker *w)
{
    const struct opt_map *map = &w->now->snapshot->settings->backends;
    for (size_t i = 0; i < map->n; i++) {
        struct sweep *s = sweep_new(w, map->names[i]);
        s->op = backend_sweep(w->now->backends[i], sweep_done, s);
        if (s->op == NULL)
            sweep_free(s);
    }
    if (w->now->spool != NULL) {
        struct sweep *s = sweep_new(w, "spool");
        s->op = spool_sweep(w->now->spool, sweep_done, s);
    }
}
