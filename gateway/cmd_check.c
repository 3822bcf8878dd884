#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "auth/auth.h"
#include "backends/backends.h"
#include "backends/spool/spool.h"
#include "gateway/base/mem.h"
#include "gateway/cmd.h"
#include "gateway/cmdline.h"
#include "gateway/io/deadline.h"
#include "gateway/ssh/host_keys.h"
#include "gateway/vfs/vfs.h"

enum {
    PROBE_MS = 60 * 1000, /* the patience of who waits: stores give up sooner by default */
};

/* The configuration on trial: what it needs is made once, as `serve` would, and thrown away. */
struct trial {
    struct settings *settings;
    struct gw_buf problems;
    struct loop *loop;
    struct budget *budget;
    struct backend **backends;
    struct auth *auth;
    bool quiet; /* no word about what is good */
};

/* One question that is under way. All are asked at once: dead stores take their time. */
struct probe {
    char what[160]; /* where the configuration has it */
    struct op *op;
    size_t *left; /* how many are not answered yet */
    enum gw_err err;
    struct gw_errmsg why;
};

static void probe_over(struct probe *p, enum gw_err err, const char *why)
{
    p->op = NULL;
    const char *text = err == GW_OK ? "answers" : gw_err_text(err);
    p->err = gw_err_set(&p->why, err, "%s", why == NULL || *why == '\0' ? text : why);
    (*p->left)--;
}

static void on_backend(void *arg, enum gw_err err, const char *text)
{
    probe_over(arg, err, text);
}

static void on_verifier(void *arg, struct auth_res *res)
{
    identity_free(&res->id);
    probe_over(arg, res->verdict == AUTH_ACCEPT ? GW_OK : GW_UPSTREAM, res->why);
}

static void on_timeout(void *arg)
{
    *(bool *)arg = true;
}

/* Runs the loop until every probe has its answer, or patience ends. */
static void probes_run(struct trial *t, struct probe *all, size_t n, const size_t *left)
{
    bool late = false;
    struct op *timer = deadline_start(t->loop, PROBE_MS, on_timeout, &late);
    while (*left > 0 && !late)
        loop_turn(t->loop);
    if (!late)
        op_cancel(&timer);
    for (size_t i = 0; i < n; i++) {
        if (all[i].op != NULL) {
            op_cancel(&all[i].op);
            probe_over(&all[i], GW_TIMEOUT, "no answer");
        }
        if (all[i].err == GW_OK)
            printf("%s: %s\n", all[i].what, all[i].why.text);
        else
            gw_buf_printf(&t->problems, "%s: %s\n", all[i].what, all[i].why.text);
    }
}

static void probe_all(struct trial *t)
{
    size_t nverifiers = t->auth == NULL ? 0 : auth_count(t->auth);
    size_t nbackends = t->settings->backends.n;
    struct probe *all = mem_array(nbackends + nverifiers, sizeof *all);
    size_t n = 0;
    size_t left = 0;
    for (size_t i = 0; i < nbackends; i++) {
        struct probe *p = &all[n];
        if (t->backends[i] == NULL)
            continue; /* its problem is noted already */
        p->left = &left;
        snprintf(p->what, sizeof p->what, "backends.%s", t->settings->backends.names[i]);
        p->op = backend_probe(t->backends[i], on_backend, p);
        n++;
    }
    for (size_t i = 0; i < nverifiers; i++, n++) {
        all[n].left = &left;
        snprintf(all[n].what, sizeof all[n].what, "auth.verifiers[%zu]", i);
        all[n].op = auth_probe(t->auth, i, on_verifier, &all[n]);
    }
    left = n;
    log_level_now = LOG_LVL_ERROR; /* what a store warns of is what its probe says */
    probes_run(t, all, n, &left);
    mem_free(all);
}

/* Lines that begin with the path of what is wrong. Two of our checks may come upon the same. */
static void note(struct trial *t, const char *lines)
{
    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");
        char *line = mem_strndup(lines, n);
        if (strstr(gw_buf_cstr(&t->problems), line) == NULL)
            gw_buf_printf(&t->problems, "%s\n", line);
        mem_free(line);
        lines += n + (lines[n] == '\n');
    }
}

static void make_backends(struct trial *t)
{
    const struct settings *s = t->settings;
    const struct opt_any *confs = s->backends.v;
    struct backend_env env = {.loop = t->loop, .budget = t->budget, .state_dir = s->state_dir};
    struct gw_errmsg msg = {""};
    for (size_t i = 0; i < s->backends.n; i++)
        if (backend_new(&env, s->backends.names[i], &confs[i], &t->backends[i], &msg) != GW_OK)
            gw_buf_printf(&t->problems, "backends.%s.%s\n", s->backends.names[i], msg.text);
}

/* What only shows when it is made: keys that do not load, a user file that does not parse. */
static void check_by_making(struct trial *t)
{
    struct settings *s = t->settings;
    struct host_keys *keys = NULL;
    struct gw_errmsg msg = {""};
    struct gw_buf problems;
    gw_buf_init(&problems, CMD_PROBLEMS_MAX);
    if (host_keys_try(s, &keys, &problems) == GW_NO_MEMORY)
        gw_buf_put_text(&problems, "ssh: out of memory\n");
    for (size_t i = 0; keys != NULL && !t->quiet && i < host_keys_count(keys); i++)
        printf("ssh.host_keys[%zu]: %s\n", i, host_keys_fingerprint(keys, i));
    host_keys_free(&keys);
    note(t, gw_buf_cstr(&problems));
    gw_buf_reset(&problems);
    if (s->state_dir != NULL && spool_check(s->state_dir, &msg) != GW_OK)
        note(t, msg.text);
    if (s->log.output == LOG_TO_FILE && log_check_file(s->log.path, &msg) != GW_OK)
        note(t, msg.text);
    make_backends(t);
    (void)auth_try(t->loop, s, &t->auth, &problems);
    note(t, gw_buf_cstr(&problems));
    gw_buf_free(&problems);
}

