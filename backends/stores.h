/*
 * Stores that an identity brought along, each made from the JSON of its mount: one for equal JSON,
 * for as long as a view or an orphan of it lives. One table a loop and configuration; loop's thread
 * only. At most STORES_MAX at once.
 *
 * A text here is as it stands: no ${NAME}, no {"env": ...} or {"file": ...}. Whoever writes an
 * answer must not be able to read the gateway's environment or files, nor sign with its keys. What
 * a store on a disk shows is up to its root.
 */
#ifndef BACKENDS_STORES_H
#define BACKENDS_STORES_H

#include "backends/backends.h"

#define STORES_MAX 1024u

struct stores;

/* Copies env's state_dir; borrows the rest until the last store is gone. */
struct stores *stores_new(const struct backend_env *env);
/* The owner's; what was opened lives on. NULL-safe. */
void stores_unref(struct stores **sp);
/* json: {"type": ..., ...}, canonical: as identity_mount.store. Gives a reference.
 * Errors: GW_CONFIG: what is wrong with it, without the values of secrets; GW_BUSY: too many. */
enum gw_err stores_open(struct stores *s, const char *json, struct backend **out,
                        struct gw_errmsg *msg);
unsigned stores_count(const struct stores *s);

#endif
