#include "gateway/vfs/usage.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

#define BUCKETS 256u

struct usage {
    struct list node;
    char *key;
    char *why; /* it is not known */
    unsigned refs;
    bool known, counting;
    struct usage_sum sum;
    uint64_t changes;
    struct list waiters;
    struct list holds;
    unsigned opens, moves; /* of the holds */
    bool links;
    bool mixed; /* something was moved while a file was open: its name says nothing any more */
};

struct usage_hold {
    struct list node;
    enum usage_hold_for what;
    bool good;
    char path[];
};

struct waiter {
    struct op op;
    struct list node;
    struct usage *usage; /* NULL = told, and the call is on its way to the loop */
    struct loop *loop;
    loop_fn *fn; /* NULL = cancelled on its way */
    void *arg;
};

/* Guards everything that is reachable from it. */
static struct {
    pthread_mutex_t lock;
    struct list buckets[BUCKETS];
    bool ready;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void enter(void)
{
    pthread_mutex_lock(&all.lock);
    for (unsigned i = 0; !all.ready && i < BUCKETS; i++)
        list_init(&all.buckets[i]);
    all.ready = true;
}

static void leave(void)
{
    pthread_mutex_unlock(&all.lock);
}

static struct list *bucket_of(const char *key)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *key != '\0'; key++)
        h = (h ^ (uint8_t)*key) * 16777619u;
    return &all.buckets[h % BUCKETS];
}

struct usage *usage_open(const char *key)
{
    enter();
    struct list *bucket = bucket_of(key);
    LIST_EACH(it, bucket)
    {
        struct usage *u = LIST_ENTRY(it, struct usage, node);
        if (strcmp(u->key, key) == 0) {
            u->refs++;
            leave();
            return u;
        }
    }
    struct usage *u = mem_zalloc(sizeof *u);
    u->key = mem_strdup(key);
    u->refs = 1;
    list_init(&u->waiters);
    list_init(&u->holds);
    list_push(bucket, &u->node);
    leave();
    return u;
}

void usage_close(struct usage **up)
{
    struct usage *u = *up;
    *up = NULL;
    if (u == NULL)
        return;
    enter();
    bool last = --u->refs == 0;
    if (last)
        list_remove(&u->node);
    leave();
    if (!last)
        return;
    mem_free(u->key);
    mem_free(u->why);
    mem_free(u);
}

enum usage_state usage_claim(struct usage *u)
{
    enter();
    enum usage_state state = u->known ? USAGE_KNOWN : u->counting ? USAGE_OTHERS : USAGE_MINE;
    if (state == USAGE_MINE)
        u->counting = true;
    leave();
    return state;
}

bool usage_is_known(struct usage *u)
{
    enter();
    bool known = u->known;
    leave();
    return known;
}

static void tell(void *arg)
{
    struct waiter *w = arg;
    if (w->fn != NULL)
        w->fn(w->arg);
    mem_free(w);
}

/* Every waiter lives on a loop that lives: its session takes it off the list before it goes. */
static void end_count(struct usage *u, bool known, struct usage_sum sum, const char *why)
{
    enter();
    mem_free(u->why);
    u->why = mem_strdup(why);
    u->counting = false;
    u->known = known;
    u->sum = sum;
    while (!list_empty(&u->waiters)) {
        struct waiter *w = LIST_ENTRY(list_first(&u->waiters), struct waiter, node);
        list_remove(&w->node);
        w->usage = NULL;
        loop_post(w->loop, tell, w);
    }
    leave();
}

void usage_counted(struct usage *u, struct usage_sum sum)
{
    end_count(u, true, sum, NULL);
}

void usage_uncounted(struct usage *u, const char *why)
{
    end_count(u, false, (struct usage_sum){0, 0}, why);
}

void usage_why(struct usage *u, char *text, size_t size)
{
    enter();
    snprintf(text, size, "%s", u->why == NULL ? "" : u->why);
    leave();
}

static void wait_cancel(struct op *op)
{
    struct waiter *w = (struct waiter *)op;
    enter();
    bool waits = w->usage != NULL;
    if (waits)
        list_remove(&w->node);
    leave();
    w->fn = NULL; /* tell() runs on this thread */
    if (waits)
        mem_free(w);
}