static struct backend *backend_named(void *arg, const char *name)
{
    const struct trial *t = arg;
    const struct opt_map *map = &t->settings->backends;
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->names[i], name) == 0)
            return t->backends[i];
    return NULL;
}

/* Made as for a login: do the stores have what the identity asks of them? */
static enum gw_err make_tree(struct trial *t, struct identity *id, struct gw_errmsg *msg)
{
    const struct settings *s = t->settings;
    struct vfs *v = NULL;
    const struct backend_env env = {.loop = t->loop, .budget = t->budget};
    struct stores *stores = stores_new(&env);
    const struct vfs_env tree = {
        .loop = t->loop, .backend = backend_named, .arg = t, .stores = stores};
    /* Every store can continue a file through the spool, which is not made here. */
    if (s->state_dir != NULL && s->limits.spool_mb > 0)
        id->partial_uploads = IDENTITY_PARTIAL_DISCARD;
    enum gw_err err = vfs_new(&tree, id, &v, msg);
    vfs_free(&v);
    stores_unref(&stores);
    return err;
}

/* What `users` gives to somebody. */
static void check_tree(struct trial *t)
{
    struct identity *id = NULL;
    struct gw_errmsg msg = {""};
    if (identity_from_json("user", t->settings->users, NULL, 0, &id, &msg) == GW_OK &&
        id->nmounts > 0 && make_tree(t, id, &msg) != GW_OK)
        gw_buf_printf(&t->problems, "users: %s\n", msg.text);
    identity_free(&id);
}

static void trial_free(struct trial *t)
{
    auth_free(&t->auth);
    for (size_t i = 0; t->backends != NULL && i < t->settings->backends.n; i++)
        backend_unref(&t->backends[i]);
    mem_free(t->backends);
    loop_free(&t->loop);
    budget_free(&t->budget);
    gw_buf_free(&t->problems);
    settings_unref(&t->settings);
}

static enum gw_err trial_open(struct trial *t)
{
    if (loop_new(&t->loop) != GW_OK)
        return GW_NO_MEMORY;
    t->budget = budget_new((size_t)t->settings->limits.memory_mb * 1024 * 1024);
    t->backends = mem_array(t->settings->backends.n, sizeof(struct backend *));
    return GW_OK;
}

static enum gw_err trial_make(struct trial *t)
{
    enum gw_err err = trial_open(t);
    if (err == GW_OK)
        check_by_making(t);
    return err;
}

void cmd_check_by_making(struct settings *s, struct gw_buf *problems)
{
    struct trial t = {.settings = settings_ref(s), .quiet = true};
    gw_buf_init(&t.problems, CMD_PROBLEMS_MAX);
    if (trial_make(&t) == GW_OK)
        gw_buf_put_text(problems, gw_buf_cstr(&t.problems));
    trial_free(&t);
}

enum gw_err cmd_check_tree(struct settings *s, const struct identity *id, struct gw_errmsg *msg)
{
    struct trial t = {.settings = settings_ref(s)};
    struct identity *own = identity_copy(id);
    gw_buf_init(&t.problems, CMD_PROBLEMS_MAX);
    enum gw_err err = trial_open(&t);
    if (err == GW_OK)
        make_backends(&t);
    /* A store that cannot be made here may be fine where the gateway runs. */
    err = err != GW_OK || t.problems.len > 0 ? GW_OK : make_tree(&t, own, msg);
    identity_free(&own);
    trial_free(&t);
    return err;
}

static int trial_run(struct trial *t, const char *config, bool probe)
{
    enum gw_err err = cmd_read_settings(config, &t->settings, &t->problems);
    if (err == GW_OK) {
        if (trial_make(t) != GW_OK)
            return cmdline_fail("check", EX_OSERR, "no event loop to be had");
        if (t->problems.len == 0 && t->settings->users != NULL)
            check_tree(t);
    }
    bool well_formed = t->problems.len == 0;
    if (err == GW_OK && probe)
        probe_all(t);
    if (t->problems.len == 0) {
        printf("%s: no problems\n", config);
        return EX_OK;
    }
    fflush(stdout);
    cmd_print_problems(config, &t->problems);
    return well_formed ? EX_UNAVAILABLE : EX_CONFIG;
}

int cmd_check(int argc, char **argv)
{
    const char *config = NULL;
    bool probe = false;
    const struct cmdline_opt opts[] = {
        {"config", &config, NULL}, {"probe", NULL, &probe}, {NULL, NULL, NULL}};
    int code = cmdline_parse(argc, argv, opts, NULL);
    cmd_init_signals();
    log_level_now = LOG_LVL_WARN; /* the answer is what this word prints, and what is passed over */
    if (code == EX_OK)
        code = cmd_config_path(config, &config);
    if (code != EX_OK)
        return code;
    struct trial t = {.settings = NULL};
    gw_buf_init(&t.problems, CMD_PROBLEMS_MAX);
    code = trial_run(&t, config, probe);
    trial_free(&t);
    return code;
}
