#include "auth/user_source.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

struct user_source {
    struct list node; /* in `all` */
    unsigned refs;    /* guarded by all_lock */
    char *path;
    json_t *base;
    pthread_mutex_t lock; /* guards all below; held while the file is read */
    struct user_file *users;
    struct stat stamp; /* of the last one that was read, good or not */
    int64_t read_s;    /* when */
    struct gw_errmsg broken;
};

static struct list all = {&all, &all};
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;

static int64_t now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_stamp(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           same_time(a->st_mtim, b->st_mtim) && same_time(a->st_ctim, b->st_ctim);
}

/* A file that was read within two seconds of its last change may change again under the same
 * stamp: file systems count time in ticks. */
static bool unchanged(const struct user_source *s)
{
    struct stat st;
    int64_t age = s->read_s - (int64_t)s->stamp.st_mtim.tv_sec;
    return stat(s->path, &st) == 0 && same_stamp(&st, &s->stamp) && !(age >= 0 && age < 2);
}

static void source_free(struct user_source *s)
{
    user_file_unref(&s->users);
    pthread_mutex_destroy(&s->lock);
    json_decref(s->base);
    mem_free(s->path);
    mem_free(s);
}

/* Under all_lock: who asks for the same file at the start waits for the first to have read it. */
static enum gw_err find_or_make(const char *path, const json_t *base, struct user_source **out,
                                struct gw_errmsg *msg)
{
    LIST_EACH(it, &all)
    {
        struct user_source *s = LIST_ENTRY(it, struct user_source, node);
        if (s->base == base && strcmp(s->path, path) == 0) {
            s->refs++;
            *out = s;
            return GW_OK;
        }
    }
    struct user_source *s = mem_zalloc(sizeof *s);
    s->refs = 1;
    s->path = mem_strdup(path);
    s->base = json_incref((json_t *)(uintptr_t)base);
    s->read_s = now_s();
    pthread_mutex_init(&s->lock, NULL);
    enum gw_err err = user_file_load(path, base, &s->users, &s->stamp, msg);
    if (err != GW_OK) {
        source_free(s);
        return err;
    }
    list_push(&all, &s->node);
    *out = s;
    return GW_OK;
}

enum gw_err user_source_open(const char *path, const json_t *base, struct user_source **out,
                             struct gw_errmsg *msg)
{
    pthread_mutex_lock(&all_lock);
    enum gw_err err = find_or_make(path, base, out, msg);
    pthread_mutex_unlock(&all_lock);
    return err;
}

struct user_source *user_source_ref(struct user_source *s)
{
    pthread_mutex_lock(&all_lock);
    s->refs++;
    pthread_mutex_unlock(&all_lock);
    return s;
}

void user_source_unref(struct user_source **sp)
{
    struct user_source *s = *sp;
    *sp = NULL;
    if (s == NULL)
        return;
    pthread_mutex_lock(&all_lock);
    bool last = --s->refs == 0;
    if (last)
        list_remove(&s->node);
    pthread_mutex_unlock(&all_lock);
    if (last)
        source_free(s);
}

static void read_again(struct user_source *s)
{
    struct user_file *users = NULL;
    struct stat stamp;
    struct gw_errmsg why = {""};
    int64_t begun_s = now_s();
    enum gw_err err = user_file_load(s->path, s->base, &users, &stamp, &why);
    bool other = !same_stamp(&stamp, &s->stamp);
    s->stamp = stamp;
    s->read_s = begun_s;
    if (err != GW_OK) {
        if (strcmp(s->broken.text, why.text) != 0)
            LOG_EVENT(LOG_LVL_ERROR, NULL, "user_file_broken", log_str("path", s->path),
                      log_str("reason", why.text),
                      log_u64("users_kept", user_file_count(s->users)));
        s->broken = why;
        return;
    }
    s->broken.text[0] = '\0';
    user_file_unref(&s->users);
    s->users = users;
    if (other)
        LOG_EVENT(LOG_LVL_INFO, NULL, "user_file_read", log_str("path", s->path),
                  log_u64("users", user_file_count(s->users)));
}

struct user_file *user_source_look(struct user_source *s, struct gw_errmsg *broken)
{
    pthread_mutex_lock(&s->lock);
    if (!unchanged(s))
        read_again(s);
    struct user_file *users = user_file_ref(s->users);
    *broken = s->broken;
    pthread_mutex_unlock(&s->lock);
    return users;
}
