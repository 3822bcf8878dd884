/*
 * postern's own dialect: docs/authentication.md is its specification. One JSON object each way.
 */
#include <string.h>

#include "auth/dialect_impl.h"
#include "gateway/base/mem.h"

enum {
    MAX_PROMPTS = 16,
    TEXT_MAX_BYTES = 4096, /* of a prompt, an instruction, a reason */
    STATE_MAX_BYTES = 16384,
};

/* Sets a string that may be absent. False: it is not UTF-8. */
static bool set_text(json_t *obj, const char *key, const char *s)
{
    return s == NULL || json_object_set_new(obj, key, json_string(s)) == 0;
}

static json_t *texts(const char *const *v, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(a, json_string(v[i])) != 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}

static json_t *public_key(const struct auth_req *req)
{
    char *blob = dialect_base64(req->key.blob);
    json_t *key = json_pack("{s:s, s:s, s:s, s:b}", "algorithm", req->key.algorithm, "blob", blob,
                            "fingerprint", req->key.fingerprint, "signed", (int)req->key.is_signed);
    mem_free(blob);
    return key;
}

static json_t *kbdint(const struct auth_req *req)
{
    json_t *obj = json_pack("{s:I, s:o}", "step", (json_int_t)req->kbdint.step, "answers",
                            texts(req->kbdint.answers, req->kbdint.nanswers));
    if (obj != NULL && !set_text(obj, "state", req->kbdint.state)) {
        json_decref(obj);
        return NULL;
    }
    return obj;
}

static bool set_method(const struct auth_req *req, json_t *obj)
{
    switch (req->method) {
    case AUTH_PASSWORD:
        return json_object_set_new(obj, "password", json_string(req->password)) == 0;
    case AUTH_PUBLICKEY:
        return json_object_set_new(obj, "public_key", public_key(req)) == 0;
    case AUTH_KEYBOARD_INTERACTIVE:
        return json_object_set_new(obj, "keyboard_interactive", kbdint(req)) == 0;
    case AUTH_METHOD_COUNT:
        break;
    }
    return false;
}

static bool set_ends(const struct dialect *d, const struct auth_req *req, json_t *obj)
{
    json_t *client = json_pack("{s:I}", "port", (json_int_t)req->client_port);
    json_t *server = json_pack("{s:I}", "port", (json_int_t)req->server_port);
    bool ok = json_object_set_new(obj, "client", client) == 0 &&
              json_object_set_new(obj, "server", server) == 0;
    ok = ok && set_text(client, "address", req->client_address);
    /* A version string may be any bytes: one that is no text is left out, nobody needs it. */
    (void)set_text(client, "version", req->client_version);
    ok = ok && set_text(server, "address", req->server_address);
    return ok && set_text(server, "host", d->host);
}

static bool ask_postern(const struct dialect *d, const struct auth_req *req,
                        struct dialect_ask *ask, struct dialect_verdict *v)
{
    dialect_make_id(ask);
    ask->id = ask->id_text;
    ask->method = "POST";
    json_t *obj = json_pack("{s:i, s:s, s:I, s:s, s:s}", "version", 1, "id", ask->id, "attempt",
                            (json_int_t)req->attempt, "method", auth_method_names[req->method],
                            "user", req->user);
    bool ok = obj != NULL && set_method(req, obj) &&
              json_object_set_new(obj, "methods_done",
                                  texts(req->methods_done, req->nmethods_done)) == 0 &&
              set_ends(d, req, obj);
    if (!ok) {
        json_decref(obj);
        obj = NULL;
    }
    if (d->transport == DIALECT_HTTP) {
        dialect_header(ask, mem_strdup("Content-Type: application/json"));
        dialect_header(ask, mem_strdup("Accept: application/json"));
    }
    return dialect_body(ask, obj, v);
}

/* Every key of the answer must be one of these. */
static bool only(const json_t *obj, const char *const *keys, struct dialect_verdict *v)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)obj, key, value)
    {
        size_t i = 0;
        while (keys[i] != NULL && strcmp(keys[i], key) != 0)
            i++;
        if (keys[i] == NULL)
            return dialect_say(v, AUTH_FAULT, "%.64s: no key of such an answer", key);
    }
    return true;
}

/* A string that may be absent, then NULL. */
static bool take_text(const json_t *obj, const char *key, size_t max, const char **out,
                      struct dialect_verdict *v)
{
    const json_t *s = json_object_get(obj, key);
    *out = json_string_value(s);
    if (s != NULL && *out == NULL)
        return dialect_say(v, AUTH_FAULT, "%s: must be a string", key);
    if (s != NULL && json_string_length(s) > max)
        return dialect_say(v, AUTH_FAULT, "%s: is over %zu bytes", key, max);
    return true;
}

static bool take_prompt(const json_t *p, struct auth_prompt *out, struct dialect_verdict *v)
{
    static const char *const keys[] = {"text", "echo", NULL};
    const char *text = NULL;
    const json_t *echo = json_object_get(p, "echo");
    if (!json_is_object(p))
        return dialect_say(v, AUTH_FAULT, "prompts: must be objects with \"text\" and \"echo\"");
    if (!only(p, keys, v) || !take_text(p, "text", TEXT_MAX_BYTES, &text, v))
        return false;
    if (text == NULL || (echo != NULL && !json_is_boolean(echo)))
        return dialect_say(v, AUTH_FAULT, "prompts: each needs a \"text\"; \"echo\" is a boolean");
    *out = (struct auth_prompt){mem_strdup(text), json_is_true(echo)};
    return true;
}

