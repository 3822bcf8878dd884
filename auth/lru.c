#include "auth/lru.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

#include "gateway/base/mem.h"

#define BUCKETS_MAX 4096u

static uint8_t secret[LRU_KEY_BYTES];
static bool has_secret;

static void draw_secret(void)
{
    has_secret = RAND_bytes(secret, sizeof secret) == 1;
}

bool lru_key_of(struct gw_span about, struct lru_key *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned len = 0;
    pthread_once(&once, draw_secret);
    return has_secret &&
           HMAC(EVP_sha256(), secret, sizeof secret, about.ptr, about.len, out->bytes, &len) !=
               NULL &&
           len == sizeof out->bytes;
}

void lru_init(struct lru *l, size_t max)
{
    *l = (struct lru){.max = max, .nbuckets = max < BUCKETS_MAX ? (unsigned)max : BUCKETS_MAX};
    l->buckets = mem_array(l->nbuckets, sizeof *l->buckets);
    for (unsigned i = 0; i < l->nbuckets; i++)
        list_init(&l->buckets[i]);
    list_init(&l->age);
}

void lru_free(struct lru *l)
{
    assert(l->n == 0);
    mem_free(l->buckets);
    l->buckets = NULL;
}

static struct list *bucket_of(const struct lru *l, const struct lru_key *key)
{
    uint32_t h;
    memcpy(&h, key->bytes, sizeof h); /* a hash already */
    return &l->buckets[h % l->nbuckets];
}

struct lru_node *lru_find(const struct lru *l, const struct lru_key *key)
{
    LIST_EACH(it, bucket_of(l, key))
    {
        struct lru_node *n = LIST_ENTRY(it, struct lru_node, bucket);
        if (memcmp(n->key.bytes, key->bytes, sizeof key->bytes) == 0)
            return n;
    }
    return NULL;
}

void lru_add(struct lru *l, struct lru_node *n)
{
    assert(!lru_full(l));
    list_push(bucket_of(l, &n->key), &n->bucket);
    list_push(&l->age, &n->age);
    l->n++;
}

void lru_remove(struct lru *l, struct lru_node *n)
{
    list_remove(&n->bucket);
    list_remove(&n->age);
    l->n--;
}

void lru_touch(struct lru *l, struct lru_node *n)
{
    list_remove(&n->age);
    list_push(&l->age, &n->age);
}

struct lru_node *lru_oldest(const struct lru *l)
{
    return list_empty(&l->age) ? NULL : LIST_ENTRY(list_first(&l->age), struct lru_node, age);
}
