/*
 * What was last seen of keys, for a short time (stat_cache_ms): primed by listings and HEADs,
 * forgotten by own writes. One a store and loop; bounded, the oldest leaves.
 */
#ifndef BACKENDS_S3_S3_CACHE_H
#define BACKENDS_S3_S3_CACHE_H

#include "backends/fs.h"

struct s3_cache;

struct s3_cache *s3_cache_new(struct loop *l, uint32_t ttl_ms);
void s3_cache_free(struct s3_cache **cp);
/* Taken before a request is sent, for the put of what it answers. */
uint64_t s3_cache_now(void);
/* key: as s3_view_key() gives it, of a folder without its marker's slash. Nothing is kept when the
 * key was forgotten after `since`. */
void s3_cache_put(struct s3_cache *c, const char *key, const struct fs_attr *attr, uint64_t since);
bool s3_cache_get(struct s3_cache *c, const char *key, struct fs_attr *attr);
/* The key was written, removed or may have been: at the start and at the end of such a request. */
void s3_cache_forget(struct s3_cache *c, const char *key);
void s3_cache_forget_under(struct s3_cache *c, const char *prefix); /* every key that begins so */

#endif
