#include "gateway/try_login.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/prompt.h"

const char *const try_login_verdicts[] = {
    [AUTH_ACCEPT] = "accept", [AUTH_REJECT] = "reject", [AUTH_NEXT] = "next",
    [AUTH_ASK] = "ask",       [AUTH_FAULT] = "fault",
};

static bool is(unsigned mask, enum auth_method method)
{
    return (mask & 1u << method) != 0;
}

static void set_text(json_t *out, const char *key, const char *text)
{
    if (text != NULL)
        json_object_set_new(out, key, json_string(text));
}

static void forget_question(struct try_login *t)
{
    for (size_t i = 0; i < t->nprompts; i++)
        mem_free((void *)(uintptr_t)t->prompts[i].text);
    t->nprompts = 0;
    mem_free(t->instruction);
    t->instruction = NULL;
    mem_free_secret_str(&t->state);
}

static void forget_answer(struct try_login *t)
{
    identity_free(&t->id);
    mem_free(t->why);
    mem_free(t->verifier);
    t->why = t->verifier = NULL;
    forget_question(t);
}

/* Everybody's words about the question that `step` is about. */
static void note(json_t *step, const struct auth_res *res)
{
    json_t *said = json_array();
    json_t *prompts = json_array();
    for (size_t i = 0; i < res->nsaid; i++) {
        json_t *one = json_object();
        set_text(one, "verifier", res->said[i].verifier);
        set_text(one, "verdict", try_login_verdicts[res->said[i].verdict]);
        set_text(one, "why", res->said[i].why);
        json_array_append_new(said, one);
    }
    for (size_t i = 0; i < res->nprompts; i++)
        json_array_append_new(prompts, json_string(res->prompts[i].text));
    set_text(step, "verdict", try_login_verdicts[res->verdict]);
    set_text(step, "why", res->why);
    json_object_set_new(step, "asked", said);
    if (res->verdict == AUTH_ASK)
        json_object_set(step, "prompts", prompts);
    json_decref(prompts);
}

static void on_answer(void *arg, struct auth_res *res)
{
    struct try_login *t = arg;
    t->op = NULL;
    t->verdict = res->verdict;
    t->id = res->id;
    res->id = NULL;
    t->why = mem_strdup(res->why);
    t->verifier = mem_strdup(res->verifier);
    t->methods = res->methods;
    for (; t->nprompts < res->nprompts; t->nprompts++)
        t->prompts[t->nprompts] = (struct auth_prompt){mem_strdup(res->prompts[t->nprompts].text),
                                                       res->prompts[t->nprompts].echo};
    t->instruction = mem_strdup(res->instruction);
    t->state = mem_strdup(res->state);
    note(json_array_get(t->steps, json_array_size(t->steps) - 1), res);
}

/* `detail` and its value: what the step is about beside its method. Takes value. */
static void ask(struct try_login *t, struct auth_req *req, const char *detail, json_t *value)
{
    json_t *step = json_object();
    set_text(step, "method", auth_method_names[req->method]);
    if (value != NULL)
        json_object_set_new(step, detail, value);
    json_array_append_new(t->steps, step);
    req->user = t->user;
    req->methods_done = t->done;
    req->nmethods_done = t->ndone;
    req->keys_done = t->keys_done;
    req->nkeys_done = t->nkeys_done;
    req->client_address = t->address;
    req->client_version = "SSH-2.0-postern_try";
    req->server_address = "127.0.0.1";
    req->attempt = 1;
    struct op *op = auth_check(t->auth, req, on_answer, t); /* copies what it needs of the answer */
    forget_answer(t);
    t->op = op;
    while (t->op != NULL)
        loop_turn(t->loop);
}

static enum gw_err try_key(struct try_login *t, size_t i)
{
    const struct key_line *key = &t->keys[i];
    struct auth_req req = {.method = AUTH_PUBLICKEY};
    req.key.algorithm = key->algorithm;
    req.key.blob = gw_buf_span(&key->blob);
    req.key.fingerprint = key->fingerprint;
    t->key_tried[i] = true;
    ask(t, &req, "query", json_string(key->fingerprint)); /* clients ask before they sign */
    if (t->verdict == AUTH_ACCEPT) {
        req.key.is_signed = true;
        ask(t, &req, "key", json_string(key->fingerprint));
    }
    if (t->verdict == AUTH_ACCEPT && t->nkeys_done < IDENTITY_STEPS_MAX)
        t->keys_done[t->nkeys_done++] = key->fingerprint;
    return GW_OK;
}

static enum gw_err try_password(struct try_login *t, struct gw_errmsg *msg)
{
    t->password_tried = true;
    if (t->password == NULL) {
        enum gw_err err = prompt_ask("Password: ", false, &t->password, msg);
        if (err != GW_OK)
            return err;
    }
    struct auth_req req = {.method = AUTH_PASSWORD, .password = t->password};
    ask(t, &req, NULL, NULL);
    return GW_OK;
}

