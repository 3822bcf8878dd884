/*
 * Any other JSON API: the question and what its answer means are described in the configuration.
 *
 * A password login is asked about only where the question carries the password, a key login only
 * where it carries the key or where the answer gives the user's keys, and keyboard-interactive only
 * where it carries what the user answered: a status alone would let anybody in. An answer that none
 * of accept_when, reject_when and ask_when describes is a fault.
 * Source: RFC 6901 (JSON pointers), RFC 7617 (${basic}).
 */
#include "auth/dialect_template.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "auth/dialect_field.h"
#include "auth/dialect_fill.h"
#include "auth/dialect_pointer.h"
#include "gateway/base/mem.h"

static const char *const http_methods[] = {"GET", "POST", "PUT"};

/* Of the configured headers, in any case; NULL = it is not there. */
static const char *header_of(const struct dialect *d, const char *name)
{
    const char *key;
    json_t *value;
    json_object_foreach(d->conf->request.headers, key, value)
    {
        if (strcasecmp(key, name) == 0)
            return json_string_value(value);
    }
    return NULL;
}

static bool is_form(const struct dialect *d)
{
    static const char form[] = "application/x-www-form-urlencoded";
    const char *type = header_of(d, "Content-Type");
    return type != NULL && strncasecmp(type, form, strlen(form)) == 0;
}

static enum dialect_fill_where body_escape(const struct dialect *d)
{
    return is_form(d) ? DIALECT_FILL_FORM : DIALECT_FILL_JSON;
}

static const char *url_of(const struct dialect *d)
{
    return d->conf->request.url != NULL ? d->conf->request.url : d->url;
}

static unsigned variables_of(const struct dialect *d)
{
    const char *key;
    json_t *value;
    unsigned used = dialect_fill_used(url_of(d)) | dialect_fill_used(d->conf->request.body);
    json_object_foreach(d->conf->request.headers, key, value)
    {
        used |= dialect_fill_used(json_string_value(value));
    }
    return used;
}

static bool can_ask(const struct dialect *d, enum auth_method method)
{
    unsigned used = variables_of(d);
    if (method == AUTH_PASSWORD)
        return (used & DIALECT_FILL_PASSWORDS) != 0;
    if (method == AUTH_KEYBOARD_INTERACTIVE)
        return (used & DIALECT_FILL_ANSWERS) != 0;
    return (used & DIALECT_FILL_KEYS) != 0 ||
           json_object_get(d->conf->identity, "public_keys") != NULL;
}

static bool put_headers(const struct dialect *d, const struct dialect_fill *fill,
                        struct dialect_ask *ask, struct dialect_verdict *v)
{
    const char *key;
    json_t *value;
    json_object_foreach(d->conf->request.headers, key, value)
    {
        struct gw_buf b;
        gw_buf_init(&b, DIALECT_BODY_MAX_BYTES);
        gw_buf_printf(&b, "%s: ", key);
        bool ok = dialect_fill(fill, json_string_value(value), DIALECT_FILL_HEADER, &b, v);
        if (ok)
            dialect_header(ask, mem_strdup(gw_buf_cstr(&b)));
        gw_buf_free_secret(&b);
        if (!ok)
            return false;
    }
    if (d->conf->request.body != NULL && header_of(d, "Content-Type") == NULL)
        dialect_header(ask, mem_strdup("Content-Type: application/json"));
    return true;
}

static bool put_url(const struct dialect *d, const struct dialect_fill *fill,
                    struct dialect_ask *ask, struct dialect_verdict *v)
{
    struct gw_buf b;
    gw_buf_init(&b, DIALECT_BODY_MAX_BYTES);
    bool ok = dialect_fill(fill, url_of(d), DIALECT_FILL_URL, &b, v);
    if (ok)
        ask->url = mem_strdup(gw_buf_cstr(&b));
    gw_buf_free_secret(&b);
    return ok;
}

static bool ask_template(const struct dialect *d, const struct auth_req *req,
                         struct dialect_ask *ask, struct dialect_verdict *v)
{
    struct dialect_fill fill;
    if (!can_ask(d, req->method))
        return dialect_say(v, AUTH_NEXT, "the template asks about no %s",
                           auth_method_names[req->method]);
    if (req->method == AUTH_KEYBOARD_INTERACTIVE &&
        !dialect_template_dialog_may(d, req, variables_of(d), v))
        return false;
    if (!dialect_fill_open(&fill, req, v))
        return false;
    ask->method = http_methods[d->conf->request.method];
    bool ok = put_url(d, &fill, ask, v) && put_headers(d, &fill, ask, v);
    if (ok && d->conf->request.body != NULL)
        ok = dialect_fill(&fill, d->conf->request.body, body_escape(d), &ask->body, v);
    dialect_fill_close(&fill);
    return ok;
}

