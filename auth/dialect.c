#include "auth/dialect.h"

#include <unistd.h>

#include "auth/dialect_impl.h"
#include "gateway/base/mem.h"

static const struct dialect_type *const types[] = {
    &dialect_postern, &dialect_sftpgo, &dialect_aws, &dialect_rclone, &dialect_template,
};
const char *const dialect_names[] = {"postern", "sftpgo",   "aws-transfer",
                                     "rclone",  "template", NULL};

static const char *const request_methods[] = {"GET", "POST", "PUT", NULL};
const char *const dialect_form_names[] = {"api-gateway", "json", NULL};

#define AT(member_) .offset = offsetof(struct dialect_request, member_)
/* Tokens stand in headers. */
static const char *const all_secret[] = {"*", NULL};

const struct opt_spec dialect_request_table[] = {
    {.key = "method",
     .type = OPT_ENUM,
     AT(method),
     .dflt = "\"POST\"",
     .names = request_methods,
     .help = "The HTTP method."},
    {.key = "url",
     .type = OPT_STR,
     AT(url),
     .min = 1,
     .max = 4095,
     .help = "Instead of the verifier's `url`, with variables behind the host."},
    {.key = "headers",
     .type = OPT_JSON,
     AT(headers),
     .secret_keys = all_secret,
     .help = "{name: value}, with variables."},
    {.key = "body",
     .type = OPT_SECRET,
     AT(body),
     .max = 65535,
     .help = "JSON or a form, with variables; which of the two is told by its Content-Type."},
    {.key = NULL},
};

struct key {
    bool set;
    unsigned bit;
    const char *name;
};

/* A key that is set and means nothing would let its writer believe that it does. */
static enum gw_err refuse_foreign_keys(const struct dialect *d, struct gw_errmsg *msg)
{
    const struct dialect_conf *c = d->conf;
    const struct key keys[] = {
        {c->home_base != NULL, DIALECT_KEY_HOME, "home_base"},
        {c->backend != NULL, DIALECT_KEY_HOME, "backend"},
        {c->allow_stores, DIALECT_KEY_STORES, "allow_stores"},
        {c->roles != NULL, DIALECT_KEY_AWS, "roles"},
        {c->buckets != NULL, DIALECT_KEY_AWS, "buckets"},
        {c->server_id != NULL, DIALECT_KEY_AWS, "server_id"},
        {c->form != 0, DIALECT_KEY_AWS, "form"},
        {c->keyboard_interactive_url != NULL, DIALECT_KEY_DIALOG, "keyboard_interactive_url"},
        {c->keyboard_interactive_command.n > 0, DIALECT_KEY_DIALOG, "keyboard_interactive_command"},
        {c->request.url != NULL, DIALECT_KEY_TEMPLATE, "request.url"},
        {c->request.headers != NULL, DIALECT_KEY_TEMPLATE, "request.headers"},
        {c->request.body != NULL, DIALECT_KEY_TEMPLATE, "request.body"},
        {c->accept_when != NULL, DIALECT_KEY_TEMPLATE, "accept_when"},
        {c->reject_when != NULL, DIALECT_KEY_TEMPLATE, "reject_when"},
        {c->ask_when != NULL, DIALECT_KEY_TEMPLATE, "ask_when"},
        {c->ask != NULL, DIALECT_KEY_TEMPLATE, "ask"},
        {c->identity != NULL, DIALECT_KEY_TEMPLATE, "identity"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i].set && (d->type->keys & keys[i].bit) == 0)
            return gw_err_set(msg, GW_CONFIG, "%s: the dialect %s has no such key", keys[i].name,
                              d->type->name);
    return GW_OK;
}

static enum gw_err check(struct dialect *d, bool has_target, struct gw_errmsg *msg)
{
    if ((d->type->transports & 1u << d->transport) == 0)
        return gw_err_set(msg, GW_CONFIG, "dialect: %s is not spoken %s", d->type->name,
                          d->transport == DIALECT_HTTP ? "over http" : "by a program");
    enum gw_err err = refuse_foreign_keys(d, msg);
    if (err != GW_OK)
        return err;
    if (!has_target && !d->type->target_optional)
        return gw_err_set(msg, GW_CONFIG, "%s: is missing",
                          d->transport == DIALECT_HTTP ? "url" : "command");
    return d->type->open == NULL ? GW_OK : d->type->open(d, msg);
}

