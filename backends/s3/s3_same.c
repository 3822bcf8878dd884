#include "backends/s3/s3_same.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

#define MADE_MAX 1024u

struct s3_same {
    struct list node;
    char *name, *from, *to;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static struct list under_way = {&under_way, &under_way};
static struct list made = {&made, &made}; /* the oldest first */
static size_t nmade;

static struct s3_same *entry(struct list *it)
{
    return LIST_ENTRY(it, struct s3_same, node);
}

static void drop(struct s3_same *s)
{
    list_remove(&s->node);
    mem_free(s->name);
    mem_free(s->from);
    mem_free(s->to);
    mem_free(s);
}

static void drop_made(struct s3_same *s)
{
    nmade--;
    drop(s);
}

struct s3_same *s3_same_begin(const char *name, const char *etag)
{
    struct s3_same *s = mem_zalloc(sizeof *s);
    s->name = mem_strdup(name);
    s->from = mem_strdup(etag);
    pthread_mutex_lock(&lock);
    list_push(&under_way, &s->node);
    pthread_mutex_unlock(&lock);
    return s;
}

/* What became `from` earlier is the new one now, and an object may become what it was. */
static void keep(struct s3_same *s)
{
    LIST_EACH_SAFE(it, tmp, &made)
    {
        struct s3_same *old = entry(it);
        if (strcmp(old->name, s->name) != 0)
            continue;
        if (strcmp(old->to, s->from) == 0) {
            mem_free(old->to);
            old->to = mem_strdup(s->to);
        }
        if (strcmp(old->from, s->from) == 0 || strcmp(old->from, old->to) == 0)
            drop_made(old);
    }
    if (nmade == MADE_MAX)
        drop_made(entry(list_first(&made)));
    list_push(&made, &s->node);
    nmade++;
}

void s3_same_end(struct s3_same **sp, const char *etag)
{
    struct s3_same *s = *sp;
    *sp = NULL;
    if (s == NULL)
        return;
    bool other = etag != NULL && *etag != '\0' && strcmp(etag, s->from) != 0;
    pthread_mutex_lock(&lock);
    list_remove(&s->node);
    if (other && strlen(etag) < S3_SAME_ETAG_MAX) {
        s->to = mem_strdup(etag);
        keep(s);
    } else {
        drop(s);
    }
    pthread_mutex_unlock(&lock);
}

static struct s3_same *find(struct list *in, const char *name, const char *etag)
{
    LIST_EACH(it, in)
    if (strcmp(entry(it)->from, etag) == 0 && strcmp(entry(it)->name, name) == 0)
        return entry(it);
    return NULL;
}

enum s3_same_answer s3_same_find(const char *name, const char *etag, char out[S3_SAME_ETAG_MAX])
{
    enum s3_same_answer answer = S3_SAME_NO;
    pthread_mutex_lock(&lock);
    const struct s3_same *s = find(&made, name, etag);
    if (s != NULL) {
        snprintf(out, S3_SAME_ETAG_MAX, "%s", s->to);
        answer = S3_SAME_YES;
    } else if (find(&under_way, name, etag) != NULL) {
        answer = S3_SAME_SOON;
    }
    pthread_mutex_unlock(&lock);
    return answer;
}
