#include "gateway/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "auth/throttle.h"
#include "gateway/admission.h"
#include "gateway/base/mem.h"
#include "gateway/io/budget.h"
#include "gateway/io/deadline.h"
#include "gateway/io/work.h"
#include "gateway/snapshot.h"
#include "gateway/ssh/listener.h"
#include "gateway/worker.h"

#define LOOPS_MAX 64u

struct server {
    struct snapshot *snapshot; /* the one that listens; workers hold theirs */
    struct budget *budget;
    struct spool_space spool;
    struct admission *admission;
    struct throttle *throttle;
    struct gate *exchanges;
    struct worker **workers; /* [0] runs on the caller's thread and accepts */
    unsigned nworkers, started;
    struct listener **listeners;
    size_t nlisteners;
    struct op *tick; /* of the throttle */
    unsigned left;   /* workers that have not drained; first loop */
    bool draining;
};

/* The numeric address of a peer: for the log. */
static const char *peer_text(const struct sockaddr_storage *peer, char text[INET6_ADDRSTRLEN])
{
    const void *addr = peer->ss_family == AF_INET
                           ? (const void *)&((const struct sockaddr_in *)peer)->sin_addr
                           : (const void *)&((const struct sockaddr_in6 *)peer)->sin6_addr;
    return inet_ntop(peer->ss_family, addr, text, INET6_ADDRSTRLEN) == NULL ? "?" : text;
}

/* *ticket, or why not; NULL where the log has said it often enough. */
static const char *admit(struct server *srv, const struct sockaddr_storage *peer,
                         struct admission_ticket **ticket)
{
    char text[INET6_ADDRSTRLEN];
    bool first = false;
    if (throttle_refuses(srv->throttle, peer_text(peer, text),
                         loop_now_ms(worker_loop(srv->workers[0])), &first))
        return first ? "auth.throttle" : NULL;
    return admission_enter(srv->admission, peer, ticket);
}

static void accepted(void *arg, int fd, const struct sockaddr_storage *peer)
{
    struct server *srv = arg;
    struct admission_ticket *ticket = NULL;
    const char *why = admit(srv, peer, &ticket);
    if (ticket == NULL) {
        char text[INET6_ADDRSTRLEN];
        if (why != NULL)
            LOG_EVENT(LOG_LVL_WARN, NULL, "refused", log_str("peer", peer_text(peer, text)),
                      log_str("limit", why));
        close(fd);
        return;
    }
    struct worker *least = srv->workers[0];
    for (unsigned i = 1; i < srv->nworkers; i++)
        if (worker_load(srv->workers[i]) < worker_load(least))
            least = srv->workers[i];
    worker_give(least, fd, ticket);
}

static void one_drained(void *arg)
{
    struct server *srv = arg;
    if (--srv->left == 0)
        loop_stop(worker_loop(srv->workers[0]));
}

/* On any worker's thread. */
static void worker_drained(void *arg)
{
    struct server *srv = arg;
    loop_post(worker_loop(srv->workers[0]), one_drained, srv);
}

/* Linux doubles a process's table of descriptors as it fills, and with several threads each time
 * waits until no core can be reading the old one: 10 to 20 ms in which a loop that accepts serves
 * nobody. */
static void grow_file_table(rlim_t files)
{
    int fd = files > 0 ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, (int)files - 1) : -1;
    if (fd >= 0)
        close(fd);
}

/* A session is two descriptors and each open file one: the soft limit of 1,024 is soon reached. */
static void raise_file_limit(const struct settings *s)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
        return;
    lim.rlim_cur = lim.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &lim);
    if (lim.rlim_cur / 3 < s->limits.connections)
        log_msg(
            LOG_LVL_WARN, NULL, "file_limit",
            "%llu open files are allowed: enough for about %llu sessions, limits.connections is "
            "%u; raise RLIMIT_NOFILE (ulimit -Hn, LimitNOFILE=)",
            (unsigned long long)lim.rlim_cur, (unsigned long long)lim.rlim_cur / 3,
            s->limits.connections);
    grow_file_table(lim.rlim_cur / 3 < s->limits.connections ? lim.rlim_cur
                                                             : (rlim_t)s->limits.connections * 3);
}

static unsigned loops_of(const struct settings *s)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = s->limits.loops > 0 ? s->limits.loops : cores > 0 ? (unsigned)cores : 1;
    return n > LOOPS_MAX ? LOOPS_MAX : n;
}

static enum gw_err make_workers(struct server *srv, struct gw_errmsg *msg)
{
    unsigned n = loops_of(srv->snapshot->settings);
    work_set_threads(n * 2 < 4 ? 4 : n * 2);
    srv->exchanges = gate_new(work_threads() < 2 ? 1 : work_threads() / 2); /* files keep a half */
    srv->workers = mem_array(n, sizeof(struct worker *));
    for (; srv->nworkers < n; srv->nworkers++) {
        struct worker_env env = {.index = srv->nworkers,
                                 .budget = srv->budget,
                                 .throttle = srv->throttle,
                                 .exchanges = srv->exchanges,
                                 .spool = &srv->spool,
                                 .drained = worker_drained,
                                 .arg = srv};
        enum gw_err err = worker_new(&env, srv->snapshot, &srv->workers[srv->nworkers], msg);
        if (err != GW_OK)
            return err;
    }
    return GW_OK;
}

