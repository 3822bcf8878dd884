#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "auth/auth.h"
#include "backends/backends.h"
#include "config/textfile.h"
#include "gateway/base/mem.h"
#include "gateway/cmd.h"
#include "gateway/cmdline.h"
#include "gateway/key_line.h"
#include "gateway/prompt.h"

/* One login on trial: a key, a password, or first the one and then the other. */
struct attempt {
    struct settings *settings;
    struct loop *loop;
    struct auth *auth;
    struct op *op;
    const char *user, *address;
    char *password;      /* NULL = none given */
    struct key_line key; /* algorithm "" = none given */
    const char *done[AUTH_METHOD_COUNT];
    size_t ndone;
    /* The answer to the last step. */
    enum auth_verdict verdict;
    struct identity *id;
    char *why, *verifier;
};

static const char *const verdict_names[] = {
    [AUTH_ACCEPT] = "accept", [AUTH_REJECT] = "reject", [AUTH_NEXT] = "next",
    [AUTH_ASK] = "ask",       [AUTH_FAULT] = "fault",
};

static void on_answer(void *arg, struct auth_res *res)
{
    struct attempt *a = arg;
    a->op = NULL;
    a->verdict = res->verdict;
    a->id = res->id;
    res->id = NULL;
    a->why = mem_strdup(res->why);
    a->verifier = mem_strdup(res->verifier);
}

static void forget_answer(struct attempt *a)
{
    identity_free(&a->id);
    mem_free(a->why);
    mem_free(a->verifier);
    a->why = a->verifier = NULL;
}

static bool is_offered(const struct settings *s, const char *method)
{
    for (size_t i = 0; i < s->auth.methods.n; i++)
        if (strcmp(s->auth.methods.v[i], method) == 0)
            return true;
    return false;
}

static void ask(struct attempt *a, enum auth_method method, bool is_signed)
{
    struct auth_req req = {
        .method = method,
        .user = a->user,
        .methods_done = a->done,
        .nmethods_done = a->ndone,
        .client_address = a->address,
        .client_version = "SSH-2.0-postern_try",
        .server_address = "127.0.0.1",
        .attempt = 1,
    };
    if (method == AUTH_PASSWORD) {
        req.password = a->password;
    } else {
        req.key.algorithm = a->key.algorithm;
        req.key.blob = gw_buf_span(&a->key.blob);
        req.key.fingerprint = a->key.fingerprint;
        req.key.is_signed = is_signed;
    }
    forget_answer(a);
    a->op = auth_check(a->auth, &req, on_answer, a);
    while (a->op != NULL)
        loop_turn(a->loop);
}

/* True: the login goes on with another step. */
static bool step(struct attempt *a, enum auth_method method)
{
    const char *name = auth_method_names[method];
    if (method == AUTH_PUBLICKEY) {
        ask(a, method, false); /* clients ask before they sign */
        if (a->verdict != AUTH_ACCEPT)
            return false;
    }
    ask(a, method, true);
    if (a->verdict != AUTH_ACCEPT)
        return false;
    a->done[a->ndone++] = name;
    return a->id->nnext_methods > 0;
}

static void run_steps(struct attempt *a)
{
    bool more = true;
    if (a->key.algorithm[0] != '\0')
        more = step(a, AUTH_PUBLICKEY);
    /* A wrong key does not end a login: the client goes on with its password. */
    if (a->password != NULL && (more || a->verdict == AUTH_REJECT))
        (void)step(a, AUTH_PASSWORD);
}

/* Where a mount leads: the store's own settings, secrets masked. */
static json_t *mount_json(const struct settings *s, const struct identity_mount *m)
{
    json_t *out = json_pack("{s:s,s:s,s:b}", "path", m->path, "prefix",
                            m->prefix == NULL ? "" : m->prefix, "read_only", m->read_only);
    if (m->backend == NULL)
        return out;
    json_object_set_new(out, "backend", json_string(m->backend));
    for (size_t i = 0; i < s->backends.n; i++) {
        const struct opt_any *any = &((const struct opt_any *)s->backends.v)[i];
        if (strcmp(s->backends.names[i], m->backend) != 0)
            continue;
        json_object_set_new(out, "type", json_string(any->kind->name));
        json_object_set_new(out, "store", options_print(any->kind->tab, any->conf));
        return out;
    }
    json_object_set_new(out, "problem", json_string("no such backend: this mount will fail"));
    return out;
}

