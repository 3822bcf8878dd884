#include "auth/dialect_template.h"

#include <string.h>

#include "auth/dialect_fill.h"
#include "auth/dialect_pointer.h"
#include "gateway/base/mem.h"

enum {
    TEXT_MAX_BYTES = 4096, /* of a prompt, an instruction */
    STATE_MAX_BYTES = 16384,
};

/* ---- the configuration ---- */

static const char *pointer_of(const struct dialect *d, const char *key)
{
    return json_string_value(json_object_get(d->conf->ask, key));
}

/* How many answers the request has a place for. */
static unsigned places_of(unsigned used)
{
    unsigned n = 0;
    while (n < AUTH_PROMPTS_MAX && (used & 1u << (DIALECT_FILL_ANSWER_1 + n)) != 0)
        n++;
    return n;
}

static enum gw_err check_prompt(const json_t *p, struct gw_errmsg *msg)
{
    const char *key;
    json_t *value;
    const char *text = json_string_value(json_object_get(p, "text"));
    if (text == NULL || text[0] == '\0' || strlen(text) > TEXT_MAX_BYTES)
        return gw_err_set(msg, GW_CONFIG,
                          "ask.prompts: each is {\"text\", \"echo\"}, or all of "
                          "them are a JSON pointer like \"/a/b\"");
    json_object_foreach((json_t *)(uintptr_t)p, key, value)
    {
        if (strcmp(key, "echo") == 0 ? !json_is_boolean(value) : strcmp(key, "text") != 0)
            return gw_err_set(msg, GW_CONFIG,
                              "ask.prompts: %.64s is no key of a prompt, or not true or false",
                              key);
    }
    return GW_OK;
}

static enum gw_err check_prompts(const json_t *prompts, unsigned places, struct gw_errmsg *msg)
{
    size_t n = json_array_size(prompts);
    if (prompts == NULL)
        return gw_err_set(msg, GW_CONFIG, "ask.prompts: is missing");
    if (!json_is_array(prompts))
        return GW_OK;
    if (n == 0 || n > places)
        return gw_err_set(msg, GW_CONFIG,
                          "ask.prompts: are %zu, and the request has ${answer_1} and so on for %u",
                          n, places);
    for (size_t i = 0; i < n; i++)
        if (check_prompt(json_array_get(prompts, i), msg) != GW_OK)
            return GW_CONFIG;
    return GW_OK;
}

static enum gw_err check_key(const char *key, const json_t *value, struct gw_errmsg *msg)
{
    static const char *const known[] = {"prompts", "text", "echo", "instruction", "state", NULL};
    size_t i = 0;
    while (known[i] != NULL && strcmp(known[i], key) != 0)
        i++;
    if (known[i] == NULL)
        return gw_err_set(
            msg, GW_CONFIG,
            "ask.%.64s: no such key; known are prompts, text, echo, instruction and state", key);
    if ((strcmp(key, "prompts") == 0 && json_is_array(value)) ||
        (strcmp(key, "echo") == 0 && json_is_boolean(value)))
        return GW_OK;
    if (!json_is_string(value) || !dialect_pointer_valid(json_string_value(value)))
        return gw_err_set(msg, GW_CONFIG, "ask.%s: is no JSON pointer like \"/a/b\"", key);
    return GW_OK;
}

enum gw_err dialect_template_dialog_open(const struct dialect *d, unsigned used,
                                         struct gw_errmsg *msg)
{
    const char *key;
    json_t *value;
    unsigned places = places_of(used);
    bool has_state = (used & 1u << DIALECT_FILL_STATE) != 0;
    if ((used & DIALECT_FILL_ANSWERS) >> DIALECT_FILL_ANSWER_1 != (1u << places) - 1)
        return gw_err_set(msg, GW_CONFIG,
                          "request: the answers have a gap: ${answer_%u} is not in it", places + 1);
    if ((d->conf->ask == NULL) != (d->conf->ask_when == NULL))
        return gw_err_set(msg, GW_CONFIG, "%s: is missing: ask_when and ask go together",
                          d->conf->ask == NULL ? "ask" : "ask_when");
    if (d->conf->ask != NULL && places == 0)
        return gw_err_set(msg, GW_CONFIG, "request: has no ${answer_1} for what `ask` asks");
    json_object_foreach(d->conf->ask, key, value)
    {
        if (check_key(key, value, msg) != GW_OK)
            return GW_CONFIG;
    }
    if (has_state != (pointer_of(d, "state") != NULL))
        return gw_err_set(msg, GW_CONFIG,
                          has_state ? "ask.state: is missing, so ${state} is always empty"
                                    : "ask.state: the request has no ${state} for it");
    return d->conf->ask == NULL
               ? GW_OK
               : check_prompts(json_object_get(d->conf->ask, "prompts"), places, msg);
}

bool dialect_template_dialog_looks(const struct dialect *d)
{
    return pointer_of(d, "prompts") != NULL || pointer_of(d, "instruction") != NULL ||
           pointer_of(d, "state") != NULL;
}

/* ---- a round ---- */

