#include "auth/dialect_fill.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/dialect_impl.h"
#include "auth/dialect_url.h"
#include "config/wiped_json.h"
#include "gateway/base/mem.h"
#include "gateway/base/utf8.h"

static const char *const names[DIALECT_FILL_COUNT] = {
    [DIALECT_FILL_USER] = "user",
    [DIALECT_FILL_PASSWORD] = "password",
    [DIALECT_FILL_BASIC] = "basic",
    [DIALECT_FILL_PUBLIC_KEY] = "public_key",
    [DIALECT_FILL_FINGERPRINT] = "fingerprint",
    [DIALECT_FILL_METHOD] = "method",
    [DIALECT_FILL_CLIENT_ADDRESS] = "client_address",
    [DIALECT_FILL_CLIENT_PORT] = "client_port",
    [DIALECT_FILL_SERVER_ADDRESS] = "server_address",
    [DIALECT_FILL_SERVER_PORT] = "server_port",
    [DIALECT_FILL_STEP] = "step",
    [DIALECT_FILL_STATE] = "state",
    [DIALECT_FILL_ANSWER_1] = "answer_1",
    "answer_2",
    "answer_3",
    "answer_4",
    "answer_5",
    "answer_6",
    "answer_7",
    "answer_8",
    "answer_9",
    "answer_10",
    "answer_11",
    "answer_12",
    "answer_13",
    "answer_14",
    "answer_15",
    "answer_16",
};

/* NULL where the name holds what ends it there (RFC 7617 section 2). */
static char *basic_of(const char *user, const char *password)
{
    if (strchr(user, ':') != NULL)
        return NULL;
    char *pair = mem_printf("%s:%s", user, password);
    char *b64 = dialect_base64(gw_span_str(pair));
    mem_free_secret_str(&pair);
    return b64;
}

static bool is_text(const char *s)
{
    return s == NULL || utf8_valid(s, strlen(s));
}

static bool is_all_text(const struct auth_req *req, const char *password)
{
    bool ok = is_text(req->user) && is_text(password);
    if (req->method == AUTH_KEYBOARD_INTERACTIVE)
        for (size_t i = 0; i < req->kbdint.nanswers; i++)
            ok = ok && is_text(req->kbdint.answers[i]);
    return ok;
}

static void fill_dialog(struct dialect_fill *f, const struct auth_req *req)
{
    f->values[DIALECT_FILL_STEP] = mem_printf("%u", req->kbdint.step);
    f->values[DIALECT_FILL_STATE] = mem_strdup(req->kbdint.state);
    for (size_t i = 0; i < req->kbdint.nanswers && i < AUTH_PROMPTS_MAX; i++)
        f->values[DIALECT_FILL_ANSWER_1 + i] = mem_strdup(req->kbdint.answers[i]);
}

bool dialect_fill_open(struct dialect_fill *f, const struct auth_req *req,
                       struct dialect_verdict *v)
{
    const char *password = req->method == AUTH_PASSWORD ? req->password : "";
    if (!is_all_text(req, password))
        return dialect_say(v, AUTH_REJECT, "the login holds bytes that are not UTF-8");
    *f = (struct dialect_fill){
        .values = {
            [DIALECT_FILL_USER] = mem_strdup(req->user),
            [DIALECT_FILL_PASSWORD] = mem_strdup(password),
            [DIALECT_FILL_BASIC] = basic_of(req->user, password),
            [DIALECT_FILL_METHOD] = mem_strdup(auth_method_names[req->method]),
            [DIALECT_FILL_CLIENT_ADDRESS] = mem_strdup(req->client_address),
            [DIALECT_FILL_CLIENT_PORT] = mem_printf("%u", req->client_port),
            [DIALECT_FILL_SERVER_ADDRESS] = mem_strdup(req->server_address),
            [DIALECT_FILL_SERVER_PORT] = mem_printf("%u", req->server_port),
        }};
    if (req->method == AUTH_PUBLICKEY) {
        f->values[DIALECT_FILL_PUBLIC_KEY] = dialect_key_line(req);
        f->values[DIALECT_FILL_FINGERPRINT] = mem_strdup(req->key.fingerprint);
    }
    if (req->method == AUTH_KEYBOARD_INTERACTIVE)
        fill_dialog(f, req);
    return true;
}

void dialect_fill_close(struct dialect_fill *f)
{
    for (size_t i = 0; i < DIALECT_FILL_COUNT; i++)
        mem_free_secret_str(&f->values[i]);
}

/* The variable at "${...}"; -1 = none of ours. *end is behind its "}". */
static int variable_at(const char *s, const char **end)
{
    const char *close = strchr(s, '}');
    size_t n = close == NULL ? 0 : (size_t)(close - s - 2);
    *end = close == NULL ? s + strlen(s) : close + 1;
    for (int i = 0; close != NULL && i < DIALECT_FILL_COUNT; i++)
        if (strlen(names[i]) == n && memcmp(names[i], s + 2, n) == 0)
            return i;
    return -1;
}

