#include "tests/support/authkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/pubkey.h"
#include "backends/backends.h"
#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"
#include "tests/support/sync.h"

static void die(const char *what)
{
    fprintf(stderr, "authkit: %s\n", what);
    abort();
}

void authkit_write(const char *path, const char *text)
{
    char *part = mem_printf("%s.new", path);
    FILE *f = fopen(part, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0 || rename(part, path) != 0)
        die("cannot write the user file");
    mem_free(part);
}

char *authkit_file(const char *text)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = mem_printf("%s/postern-auth-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(dir) == NULL)
        die("no folder for the user file");
    char *path = mem_printf("%s/users.json", dir);
    mem_free(dir);
    authkit_write(path, text);
    return path;
}

void authkit_remove(char **path)
{
    (void)unlink(*path);
    *strrchr(*path, '/') = '\0';
    (void)rmdir(*path);
    mem_free(*path);
    *path = NULL;
}

struct settings *authkit_settings(const char *auth, const char *users)
{
    struct settings *s = NULL;
    struct gw_buf problems;
    gw_buf_init(&problems, 65536);
    const struct opt_kinds kinds[OPT_SLOT_COUNT] = {
        [OPT_SLOT_BACKEND] = *backend_kinds(),
        [OPT_SLOT_VERIFIER] = *auth_kinds(),
    };
    char *text = mem_printf("{\"ssh\":{\"host_keys\":[{\"file\":\"/nowhere\"}]},"
                            "\"backends\":{\"m\":{\"type\":\"memory\"}},"
                            "\"auth\":%s,\"users\":%s}",
                            auth, users);
    if (settings_load(NULL, text, kinds, &s, &problems) != GW_OK)
        die(gw_buf_cstr(&problems));
    mem_free(text);
    gw_buf_free(&problems);
    return s;
}

struct gw_buf authkit_blob(const char *line)
{
    struct pubkey k;
    if (pubkey_parse(line, &k, NULL) != GW_OK)
        die("a key of the test is no key");
    return k.blob;
}

struct stub_check {
    struct op op;
    struct authkit_stub *s;
    struct op *timer;
    const struct auth_req *req;
    auth_done_fn *done;
    void *arg;
};

static void stub_fire(void *arg)
{
    struct stub_check *c = arg;
    const struct authkit_say *say = &c->s->say;
    struct auth_prompt prompts[AUTH_PROMPTS_MAX + 1];
    struct auth_res res = {.verdict = say->verdict,
                           .why = "stub",
                           .decoy = say->decoy,
                           .has_cache_s = say->has_cache_s,
                           .cache_s = say->cache_s};
    if (say->verdict == AUTH_ACCEPT && !say->no_id) {
        json_t *over = json_loads(say->identity == NULL ? "{}" : say->identity, 0, NULL);
        if (identity_from_json(c->req->user, NULL, over, 0, &res.id, NULL) != GW_OK)
            die("an identity of the test is none");
        json_decref(over);
    }
    if (say->verdict == AUTH_ASK) {
        for (size_t i = 0; i < say->prompts; i++)
            prompts[i] = (struct auth_prompt){"Code: ", false};
        res.prompts = prompts;
        res.nprompts = say->prompts;
        res.instruction = say->instruction;
        res.state = say->state;
    }
    auth_done_fn *done = c->done;
    void *to = c->arg;
    mem_free(c);
    done(to, &res);
}

static void stub_cancel(struct op *op)
{
    struct stub_check *c = (struct stub_check *)op;
    c->s->cancelled++;
    op_cancel(&c->timer);
    mem_free(c);
}

static const struct op_type stub_op = {"stub", stub_cancel};

#define KEEP(to, text) snprintf((to), sizeof(to), "%s", (text) == NULL ? "(none)" : (text))

static struct op *stub_verify(struct verifier *v, const struct auth_req *req, auth_done_fn *done,
                              void *arg)
{
    struct authkit_stub *s = (struct authkit_stub *)v;
    struct stub_check *c = mem_zalloc(sizeof *c);
    *c = (struct stub_check){.op = {&stub_op}, .s = s, .req = req, .done = done, .arg = arg};
    s->asked++;
    s->step = req->kbdint.step;
    s->nanswers = req->kbdint.nanswers;
    KEEP(s->answer, req->kbdint.nanswers == 0 ? NULL : req->kbdint.answers[0]);
    KEEP(s->state, req->kbdint.state);
    KEEP(s->done, req->nmethods_done == 0 ? NULL : req->methods_done[0]);
    if (s->say.delay_ms != AUTHKIT_NEVER)
        c->timer = deadline_start(s->loop, s->say.delay_ms, stub_fire, c);
    return &c->op;
}

static void stub_free(struct verifier *v)
{
    (void)v;
}

static const struct verifier_type stub_type = {
    .name = "stub", .verify = stub_verify, .free = stub_free};

void authkit_stub_add(struct authkit_stub *s, const struct authkit_say *say, struct loop *l,
                      struct auth *a)
{
    *s = (struct authkit_stub){.v = {&stub_type}, .say = *say, .loop = l};
    s->common.timeout_ms = say->delay_ms == AUTHKIT_NEVER ? 20 : 5000;
    auth_add(a, &s->v, &s->common, "stub");
}

void authkit_done(void *arg, struct auth_res *res)
{
    struct authkit_answer *a = arg;
    a->op = NULL;
    a->calls++;
    a->verdict = res->verdict;
    a->id = res->id;
    a->nprompts = res->nprompts;
    snprintf(a->why, sizeof a->why, "%s", res->why == NULL ? "" : res->why);
    snprintf(a->verifier, sizeof a->verifier, "%s", res->verifier == NULL ? "" : res->verifier);
    KEEP(a->prompt, res->nprompts == 0 ? NULL : res->prompts[0].text);
    KEEP(a->instruction, res->instruction);
    KEEP(a->state, res->state);
    a->said[0] = '\0';
    for (size_t i = 0; i < res->nsaid; i++) {
        size_t n = strlen(a->said);
        snprintf(a->said + n, sizeof a->said - n, "%s%s:%d", i > 0 ? " " : "",
                 res->said[i].verifier, (int)res->said[i].verdict);
    }
}

static bool answered(void *arg)
{
    const struct authkit_answer *a = arg;
    return a->op == NULL;
}

void authkit_wait(struct loop *l, struct authkit_answer *a)
{
    if (!sync_until(l, answered, a))
        die("no answer");
}
