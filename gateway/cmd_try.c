#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "auth/auth.h"
#include "backends/backends.h"
#include "config/textfile.h"
#include "gateway/base/mem.h"
#include "gateway/cmd.h"
#include "gateway/cmdline.h"
#include "gateway/prompt.h"
#include "gateway/try_login.h"

#define KEYS_MAX 64u

/* One login on trial. */
struct trial {
    struct settings *settings;
    struct try_login login;
    struct key_line keys[KEYS_MAX];
};

/* Where a mount leads: the store's own settings, secrets masked. */
static json_t *mount_json(const struct settings *s, const struct identity_mount *m)
{
    json_t *out = json_pack("{s:s,s:s,s:b}", "path", m->path, "prefix",
                            m->prefix == NULL ? "" : m->prefix, "read_only", m->read_only);
    if (m->backend == NULL) {
        json_t *store = json_loads(m->store, 0, NULL);
        json_object_set(out, "type", json_object_get(store, "type"));
        json_decref(store);
        return out;
    }
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

/* A login that succeeds and then has no tree fails for the client. */
static bool has_problem(json_t *answer)
{
    size_t i;
    json_t *mount;
    bool found = json_object_get(answer, "problem") != NULL;
    json_array_foreach(json_object_get(answer, "mounts"), i, mount)
    {
        found = found || json_object_get(mount, "problem") != NULL;
    }
    return found;
}

/* What the stores say of the whole of it, where no mount has its problem already. */
static void put_problem(struct settings *s, const struct identity *id, json_t *out)
{
    struct gw_errmsg msg = {""};
    if (id->nmounts == 0)
        json_object_set_new(out, "problem", json_string("no mount: the user would see nothing"));
    else if (!has_problem(out) && cmd_check_tree(s, id, &msg) != GW_OK)
        json_object_set_new(out, "problem", json_string(msg.text));
}

static json_t *answer_json(struct settings *s, const struct try_login *a)
{
    bool accepted = a->verdict == AUTH_ACCEPT && a->id != NULL;
    bool partial = accepted && a->id->nnext_methods > 0;
    json_t *out = json_object();
    json_t *done = json_array();
    json_object_set_new(out, "verdict",
                        json_string(partial ? "partial" : try_login_verdicts[a->verdict]));
    if (a->verifier != NULL)
        json_object_set_new(out, "verifier", json_string(a->verifier));
    if (a->why != NULL)
        json_object_set_new(out, "why", json_string(a->why));
    for (size_t i = 0; i < a->ndone; i++)
        json_array_append_new(done, json_string(a->done[i]));
    json_object_set_new(out, "methods_done", done);
    json_object_set(out, "steps", a->steps);
    if (!accepted)
        return out;
    json_object_set_new(out, "identity", identity_to_json(a->id));
    json_t *mounts = json_array();
    for (size_t i = 0; i < a->id->nmounts; i++)
        json_array_append_new(mounts, mount_json(s, &a->id->mounts[i]));
    json_object_set_new(out, "mounts", mounts);
    if (!partial) /* what takes effect is what the last step gives */
        put_problem(s, a->id, out);
    return out;
}

static int report(struct settings *s, const struct try_login *a)
{
    json_t *out = answer_json(s, a);
    json_dumpf(out, stdout, JSON_INDENT(2));
    putchar('\n');
    bool lost = has_problem(out);
    json_decref(out);
    if (a->verdict == AUTH_FAULT)
        return EX_UNAVAILABLE;
    bool complete = a->verdict == AUTH_ACCEPT && a->id != NULL && a->id->nnext_methods == 0;
    return complete && !lost ? EX_OK : EX_NOPERM;
}

static size_t line_length(const char *s)
{
    return strcspn(s, "\n");
}

/* Each line of the file is a key, as in an agent's list. */
static int read_keys(const char *word, const char *path, struct trial *t)
{
    struct gw_buf text;
    struct gw_errmsg msg = {""};
    int code = EX_OK;
    gw_buf_init(&text, KEY_LINE_MAX * 8);
    if (textfile_read(path, &text, &msg) != GW_OK)
        code = cmdline_fail(word, EX_NOINPUT, "%s: %s", path, msg.text);
    const char *at = code == EX_OK ? gw_buf_cstr(&text) : "";
    for (size_t n; code == EX_OK && *at != '\0'; at += n + (at[n] == '\n')) {
        n = line_length(at);
        char *line = mem_strndup(at, n);
        bool blank = line[strspn(line, " \t\r")] == '\0' || line[0] == '#';
        if (!blank && t->login.nkeys == KEYS_MAX)
            code = cmdline_fail(word, EX_DATAERR, "%s: more than %u keys", path, KEYS_MAX);
        else if (!blank && key_line_parse(line, &t->keys[t->login.nkeys++], &msg) != GW_OK)
            code = cmdline_fail(word, EX_DATAERR, "%s: %s", path, msg.text);
        mem_free(line);
    }
    if (code == EX_OK && t->login.nkeys == 0)
        code = cmdline_fail(word, EX_DATAERR, "%s: no key in it", path);
    gw_buf_free(&text);
    return code;
}

static int read_password(const char *word, char **out)
{
    struct gw_errmsg msg = {""};
    enum gw_err err = prompt_line(out, &msg);
    return err == GW_OK ? EX_OK : cmdline_fail(word, EX_NOINPUT, "the password: %s", msg.text);
}

/* What was given must be on offer, or it says nothing about the login. */
static int check_offered(const char *word, const struct try_login *a)
{
    const bool given[AUTH_METHOD_COUNT] = {
        [AUTH_PUBLICKEY] = a->nkeys > 0,
        [AUTH_PASSWORD] = a->password != NULL,
        [AUTH_KEYBOARD_INTERACTIVE] = a->answers,
    };
    for (unsigned m = 0; m < AUTH_METHOD_COUNT; m++)
        if (given[m] && (a->offered & 1u << m) == 0)
            return cmdline_fail(word, EX_NOPERM, "auth.methods does not offer \"%s\"",
                                auth_method_names[m]);
    return EX_OK;
}

static int try_login(const char *word, struct trial *t, const char *config)
{
    struct try_login *a = &t->login;
    struct gw_errmsg msg = {""};
    int code = cmd_load_settings(config, &t->settings);
    if (code != EX_OK)
        return code;
    a->offered = auth_method_mask(t->settings->auth.methods.v, t->settings->auth.methods.n);
    code = check_offered(word, a);
    if (code != EX_OK)
        return code;
    if (loop_new(&a->loop) != GW_OK)
        return cmdline_fail(word, EX_OSERR, "no event loop to be had");
    if (auth_new(a->loop, t->settings, &a->auth, &msg) != GW_OK)
        return cmdline_fail(word, EX_CONFIG, "auth.verifiers: %s", msg.text);
    if (try_login_run(a, &msg) != GW_OK)
        return cmdline_fail(word, EX_NOINPUT, "an answer: %s", msg.text);
    if (json_array_size(a->steps) == 0)
        return cmdline_fail(word, EX_NOPERM,
                            "auth.methods offers nothing that was given: see "
                            "--key, --password-stdin, --keyboard-interactive");
    return report(t->settings, a);
}

static void trial_free(struct trial *t)
{
    try_login_free(&t->login);
    auth_free(&t->login.auth);
    loop_free(&t->login.loop);
    settings_unref(&t->settings);
    for (size_t i = 0; i < t->login.nkeys; i++)
        key_line_free(&t->keys[i]);
}

int cmd_try(int argc, char **argv)
{
    const char *config = NULL;
    const char *key = NULL;
    bool from_stdin = false;
    struct trial t = {.settings = NULL};
    struct try_login *a = &t.login;
    const struct cmdline_opt opts[] = {{"config", &config, NULL},
                                       {"user", &a->user, NULL},
                                       {"key", &key, NULL},
                                       {"address", &a->address, NULL},
                                       {"password-stdin", NULL, &from_stdin},
                                       {"keyboard-interactive", NULL, &a->answers},
                                       {NULL, NULL, NULL}};
    int code = cmdline_parse(argc, argv, opts, NULL);
    log_level_now = LOG_LVL_ERROR; /* the answer is what this word prints */
    cmd_init_signals();
    if (code == EX_OK && a->user == NULL)
        code = cmdline_usage(argv[0], "--user is needed");
    if (code == EX_OK)
        code = cmd_config_path(config, &config);
    if (a->address == NULL)
        a->address = "127.0.0.1";
    a->keys = t.keys;
    a->person = prompt_is_terminal();
    if (code == EX_OK && key != NULL)
        code = read_keys(argv[0], key, &t);
    if (code == EX_OK && (from_stdin || (key == NULL && !a->answers && !a->person)))
        code = read_password(argv[0], &a->password);
    if (code == EX_OK)
        code = try_login(argv[0], &t, config);
    trial_free(&t);
    return code;
}
