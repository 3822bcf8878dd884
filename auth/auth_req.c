#include <string.h>

#include "auth/verifier.h"
#include "gateway/base/mem.h"

const char *const auth_method_names[AUTH_METHOD_COUNT] = {
    [AUTH_PASSWORD] = "password",
    [AUTH_PUBLICKEY] = "publickey",
    [AUTH_KEYBOARD_INTERACTIVE] = "keyboard-interactive",
};
const char *const auth_method_list[] = {"publickey", "password", "keyboard-interactive", NULL};

static const char **copy_strs(const char *const *v, size_t n)
{
    if (v == NULL)
        return NULL;
    const char **copy = mem_array(n, sizeof *copy);
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
    for (size_t i = 0; c->methods_done != NULL && i < c->nmethods_done; i++)
        drop(c->methods_done[i]);
    drop(c->methods_done);
    drop(c->client_address);
    drop(c->client_version);
    drop(c->server_address);
    mem_free(c);
}
