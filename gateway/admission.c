#include "gateway/admission.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

#define BUCKETS 1024u

struct source {
    struct list node;
    uint8_t key[16];
    unsigned count;
};

struct user {
    struct list node;
    unsigned count;
    char name[];
};

struct admission {
    pthread_mutex_t lock; /* guards everything below */
    struct settings_limits limits;
    unsigned connections, unauthenticated;
    struct list buckets[BUCKETS]; /* struct source */
    struct list users[BUCKETS];
};

struct admission_ticket {
    struct admission *a;
    struct source *source;
    struct user *user; /* NULL = not known yet */
    bool logged_in;
};

struct admission *admission_new(const struct settings_limits *limits)
{
    struct admission *a = mem_zalloc(sizeof *a);
    pthread_mutex_init(&a->lock, NULL);
    a->limits = *limits;
    for (unsigned i = 0; i < BUCKETS; i++)
        list_init(&a->buckets[i]), list_init(&a->users[i]);
    return a;
}

void admission_free(struct admission **ap)
{
    struct admission *a = *ap;
    *ap = NULL;
    if (a == NULL)
        return;
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

void admission_set_limits(struct admission *a, const struct settings_limits *limits)
{
    pthread_mutex_lock(&a->lock);
    a->limits = *limits;
    pthread_mutex_unlock(&a->lock);
}

static void key_of(const struct sockaddr_storage *peer, uint8_t key[16])
{
    memset(key, 0, 16);
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)peer;
        key[10] = key[11] = 0xff;
        memcpy(key + 12, &in->sin_addr, 4);
    } else if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;
        /* One customer's line is a /64: counting addresses would count nothing. */
        memcpy(key, &in6->sin6_addr, IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) ? 16 : 8);
    }
}

static unsigned bucket_of(const void *key, size_t n)
{
    const uint8_t *p = key;
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 16777619u;
    return h % BUCKETS;
}

static struct source *source_find(struct list *bucket, const uint8_t key[16])
{
    LIST_EACH(it, bucket)
    {
        struct source *s = LIST_ENTRY(it, struct source, node);
        if (memcmp(s->key, key, 16) == 0)
            return s;
    }
    return NULL;
}

const char *admission_enter(struct admission *a, const struct sockaddr_storage *peer,
                            struct admission_ticket **out)
{
    const char *why = NULL;
    uint8_t key[16];
    key_of(peer, key);
    pthread_mutex_lock(&a->lock);
    struct list *bucket = &a->buckets[bucket_of(key, 16)];
    struct source *s = source_find(bucket, key);
    if (a->connections >= a->limits.connections)
        why = "limits.connections";
    else if (a->unauthenticated >= a->limits.unauthenticated)
        why = "limits.unauthenticated";
    else if (s != NULL && s->count >= a->limits.connections_per_source)
        why = "limits.connections_per_source";
    if (why == NULL) {
        if (s == NULL) {
            s = mem_zalloc(sizeof *s);
            memcpy(s->key, key, 16);
            list_push(bucket, &s->node);
        }
        s->count++;
        a->connections++;
        a->unauthenticated++;
        struct admission_ticket *t = mem_zalloc(sizeof *t);
        t->a = a;
        t->source = s;
        *out = t;
    }
    pthread_mutex_unlock(&a->lock);
    return why;
}

void admission_logged_in(struct admission_ticket *t)
{
    pthread_mutex_lock(&t->a->lock);
    if (!t->logged_in)
        t->a->unauthenticated--;
    t->logged_in = true;
    pthread_mutex_unlock(&t->a->lock);
}

static struct user *user_find(struct list *bucket, const char *name)
{
    LIST_EACH(it, bucket)
    {
        struct user *u = LIST_ENTRY(it, struct user, node);
        if (strcmp(u->name, name) == 0)
            return u;
    }
    return NULL;
}

bool admission_user(struct admission_ticket *t, const char *name, uint32_t most)
{
    struct admission *a = t->a;
    size_t n = strlen(name);
    pthread_mutex_lock(&a->lock);
    struct list *bucket = &a->users[bucket_of(name, n)];
    struct user *u = user_find(bucket, name);
    bool ok = most == 0 || u == NULL || u->count < most;
    if (ok && u == NULL) {
        u = mem_zalloc(sizeof *u + n + 1);
        memcpy(u->name, name, n);
        list_push(bucket, &u->node);
    }
    if (ok) {
        u->count++;
        t->user = u;
    }
    pthread_mutex_unlock(&a->lock);
    return ok;
}

void admission_leave(struct admission_ticket **tp)
{
    struct admission_ticket *t = *tp;
    *tp = NULL;
    if (t == NULL)
        return;
    admission_logged_in(t);
    struct admission *a = t->a;
    pthread_mutex_lock(&a->lock);
    a->connections--;
    if (--t->source->count == 0) {
        list_remove(&t->source->node);
        mem_free(t->source);
    }
    if (t->user != NULL && --t->user->count == 0) {
        list_remove(&t->user->node);
        mem_free(t->user);
    }
    pthread_mutex_unlock(&a->lock);
    mem_free(t);
}

unsigned admission_count(struct admission *a)
{
    pthread_mutex_lock(&a->lock);
    unsigned n = a->connections;
    pthread_mutex_unlock(&a->lock);
    return n;
}