unsigned dialect_fill_used(const char *text)
{
    unsigned used = 0;
    for (const char *p = text; p != NULL && (p = strstr(p, "${")) != NULL;) {
        int i = variable_at(p, &p);
        if (i >= 0)
            used |= 1u << i;
    }
    return used;
}

static bool put_json(struct gw_buf *out, const char *value)
{
    json_t *s = json_string(value);
    char *text = s == NULL ? NULL : json_dumps(s, JSON_ENCODE_ANY);
    json_decref(s);
    if (text == NULL)
        return false;
    gw_buf_put(out, text + 1, strlen(text) - 2); /* without its quotes */
    wiped_json_free_text(&text);
    return true;
}

static bool put_header(struct gw_buf *out, const char *value)
{
    for (const char *p = value; *p != '\0'; p++)
        if ((*p > 0 && *p < ' ') || *p == 0x7f)
            return false;
    gw_buf_put_text(out, value);
    return true;
}

static bool put_value(struct gw_buf *out, const char *value, enum dialect_fill_where where,
                      bool in_path)
{
    switch (where) {
    case DIALECT_FILL_JSON:
        return put_json(out, value);
    case DIALECT_FILL_HEADER:
        return put_header(out, value);
    case DIALECT_FILL_URL:
        if (in_path)
            return dialect_url_segment(out, value);
        dialect_url_escape(out, value);
        return true;
    case DIALECT_FILL_FORM:
        dialect_url_escape(out, value);
        return true;
    }
    return false;
}

bool dialect_fill(const struct dialect_fill *f, const char *text, enum dialect_fill_where where,
                  struct gw_buf *out, struct dialect_verdict *v)
{
    bool in_path = true; /* of a URL: its query has not begun */
    while (*text != '\0') {
        size_t plain = strncmp(text, "${", 2) == 0 ? 0 : 1 + strcspn(text + 1, "$");
        in_path = in_path && memchr(text, '?', plain) == NULL;
        gw_buf_put(out, text, plain);
        text += plain;
        if (plain > 0)
            continue;
        int i = variable_at(text, &text);
        const char *value = i < 0 || f->values[i] == NULL ? "" : f->values[i];
        bool no_basic = i == DIALECT_FILL_BASIC && f->values[i] == NULL;
        if (no_basic || !put_value(out, value, where, in_path))
            return dialect_say(v, AUTH_REJECT, "${%s}: its value cannot stand there",
                               i < 0 ? "" : names[i]);
    }
    return out->failed == GW_OK || dialect_say(v, AUTH_REJECT, "the login is too large");
}

/* A variable may not choose the host: it stands behind the first slash or "?" after "://". */
static bool is_behind_host(const char *url)
{
    const char *host = strstr(url, "://");
    const char *variable = strstr(url, "${");
    if (host == NULL)
        return false;
    const char *path = strpbrk(host + 3, "/?");
    return variable == NULL || (path != NULL && path < variable);
}

/* Filled in with what is no JSON value of its own, it is JSON only with quotes around it. */
static bool is_json(const char *text)
{
    struct gw_buf b;
    struct dialect_verdict v = {.more = false};
    struct dialect_fill probe = {.values = {NULL}};
    gw_buf_init(&b, DIALECT_BODY_MAX_BYTES);
    for (size_t i = 0; i < DIALECT_FILL_COUNT; i++)
        probe.values[i] = mem_strdup("a,b");
    bool ok = dialect_fill(&probe, text, DIALECT_FILL_JSON, &b, &v);
    json_t *doc = ok ? json_loadb((const char *)b.data, b.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    dialect_fill_close(&probe);
    gw_buf_free_secret(&b);
    json_decref(doc);
    return doc != NULL;
}

enum gw_err dialect_fill_check(const char *text, enum dialect_fill_where where, const char *name,
                               struct gw_errmsg *msg)
{
    for (const char *p = text; (p = strstr(p, "${")) != NULL;) {
        const char *at = p;
        if (variable_at(p, &p) < 0)
            return gw_err_set(msg, GW_CONFIG, "%s: there is no variable %.40s", name, at);
    }
    if (where == DIALECT_FILL_URL && !is_behind_host(text))
        return gw_err_set(msg, GW_CONFIG,
                          "%s: must begin with a scheme and a host, without variables", name);
    if (where == DIALECT_FILL_JSON && !is_json(text))
        return gw_err_set(msg, GW_CONFIG,
                          "%s: is no JSON once its variables are filled in: they stand inside "
                          "quotes, and another Content-Type is told by request.headers",
                          name);
    return GW_OK;
}
