#include "backends/s3/s3_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/attr_cache.h"
#include "backends/s3/s3_copy.h"
#include "backends/s3/s3_list.h"
#include "gateway/base/mem.h"

#define AT_ONCE 8u

struct object {
    char *name; /* behind the prefix; "" = the folder's marker */
    char *etag;
    uint64_t size;
    bool copied;
};

struct objects {
    struct object *v;
    size_t n, cap;
};

struct worker {
    struct move *move;
    struct op *op;
    size_t at;
};

enum phase { PHASE_LIST_FROM, PHASE_LIST_TO, PHASE_COPY, PHASE_CHECK, PHASE_DELETE };

struct move {
    struct fs_task task;
    char *from, *to;
    bool filled;
    enum phase phase;
    char *token;
    struct s3_list_trail trail;
    struct objects source, target;
    struct objects *listing; /* what the pages fill */
    size_t next;             /* how many the workers have not yet taken: they go from the end */
    size_t finished;
    struct worker workers[AT_ONCE];
};

static void objects_free(struct objects *o)
{
    for (size_t i = 0; i < o->n; i++) {
        mem_free(o->v[i].name);
        mem_free(o->v[i].etag);
    }
    mem_free(o->v);
    *o = (struct objects){0};
}

static void stop_workers(struct move *m)
{
    for (size_t i = 0; i < AT_ONCE; i++)
        op_cancel(&m->workers[i].op);
}

static void move_release(struct fs_task *t)
{
    struct move *m = (struct move *)t;
    stop_workers(m);
    attr_cache_forget_under(s3_store_of(t)->cache, m->from);
    attr_cache_forget_under(s3_store_of(t)->cache, m->to);
    objects_free(&m->source);
    objects_free(&m->target);
    mem_free(m->token);
    s3_list_trail_free(&m->trail);
    mem_free(m->from);
    mem_free(m->to);
}

/* With words of what is left, and the cause. */
static void fail(struct move *m, enum gw_err err, const char *cause)
{
    char text[FS_TEXT_MAX];
    const char *why = cause != NULL ? cause : gw_err_text(err);
    size_t n = m->source.n;
    if (m->phase == PHASE_COPY)
        snprintf(text, sizeof text,
                 "%zu of %zu objects copied, nothing deleted; rename again to go on: %s",
                 m->finished, n, why);
    else if (m->phase == PHASE_DELETE)
        snprintf(text, sizeof text,
                 "all copied, %zu of %zu objects still under the old name; rename again to go on: "
                 "%s",
                 n - m->finished, n, why);
    else
        snprintf(text, sizeof text, "%s", why);
    stop_workers(m);
    fs_task_fail(&m->task, err, text);
}

static char *join(const char *prefix, const char *name)
{
    return mem_printf("%s%s", prefix, name);
}

/* ---- listings ---- */

static void listed(struct move *m);

static bool on_item(void *arg, const struct s3_xml_item *item)
{
    struct move *m = arg;
    struct objects *o = m->listing;
    const char *prefix = o == &m->source ? m->from : m->to;
    size_t n = strlen(prefix);
    /* Not what was asked for, or a key with a NUL: it could not be copied by its name. */
    if (item->key_len < n || strncmp(item->key, prefix, n) != 0 ||
        strlen(item->key) != item->key_len)
        return item->key_len < n || strncmp(item->key, prefix, n) != 0;
    if (o->n == s3_store_of(&m->task)->conf->rename_max_objects)
        return false;
    if (o->n == o->cap) {
        size_t cap = o->cap == 0 ? 256 : o->cap * 2;
        struct object *v = mem_try_realloc(o->v, cap * sizeof *v);
        if (v == NULL)
            return false;
        o->v = v;
        o->cap = cap;
    }
    o->v[o->n++] = (struct object){
        .name = mem_strdup(item->key + n), .etag = mem_strdup(item->etag), .size = item->size};
    return true;
}

static void list_page(struct move *m);

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct object *)a)->name, ((const struct object *)b)->name);
}

static void on_page(void *arg, const struct s3_list_res *res)
{
    struct move *m = arg;
    m->task.step = NULL;
    if (res->err == GW_TOO_LARGE) {
        char text[96];
        snprintf(text, sizeof text, "the folder holds more than %u objects",
                 (unsigned)s3_store_of(&m->task)->conf->rename_max_objects);
        fail(m, GW_TOO_LARGE, text);
        return;
    }
    if (res->err != GW_OK) {
        fail(m, res->err, res->text);
        return;
    }
    mem_free(m->token);
    m->token = res->truncated ? mem_strdup(res->token) : NULL;
    if (m->token != NULL) {
        list_page(m);
        return;
    }
    if (m->listing->n > 0)
        qsort(m->listing->v, m->listing->n, sizeof *m->listing->v, by_name);
    listed(m);
}

static void list_page(struct move *m)
{
    const struct s3_list_args args = {.prefix = m->listing == &m->source ? m->from : m->to,
                                      .max_keys = S3_LIST_PAGE,
                                      .token = m->token,
                                      .trail = &m->trail,
                                      .log = m->task.log};
    m->task.step = s3_list_start(s3_store_of(&m->task), &args, on_item, on_page, m);
}

static void list_all(struct move *m, enum phase phase, struct objects *into)
{
    m->phase = phase;
    m->listing = into;
    objects_free(into);
    s3_list_trail_free(&m->trail);
    list_page(m);
}