static enum gw_err make_listeners(struct server *srv, struct gw_errmsg *msg)
{
    const struct settings *s = srv->snapshot->settings;
    const struct settings_listen *confs = s->listen.v;
    srv->listeners = mem_array(s->listen.n, sizeof(struct listener *));
    for (; srv->nlisteners < s->listen.n; srv->nlisteners++) {
        enum gw_err err =
            listener_new(worker_loop(srv->workers[0]), &confs[srv->nlisteners], &s->tcp, accepted,
                         srv, &srv->listeners[srv->nlisteners], msg);
        if (err != GW_OK)
            return err;
    }
    return GW_OK;
}

static void free_listeners(struct server *srv)
{
    for (size_t i = 0; i < srv->nlisteners; i++)
        listener_free(&srv->listeners[i]);
    mem_free(srv->listeners);
    srv->listeners = NULL;
    srv->nlisteners = 0;
}

enum gw_err server_new(struct settings *s, struct server **out, struct gw_errmsg *msg)
{
    struct server *srv = mem_zalloc(sizeof *srv);
    /* libssh asks for Kerberos credentials by itself when a client tries gssapi-with-mic. */
    setenv("KRB5_KTNAME", "FILE:/nonexistent", 1);
    raise_file_limit(s);
    srv->budget = budget_new((size_t)s->limits.memory_mb << 20);
    srv->admission = admission_new(&s->limits);
    srv->throttle = throttle_new(s);
    enum gw_err err = snapshot_new(s, &srv->snapshot, msg);
    if (err == GW_OK)
        err = make_workers(srv, msg);
    if (err == GW_OK)
        err = make_listeners(srv, msg);
    for (srv->started = 1; err == GW_OK && srv->started < srv->nworkers; srv->started++)
        err = worker_start(srv->workers[srv->started]);
    if (err != GW_OK) {
        server_free(&srv);
        return err;
    }
    srv->left = srv->nworkers;
    *out = srv;
    return GW_OK;
}

struct loop *server_loop(struct server *srv)
{
    return worker_loop(srv->workers[0]);
}

static void log_start(struct server *srv)
{
    for (size_t i = 0; i < host_keys_count(srv->snapshot->host_keys); i++)
        LOG_EVENT(LOG_LVL_INFO, NULL, "host_key",
                  log_str("fingerprint", host_keys_fingerprint(srv->snapshot->host_keys, i)));
    for (size_t i = 0; i < srv->nlisteners; i++)
        LOG_EVENT(LOG_LVL_INFO, NULL, "listening",
                  log_str("address", listener_address(srv->listeners[i])),
                  log_u64("port", listener_port(srv->listeners[i])));
    LOG_EVENT(LOG_LVL_INFO, NULL, "ready", log_str("version", POSTERN_VERSION),
              log_u64("pid", (uint64_t)getpid()), log_u64("loops", srv->nworkers));
}

static void tick(void *arg)
{
    struct server *srv = arg;
    struct loop *l = worker_loop(srv->workers[0]);
    throttle_tick(srv->throttle, loop_now_ms(l));
    srv->tick = deadline_start(l, THROTTLE_TICK_MS, tick, srv);
}

void server_run(struct server *srv)
{
    worker_sweep(srv->workers[0]);
    tick(srv);
    log_start(srv);
    loop_run(worker_loop(srv->workers[0]));
    op_cancel(&srv->tick);
    for (unsigned i = 1; i < srv->nworkers; i++)
        worker_join(srv->workers[i]);
    for (unsigned i = 0; i < srv->nworkers; i++)
        LOG_EVENT(LOG_LVL_INFO, NULL, "loop_end", log_u64("loop", i),
                  log_u64("longest_turn_us", loop_longest_turn_us(worker_loop(srv->workers[i]))));
    srv->started = 1;
}

void server_drain(struct server *srv)
{
    if (srv->draining)
        return;
    srv->draining = true;
    free_listeners(srv);
    uint32_t grace_s = srv->snapshot->settings->timeouts.drain_s;
    LOG_EVENT(LOG_LVL_INFO, NULL, "drain", log_u64("sessions", admission_count(srv->admission)),
              log_u64("grace_s", grace_s));
    for (unsigned i = 0; i < srv->nworkers; i++)
        worker_drain(srv->workers[i], grace_s * UINT64_C(1000));
}

void server_end(struct server *srv)
{
    for (unsigned i = 0; i < srv->nworkers; i++)
        worker_end(srv->workers[i]);
}

enum gw_err server_reload(struct server *srv, struct settings *s, struct gw_errmsg *msg)
{
    struct snapshot *sn = NULL;
    enum gw_err err = snapshot_new(s, &sn, msg);
    if (err != GW_OK)
        return err;
    admission_set_limits(srv->admission, &s->limits);
    throttle_reload(srv->throttle, s);
    for (unsigned i = 0; i < srv->nworkers; i++)
        worker_reload(srv->workers[i], sn);
    snapshot_unref(&sn);
    return GW_OK;
}

void server_free(struct server **srvp)
{
    struct server *srv = *srvp;
    *srvp = NULL;
    if (srv == NULL)
        return;
    free_listeners(srv);
    for (unsigned i = 1; i < srv->started && i < srv->nworkers; i++)
        worker_join(srv->workers[i]);
    for (unsigned i = 0; i < srv->nworkers; i++)
        worker_free(&srv->workers[i]);
    mem_free(srv->workers);
    admission_free(&srv->admission);
    throttle_free(&srv->throttle);
    gate_free(&srv->exchanges);
    budget_free(&srv->budget);
    snapshot_unref(&srv->snapshot);
    mem_free(srv);
}
