#include "auth/auth_cache.h"

#include <stdatomic.h>
#include <string.h>

#include "auth/lru.h"
#include "gateway/base/mem.h"

/* What a key is made of: a password or a key of a client, whose lengths conn_auth.c bounds. */
#define ABOUT_MAX (16u * 1024u)

struct entry {
    struct lru_node node;
    struct identity *id;
    uint64_t until_ms;
};

struct auth_cache {
    struct lru table;
};

static _Atomic uint64_t hits, misses, kept, evicted;

struct auth_cache *auth_cache_new(void)
{
    struct auth_cache *c = mem_zalloc(sizeof *c);
    lru_init(&c->table, AUTH_CACHE_MAX);
    return c;
}

static struct entry *entry_of(struct lru_node *n)
{
    return n == NULL ? NULL : LIST_ENTRY(n, struct entry, node);
}

static void drop(struct auth_cache *c, struct entry *e)
{
    lru_remove(&c->table, &e->node);
    identity_free(&e->id);
    mem_free(e);
}

void auth_cache_free(struct auth_cache **cp)
{
    struct auth_cache *c = *cp;
    *cp = NULL;
    if (c == NULL)
        return;
    for (struct entry *e; (e = entry_of(lru_oldest(&c->table))) != NULL;)
        drop(c, e);
    lru_free(&c->table);
    mem_free(c);
}

static void put_credential(struct gw_buf *b, const struct auth_req *req)
{
    if (req->method == AUTH_PASSWORD) {
        gw_buf_put_cstr(b, req->password);
        return;
    }
    gw_buf_put_str(b, req->key.blob.ptr, req->key.blob.len);
    gw_buf_put_u8(b, req->key.is_signed);
}

/* False: nothing to be kept or found. */
static bool key_of(size_t verifier, const struct auth_req *req, struct lru_key *out)
{
    struct gw_buf b;
    if (req->method == AUTH_KEYBOARD_INTERACTIVE || req->client_address == NULL ||
        (req->method == AUTH_PASSWORD && req->password == NULL))
        return false;
    gw_buf_init(&b, ABOUT_MAX);
    /* All of it at once: a buffer that grows leaves copies behind that nobody wipes. */
    (void)gw_buf_reserve(&b, ABOUT_MAX);
    gw_buf_put_u64(&b, verifier);
    gw_buf_put_u8(&b, (uint8_t)req->method);
    gw_buf_put_cstr(&b, req->user);
    gw_buf_put_cstr(&b, req->client_address);
    gw_buf_put_u64(&b, req->nmethods_done);
    for (size_t i = 0; i < req->nmethods_done; i++)
        gw_buf_put_cstr(&b, req->methods_done[i]);
    put_credential(&b, req);
    bool ok = b.failed == GW_OK && lru_key_of(gw_buf_span(&b), out);
    gw_buf_free_secret(&b);
    return ok;
}

struct identity *auth_cache_find(struct auth_cache *c, size_t verifier, const struct auth_req *req,
                                 uint64_t now_ms)
{
    struct lru_key key;
    struct entry *e = key_of(verifier, req, &key) ? entry_of(lru_find(&c->table, &key)) : NULL;
    if (e != NULL && now_ms >= e->until_ms) {
        drop(c, e);
        e = NULL;
    }
    atomic_fetch_add_explicit(e != NULL ? &hits : &misses, 1, memory_order_relaxed);
    if (e == NULL)
        return NULL;
    lru_touch(&c->table, &e->node);
    return identity_copy(e->id);
}

void auth_cache_keep(struct auth_cache *c, size_t verifier, const struct auth_req *req,
                     struct identity *id, uint64_t now_ms, uint32_t cache_s)
{
    struct lru_key key;
    if (!key_of(verifier, req, &key)) {
        identity_free(&id);
        return;
    }
    struct entry *e = entry_of(lru_find(&c->table, &key));
    if (e != NULL)
        drop(c, e);
    if (lru_full(&c->table)) {
        drop(c, entry_of(lru_oldest(&c->table)));
        atomic_fetch_add_explicit(&evicted, 1, memory_order_relaxed);
    }
    e = mem_zalloc(sizeof *e);
    e->node.key = key;
    e->id = id;
    e->until_ms = now_ms + (uint64_t)cache_s * 1000;
    lru_add(&c->table, &e->node);
    atomic_fetch_add_explicit(&kept, 1, memory_order_relaxed);
}

struct auth_cache_counts auth_cache_counts(void)
{
    return (struct auth_cache_counts){.hits = atomic_load(&hits),
                                      .misses = atomic_load(&misses),
                                      .kept = atomic_load(&kept),
                                      .evicted = atomic_load(&evicted)};
}