static const struct op_type wait_type = {"usage_wait", wait_cancel};

struct op *usage_wait(struct usage *u, struct loop *l, loop_fn *fn, void *arg)
{
    struct waiter *w = mem_zalloc(sizeof *w);
    *w = (struct waiter){.op.type = &wait_type, .usage = u, .loop = l, .fn = fn, .arg = arg};
    enter();
    if (u->counting) {
        list_push(&u->waiters, &w->node);
    } else {
        w->usage = NULL;
        loop_post(l, tell, w);
    }
    leave();
    return &w->op;
}

static bool fits(int64_t now, int64_t more, int64_t most)
{
    if (more > 0 && now > INT64_MAX - more) /* what has no limit is counted all the same */
        return false;
    return most == 0 || more <= 0 || (now <= most && more <= most - now);
}

bool usage_charge(struct usage *u, struct usage_sum more, struct usage_sum most)
{
    enter();
    bool ok =
        fits(u->sum.bytes, more.bytes, most.bytes) && fits(u->sum.files, more.files, most.files);
    if (ok) {
        u->sum.bytes += more.bytes;
        u->sum.files += more.files;
    }
    leave();
    return ok;
}

void usage_adjust(struct usage *u, struct usage_sum by)
{
    enter();
    u->sum.bytes += by.bytes;
    u->sum.files += by.files;
    leave();
}

struct usage_sum usage_now(struct usage *u)
{
    enter();
    struct usage_sum sum = u->sum;
    leave();
    return sum;
}

uint64_t usage_changes(struct usage *u)
{
    enter();
    uint64_t n = u->changes;
    leave();
    return n;
}

void usage_changed(struct usage *u)
{
    enter();
    u->changes++;
    leave();
}

/* ---- holds ---- */

/* Is path `at`, or below it? */
static bool is_under(const char *path, const char *at)
{
    size_t n = strlen(at);
    return strncmp(path, at, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static bool meets(const struct usage *u, const struct usage_hold *h, const char *path)
{
    if (u->links || u->mixed)
        return true;
    return h->what == USAGE_HOLD_MOVE ? is_under(path, h->path) : strcmp(path, h->path) == 0;
}

static bool is_free(struct usage *u, const char *path)
{
    LIST_EACH(it, &u->holds)
    {
        const struct usage_hold *h = LIST_ENTRY(it, struct usage_hold, node);
        if ((h->good || h->what == USAGE_HOLD_MOVE) && meets(u, h, path))
            return false;
    }
    return true;
}

static void spoil(struct usage *u, const char *path)
{
    LIST_EACH(it, &u->holds)
    {
        struct usage_hold *h = LIST_ENTRY(it, struct usage_hold, node);
        if (h->what == USAGE_HOLD_CHANGE && (u->links || is_under(h->path, path)))
            h->good = false;
    }
}

struct usage_hold *usage_hold_new(struct usage *u, const char *path, enum usage_hold_for what)
{
    size_t n = strlen(path);
    struct usage_hold *h = mem_zalloc(sizeof *h + n + 1);
    memcpy(h->path, path, n);
    h->what = what;
    enter();
    u->opens += what == USAGE_HOLD_OPEN;
    u->moves += what == USAGE_HOLD_MOVE;
    u->mixed = u->mixed || (u->opens > 0 && u->moves > 0);
    if (what == USAGE_HOLD_MOVE)
        spoil(u, path);
    else
        h->good = is_free(u, path);
    list_push(&u->holds, &h->node);
    leave();
    return h;
}

bool usage_hold_good(const struct usage_hold *h)
{
    enter();
    bool good = h != NULL && h->good;
    leave();
    return good;
}

void usage_hold_free(struct usage *u, struct usage_hold **hp)
{
    struct usage_hold *h = *hp;
    *hp = NULL;
    if (h == NULL)
        return;
    enter();
    list_remove(&h->node);
    u->opens -= h->what == USAGE_HOLD_OPEN;
    u->moves -= h->what == USAGE_HOLD_MOVE;
    u->mixed = u->mixed && u->opens > 0;
    leave();
    mem_free(h);
}

void usage_has_links(struct usage *u)
{
    enter();
    u->links = true;
    leave();
}