static json_t *answer_json(const struct attempt *a)
{
    bool accepted = a->verdict == AUTH_ACCEPT && a->id != NULL;
    bool partial = accepted && a->id->nnext_methods > 0;
    json_t *out = json_object();
    json_t *done = json_array();
    json_object_set_new(out, "verdict",
                        json_string(partial ? "partial" : verdict_names[a->verdict]));
    if (a->verifier != NULL)
        json_object_set_new(out, "verifier", json_string(a->verifier));
    if (a->why != NULL)
        json_object_set_new(out, "why", json_string(a->why));
    for (size_t i = 0; i < a->ndone; i++)
        json_array_append_new(done, json_string(a->done[i]));
    json_object_set_new(out, "methods_done", done);
    if (!accepted)
        return out;
    json_object_set_new(out, "identity", identity_to_json(a->id));
    json_t *mounts = json_array();
    for (size_t i = 0; i < a->id->nmounts; i++)
        json_array_append_new(mounts, mount_json(a->settings, &a->id->mounts[i]));
    json_object_set_new(out, "mounts", mounts);
    if (a->id->nmounts == 0)
        json_object_set_new(out, "problem", json_string("no mount: the user would see nothing"));
    return out;
}

static int report(const struct attempt *a)
{
    json_t *out = answer_json(a);
    json_dumpf(out, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(out);
    if (a->verdict == AUTH_FAULT)
        return EX_UNAVAILABLE;
    return a->verdict == AUTH_ACCEPT && a->id != NULL && a->id->nnext_methods == 0 ? EX_OK
                                                                                   : EX_NOPERM;
}

static int read_key(const char *word, const char *path, struct key_line *key)
{
    struct gw_buf text;
    struct gw_errmsg msg = {""};
    int code = EX_OK;
    gw_buf_init(&text, KEY_LINE_MAX);
    if (textfile_read(path, &text, &msg) != GW_OK)
        code = cmdline_fail(word, EX_NOINPUT, "%s: %s", path, msg.text);
    else if (key_line_parse(gw_buf_cstr(&text), key, &msg) != GW_OK)
        code = cmdline_fail(word, EX_DATAERR, "%s: %s", path, msg.text);
    gw_buf_free(&text);
    return code;
}

static int read_password(const char *word, bool from_stdin, char **out)
{
    struct gw_errmsg msg = {""};
    bool ask_person = !from_stdin && prompt_is_terminal();
    enum gw_err err = ask_person ? prompt_secret("Password: ", out, &msg) : prompt_line(out, &msg);
    return err == GW_OK ? EX_OK : cmdline_fail(word, EX_NOINPUT, "the password: %s", msg.text);
}

static int try_login(const char *word, struct attempt *a, const char *config)
{
    struct gw_errmsg msg = {""};
    int code = cmd_load_settings(config, &a->settings);
    if (code != EX_OK)
        return code;
    if (a->password != NULL && !is_offered(a->settings, auth_method_names[AUTH_PASSWORD]))
        return cmdline_fail(word, EX_NOPERM, "auth.methods does not offer \"password\"");
    if (a->key.algorithm[0] != '\0' && !is_offered(a->settings, auth_method_names[AUTH_PUBLICKEY]))
        return cmdline_fail(word, EX_NOPERM, "auth.methods does not offer \"publickey\"");
    if (loop_new(&a->loop) != GW_OK)
        return cmdline_fail(word, EX_OSERR, "no event loop to be had");
    if (auth_new(a->loop, a->settings, &a->auth, &msg) != GW_OK)
        return cmdline_fail(word, EX_CONFIG, "auth.verifiers: %s", msg.text);
    run_steps(a);
    return report(a);
}

static void attempt_free(struct attempt *a)
{
    forget_answer(a);
    auth_free(&a->auth);
    loop_free(&a->loop);
    settings_unref(&a->settings);
    mem_free_secret_str(&a->password);
    key_line_free(&a->key);
}

int cmd_try(int argc, char **argv)
{
    const char *config = NULL;
    const char *key = NULL;
    bool from_stdin = false;
    struct attempt a = {.key = {.algorithm = ""}};
    const struct cmdline_opt opts[] = {{"config", &config, NULL},
                                       {"user", &a.user, NULL},
                                       {"key", &key, NULL},
                                       {"address", &a.address, NULL},
                                       {"password-stdin", NULL, &from_stdin},
                                       {NULL, NULL, NULL}};
    int code = cmdline_parse(argc, argv, opts, NULL);
    cmd_init_signals();
    log_level_now = LOG_LVL_ERROR; /* the answer is what this word prints */
    if (code == EX_OK && a.user == NULL)
        code = cmdline_usage(argv[0], "--user is needed");
    if (code == EX_OK)
        code = cmd_config_path(config, &config);
    if (a.address == NULL)
        a.address = "127.0.0.1";
    if (code == EX_OK && key != NULL)
        code = read_key(argv[0], key, &a.key);
    if (code == EX_OK && (from_stdin || key == NULL))
        code = read_password(argv[0], from_stdin, &a.password);
    if (code == EX_OK)
        code = try_login(argv[0], &a, config);
    attempt_free(&a);
    return code;
}
