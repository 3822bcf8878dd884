/*
 * What all loops share of one reading of the configuration: settings and host keys. Immutable,
 * counted by references from any thread.
 */
#ifndef GATEWAY_SNAPSHOT_H
#define GATEWAY_SNAPSHOT_H

#include "config/settings.h"
#include "gateway/ssh/host_keys.h"

struct snapshot {
    struct settings *settings;
    struct host_keys *host_keys;
    unsigned refs; /* private */
};

/* Takes a reference of s. Errors: GW_CONFIG with *msg. */
enum gw_err snapshot_new(struct settings *s, struct snapshot **out, struct gw_errmsg *msg);
struct snapshot *snapshot_ref(struct snapshot *sn);
void snapshot_unref(struct snapshot **snp);

#endif