static enum gw_err answer(struct try_login *t, unsigned step, struct gw_errmsg *msg)
{
    char *answers[AUTH_PROMPTS_MAX] = {NULL};
    enum gw_err err = GW_OK;
    if (t->instruction != NULL)
        prompt_say(t->instruction);
    for (size_t i = 0; err == GW_OK && i < t->nprompts; i++)
        err = prompt_ask(t->prompts[i].text, t->prompts[i].echo, &answers[i], msg);
    struct auth_req req = {.method = AUTH_KEYBOARD_INTERACTIVE};
    req.kbdint.step = step;
    req.kbdint.answers = (const char *const *)answers;
    req.kbdint.nanswers = t->nprompts;
    req.kbdint.state = t->state;
    if (err == GW_OK)
        ask(t, &req, "round", json_integer(step));
    for (size_t i = 0; i < AUTH_PROMPTS_MAX; i++)
        mem_free_secret_str(&answers[i]);
    return err;
}

/* A client's rounds end with timeouts.login_s; who asks for nothing, again and again, would keep
 * this word for ever. */
#define ROUNDS_MAX 50u

static enum gw_err try_talk(struct try_login *t, struct gw_errmsg *msg)
{
    struct auth_req req = {.method = AUTH_KEYBOARD_INTERACTIVE, .kbdint = {.step = 1}};
    enum gw_err err = GW_OK;
    t->talked = true;
    ask(t, &req, "round", json_integer(1));
    for (unsigned step = 2; err == GW_OK && t->verdict == AUTH_ASK && step <= ROUNDS_MAX; step++)
        err = answer(t, step, msg);
    if (err == GW_OK && t->verdict == AUTH_ASK) {
        t->verdict = AUTH_FAULT;
        t->why = mem_printf("it still asks after %u rounds", ROUNDS_MAX);
    }
    return err;
}

static size_t next_key(const struct try_login *t)
{
    size_t i = 0;
    while (i < t->nkeys && t->key_tried[i])
        i++;
    return i;
}

/* What was not given is asked for where nothing was given, and for a step that must follow. */
static bool may_ask(const struct try_login *t)
{
    return t->person && (t->ndone > 0 || (t->nkeys == 0 && t->password == NULL && !t->answers));
}

/* AUTH_METHOD_COUNT = there is nothing more to try. */
static enum auth_method next_method(const struct try_login *t, unsigned on)
{
    if (is(on, AUTH_PUBLICKEY) && next_key(t) < t->nkeys)
        return AUTH_PUBLICKEY;
    if (is(on, AUTH_PASSWORD) && !t->password_tried && (t->password != NULL || may_ask(t)))
        return AUTH_PASSWORD;
    if (is(on, AUTH_KEYBOARD_INTERACTIVE) && !t->talked &&
        (t->answers || (may_ask(t) && !t->password_tried)))
        return AUTH_KEYBOARD_INTERACTIVE;
    return AUTH_METHOD_COUNT;
}

/* True: the login goes on; with what, is in *on. */
static bool goes_on(struct try_login *t, enum auth_method method, unsigned *on)
{
    if (t->verdict == AUTH_REJECT) { /* a client tries what else it has */
        if (t->methods != 0)
            *on = t->methods;
        return true;
    }
    if (t->verdict != AUTH_ACCEPT)
        return false;
    if (t->ndone < IDENTITY_STEPS_MAX)
        t->done[t->ndone++] = auth_method_names[method];
    *on = auth_method_mask(t->id->next_methods, t->id->nnext_methods);
    t->password_tried = t->talked = false;
    for (size_t i = 0; i < t->nkeys; i++)
        t->key_tried[i] = false;
    for (size_t i = 0; i < t->nkeys; i++)
        for (size_t k = 0; k < t->nkeys_done; k++)
            t->key_tried[i] |= t->keys_done[k] == t->keys[i].fingerprint;
    return *on != 0 && t->ndone < IDENTITY_STEPS_MAX;
}

enum gw_err try_login_run(struct try_login *t, struct gw_errmsg *msg)
{
    unsigned on = t->offered;
    enum gw_err err = GW_OK;
    enum auth_method method;
    t->steps = json_array();
    t->key_tried = mem_array(t->nkeys + 1, sizeof *t->key_tried);
    while (err == GW_OK && (method = next_method(t, on)) != AUTH_METHOD_COUNT) {
        if (method == AUTH_PUBLICKEY)
            err = try_key(t, next_key(t));
        else if (method == AUTH_PASSWORD)
            err = try_password(t, msg);
        else
            err = try_talk(t, msg);
        if (err == GW_OK && !goes_on(t, method, &on))
            break;
    }
    return err;
}

void try_login_free(struct try_login *t)
{
    forget_answer(t);
    mem_free_secret_str(&t->password);
    mem_free(t->key_tried);
    json_decref(t->steps);
}
