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
    bool again;      /* counting, and known before */
    unsigned inside; /* entered, and did not leave */
    struct usage_sum sum, reserved;
    uint64_t changes, generation;
    uint64_t recount_ms;       /* not before */
    uint64_t count_started_ms; /* of the one under way, if it is again */
    struct list waiters, quiet;
    struct list holds;
    unsigned opens, moves; /* of the holds */
    bool links;
    bool mixed; /* something was moved while a file was open: its name says nothing any more */
};

struct usage_hold {
    struct list node;
    enum usage_hold_for what;
    bool good;
    bool alone;
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
    list_init(&u->quiet);
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
static void tell_all(struct list *waiters)
{
    while (!list_empty(waiters)) {
        struct waiter *w = LIST_ENTRY(list_first(waiters), struct waiter, node);
        list_remove(&w->node);
        w->usage = NULL;
        loop_post(w->loop, tell, w);
    }
}

void usage_counted(struct usage *u, struct usage_sum sum, uint64_t now_ms)
{
    enter();
    if (u->again) {
        uint64_t rest_ms = 10 * (now_ms - u->count_started_ms);
        u->recount_ms = now_ms + (rest_ms > USAGE_RECOUNT_MS ? rest_ms : USAGE_RECOUNT_MS);
        u->generation++;
        u->changes++;
    }
    mem_free(u->why);
    u->why = NULL;
    u->counting = u->again = false;
    u->known = true;
    if (u->reserved.bytes > INT64_MAX - sum.bytes) /* files with holes */
        sum.bytes = INT64_MAX - u->reserved.bytes;
    u->sum = (struct usage_sum){sum.bytes + u->reserved.bytes, sum.files + u->reserved.files};
    tell_all(&u->waiters);
    leave();
}

void usage_uncounted(struct usage *u, const char *why)
{
    enter();
    u->known = u->again;
    if (!u->known) {
        mem_free(u->why);
        u->why = mem_strdup(why);
        u->sum = (struct usage_sum){0, 0};
    }
    u->counting = u->again = false;
    tell_all(&u->waiters);
    leave();
}

enum usage_state usage_enter(struct usage *u)
{
    enter();
    enum usage_state state = u->known ? USAGE_KNOWN : u->counting ? USAGE_OTHERS : USAGE_MINE;
    u->counting = u->counting || state == USAGE_MINE;
    u->inside += state == USAGE_KNOWN;
    leave();
    return state;
}

void usage_leave(struct usage *u)
{
    enter();
    if (--u->inside == 0)
        tell_all(&u->quiet);
    leave();
}

bool usage_recount(struct usage *u, uint64_t now_ms)
{
    enter();
    bool mine = u->known && now_ms >= u->recount_ms;
    if (mine) {
        u->known = false;
        u->counting = u->again = true;
        u->count_started_ms = now_ms;
        u->recount_ms = now_ms + USAGE_RECOUNT_MS;
    }
    leave();
    return mine;
}

void usage_doubt(struct usage *u, uint64_t now_ms)
{
    enter();
    if (u->recount_ms < now_ms + USAGE_RECOUNT_MS)
        u->recount_ms = now_ms + USAGE_RECOUNT_MS;
    leave();
}

uint64_t usage_generation(struct usage *u)
{
    enter();
    uint64_t n = u->generation;
    leave();
    return n;
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

static struct op *wait_on(struct usage *u, struct list *waiters, bool waits,
                          const struct waiter *how)
{
    struct waiter *w = mem_zalloc(sizeof *w);
    *w = *how;
    w->op.type = &wait_type;
    if (waits) {
        w->usage = u;
        list_push(waiters, &w->node);
    } else {
        loop_post(w->loop, tell, w);
    }
    return &w->op;
}

struct op *usage_wait(struct usage *u, struct loop *l, loop_fn *fn, void *arg)
{
    const struct waiter how = {.loop = l, .fn = fn, .arg = arg};
    enter();
    struct op *op = wait_on(u, &u->waiters, u->counting, &how);
    leave();
    return op;
}

struct op *usage_wait_quiet(struct usage *u, struct loop *l, loop_fn *fn, void *arg)
{
    const struct waiter how = {.loop = l, .fn = fn, .arg = arg};
    enter();
    struct op *op = wait_on(u, &u->quiet, u->inside > 0, &how);
    leave();
    return op;
}

static bool fits(int64_t now, int64_t more, int64_t most)
{
    if (more > 0 && now > INT64_MAX - more) /* what has no limit is counted all the same */
        return false;
    return most == 0 || more <= 0 || (now <= most && more <= most - now);
}

static void add(struct usage_sum *to, struct usage_sum by)
{
    to->bytes += by.bytes;
    to->files += by.files;
}

static bool charge(struct usage *u, struct usage_sum more, struct usage_sum most)
{
    bool ok =
        fits(u->sum.bytes, more.bytes, most.bytes) && fits(u->sum.files, more.files, most.files);
    if (ok)
        add(&u->sum, more);
    return ok;
}

bool usage_charge(struct usage *u, struct usage_sum more, struct usage_sum most)
{
    enter();
    bool ok = charge(u, more, most);
    leave();
    return ok;
}

bool usage_reserve(struct usage *u, struct usage_sum more, struct usage_sum most)
{
    enter();
    bool ok = charge(u, more, most);
    if (ok)
        add(&u->reserved, more);
    leave();
    return ok;
}

void usage_unreserve(struct usage *u, struct usage_sum by)
{
    const struct usage_sum less = {-by.bytes, -by.files};
    enter();
    add(&u->sum, less);
    add(&u->reserved, less);
    leave();
}

void usage_stored(struct usage *u, struct usage_sum by)
{
    enter();
    add(&u->reserved, (struct usage_sum){-by.bytes, -by.files});
    leave();
}

void usage_adjust(struct usage *u, struct usage_sum by)
{
    enter();
    add(&u->sum, by);
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

/* Takes it from all who hold the same that they are alone with it. True: there was none. */
static bool is_first(struct usage *u, const char *path)
{
    bool first = true;
    LIST_EACH(it, &u->holds)
    {
        struct usage_hold *h = LIST_ENTRY(it, struct usage_hold, node);
        if (meets(u, h, path))
            first = h->alone = false;
    }
    return first;
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
    h->alone = is_first(u, path);
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

bool usage_hold_alone(const struct usage_hold *h)
{
    enter();
    bool alone = h != NULL && h->alone;
    leave();
    return alone;
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
