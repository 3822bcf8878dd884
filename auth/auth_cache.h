/*
 * What a verifier has accepted lately, of one chain: positive answers only, for cache_s at most.
 * Who finds one judges it again (judge.h): it may have expired meanwhile. It holds no credential,
 * only a keyed hash of one together with verifier, user, method, the steps before and the client's
 * address: what differs in any of them is asked again. Answers to keyboard-interactive are never
 * kept: they may be codes that are good once.
 */
#ifndef AUTH_AUTH_CACHE_H
#define AUTH_AUTH_CACHE_H

#include "auth/verifier.h"

#define AUTH_CACHE_MAX 4096u /* answers; the one that was not used for longest goes */

struct auth_cache;

struct auth_cache *auth_cache_new(void);
void auth_cache_free(struct auth_cache **cp);

/* A copy of the identity that the verifier gave, or NULL. now_ms: the loop's. */
struct identity *auth_cache_find(struct auth_cache *c, size_t verifier, const struct auth_req *req,
                                 uint64_t now_ms);
/* Takes id, which is as the verifier gave it. */
void auth_cache_keep(struct auth_cache *c, size_t verifier, const struct auth_req *req,
                     struct identity *id, uint64_t now_ms, uint32_t cache_s);

/* Of all chains since the start; any thread. */
struct auth_cache_counts {
    uint64_t hits, misses, kept, evicted;
};
struct auth_cache_counts auth_cache_counts(void);

#endif
