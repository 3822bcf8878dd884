#include "auth/breaker.h"

#include <assert.h>
#include <pthread.h>

#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

enum state {
    CLOSED,    /* everybody may ask */
    OPEN,      /* nobody may, until `until_ms` */
    HALF_OPEN, /* one asks, the others wait for what comes of it */
};

static const char *const state_names[] = {
    [CLOSED] = "closed", [OPEN] = "open", [HALF_OPEN] = "half-open"};

struct breaker {
    struct list node; /* in `all` */
    unsigned refs;    /* guarded by all_lock */
    const void *key;
    char *name;
    struct breaker_conf conf;
    pthread_mutex_t lock; /* guards all below */
    enum state state;
    uint32_t in_a_row;
    uint64_t until_ms;
    struct breaker_counts counts;
};

static struct list all = {&all, &all};
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;

struct breaker *breaker_ref(const void *key, const char *name, const struct breaker_conf *conf)
{
    struct breaker *b = NULL;
    pthread_mutex_lock(&all_lock);
    LIST_EACH(it, &all)
    {
        struct breaker *other = LIST_ENTRY(it, struct breaker, node);
        if (other->key == key)
            b = other;
    }
    if (b == NULL) {
        b = mem_zalloc(sizeof *b);
        b->key = key;
        b->name = mem_strdup(name);
        b->conf = *conf;
        pthread_mutex_init(&b->lock, NULL);
        list_push(&all, &b->node);
    }
    b->refs++;
    pthread_mutex_unlock(&all_lock);
    return b;
}

void breaker_unref(struct breaker **bp)
{
    struct breaker *b = *bp;
    *bp = NULL;
    if (b == NULL)
        return;
    pthread_mutex_lock(&all_lock);
    bool last = --b->refs == 0;
    if (last)
        list_remove(&b->node);
    pthread_mutex_unlock(&all_lock);
    if (!last)
        return;
    pthread_mutex_destroy(&b->lock);
    mem_free(b->name);
    mem_free(b);
}

/* Under the lock. */
static void set_state(struct breaker *b, enum state to, const char *why)
{
    static const bool allowed[3][3] = {
        [CLOSED] = {[OPEN] = true},
        [OPEN] = {[HALF_OPEN] = true, [CLOSED] = true},
        [HALF_OPEN] = {[OPEN] = true, [CLOSED] = true},
    };
    assert(allowed[b->state][to]);
    (void)allowed;
    b->state = to;
    b->counts.open = to != CLOSED;
    LOG_EVENT(to == OPEN ? LOG_LVL_WARN : LOG_LVL_INFO, NULL, "verifier_breaker",
              log_str("verifier", b->name), log_str("state", state_names[to]),
              log_u64("faults", b->in_a_row), log_str("reason", why));
}

static void open_now(struct breaker *b, uint64_t now_ms, const char *why)
{
    b->until_ms = now_ms + b->conf.pause_s * UINT64_C(1000);
    b->counts.opened++;
    set_state(b, OPEN, why);
}

enum breaker_leave breaker_ask(struct breaker *b, uint64_t now_ms)
{
    enum breaker_leave leave = BREAKER_ASK;
    pthread_mutex_lock(&b->lock);
    if (b->state == HALF_OPEN || (b->state == OPEN && now_ms < b->until_ms)) {
        leave = BREAKER_REFUSED;
        b->counts.refused++;
    } else {
        if (b->state == OPEN) {
            leave = BREAKER_TRIAL;
            set_state(b, HALF_OPEN, NULL);
        }
        b->counts.asked++;
    }
    pthread_mutex_unlock(&b->lock);
    return leave;
}

void breaker_answered(struct breaker *b, enum breaker_leave leave)
{
    assert(leave != BREAKER_REFUSED);
    (void)leave;
    pthread_mutex_lock(&b->lock);
    b->in_a_row = 0;
    if (b->state != CLOSED) /* also by the late answer to a question from before */
        set_state(b, CLOSED, NULL);
    pthread_mutex_unlock(&b->lock);
}

void breaker_failed(struct breaker *b, enum breaker_leave leave, uint64_t now_ms, const char *why)
{
    assert(leave != BREAKER_REFUSED);
    pthread_mutex_lock(&b->lock);
    b->counts.faults++;
    b->in_a_row += b->in_a_row < UINT32_MAX;
    bool trial = b->state == HALF_OPEN && leave == BREAKER_TRIAL;
    bool enough = b->state == CLOSED && b->conf.faults > 0 && b->in_a_row >= b->conf.faults;
    if (trial || enough)
        open_now(b, now_ms, why);
    pthread_mutex_unlock(&b->lock);
}

void breaker_dropped(struct breaker *b, enum breaker_leave leave)
{
    pthread_mutex_lock(&b->lock);
    if (b->state == HALF_OPEN &&
        leave == BREAKER_TRIAL) { /* until_ms is over: the next one tries */
        set_state(b, OPEN, "who tried has gone");
    }
    pthread_mutex_unlock(&b->lock);
}

struct breaker_counts breaker_counts(struct breaker *b)
{
    pthread_mutex_lock(&b->lock);
    struct breaker_counts c = b->counts;
    pthread_mutex_unlock(&b->lock);
    return c;
}