static bool take_prompts(const json_t *a, struct dialect_verdict *v)
{
    size_t n = json_array_size(a);
    if (!json_is_array(a) || n > MAX_PROMPTS)
        return dialect_say(v, AUTH_FAULT, "prompts: must be an array of at most %d", MAX_PROMPTS);
    v->prompts = mem_array(n, sizeof *v->prompts);
    for (size_t i = 0; i < n; i++) {
        if (!take_prompt(json_array_get(a, i), &v->prompts[i], v))
            return false;
        v->nprompts++;
    }
    return true;
}

static void answer_accept(const struct dialect *d, const struct auth_req *req, const json_t *obj,
                          struct dialect_verdict *v)
{
    static const char *const keys[] = {"id", "decision", "identity", NULL};
    const json_t *identity = json_object_get(obj, "identity");
    if (!only(obj, keys, v))
        return;
    if (identity != NULL && !json_is_object(identity))
        dialect_say(v, AUTH_FAULT, "identity: must be an object");
    else
        dialect_accept(d, req, identity, DIALECT_KEYS_DECIDED, v);
}

/* No decision: the user's keys are one, where a key is asked about. */
static void answer_keys(const struct dialect *d, const struct auth_req *req, const json_t *obj,
                        struct dialect_verdict *v)
{
    static const char *const keys[] = {"id", "identity", NULL};
    const json_t *identity = json_object_get(obj, "identity");
    if (req->method != AUTH_PUBLICKEY || json_object_get(identity, "public_keys") == NULL)
        dialect_say(v, AUTH_FAULT, "decision: is missing");
    else if (only(obj, keys, v))
        dialect_accept(d, req, identity, DIALECT_KEYS_COMPARED, v);
}

static void answer_refuse(const json_t *obj, enum auth_verdict verdict, struct dialect_verdict *v)
{
    static const char *const keys[] = {"id", "decision", "reason", NULL};
    const char *reason = NULL;
    if (!only(obj, keys, v) || !take_text(obj, "reason", TEXT_MAX_BYTES, &reason, v))
        return;
    dialect_say(v, verdict, "%s", reason == NULL ? "" : reason);
}

static void answer_ask(const struct auth_req *req, const json_t *obj, struct dialect_verdict *v)
{
    static const char *const keys[] = {"id", "decision", "instruction", "prompts", "state", NULL};
    const char *instruction = NULL;
    const char *state = NULL;
    if (req->method != AUTH_KEYBOARD_INTERACTIVE) {
        dialect_say(v, AUTH_FAULT, "decision: \"ask\" is for keyboard-interactive only");
        return;
    }
    if (!only(obj, keys, v) || !take_prompts(json_object_get(obj, "prompts"), v) ||
        !take_text(obj, "instruction", TEXT_MAX_BYTES, &instruction, v) ||
        !take_text(obj, "state", STATE_MAX_BYTES, &state, v))
        return;
    v->instruction = mem_strdup(instruction);
    v->state = mem_strdup(state);
    v->verdict = AUTH_ASK;
}

static void judge(const struct dialect *d, const struct auth_req *req,
                  const struct dialect_ask *ask, const json_t *obj, struct dialect_verdict *v)
{
    const json_t *decision = json_object_get(obj, "decision");
    const json_t *id = json_object_get(obj, "id");
    const char *word = json_string_value(decision);
    if (id != NULL && (!json_is_string(id) || strcmp(json_string_value(id), ask->id) != 0))
        dialect_say(v, AUTH_FAULT, "id: is not that of the request");
    else if (decision == NULL)
        answer_keys(d, req, obj, v);
    else if (word == NULL)
        dialect_say(v, AUTH_FAULT, "decision: must be a string");
    else if (strcmp(word, "accept") == 0)
        answer_accept(d, req, obj, v);
    else if (strcmp(word, "reject") == 0)
        answer_refuse(obj, AUTH_REJECT, v);
    else if (strcmp(word, "next") == 0)
        answer_refuse(obj, AUTH_NEXT, v);
    else if (strcmp(word, "ask") == 0)
        answer_ask(req, obj, v);
    else
        dialect_say(v, AUTH_FAULT, "decision: \"%.64s\" is none of accept, reject, next and ask",
                    word);
}

static void answer_postern(const struct dialect *d, const struct auth_req *req,
                           struct dialect_ask *ask, const struct dialect_got *got,
                           struct dialect_verdict *v)
{
    if (d->transport == DIALECT_HTTP && got->status != 200) {
        dialect_say(v, AUTH_FAULT, "HTTP status %u", got->status);
        return;
    }
    json_t *obj = dialect_object(got, v);
    if (obj != NULL)
        judge(d, req, ask, obj, v);
    json_decref(obj);
}

const struct dialect_type dialect_postern = {
    .name = "postern",
    .transports = 1u << DIALECT_HTTP | 1u << DIALECT_PROGRAM,
    .methods = 1u << AUTH_PASSWORD | 1u << AUTH_PUBLICKEY | 1u << AUTH_KEYBOARD_INTERACTIVE,
    .keys = DIALECT_KEY_STORES,
    .has_ids = true,
    .ask = ask_postern,
    .answer = answer_postern,
};