bool dialect_template_dialog_may(const struct dialect *d, const struct auth_req *req, unsigned used,
                                 struct dialect_verdict *v)
{
    if (req->kbdint.answers == NULL)
        return d->conf->ask_when != NULL ||
               dialect_say(v, AUTH_NEXT, "the template has no ask_when: it asks nothing by itself");
    if (req->kbdint.nanswers > places_of(used))
        return dialect_say(v, AUTH_FAULT, "%zu answers: the request has places for %u",
                           req->kbdint.nanswers, places_of(used));
    /* As with a password: to others it means that none was given. */
    for (size_t i = 0; i < req->kbdint.nanswers; i++)
        if (req->kbdint.answers[i][0] == '\0')
            return dialect_say(v, AUTH_REJECT, "an empty answer");
    return true;
}

static bool take_prompt(const struct dialect *d, const json_t *prompt, struct dialect_verdict *v)
{
    const json_t *how = json_object_get(d->conf->ask, "echo");
    const char *at = pointer_of(d, "text");
    const json_t *text = dialect_pointer_get(prompt, at == NULL ? "" : at);
    const json_t *echo =
        json_is_string(how) ? dialect_pointer_get(prompt, json_string_value(how)) : how;
    if (!json_is_string(text) || json_string_length(text) > TEXT_MAX_BYTES)
        return dialect_say(v, AUTH_FAULT,
                           "ask.text: prompt %zu has no text of at most %d bytes there",
                           v->nprompts, TEXT_MAX_BYTES);
    if (echo != NULL && !json_is_boolean(echo))
        return dialect_say(v, AUTH_FAULT, "ask.echo: of prompt %zu it is not true or false",
                           v->nprompts);
    v->prompts[v->nprompts++] =
        (struct auth_prompt){mem_strdup(json_string_value(text)), json_is_true(echo)};
    return true;
}

/* The configuration's own. */
static void put_prompts(const json_t *prompts, struct dialect_verdict *v)
{
    for (size_t i = 0; i < json_array_size(prompts); i++) {
        const json_t *p = json_array_get(prompts, i);
        v->prompts[v->nprompts++] =
            (struct auth_prompt){mem_strdup(json_string_value(json_object_get(p, "text"))),
                                 json_is_true(json_object_get(p, "echo"))};
    }
}

static bool take_prompts(const struct dialect *d, const json_t *doc, unsigned most,
                         struct dialect_verdict *v)
{
    const json_t *conf = json_object_get(d->conf->ask, "prompts");
    v->prompts = mem_array(AUTH_PROMPTS_MAX, sizeof *v->prompts);
    if (json_is_array(conf)) {
        put_prompts(conf, v);
        return true;
    }
    const json_t *found = dialect_pointer_get(doc, json_string_value(conf));
    if (json_is_string(found) || json_is_object(found))
        return take_prompt(d, found, v);
    if (!json_is_array(found) || json_array_size(found) == 0 || json_array_size(found) > most)
        return dialect_say(v, AUTH_FAULT,
                           "ask.prompts: \"%.128s\" is no prompt and no list of 1 to %u",
                           json_string_value(conf), most);
    for (size_t i = 0; i < json_array_size(found); i++)
        if (!take_prompt(d, json_array_get(found, i), v))
            return false;
    return true;
}

/* Absent, or null: NULL. */
static bool take_instruction(const struct dialect *d, const json_t *doc, struct dialect_verdict *v)
{
    const char *at = pointer_of(d, "instruction");
    const json_t *found = at == NULL ? NULL : dialect_pointer_get(doc, at);
    if (found == NULL || json_is_null(found))
        return true;
    if (!json_is_string(found) || json_string_length(found) > TEXT_MAX_BYTES)
        return dialect_say(v, AUTH_FAULT, "ask.instruction: is no text of at most %d bytes",
                           TEXT_MAX_BYTES);
    v->instruction = mem_strdup(json_string_value(found));
    return true;
}

/* Without it the next round would be anybody's: it must be there. */
static bool take_state(const struct dialect *d, const json_t *doc, struct dialect_verdict *v)
{
    const char *at = pointer_of(d, "state");
    const json_t *found = at == NULL ? NULL : dialect_pointer_get(doc, at);
    if (at == NULL)
        return true;
    if (json_is_integer(found))
        v->state = mem_printf("%lld", (long long)json_integer_value(found));
    else if (json_is_string(found) && json_string_length(found) > 0 &&
             json_string_length(found) <= STATE_MAX_BYTES)
        v->state = mem_strdup(json_string_value(found));
    return v->state != NULL ||
           dialect_say(v, AUTH_FAULT,
                       "ask.state: \"%.128s\" is no number and no text of 1 to %d bytes", at,
                       STATE_MAX_BYTES);
}

void dialect_template_dialog_ask(const struct dialect *d, const struct auth_req *req,
                                 const json_t *doc, unsigned used, struct dialect_verdict *v)
{
    if (req->method != AUTH_KEYBOARD_INTERACTIVE) {
        dialect_say(v, AUTH_REJECT, "ask_when holds: a login by %s cannot be asked more",
                    auth_method_names[req->method]);
        return;
    }
    if (doc == NULL && dialect_template_dialog_looks(d))
        return;
    v->why.text[0] = '\0';
    if (take_prompts(d, doc, places_of(used), v) && take_instruction(d, doc, v) &&
        take_state(d, doc, v))
        v->verdict = AUTH_ASK;
}