struct when {
    json_int_t status; /* 0 = any */
    const char *pointer;
    const json_t *equals;
};

static struct when when_of(const json_t *conf, json_int_t status)
{
    const json_t *own = json_object_get(conf, "status");
    return (struct when){own == NULL ? status : json_integer_value(own),
                         json_string_value(json_object_get(conf, "pointer")),
                         json_object_get(conf, "equals")};
}

static bool holds(const struct when *w, unsigned status, const json_t *doc)
{
    if (w->status != 0 && (json_int_t)status != w->status)
        return false;
    if (w->pointer == NULL)
        return true;
    const json_t *value = doc == NULL ? NULL : dialect_pointer_get(doc, w->pointer);
    if (value == NULL)
        return false;
    return w->equals != NULL ? json_equal(value, w->equals) != 0 : !dialect_field_is_empty(value);
}

/* Does anything of the configuration look into the answer? */
static bool needs_json(const struct dialect *d)
{
    return json_object_get(d->conf->accept_when, "pointer") != NULL ||
           json_object_get(d->conf->reject_when, "pointer") != NULL ||
           json_object_get(d->conf->ask_when, "pointer") != NULL ||
           dialect_template_dialog_looks(d) || json_object_size(d->conf->identity) > 0;
}

static void accept_user(const struct dialect *d, const struct auth_req *req, const json_t *doc,
                        struct dialect_verdict *v)
{
    const char *field;
    json_t *pointer;
    if (req->method == AUTH_KEYBOARD_INTERACTIVE && req->kbdint.nanswers == 0) {
        dialect_say(v, AUTH_REJECT, "accept_when holds before the user has answered anything");
        return;
    }
    json_t *over = json_object();
    bool ok = true;
    json_object_foreach(d->conf->identity, field, pointer)
    {
        json_t *value = (json_t *)(uintptr_t)dialect_pointer_get(doc, json_string_value(pointer));
        if (ok && value == NULL)
            ok = dialect_say(v, AUTH_REJECT, "identity.%.64s: \"%.128s\" is not in the answer",
                             field, json_string_value(pointer));
        if (ok)
            json_object_set(over, field, value);
    }
    bool decided = (variables_of(d) & DIALECT_FILL_KEYS) != 0;
    if (ok)
        dialect_accept(d, req, over, decided ? DIALECT_KEYS_DECIDED : DIALECT_KEYS_COMPARED, v);
    json_decref(over);
}

static void answer_template(const struct dialect *d, const struct auth_req *req,
                            struct dialect_ask *ask, const struct dialect_got *got,
                            struct dialect_verdict *v)
{
    (void)ask;
    struct when yes = when_of(d->conf->accept_when, 200);
    struct when no = when_of(d->conf->reject_when, 0);
    struct when more = when_of(d->conf->ask_when, 0);
    json_t *doc = needs_json(d) ? dialect_json(got, v) : NULL;
    if (d->conf->reject_when != NULL && holds(&no, got->status, doc))
        dialect_say(v, AUTH_REJECT, "reject_when holds (HTTP status %u)", got->status);
    else if (d->conf->ask_when != NULL && holds(&more, got->status, doc))
        dialect_template_dialog_ask(d, req, doc, variables_of(d), v);
    else if (holds(&yes, got->status, doc) && (doc != NULL || !needs_json(d)))
        accept_user(d, req, doc, v);
    else if (v->why.text[0] == '\0' || got->status != 200)
        dialect_say(v, AUTH_FAULT, "%s holds (HTTP status %u)",
                    d->conf->ask_when == NULL ? "neither accept_when nor reject_when"
                                              : "none of accept_when, reject_when and ask_when",
                    got->status);
    json_decref(doc);
}

