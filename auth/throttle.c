#include "auth/throttle.h"

#include <pthread.h>
#include <string.h>

#include "auth/auth.h"
#include "auth/cidr.h"
#include "auth/lru.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define SOURCE_BYTES  16u
#define SLASH_64      8u  /* bytes: one customer's line */
#define ENDS_A_TURN   64u /* bans, with a line each: the loop has others to serve */
#define SOURCE_FACTOR 4u  /* source_failures, where it is 0 */

/* Of a source, or of a user from there: first counted, then banned. */
struct entry {
    struct lru_node node;
    uint64_t since_ms;          /* of the window */
    uint64_t until_ms;          /* of the ban; 0 = none */
    uint32_t failures, refused; /* before the ban, in it */
    char *peer, *user;          /* of a ban, for the log; no user = the whole source */
    bool told;
};

struct throttle {
    pthread_mutex_t lock; /* guards everything below */
    struct settings *settings;
    struct lru counted, banned; /* banned: in the order of their beginning */
    struct throttle_counts counts;
};

struct throttle *throttle_new(struct settings *s)
{
    struct throttle *t = mem_zalloc(sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    t->settings = settings_ref(s);
    lru_init(&t->counted, THROTTLE_MAX);
    lru_init(&t->banned, THROTTLE_MAX);
    return t;
}

static struct entry *entry_of(struct lru_node *n)
{
    return n == NULL ? NULL : LIST_ENTRY(n, struct entry, node);
}

static void drop(struct lru *from, struct entry *e)
{
    lru_remove(from, &e->node);
    mem_free(e->peer);
    mem_free(e->user);
    mem_free(e);
}

static bool is_over(const struct entry *e, uint64_t now_ms)
{
    return e != NULL && now_ms >= e->until_ms;
}

static void end_ban(struct throttle *t, struct entry *e)
{
    if (e->user != NULL)
        LOG_EVENT(LOG_LVL_INFO, NULL, "ban_end", log_str("whom", "user"), log_str("user", e->user),
                  log_str("peer", e->peer), log_u64("refused", e->refused));
    else
        LOG_EVENT(LOG_LVL_INFO, NULL, "ban_end", log_str("whom", "source"),
                  log_str("peer", e->peer), log_u64("refused", e->refused));
    drop(&t->banned, e);
}

void throttle_tick(struct throttle *t, uint64_t now_ms)
{
    struct entry *e;
    pthread_mutex_lock(&t->lock);
    for (unsigned n = 0; n < ENDS_A_TURN && is_over(e = entry_of(lru_oldest(&t->banned)), now_ms);
         n++)
        end_ban(t, e);
    pthread_mutex_unlock(&t->lock);
}

static void drop_all(struct lru *l)
{
    for (struct entry *e; (e = entry_of(lru_oldest(l))) != NULL;)
        drop(l, e);
}

void throttle_free(struct throttle **tp)
{
    struct throttle *t = *tp;
    *tp = NULL;
    if (t == NULL)
        return;
    drop_all(&t->counted);
    drop_all(&t->banned);
    lru_free(&t->counted);
    lru_free(&t->banned);
    settings_unref(&t->settings);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

static const struct settings_throttle *conf_of(const struct throttle *t)
{
    return &t->settings->auth.throttle;
}

static bool is_on(const struct throttle *t)
{
    return conf_of(t)->failures > 0 || conf_of(t)->source_failures > 0;
}

/* 0 = such a ban is not wanted. */
static uint32_t limit_of(const struct throttle *t, bool whole_source)
{
    const struct settings_throttle *c = conf_of(t);
    if (!whole_source)
        return c->failures;
    return c->source_failures > 0 ? c->source_failures : c->failures * SOURCE_FACTOR;
}

void throttle_reload(struct throttle *t, struct settings *s)
{
    pthread_mutex_lock(&t->lock);
    settings_unref(&t->settings);
    t->settings = settings_ref(s);
    if (!is_on(t)) {
        drop_all(&t->counted);
        drop_all(&t->banned);
    }
    pthread_mutex_unlock(&t->lock);
}

/* user NULL = the source itself. False: not to be counted. */
static bool key_of(const struct throttle *t, const char *address, const char *user,
                   struct lru_key *out)
{
    const struct opt_strs *exempt = &conf_of(t)->exempt;
    struct cidr source;
    struct gw_buf b;
    if (!is_on(t) || !cidr_parse_address(address, &source) ||
        auth_address_in(address, exempt->v, exempt->n))
        return false;
    gw_buf_init(&b, SOURCE_BYTES + IDENTITY_USER_MAX + 16);
    gw_buf_put_u8(&b, source.v4);
    gw_buf_put(&b, source.addr, source.v4 ? 4 : SLASH_64);
    if (user != NULL)
        gw_buf_put_cstr(&b, user);
    bool ok = b.failed == GW_OK && lru_key_of(gw_buf_span(&b), out);
    gw_buf_free(&b);
    return ok;
}

static struct entry *ban_of(struct throttle *t, const char *address, const char *user,
                            uint64_t now_ms)
{
    struct lru_key key;
    if (!key_of(t, address, user, &key))
        return NULL;
    struct entry *e = entry_of(lru_find(&t->banned, &key));
    if (is_over(e, now_ms)) {
        end_ban(t, e);
        e = NULL;
    }
    return e;
}

bool throttle_refuses(struct throttle *t, const char *address, uint64_t now_ms, bool *first)
{
    pthread_mutex_lock(&t->lock);
    struct entry *e = ban_of(t, address, NULL, now_ms);
    if (e != NULL) {
        *first = !e->told;
        e->told = true;
        e->refused++;
        t->counts.refused++;
    }
    pthread_mutex_unlock(&t->lock);
    return e != NULL;
}

enum throttle_ban throttle_look(struct throttle *t, const char *address, const char *user,
                                uint64_t now_ms)
{
    enum throttle_ban ban = THROTTLE_FREE;
    pthread_mutex_lock(&t->lock);
    struct entry *e = ban_of(t, address, NULL, now_ms);
    if (e != NULL)
        ban = THROTTLE_SOURCE;
    else if ((e = ban_of(t, address, user, now_ms)) != NULL)
        ban = THROTTLE_USER;
    if (e != NULL) {
        e->refused++;
        t->counts.refused++;
    }
    pthread_mutex_unlock(&t->lock);
    return ban;
}

static struct entry *count_of(struct throttle *t, const struct lru_key *key, uint64_t now_ms)
{
    struct entry *e = entry_of(lru_find(&t->counted, key));
    /* Loops' clocks are apart by a turn: now may be before since. */
    if (e != NULL && now_ms >= e->since_ms + (uint64_t)conf_of(t)->window_s * 1000) {
        drop(&t->counted, e);
        e = NULL;
    }
    return e;
}

static void ban(struct throttle *t, struct entry *e, uint64_t now_ms)
{
    struct entry *old = entry_of(lru_oldest(&t->banned));
    lru_remove(&t->counted, &e->node);
    if (is_over(old, now_ms)) {
        end_ban(t, old);
    } else if (lru_full(&t->banned)) {
        drop(&t->banned, old);
        t->counts.bans_evicted++;
    }
    e->until_ms = now_ms + (uint64_t)conf_of(t)->ban_s * 1000;
    lru_add(&t->banned, &e->node);
}

/* True: that was the last one, and a ban begins. */
static bool count(struct throttle *t, const char *address, const char *user, const char *shown,
                  uint64_t now_ms)
{
    struct lru_key key;
    uint32_t limit = limit_of(t, user == NULL);
    if (ban_of(t, address, user, now_ms) != NULL || !key_of(t, address, user, &key))
        return false;
    struct entry *e = count_of(t, &key, now_ms);
    if (e == NULL) {
        if (lru_full(&t->counted))
            drop(&t->counted, entry_of(lru_oldest(&t->counted)));
        e = mem_zalloc(sizeof *e);
        e->node.key = key;
        e->since_ms = now_ms;
        lru_add(&t->counted, &e->node);
    }
    lru_touch(&t->counted, &e->node);
    if (++e->failures < limit || limit == 0)
        return false;
    e->peer = mem_strdup(address);
    e->user = user == NULL ? NULL : mem_strdup(shown);
    ban(t, e, now_ms);
    return true;
}

enum throttle_ban throttle_failed(struct throttle *t, const char *address, const char *user,
                                  const char *shown, uint64_t now_ms)
{
    pthread_mutex_lock(&t->lock);
    bool user_ban = user != NULL && count(t, address, user, shown, now_ms);
    bool source_ban = count(t, address, NULL, NULL, now_ms);
    t->counts.failures++;
    t->counts.user_bans += user_ban;
    t->counts.source_bans += source_ban;
    pthread_mutex_unlock(&t->lock);
    return source_ban ? THROTTLE_SOURCE : user_ban ? THROTTLE_USER : THROTTLE_FREE;
}

/* The source's count loses what the user's had: an office of many people who mistype now and then
 * is no attack. Whoever has an account forgets no failures but those in its own name. */
void throttle_succeeded(struct throttle *t, const char *address, const char *user, uint64_t now_ms)
{
    struct lru_key own, whole;
    pthread_mutex_lock(&t->lock);
    if (key_of(t, address, user, &own) && key_of(t, address, NULL, &whole)) {
        struct entry *e = count_of(t, &own, now_ms);
        struct entry *source = count_of(t, &whole, now_ms);
        if (e != NULL && source != NULL)
            source->failures -= source->failures < e->failures ? source->failures : e->failures;
        if (e != NULL)
            drop(&t->counted, e);
    }
    pthread_mutex_unlock(&t->lock);
}

struct throttle_counts throttle_counts(struct throttle *t)
{
    pthread_mutex_lock(&t->lock);
    struct throttle_counts c = t->counts;
    c.counted = t->counted.n;
    c.banned = t->banned.n;
    pthread_mutex_unlock(&t->lock);
    return c;
}
