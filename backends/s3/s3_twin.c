#include "backends/s3/s3_twin.h"

#include <string.h>

#include "backends/attr_cache.h"
#include "gateway/base/mem.h"

static const struct s3_conf_credentials *set_named(const struct s3_conf *conf, const char *name)
{
    const struct s3_conf_credentials *all = conf->credential_sets.v;
    for (size_t i = 0; i < conf->credential_sets.n; i++)
        if (strcmp(conf->credential_sets.names[i], name) == 0)
            return &all[i];
    return NULL;
}

static enum gw_err twin_new(struct s3_store *s, const struct s3_conf_credentials *keys,
                            struct s3_store **out, struct gw_errmsg *msg)
{
    struct s3_client *client = NULL;
    enum gw_err err = s3_client_twin(s->client, keys, &client, msg);
    if (err != GW_OK)
        return err;
    struct s3_store *t = mem_zalloc(sizeof *t);
    t->base.type = s->base.type;
    t->base.name = mem_strdup(s->base.name);
    t->base.env = s->base.env;
    t->base.env.name = t->base.name;
    t->base.refs = 1;
    t->conf = s->conf;
    t->client = client;
    t->cache = attr_cache_new(s->base.env.loop, s->conf->stat_cache_ms);
    t->no_write_conditions = s->no_write_conditions;
    t->original = s3_store_ref(s);
    list_init(&t->twins);
    list_push(&s->twins, &t->node);
    *out = t;
    return GW_OK;
}

enum gw_err s3_twin_of(struct s3_store *s, const struct backend_credentials *who,
                       struct s3_store **out, struct gw_errmsg *msg)
{
    *out = NULL;
    if (who == NULL) {
        *out = s3_store_ref(s);
        return GW_OK;
    }
    /* Read only: s3_conf_credentials is not const because options own theirs. */
    const struct s3_conf_credentials given = {(char *)(uintptr_t)who->access_key_id,
                                              (char *)(uintptr_t)who->secret_access_key,
                                              (char *)(uintptr_t)who->session_token};
    const struct s3_conf_credentials *keys =
        who->set == NULL ? &given : set_named(s->conf, who->set);
    if (keys == NULL)
        return gw_err_set(msg, GW_CONFIG,
                          "credentials: \"%s\" is none of the credential_sets of %s", who->set,
                          s->base.name);
    LIST_EACH(it, &s->twins)
    {
        struct s3_store *t = LIST_ENTRY(it, struct s3_store, node);
        if (s3_client_has_credentials(t->client, keys)) {
            *out = s3_store_ref(t);
            return GW_OK;
        }
    }
    return twin_new(s, keys, out, msg);
}
