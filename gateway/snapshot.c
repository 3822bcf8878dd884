#include "gateway/snapshot.h"

#include "gateway/base/mem.h"

enum gw_err snapshot_new(struct settings *s, struct snapshot **out, struct gw_errmsg *msg)
{
    struct host_keys *keys = NULL;
    enum gw_err err = host_keys_load(s, &keys, msg);
    if (err != GW_OK)
        return err;
    struct snapshot *sn = mem_zalloc(sizeof *sn);
    sn->settings = settings_ref(s);
    sn->host_keys = keys;
    sn->refs = 1;
    *out = sn;
    return GW_OK;
}

struct snapshot *snapshot_ref(struct snapshot *sn)
{
    __atomic_add_fetch(&sn->refs, 1, __ATOMIC_RELAXED);
    return sn;
}

void snapshot_unref(struct snapshot **snp)
{
    struct snapshot *sn = *snp;
    *snp = NULL;
    if (sn == NULL || __atomic_sub_fetch(&sn->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    host_keys_free(&sn->host_keys);
    settings_unref(&sn->settings);
    mem_free(sn);
}
