#include "auth/identity.h"

#include "gateway/base/mem.h"

static char **copy_strs(char *const *v, size_t n)
{
    char **copy = n == 0 ? NULL : mem_array(n, sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = mem_strdup(v[i]);
    return copy;
}

static void free_strs(char **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free(v[i]);
    mem_free(v);
}

struct identity *identity_copy(const struct identity *id)
{
    struct identity *c = mem_alloc(sizeof *c);
    *c = *id;
    c->user = mem_strdup(id->user);
    c->home = mem_strdup(id->home);
    c->mounts = id->nmounts == 0 ? NULL : mem_array(id->nmounts, sizeof *c->mounts);
    for (size_t i = 0; i < id->nmounts; i++)
        c->mounts[i] = (struct identity_mount){
            .path = mem_strdup(id->mounts[i].path),
            .backend = mem_strdup(id->mounts[i].backend),
            .store = mem_strdup(id->mounts[i].store),
            .prefix = mem_strdup(id->mounts[i].prefix),
            .read_only = id->mounts[i].read_only,
        };
    c->perms = id->nperms == 0 ? NULL : mem_array(id->nperms, sizeof *c->perms);
    for (size_t i = 0; i < id->nperms; i++)
        c->perms[i] = (struct identity_perm){mem_strdup(id->perms[i].path), id->perms[i].perms};
    c->public_keys = copy_strs(id->public_keys, id->npublic_keys);
    c->methods = copy_strs(id->methods, id->nmethods);
    c->next_methods = copy_strs(id->next_methods, id->nnext_methods);
    c->allow = copy_strs(id->allow, id->nallow);
    c->banner = mem_strdup(id->banner);
    c->credentials = (struct identity_credentials){
        .set = mem_strdup(id->credentials.set),
        .access_key_id = mem_strdup(id->credentials.access_key_id),
        .secret_access_key = mem_strdup(id->credentials.secret_access_key),
        .session_token = mem_strdup(id->credentials.session_token),
    };
    return c;
}

void identity_free(struct identity **idp)
{
    struct identity *id = *idp;
    *idp = NULL;
    if (id == NULL)
        return;
    mem_free(id->user);
    mem_free(id->home);
    for (size_t i = 0; i < id->nmounts; i++) {
        mem_free(id->mounts[i].path);
        mem_free(id->mounts[i].backend);
        mem_free_secret_str(&id->mounts[i].store);
        mem_free(id->mounts[i].prefix);
    }
    mem_free(id->mounts);
    for (size_t i = 0; i < id->nperms; i++)
        mem_free(id->perms[i].path);
    mem_free(id->perms);
    free_strs(id->public_keys, id->npublic_keys);
    free_strs(id->methods, id->nmethods);
    free_strs(id->next_methods, id->nnext_methods);
    free_strs(id->allow, id->nallow);
    mem_free(id->banner);
    mem_free(id->credentials.set);
    mem_free(id->credentials.access_key_id);
    mem_free_secret_str(&id->credentials.secret_access_key);
    mem_free_secret_str(&id->credentials.session_token);
    mem_free(id);
}
