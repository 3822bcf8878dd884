/*
 * A bounded table of nodes that live inside what they file, by a key that nobody outside can
 * choose: a keyed hash of what the entry is about. Not for several threads at once.
 */
#ifndef AUTH_LRU_H
#define AUTH_LRU_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/list.h"

#define LRU_KEY_BYTES 32u

struct lru_key {
    uint8_t bytes[LRU_KEY_BYTES];
};
/* HMAC-SHA256 under a random key of this process. False: no digest to be had. */
bool lru_key_of(struct gw_span about, struct lru_key *out);

struct lru_node {
    struct list bucket, age;
    struct lru_key key;
};

struct lru {
    struct list *buckets;
    unsigned nbuckets;
    size_t n, max;
    struct list age; /* the oldest first */
};

/* max entries at most: the owner makes room before it adds. */
void lru_init(struct lru *l, size_t max);
void lru_free(struct lru *l); /* empty; NULL-safe for one that was never initialised */
struct lru_node *lru_find(const struct lru *l, const struct lru_key *key); /* NULL = none */
/* The youngest from then on. n->key is set, and no node has it. */
void lru_add(struct lru *l, struct lru_node *n);
void lru_remove(struct lru *l, struct lru_node *n);
void lru_touch(struct lru *l, struct lru_node *n); /* the youngest again */
struct lru_node *lru_oldest(const struct lru *l);  /* NULL = empty */
static inline bool lru_full(const struct lru *l)
{
    return l->n >= l->max;
}

#endif