enum gw_err dialect_new(const struct dialect_args *args, struct dialect **out,
                        struct gw_errmsg *msg)
{
    struct dialect *d = mem_zalloc(sizeof *d);
    *d = (struct dialect){.type = types[args->conf->name],
                          .conf = args->conf,
                          .transport = args->transport,
                          .has_target = args->has_target,
                          .url = args->url,
                          .users = args->users,
                          .backends = args->backends};
    if (gethostname(d->host, sizeof d->host - 1) != 0)
        d->host[0] = '\0';
    enum gw_err err = check(d, args->has_target, msg);
    if (err == GW_OK)
        *out = d;
    else
        dialect_free(&d);
    return err;
}

void dialect_free(struct dialect **dp)
{
    if (*dp != NULL)
        json_decref((*dp)->buckets);
    mem_free(*dp);
    *dp = NULL;
}

const char *dialect_name(const struct dialect *d)
{
    return d->type->name;
}

bool dialect_has_ids(const struct dialect *d)
{
    return d->type->has_ids;
}

static void free_lines(char ***vp, size_t *np)
{
    for (size_t i = 0; i < *np; i++)
        mem_free_secret_str(&(*vp)[i]);
    mem_free(*vp);
    *vp = NULL;
    *np = 0;
}

/* Ready for the next part: all but the private members. */
static void ask_clear(struct dialect_ask *ask)
{
    mem_free_secret_str(&ask->url);
    free_lines(&ask->headers, &ask->nheaders);
    free_lines(&ask->env, &ask->nenv);
    gw_buf_free_secret(&ask->body);
    gw_buf_init(&ask->body, DIALECT_BODY_MAX_BYTES);
    ask->target = DIALECT_TARGET_MAIN;
    ask->method = NULL;
    ask->id = NULL;
}

void dialect_ask_free(struct dialect_ask *ask)
{
    ask_clear(ask);
    *ask = (struct dialect_ask){.part = 0};
}

static void verdict_init(struct dialect_verdict *v)
{
    *v = (struct dialect_verdict){.verdict = AUTH_FAULT};
}

void dialect_verdict_free(struct dialect_verdict *v)
{
    identity_free(&v->id);
    mem_free_secret_str(&v->instruction);
    for (size_t i = 0; i < v->nprompts; i++)
        mem_free((char *)(uintptr_t)v->prompts[i].text);
    mem_free(v->prompts);
    mem_free_secret_str(&v->state);
    verdict_init(v);
}

struct auth_res dialect_res(struct dialect_verdict *v)
{
    struct auth_res res = {
        .verdict = v->verdict,
        .id = v->id,
        .why = v->why.text[0] == '\0' ? NULL : v->why.text,
        .instruction = v->instruction,
        .prompts = v->prompts,
        .nprompts = v->nprompts,
        .state = v->state,
        .has_cache_s = v->has_cache_s,
        .cache_s = v->cache_s,
    };
    v->id = NULL;
    return res;
}

bool dialect_ask(const struct dialect *d, const struct auth_req *req, struct dialect_ask *ask,
                 struct dialect_verdict *v)
{
    verdict_init(v);
    ask_clear(ask);
    if ((d->type->methods & 1u << req->method) == 0)
        return dialect_say(v, AUTH_NEXT, "the dialect %s has no %s", d->type->name,
                           auth_method_names[req->method]);
    /* Others tell the methods apart by what is empty: asked with neither password nor key, a
     * handler for AWS looks up the user's keys and says yes, for the server to compare them. */
    if (req->method == AUTH_PASSWORD && req->password[0] == '\0' && d->type != &dialect_postern)
        return dialect_say(v, AUTH_REJECT, "an empty password");
    return d->type->ask(d, req, ask, v);
}

void dialect_answer(const struct dialect *d, const struct auth_req *req, struct dialect_ask *ask,
                    const struct dialect_got *got, struct dialect_verdict *v)
{
    verdict_init(v);
    if (d->transport == DIALECT_PROGRAM && got->status != 0 && !d->type->exit_codes)
        dialect_say(v, AUTH_FAULT, "the program ended with exit code %u", got->status);
    else if (got->body.len > DIALECT_ANSWER_MAX_BYTES)
        dialect_say(v, AUTH_FAULT, "the answer is over %u bytes", DIALECT_ANSWER_MAX_BYTES);
    else
        d->type->answer(d, req, ask, got, v);
}
