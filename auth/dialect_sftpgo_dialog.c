/*
 * SFTPGo's keyboard-interactive hook. By HTTP it is asked anew for every step, with the questions
 * and answers of the last one. As a program it runs for as long as the login does: questions a line
 * of JSON each on its stdout, answers a line each on its stdin.
 *
 * With check_password the one answer is given to the external auth hook as a password, and the
 * dialog hears "OK". When it lets the user in, the external auth hook (keyboard_interactive = 1)
 * says who that is; without one the user is what `users` says.
 * Source: SFTPGo v2.5, docs/keyboard-interactive.md.
 */
#include <string.h>

#include "auth/dialect_field.h"
#include "auth/dialect_sftpgo.h"
#include "config/wiped_json.h"
#include "gateway/base/mem.h"

enum { MAX_QUESTIONS = 16, TEXT_MAX_BYTES = 4096 };

/* What is carried from one step to the next, in the state of AUTH_ASK. Gives; NULL in step 1. */
static json_t *state_of(const struct auth_req *req)
{
    return req->kbdint.state == NULL ? NULL
                                     : json_loads(req->kbdint.state, JSON_REJECT_DUPLICATES, NULL);
}

static json_t *answers_of(const struct auth_req *req, bool checked)
{
    if (checked)
        return json_pack("[s]", "OK");
    json_t *a = json_array();
    for (size_t i = 0; i < req->kbdint.nanswers; i++)
        if (json_array_append_new(a, json_string(req->kbdint.answers[i])) != 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}

static bool ask_http(const struct dialect *d, const struct auth_req *req, const json_t *state,
                     struct dialect_ask *ask, struct dialect_verdict *v)
{
    bool checked = json_is_true(json_object_get(state, "check"));
    ask->method = "POST";
    ask->url = mem_strdup(d->conf->keyboard_interactive_url);
    dialect_header(ask, mem_strdup("Content-Type: application/json"));
    json_t *obj = json_pack("{s:s, s:I, s:s, s:s}", "request_id", ask->id_text, "step",
                            (json_int_t)req->kbdint.step, "username", req->user, "ip",
                            req->client_address == NULL ? "" : req->client_address);
    if (obj != NULL && state != NULL &&
        (json_object_set_new(obj, "answers", answers_of(req, checked)) != 0 ||
         json_object_set(obj, "questions", json_object_get(state, "questions")) != 0)) {
        json_decref(obj);
        obj = NULL;
    }
    return dialect_body(ask, obj, v);
}

static bool ask_program(const struct auth_req *req, const json_t *state, struct dialect_ask *ask,
                        struct dialect_verdict *v)
{
    bool checked = json_is_true(json_object_get(state, "check"));
    dialect_env(ask, "SFTPGO_AUTHD_USERNAME", req->user);
    dialect_env(ask, "SFTPGO_AUTHD_IP", req->client_address);
    dialect_env(ask, "SFTPGO_AUTHD_PASSWORD", ""); /* SFTPGo's own hash; we have none */
    for (size_t i = 0; state != NULL && i < (checked ? 1 : req->kbdint.nanswers); i++) {
        const char *answer = checked ? "OK" : req->kbdint.answers[i];
        if (strpbrk(answer, "\r\n") != NULL)
            return dialect_say(v, AUTH_REJECT, "an answer of more than one line");
        gw_buf_put_text(&ask->body, answer);
        gw_buf_put_u8(&ask->body, '\n');
    }
    return ask->body.failed == GW_OK || dialect_say(v, AUTH_REJECT, "the answers are too large");
}

/* The hook sees one request_id for the whole login. */
static bool take_state(const struct auth_req *req, const json_t *state, struct dialect_ask *ask,
                       struct dialect_verdict *v)
{
    const char *id = json_string_value(json_object_get(state, "request_id"));
    if (req->kbdint.state == NULL) {
        dialect_make_id(ask);
        return true;
    }
    if (id == NULL || strlen(id) + 1 != sizeof ask->id_text)
        return dialect_say(v, AUTH_FAULT, "the state of the dialog is not its own");
    memcpy(ask->id_text, id, sizeof ask->id_text);
    size_t asked = json_array_size(json_object_get(state, "questions"));
    return (asked > 0 && req->kbdint.nanswers == asked) ||
           dialect_say(v, AUTH_REJECT, "not as many answers as questions");
}

static bool ask_part(const struct dialect *d, const struct auth_req *req, const json_t *state,
                     struct dialect_ask *ask, struct dialect_verdict *v)
{
    if (ask->part == DIALECT_SFTPGO_BEGIN)
        ask->part = json_is_true(json_object_get(state, "check")) ? DIALECT_SFTPGO_PASSWORD
                                                                  : DIALECT_SFTPGO_DIALOG;
    if (ask->part == DIALECT_SFTPGO_PASSWORD)
        return dialect_sftpgo_ask_user(d, req, req->kbdint.answers[0], ask, v);
    if (ask->part == DIALECT_SFTPGO_USER)
        return dialect_sftpgo_ask_user(d, req, NULL, ask, v);
    ask->target = DIALECT_TARGET_DIALOG;
    return d->transport == DIALECT_HTTP ? ask_http(d, req, state, ask, v)
                                        : ask_program(req, state, ask, v);
}

bool dialect_sftpgo_ask_dialog(const struct dialect *d, const struct auth_req *req,
                               struct dialect_ask *ask, struct dialect_verdict *v)
{
    if (d->conf->keyboard_interactive_url == NULL && d->conf->keyboard_interactive_command.n == 0)
        return dialect_say(v, AUTH_NEXT, "there is no keyboard-interactive hook");
    json_t *state = state_of(req);
    bool ok = take_state(req, state, ask, v) && ask_part(d, req, state, ask, v);
    json_decref(state);
    return ok;
}

static bool take_question(const json_t *text, const json_t *echo, struct auth_prompt *out,
                          struct dialect_verdict *v)
{
    const char *s = json_string_value(text);
    if (s == NULL || strlen(s) > TEXT_MAX_BYTES || !json_is_boolean(echo))
        return dialect_say(v, AUTH_FAULT,
                           "questions: must be strings, and echos a boolean for each");
    *out = (struct auth_prompt){mem_strdup(s), json_is_true(echo)};
    return true;
}

static bool take_questions(const json_t *questions, const json_t *echos, struct dialect_verdict *v)
{
    size_t n = json_array_size(questions);
    if (n == 0 || n > MAX_QUESTIONS)
        return dialect_say(v, AUTH_FAULT, "questions: must be 1 to %d, or auth_result be set",
                           MAX_QUESTIONS);
    if (json_array_size(echos) != n)
        return dialect_say(v, AUTH_FAULT, "echos: must be as many as questions");
    v->prompts = mem_array(n, sizeof *v->prompts);
    for (; v->nprompts < n; v->nprompts++)
        if (!take_question(json_array_get(questions, v->nprompts),
                           json_array_get(echos, v->nprompts), &v->prompts[v->nprompts], v))
            return false;
    return true;
}

/* Copied with jansson's allocator's text wiped. */
static char *dump(const json_t *obj)
{
    char *text = json_dumps(obj, JSON_COMPACT);
    char *copy = mem_strdup(text);
    wiped_json_free_text(&text);
    return copy;
}

static void go_on(const struct dialect *d, const struct dialect_ask *ask, const json_t *obj,
                  struct dialect_verdict *v)
{
    const char *instruction = NULL;
    const json_t *questions = NULL;
    const json_t *echos = NULL;
    json_int_t check = 0;
    if (!dialect_field_text(obj, "", "instruction", &instruction, v) ||
        !dialect_field_list(obj, "", "questions", &questions, v) ||
        !dialect_field_list(obj, "", "echos", &echos, v) ||
        !dialect_field_number(obj, "", "check_password", &check, v) ||
        !take_questions(questions, echos, v))
        return;
    if (check != 0 && (v->nprompts != 1 || !d->has_target)) {
        dialect_say(v, AUTH_FAULT,
                    d->has_target ? "check_password: needs exactly one question"
                                  : "check_password: there is no external auth hook to ask");
        return;
    }
    if (instruction != NULL && strlen(instruction) > TEXT_MAX_BYTES) {
        dialect_say(v, AUTH_FAULT, "instruction: is over %d bytes", TEXT_MAX_BYTES);
        return;
    }
    json_t *state = json_pack("{s:s, s:O, s:b}", "request_id", ask->id_text, "questions", questions,
                              "check", (int)(check != 0));
    v->state = dump(state);
    json_decref(state);
    v->instruction = mem_strdup(instruction);
    v->verdict = AUTH_ASK;
}

static void judge(const struct dialect *d, const struct auth_req *req, struct dialect_ask *ask,
                  const json_t *obj, struct dialect_verdict *v)
{
    static const char *const known[] = {"instruction",    "questions",   "echos",
                                        "check_password", "auth_result", NULL};
    json_int_t result = 0;
    if (!dialect_field_known(obj, "", known, v) ||
        !dialect_field_number(obj, "", "auth_result", &result, v))
        return;
    if (result == 0) {
        go_on(d, ask, obj, v);
    } else if (result != 1) {
        dialect_say(v, AUTH_REJECT, "auth_result %lld", (long long)result);
    } else if (d->has_target) {
        ask->part = DIALECT_SFTPGO_USER;
        v->more = true;
    } else {
        dialect_accept(d, req, NULL, DIALECT_KEYS_DECIDED, v);
    }
}

void dialect_sftpgo_answer_dialog(const struct dialect *d, const struct auth_req *req,
                                  struct dialect_ask *ask, const struct dialect_got *got,
                                  struct dialect_verdict *v)
{
    json_t *obj = dialect_object(got, v);
    if (obj != NULL)
        judge(d, req, ask, obj, v);
    json_decref(obj);
}
