/*
 * What was last seen of keys, for a short time (stat_cache_ms): primed by listings and HEADs,
 * forgotten by own writes. One a store and loop; bounded, the oldest leaves.
 */
#ifndef BACKENDS_ATTR_CACHE_H
#define BACKENDS_ATTR_CACHE_H

#include "backends/fs.h"

struct attr_cache;

struct attr_cache *attr_cache_new(struct loop *l, uint32_t ttl_ms);
void attr_cache_free(struct attr_cache **cp);
/* Taken before a request is sent, for the put of what it answers. */
uint64_t attr_cache_now(void);
/* key: how the store names a file or folder, without a slash at its end. Nothing is kept when the
 * key was forgotten after `since`. */
void attr_cache_put(struct attr_cache *c, const char *key, const struct fs_attr *attr,
                    uint64_t since);
bool attr_cache_get(struct attr_cache *c, const char *key, struct fs_attr *attr);
/* The key was written, removed or may have been: at the start and at the end of such a request. */
void attr_cache_forget(struct attr_cache *c, const char *key);
void attr_cache_forget_under(struct attr_cache *c,
                             const char *prefix); /* every key that begins so */

#endif
