#include "auth/dialect_impl.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pubkey.h"
#include "config/wiped_json.h"
#include "gateway/base/mem.h"

bool dialect_say(struct dialect_verdict *v, enum auth_verdict verdict, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v->why.text, sizeof v->why.text, fmt, ap);
    va_end(ap);
    v->verdict = verdict;
    return false;
}

/* jansson's words end in "near '...'": that may be a secret. */
static void say_no_json(struct dialect_verdict *v, json_error_t *bad)
{
    char *near = strstr(bad->text, " near ");
    if (near != NULL)
        *near = '\0';
    dialect_say(v, AUTH_FAULT, "the answer is no JSON: %s (byte %d)", bad->text, bad->position);
}

json_t *dialect_json(const struct dialect_got *got, struct dialect_verdict *v)
{
    json_error_t bad;
    if (got->body.len == 0) {
        dialect_say(v, AUTH_FAULT, "the answer is empty");
        return NULL;
    }
    json_t *value = json_loadb((const char *)got->body.ptr, got->body.len,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &bad);
    if (value == NULL)
        say_no_json(v, &bad);
    return value;
}

json_t *dialect_object(const struct dialect_got *got, struct dialect_verdict *v)
{
    json_t *obj = dialect_json(got, v);
    if (obj == NULL || json_is_object(obj))
        return obj;
    json_decref(obj);
    dialect_say(v, AUTH_FAULT, "the answer is JSON, but no object");
    return NULL;
}

bool dialect_body(struct dialect_ask *ask, json_t *obj, struct dialect_verdict *v)
{
    /* json_pack() gives NULL, and an object lacks a key, where a string is not UTF-8. */
    char *text = obj == NULL ? NULL : json_dumps(obj, JSON_COMPACT);
    json_decref(obj);
    if (text == NULL)
        return dialect_say(v, AUTH_REJECT, "the login holds bytes that are not UTF-8");
    gw_buf_put_text(&ask->body, text);
    wiped_json_free_text(&text);
    return ask->body.failed == GW_OK ||
           dialect_say(v, AUTH_REJECT, "the login is over %u bytes", DIALECT_BODY_MAX_BYTES);
}

static void push(char ***vp, size_t *np, char *line)
{
    char **grown = mem_array(*np + 1, sizeof *grown);
    for (size_t i = 0; i < *np; i++)
        grown[i] = (*vp)[i];
    grown[(*np)++] = line;
    mem_free(*vp);
    *vp = grown;
}

void dialect_header(struct dialect_ask *ask, char *line)
{
    push(&ask->headers, &ask->nheaders, line);
}

void dialect_env(struct dialect_ask *ask, const char *name, const char *value)
{
    push(&ask->env, &ask->nenv, mem_printf("%s=%s", name, value == NULL ? "" : value));
}

void dialect_make_id(struct dialect_ask *ask)
{
    uint8_t raw[16];
    if (RAND_bytes(raw, sizeof raw) != 1)
        abort();
    for (size_t i = 0; i < sizeof raw; i++)
        snprintf(&ask->id_text[2 * i], 3, "%02x", raw[i]);
}

enum gw_err dialect_open_backend(const struct dialect *d, const char *key, const char *name,
                                 struct gw_errmsg *msg)
{
    for (size_t i = 0; d->backends != NULL && i < d->backends->n; i++)
        if (strcmp(d->backends->names[i], name) == 0)
            return GW_OK;
    return d->backends == NULL
               ? GW_OK
               : gw_err_set(msg, GW_CONFIG, "%s: there is no backend \"%.64s\"", key, name);
}

enum gw_err dialect_open_home(struct dialect *d, struct gw_errmsg *msg)
{
    const struct dialect_conf *c = d->conf;
    if ((c->home_base == NULL) != (c->backend == NULL))
        return gw_err_set(msg, GW_CONFIG, "%s: is missing: home_base and backend go together",
                          c->home_base == NULL ? "home_base" : "backend");
    if (c->home_base != NULL && c->home_base[0] != '/')
        return gw_err_set(msg, GW_CONFIG, "home_base: must begin with \"/\"");
    return c->backend == NULL ? GW_OK : dialect_open_backend(d, "backend", c->backend, msg);
}

char *dialect_base64(struct gw_span bytes)
{
    char *text = mem_alloc((bytes.len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)text, bytes.ptr, (int)bytes.len);
    return text;
}

char *dialect_key_line(const struct auth_req *req)
{
    /* The type stands in the blob: `algorithm` may be that of the signature (rsa-sha2-256). */
    struct gw_rd r = gw_rd_of(req->key.blob);
    struct gw_span type = gw_rd_str(&r, 64);
    if (r.failed || type.len == 0 || gw_span_has_nul(type))
        return NULL;
    char *b64 = dialect_base64(req->key.blob);
    char *line = mem_printf("%.*s %s", (int)type.len, (const char *)type.ptr, b64);
    mem_free(b64);
    return line;
}

/* Not a fault of the verifier, which would be asked again: the answer for this one user is bad. */
static void say_bad_identity(struct dialect_verdict *v, const struct gw_errmsg *why)
{
    dialect_say(v, AUTH_REJECT, "the identity is not understood: %.400s", why->text);
}

void dialect_accept(const struct dialect *d, const struct auth_req *req, const json_t *over,
                    enum dialect_keys keys, struct dialect_verdict *v)
{
    struct gw_errmsg why = {""};
    unsigned may = d->conf->allow_stores ? IDENTITY_STORES : 0;
    if (identity_from_json(req->user, d->users, over, may, &v->id, &why) != GW_OK) {
        say_bad_identity(v, &why);
        return;
    }
    bool compare = keys == DIALECT_KEYS_COMPARED || json_object_get(over, "public_keys") != NULL;
    if (req->method == AUTH_PUBLICKEY && compare &&
        !pubkey_among(v->id->public_keys, v->id->npublic_keys, req->key.blob,
                      req->client_address)) {
        identity_free(&v->id);
        dialect_say(v, AUTH_REJECT, "not a key of the user");
        return;
    }
    v->verdict = AUTH_ACCEPT;
}
