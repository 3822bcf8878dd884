/*
 * SFTPGo's external auth hook, by HTTP and as a program; auth/dialect_sftpgo_dialog.c has the
 * keyboard-interactive hook, auth/dialect_sftpgo_user.c the user object.
 *
 * A user object with a name lets in, one without refuses. An empty answer means "as stored" to
 * SFTPGo, which stores users; postern does not, and refuses. A status other than 200 refuses; 5xx,
 * which proxies send too, is a fault: it refuses as well, but is asked again.
 * Source: SFTPGo v2.5, docs/external-auth.md.
 */
#include <string.h>

#include "auth/dialect_field.h"
#include "auth/dialect_sftpgo.h"
#include "gateway/base/mem.h"

static const char *or_empty(const char *s)
{
    return s == NULL ? "" : s;
}

struct question {
    const char *password, *public_key, *keyboard_interactive;
};

static bool ask_http(const struct auth_req *req, const struct question *q, struct dialect_ask *ask,
                     struct dialect_verdict *v)
{
    ask->method = "POST";
    dialect_header(ask, mem_strdup("Content-Type: application/json"));
    /* SFTPGo sends what it does not have as empty strings. */
    json_t *obj = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "username", req->user, "ip",
                            or_empty(req->client_address), "protocol", "SSH", "password",
                            q->password, "public_key", q->public_key, "keyboard_interactive",
                            q->keyboard_interactive, "tls_cert", "");
    return dialect_body(ask, obj, v);
}

/* The hook expects the password in its environment, so that is where it is. */
static void ask_program(const struct auth_req *req, const struct question *q,
                        struct dialect_ask *ask)
{
    dialect_env(ask, "SFTPGO_AUTHD_USERNAME", req->user);
    dialect_env(ask, "SFTPGO_AUTHD_USER", "");
    dialect_env(ask, "SFTPGO_AUTHD_IP", req->client_address);
    dialect_env(ask, "SFTPGO_AUTHD_PROTOCOL", "SSH");
    dialect_env(ask, "SFTPGO_AUTHD_PASSWORD", q->password);
    dialect_env(ask, "SFTPGO_AUTHD_PUBLIC_KEY", q->public_key);
    dialect_env(ask, "SFTPGO_AUTHD_KEYBOARD_INTERACTIVE", q->keyboard_interactive);
    dialect_env(ask, "SFTPGO_AUTHD_TLS_CERT", "");
}

bool dialect_sftpgo_ask_user(const struct dialect *d, const struct auth_req *req,
                             const char *password, struct dialect_ask *ask,
                             struct dialect_verdict *v)
{
    struct question q = {"", "", ""};
    char *key = NULL;
    if (password != NULL)
        q.password = password;
    else if (req->method == AUTH_PASSWORD)
        q.password = req->password;
    else if (req->method == AUTH_KEYBOARD_INTERACTIVE)
        q.keyboard_interactive = "1";
    if (req->method == AUTH_PUBLICKEY) {
        key = dialect_key_line(req);
        if (key == NULL)
            return dialect_say(v, AUTH_REJECT, "malformed public key");
        q.public_key = key;
    }
    bool ok = true;
    /* It asks for neither, and would be let in by a hook that reads that as "no check". */
    if (q.password[0] == '\0' && q.public_key[0] == '\0' && q.keyboard_interactive[0] == '\0')
        ok = dialect_say(v, AUTH_REJECT, "an empty password");
    else if (d->transport == DIALECT_HTTP)
        ok = ask_http(req, &q, ask, v);
    else
        ask_program(req, &q, ask);
    mem_free(key);
    return ok;
}

static bool ask_sftpgo(const struct dialect *d, const struct auth_req *req, struct dialect_ask *ask,
                       struct dialect_verdict *v)
{
    if (req->method == AUTH_KEYBOARD_INTERACTIVE)
        return dialect_sftpgo_ask_dialog(d, req, ask, v);
    if (!d->has_target)
        return dialect_say(v, AUTH_NEXT, "there is no external auth hook");
    return dialect_sftpgo_ask_user(d, req, NULL, ask, v);
}

static bool is_blank(struct gw_span body)
{
    for (size_t i = 0; i < body.len; i++)
        if (strchr(" \t\r\n", body.ptr[i]) == NULL || body.ptr[i] == '\0')
            return false;
    return true;
}

static void answer_user(const struct dialect *d, const struct auth_req *req,
                        const struct dialect_ask *ask, const struct dialect_got *got,
                        struct dialect_verdict *v)
{
    if (is_blank(got->body)) {
        dialect_say(v, AUTH_REJECT,
                    "an empty answer means the user as SFTPGo has it stored: the hook must write "
                    "the whole user");
        return;
    }
    json_t *user = dialect_object(got, v);
    json_t *identity = json_object();
    if (user != NULL && dialect_sftpgo_user(d, req, user, identity, v)) {
        if (ask->part == DIALECT_SFTPGO_PASSWORD)
            v->more = true; /* the right password: the dialog goes on */
        else
            dialect_accept(d, req, identity, DIALECT_KEYS_DECIDED, v);
    }
    json_decref(identity);
    json_decref(user);
}

/* 408 and 429 say nothing about the user. */
static bool is_refusal(unsigned status)
{
    return status >= 400 && status < 500 && status != 408 && status != 429;
}

static void answer_sftpgo(const struct dialect *d, const struct auth_req *req,
                          struct dialect_ask *ask, const struct dialect_got *got,
                          struct dialect_verdict *v)
{
    if (d->transport == DIALECT_HTTP && got->status != 200) {
        dialect_say(v, is_refusal(got->status) ? AUTH_REJECT : AUTH_FAULT, "HTTP status %u",
                    got->status);
        return;
    }
    if (ask->part == DIALECT_SFTPGO_DIALOG) {
        dialect_sftpgo_answer_dialog(d, req, ask, got, v);
        return;
    }
    answer_user(d, req, ask, got, v);
    if (v->more)
        ask->part = DIALECT_SFTPGO_DIALOG;
}

static enum gw_err open_sftpgo(struct dialect *d, struct gw_errmsg *msg)
{
    const struct dialect_conf *c = d->conf;
    bool http = d->transport == DIALECT_HTTP;
    enum gw_err err = dialect_open_home(d, msg);
    if (err != GW_OK)
        return err;
    if (http && c->keyboard_interactive_command.n > 0)
        return gw_err_set(msg, GW_CONFIG,
                          "keyboard_interactive_command: is for programs; over "
                          "http it is keyboard_interactive_url");
    if (!http && c->keyboard_interactive_url != NULL)
        return gw_err_set(msg, GW_CONFIG,
                          "keyboard_interactive_url: is for http; for a program "
                          "it is keyboard_interactive_command");
    if (!d->has_target && c->keyboard_interactive_url == NULL &&
        c->keyboard_interactive_command.n == 0)
        return gw_err_set(msg, GW_CONFIG, "%s: is missing: no hook is named",
                          http ? "url" : "command");
    return GW_OK;
}

const struct dialect_type dialect_sftpgo = {
    .name = "sftpgo",
    .transports = 1u << DIALECT_HTTP | 1u << DIALECT_PROGRAM,
    .methods = 1u << AUTH_PASSWORD | 1u << AUTH_PUBLICKEY | 1u << AUTH_KEYBOARD_INTERACTIVE,
    .keys = DIALECT_KEY_HOME | DIALECT_KEY_STORES | DIALECT_KEY_DIALOG,
    .target_optional = true,
    .open = open_sftpgo,
    .ask = ask_sftpgo,
    .answer = answer_sftpgo,
};
