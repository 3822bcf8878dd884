#include "backends/attr_cache.h"

#include <stdatomic.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

#define ENTRIES_MAX 8192u
#define BUCKETS     4096u
#define STAMPS      4096u

struct entry {
    struct entry *next; /* of the bucket */
    struct list age;    /* oldest first */
    uint64_t until_ms;
    uint64_t since;
    uint32_t hash;
    struct fs_attr attr;
    char key[];
};

struct attr_cache {
    struct loop *loop;
    uint32_t ttl_ms;
    size_t n;
    struct list age;
    struct entry *buckets[BUCKETS];
};

/*
 * Other loops have caches of their own and sessions of the same user: every write takes the next
 * number and leaves it here, and an entry is good only while it is younger. Keys share slots,
 * stores too: that costs a request, never a stale answer.
 */
static _Atomic uint64_t writes;
static _Atomic uint64_t written[STAMPS]; /* by hash of the key: the number of its last write */
static _Atomic uint64_t swept;           /* the same of forget_under() */

/* FNV-1a: the keys are a client's own, who can slow down nobody but the look-ups of its loop, and
 * those by no more than ENTRIES_MAX steps. */
static uint32_t hash_of(const char *key)
{
    uint32_t h = 2166136261u;
    for (; *key != '\0'; key++)
        h = (h ^ (uint8_t)*key) * 16777619u;
    return h;
}

uint64_t attr_cache_now(void)
{
    return atomic_load(&writes);
}

static bool fresh(uint32_t hash, uint64_t since)
{
    return atomic_load(&written[hash % STAMPS]) <= since && atomic_load(&swept) <= since;
}

struct attr_cache *attr_cache_new(struct loop *l, uint32_t ttl_ms)
{
    struct attr_cache *c = mem_zalloc(sizeof *c);
    c->loop = l;
    c->ttl_ms = ttl_ms;
    list_init(&c->age);
    return c;
}

static void drop(struct attr_cache *c, struct entry *e)
{
    struct entry **at = &c->buckets[e->hash % BUCKETS];
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    list_remove(&e->age);
    c->n--;
    mem_free(e);
}

void attr_cache_free(struct attr_cache **cp)
{
    struct attr_cache *c = *cp;
    *cp = NULL;
    if (c == NULL)
        return;
    while (!list_empty(&c->age))
        drop(c, LIST_ENTRY(list_first(&c->age), struct entry, age));
    mem_free(c);
}

static struct entry *find(const struct attr_cache *c, const char *key, uint32_t hash)
{
    struct entry *e = c->buckets[hash % BUCKETS];
    while (e != NULL && (e->hash != hash || strcmp(e->key, key) != 0))
        e = e->next;
    return e;
}

void attr_cache_put(struct attr_cache *c, const char *key, const struct fs_attr *attr,
                    uint64_t since)
{
    uint32_t hash = hash_of(key);
    if (c->ttl_ms == 0 || !fresh(hash, since))
        return;
    struct entry *e = find(c, key, hash);
    if (e == NULL) {
        if (c->n == ENTRIES_MAX)
            drop(c, LIST_ENTRY(list_first(&c->age), struct entry, age));
        size_t n = strlen(key) + 1;
        e = mem_zalloc(sizeof *e + n);
        memcpy(e->key, key, n);
        e->hash = hash;
        e->next = c->buckets[hash % BUCKETS];
        c->buckets[hash % BUCKETS] = e;
        c->n++;
    }
    list_remove(&e->age);
    list_push(&c->age, &e->age);
    e->attr = *attr;
    e->until_ms = loop_now_ms(c->loop) + c->ttl_ms;
    e->since = since;
}

bool attr_cache_get(struct attr_cache *c, const char *key, struct fs_attr *attr)
{
    uint32_t hash = hash_of(key);
    struct entry *e = find(c, key, hash);
    if (e == NULL)
        return false;
    if (e->until_ms <= loop_now_ms(c->loop) || !fresh(hash, e->since)) {
        drop(c, e);
        return false;
    }
    *attr = e->attr;
    return true;
}

void attr_cache_forget(struct attr_cache *c, const char *key)
{
    uint32_t hash = hash_of(key);
    struct entry *e = find(c, key, hash);
    if (e != NULL)
        drop(c, e);
    atomic_store(&written[hash % STAMPS], atomic_fetch_add(&writes, 1) + 1);
}

void attr_cache_forget_under(struct attr_cache *c, const char *prefix)
{
    size_t n = strlen(prefix);
    LIST_EACH_SAFE(it, tmp, &c->age)
    {
        struct entry *e = LIST_ENTRY(it, struct entry, age);
        if (strncmp(e->key, prefix, n) == 0)
            drop(c, e);
    }
    atomic_store(&swept, atomic_fetch_add(&writes, 1) + 1);
}