static enum gw_err check_when(const json_t *when, const char *name, struct gw_errmsg *msg)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)when, key, value)
    {
        if (strcmp(key, "status") == 0) {
            if (!json_is_integer(value) || json_integer_value(value) < 100 ||
                json_integer_value(value) > 599)
                return gw_err_set(msg, GW_CONFIG, "%s.status: must be 100 to 599", name);
        } else if (strcmp(key, "pointer") == 0) {
            if (!json_is_string(value) || !dialect_pointer_valid(json_string_value(value)))
                return gw_err_set(msg, GW_CONFIG, "%s.pointer: is no JSON pointer like \"/a/b\"",
                                  name);
        } else if (strcmp(key, "equals") != 0) {
            return gw_err_set(msg, GW_CONFIG,
                              "%s.%.64s: no such key; known are status, pointer and equals", name,
                              key);
        }
    }
    if (json_object_get(when, "equals") != NULL && json_object_get(when, "pointer") == NULL)
        return gw_err_set(msg, GW_CONFIG, "%s.equals: needs a \"pointer\" beside it", name);
    if (when != NULL && json_object_size(when) == 0)
        return gw_err_set(msg, GW_CONFIG, "%s: needs a \"status\" or a \"pointer\"", name);
    return GW_OK;
}

static enum gw_err check_identity(const struct dialect *d, struct gw_errmsg *msg)
{
    const char *field;
    json_t *pointer;
    json_object_foreach(d->conf->identity, field, pointer)
    {
        if (!json_is_string(pointer) || !dialect_pointer_valid(json_string_value(pointer)))
            return gw_err_set(msg, GW_CONFIG, "identity.%.64s: is no JSON pointer like \"/a/b\"",
                              field);
    }
    return GW_OK;
}

static enum gw_err check_headers(const struct dialect *d, struct gw_errmsg *msg)
{
    const char *name;
    json_t *value;
    json_object_foreach(d->conf->request.headers, name, value)
    {
        if (name[0] == '\0' || strpbrk(name, " :\r\n\t${}\"") != NULL)
            return gw_err_set(msg, GW_CONFIG, "request.headers: \"%.64s\" is no name of a header",
                              name);
        if (!json_is_string(value))
            return gw_err_set(msg, GW_CONFIG, "request.headers.%.64s: must be a string", name);
        enum gw_err err = dialect_fill_check(json_string_value(value), DIALECT_FILL_HEADER,
                                             "request.headers", msg);
        if (err != GW_OK)
            return err;
    }
    return GW_OK;
}

static enum gw_err open_template(struct dialect *d, struct gw_errmsg *msg)
{
    if (url_of(d) == NULL)
        return gw_err_set(msg, GW_CONFIG, "request.url: is missing, and so is url");
    enum gw_err err = dialect_fill_check(url_of(d), DIALECT_FILL_URL, "request.url", msg);
    if (err == GW_OK)
        err = check_headers(d, msg);
    if (err == GW_OK && d->conf->request.body != NULL)
        err = dialect_fill_check(d->conf->request.body, body_escape(d), "request.body", msg);
    if (err == GW_OK && d->conf->accept_when == NULL)
        err = gw_err_set(msg, GW_CONFIG, "accept_when: is missing: without it nobody is let in");
    if (err == GW_OK)
        err = check_when(d->conf->accept_when, "accept_when", msg);
    if (err == GW_OK)
        err = check_when(d->conf->reject_when, "reject_when", msg);
    if (err == GW_OK)
        err = check_when(d->conf->ask_when, "ask_when", msg);
    if (err == GW_OK)
        err = dialect_template_dialog_open(d, variables_of(d), msg);
    if (err == GW_OK)
        err = check_identity(d, msg);
    if (err == GW_OK && !can_ask(d, AUTH_PASSWORD) && !can_ask(d, AUTH_PUBLICKEY) &&
        !can_ask(d, AUTH_KEYBOARD_INTERACTIVE))
        err = gw_err_set(msg, GW_CONFIG,
                         "request: holds none of ${password}, ${basic}, ${public_key} and "
                         "${answer_1}, so its answer says nothing about who asks");
    return err;
}

const struct dialect_type dialect_template = {
    .name = "template",
    .transports = 1u << DIALECT_HTTP,
    .methods = 1u << AUTH_PASSWORD | 1u << AUTH_PUBLICKEY | 1u << AUTH_KEYBOARD_INTERACTIVE,
    .keys = DIALECT_KEY_TEMPLATE | DIALECT_KEY_STORES,
    .target_optional = true,
    .open = open_template,
    .ask = ask_template,
    .answer = answer_template,
};
