#include <string.h>

#include "auth/verifier.h"
#include "gateway/base/mem.h"

const char *const auth_method_names[AUTH_METHOD_COUNT] = {
    [AUTH_PASSWORD] = "password",
    [AUTH_PUBLICKEY] = "publickey",
    [AUTH_KEYBOARD_INTERACTIVE] = "keyboard-interactive",
};
const char *const auth_method_list[] = {"publickey", "password", "keyboard-interactive", NULL};

const struct auth_prompt auth_password_prompt = {"Password: ", false};

int auth_method_of(const char *name, size_t len)
{
    for (int m = 0; m < AUTH_METHOD_COUNT; m++)
        if (strlen(auth_method_names[m]) == len && memcmp(auth_method_names[m], name, len) == 0)
            return m;
    return -1;
}

unsigned auth_method_mask(char *const *names, size_t n)
{
    unsigned mask = 0;
    for (size_t i = 0; i < n; i++) {
        int m = auth_method_of(names[i], strlen(names[i]));
        if (m >= 0)
            mask |= 1u << m;
    }
    return mask;
}

static const char **copy_strs(const char *const *v, size_t n)
{
    if (v == NULL)
        return NULL;
    const char **copy = mem_array(n + 1, sizeof *copy); /* no answers are not NULL either */
    for (size_t i = 0; i < n; i++)
        copy[i] = mem_strdup(v[i]);
    return copy;
}

struct auth_req *auth_req_copy(const struct auth_req *req)
{
    struct auth_req *c = mem_alloc(sizeof *c);
    *c = *req;
    c->user = mem_strdup(req->user);
    c->password = mem_strdup(req->password);
    c->key.algorithm = mem_strdup(req->key.algorithm);
    c->key.fingerprint = mem_strdup(req->key.fingerprint);
    if (req->key.blob.len > 0) {
        uint8_t *blob = mem_alloc(req->key.blob.len);
        memcpy(blob, req->key.blob.ptr, req->key.blob.len);
        c->key.blob.ptr = blob;
    }
    c->kbdint.answers = copy_strs(req->kbdint.answers, req->kbdint.nanswers);
    c->kbdint.state = mem_strdup(req->kbdint.state);
    c->methods_done = copy_strs(req->methods_done, req->nmethods_done);
    c->keys_done = copy_strs(req->keys_done, req->nkeys_done);
    c->client_address = mem_strdup(req->client_address);
    c->client_version = mem_strdup(req->client_version);
    c->server_address = mem_strdup(req->server_address);
    return c;
}

/* The copy owns what its const pointers show. */
static void drop(const void *p)
{
    mem_free((void *)(uintptr_t)p);
}

static void drop_secret(const char *s)
{
    if (s != NULL)
        mem_free_secret((void *)(uintptr_t)s, strlen(s));
}

static void drop_strs(const char *const *v, size_t n)
{
    for (size_t i = 0; v != NULL && i < n; i++)
        drop(v[i]);
    drop(v);
}

void auth_req_set_state(struct auth_req *copy, const char *state)
{
    char *own = mem_strdup(state);
    drop_secret(copy->kbdint.state);
    copy->kbdint.state = own;
}

const char *auth_req_secret(const struct auth_req *req)
{
    if (req->method == AUTH_PASSWORD)
        return req->password;
    return req->kbdint.answers != NULL && req->kbdint.nanswers == 1 ? req->kbdint.answers[0] : NULL;
}

void auth_req_free(struct auth_req **reqp)
{
    struct auth_req *c = *reqp;
    *reqp = NULL;
    if (c == NULL)
        return;
    drop(c->user);
    drop_secret(c->password);
    drop(c->key.algorithm);
    drop(c->key.fingerprint);
    if (c->key.blob.len > 0)
        drop(c->key.blob.ptr);
    for (size_t i = 0; c->kbdint.answers != NULL && i < c->kbdint.nanswers; i++)
        drop_secret(c->kbdint.answers[i]);
    drop(c->kbdint.answers);
    drop_secret(c->kbdint.state);
    drop_strs(c->methods_done, c->nmethods_done);
    drop_strs(c->keys_done, c->nkeys_done);
    drop(c->client_address);
    drop(c->client_version);
    drop(c->server_address);
    mem_free(c);
}