static struct object *find(const struct objects *o, const char *name)
{
    const struct object key = {.name = (char *)(uintptr_t)name};
    return o->n == 0 ? NULL : bsearch(&key, o->v, o->n, sizeof *o->v, by_name);
}

/* Do all of a stand in b, with the same content? An ETag is the content's hash where the object was
 * not written in parts, and a copy's is then the same. */
static bool all_in(const struct objects *a, const struct objects *b)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct object *twin = find(b, a->v[i].name);
        if (twin == NULL || twin->size != a->v[i].size || twin->etag[0] == '\0' ||
            strcmp(twin->etag, a->v[i].etag) != 0)
            return false;
    }
    return true;
}

/* ---- copies ---- */

static void work(struct move *m);

static void copy_done(void *arg, const struct fs_res *res)
{
    struct worker *w = arg;
    struct move *m = w->move;
    w->op = NULL;
    if (res->err != GW_OK) {
        fail(m, res->err, res->text);
        return;
    }
    m->source.v[w->at].copied = true;
    m->finished++;
    work(m);
}

static void copy_one(struct worker *w)
{
    struct move *m = w->move;
    const struct object *o = &m->source.v[w->at];
    char *from = join(m->from, o->name);
    char *to = join(m->to, o->name);
    const struct s3_copy_args args = {.from = from,
                                      .to = to,
                                      .etag = o->etag[0] != '\0' ? o->etag : NULL,
                                      .known = true,
                                      .size = o->size,
                                      .no_verify = true,
                                      .log = m->task.log};
    w->op = s3_copy_start(s3_store_of(&m->task), &args, copy_done, w);
    mem_free(from);
    mem_free(to);
}

/* ---- deletions ---- */

static void delete_done(void *arg, const struct remote_res *res)
{
    struct worker *w = arg;
    struct move *m = w->move;
    w->op = NULL;
    if (res->err != GW_OK) {
        fail(m, res->err, res->text);
        return;
    }
    m->finished++;
    work(m);
}

static void delete_one(struct worker *w)
{
    struct move *m = w->move;
    char *key = join(m->from, m->source.v[w->at].name);
    const struct s3_req req = {.method = "DELETE", .key = key, .log = m->task.log};
    w->op = s3_client_start(s3_store_of(&m->task)->client, &req, delete_done, w);
    mem_free(key);
}

/* Hands objects to idle workers, from the last to the first; the first, which is the marker where
 * there is one, only when all others are through: until then it is plain that a move goes on. */
static void work(struct move *m)
{
    for (size_t i = 0; i < AT_ONCE && m->next > 0; i++) {
        struct worker *w = &m->workers[i];
        while (w->op == NULL && m->next > 0) {
            if (m->next == 1 && m->finished + 1 < m->source.n)
                return;
            w->at = --m->next;
            if (m->phase == PHASE_DELETE)
                delete_one(w);
            else if (m->source.v[w->at].copied)
                m->finished++;
            else
                copy_one(w);
        }
    }
    if (m->finished < m->source.n)
        return;
    if (m->phase == PHASE_COPY)
        list_all(m, PHASE_CHECK, &m->target);
    else
        fs_task_end(&m->task, &(struct fs_res){.bytes = m->source.n});
}

static void begin(struct move *m, enum phase phase)
{
    m->phase = phase;
    m->next = m->source.n;
    m->finished = 0;
    work(m);
}

/* ---- the course ---- */

static bool keys_fit(const struct move *m)
{
    for (size_t i = 0; i < m->source.n; i++)
        if (strlen(m->to) + strlen(m->source.v[i].name) > S3_KEY_MAX)
            return false;
    return true;
}

/* What an earlier move left is some of the copies (nothing was deleted yet) or all of them. */
static void resume(struct move *m)
{
    if (!all_in(&m->target, &m->source) && !all_in(&m->source, &m->target)) {
        fail(m, GW_EXISTS, "the new name exists");
        return;
    }
    for (size_t i = 0; i < m->source.n; i++)
        m->source.v[i].copied = find(&m->target, m->source.v[i].name) != NULL;
    begin(m, PHASE_COPY);
}

static void check(struct move *m)
{
    for (size_t i = 0; i < m->source.n; i++) {
        const struct object *copy = find(&m->target, m->source.v[i].name);
        if (copy == NULL || copy->size != m->source.v[i].size) {
            fail(m, GW_UPSTREAM, "a copy is missing or has another size; nothing was deleted");
            return;
        }
    }
    begin(m, PHASE_DELETE);
}

static void listed(struct move *m)
{
    switch (m->phase) {
    case PHASE_LIST_FROM:
        if (m->source.n == 0)
            fail(m, GW_NOT_FOUND, NULL);
        else if (!keys_fit(m))
            fail(m, GW_BAD_NAME, "a name in the folder would be too long for S3");
        else if (m->filled)
            list_all(m, PHASE_LIST_TO, &m->target);
        else
            begin(m, PHASE_COPY);
        break;
    case PHASE_LIST_TO:
        resume(m);
        break;
    default:
        check(m);
        break;
    }
}

struct op *s3_tree_move(struct s3_store *s, const struct s3_tree_args *args, fs_done_fn *done,
                        void *arg)
{
    struct move *m = fs_task_new(sizeof *m, &s->base, args->log, done, arg);
    m->task.release = move_release;
    m->from = mem_strdup(args->from);
    m->to = mem_strdup(args->to);
    m->filled = args->filled;
    for (size_t i = 0; i < AT_ONCE; i++)
        m->workers[i].move = m;
    list_all(m, PHASE_LIST_FROM, &m->source);
    return &m->task.op;
}
