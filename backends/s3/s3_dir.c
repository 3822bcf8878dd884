#include "backends/s3/s3_dir.h"

#include <stdio.h>
#include <string.h>

#include "backends/attr_cache.h"
#include "backends/remote_dir.h"
#include "backends/s3/s3_list.h"
#include "backends/s3/s3_look.h"
#include "backends/s3/s3_meta.h"
#include "backends/s3/s3_page.h"
#include "gateway/base/mem.h"

/* Of the budget, for a listing that is not at its end: two pages with names of a usual length. */
#define LISTING_BYTES BUDGET_SMALL
/* A client keeps what it does not read on for as long as it likes. So much of all the budget one
 * session's open listings may hold: sixteen such sessions leave half of the small class. */
#define SESSION_PART 128u

struct s3_dir {
    struct remote_dir head;
    struct s3_view *view;
    char *key;
    char prefix[S3_KEY_MAX + 2];
    struct op *request;   /* a page under way */
    uint64_t since;       /* when it was sent, for the cache */
    struct s3_page ready; /* handed out from `pos` on */
    size_t pos;
    struct s3_page next; /* being filled; complete while `next_full` */
    bool next_full, more;
    char *token;
    struct s3_list_trail trail;
    bool counted;    /* in view->listings */
    bool holds;      /* open: what is reserved is in view->listing_bytes */
    size_t reserved; /* of the budget */
    int64_t now_s;   /* the time of folders, of which a listing knows none */
    size_t hidden;
    char hidden_name[64];
};

static struct s3_dir *of(struct remote_dir *d)
{
    return (struct s3_dir *)d;
}

/* Nothing more will be handed out: what is left is a handle that waits for its CLOSE. */
static void give_back(struct s3_dir *d)
{
    s3_page_free(&d->ready);
    s3_page_free(&d->next);
    d->pos = 0;
    d->next_full = false;
    if (d->reserved > 0)
        budget_give(d->view->budget, d->reserved);
    if (d->holds)
        d->view->listing_bytes -= d->reserved;
    d->holds = false;
    d->reserved = 0;
    d->view->listings -= d->counted;
    d->counted = false;
}

static void dir_free(struct remote_dir *head)
{
    struct s3_dir *d = of(head);
    op_cancel(&d->request);
    if (d->hidden > 0)
        LOG_EVENT(LOG_LVL_WARN, d->view->log, "s3_hidden", log_str("folder", d->prefix),
                  log_u64("names", d->hidden), log_str("first", d->hidden_name),
                  log_str("msg", "keys that no path can name are not shown"));
    give_back(d);
    s3_list_trail_free(&d->trail);
    mem_free(d->token);
    mem_free(d->key);
    mem_free(d);
}

static void page_arrived(struct s3_dir *d);

/* ---- pages ---- */

static bool on_item(void *arg, const struct s3_xml_item *item)
{
    struct s3_dir *d = arg;
    size_t n = strlen(d->prefix);
    if (item->key_len < n || memcmp(item->key, d->prefix, n) != 0)
        return true; /* not what was asked for */
    return s3_page_add(&d->next, item, n);
}

static void entry_attr(const struct s3_dir *d, const struct s3_page_entry *e, struct fs_attr *out)
{
    if (e->dir)
        remote_meta_attr_dir(d->now_s, out);
    else
        remote_meta_attr_file(e->size, e->time_s, out);
}

static void prime_cache(const struct s3_dir *d, const struct s3_page *p)
{
    char key[S3_KEY_MAX + 2];
    size_t n = strlen(d->prefix);
    memcpy(key, d->prefix, n);
    for (size_t i = 0; i < p->n; i++) {
        const char *name = s3_page_name(p, &p->v[i]);
        size_t len = strlen(name);
        if (n + len >= sizeof key)
            continue;
        memcpy(key + n, name, len + 1);
        struct fs_attr attr;
        entry_attr(d, &p->v[i], &attr);
        attr_cache_put(d->view->store->cache, key, &attr, d->since);
    }
}

/* All of it is here, and takes no more. */
static void settle_budget(struct s3_dir *d)
{
    size_t bytes = sizeof *d + s3_page_bytes(&d->ready) + s3_page_bytes(&d->next);
    if (bytes >= d->reserved)
        return;
    budget_shrink(d->view->budget, d->reserved, bytes);
    if (d->holds)
        d->view->listing_bytes -= d->reserved - bytes;
    d->reserved = bytes;
}

static void on_page(void *arg, const struct s3_list_res *res)
{
    struct s3_dir *d = arg;
    d->request = NULL;
    if (res->err != GW_OK) {
        remote_dir_break(&d->head, res->err == GW_TOO_LARGE ? GW_NO_MEMORY : res->err, res->text);
        d->more = false;
    } else {
        d->more = res->truncated;
        mem_free(d->token);
        d->token = res->truncated ? mem_strdup(res->token) : NULL;
    }
    d->next_full = true;
    if (!d->more)
        settle_budget(d);
    page_arrived(d);
}

static void fetch(struct s3_dir *d)
{
    const struct s3_list_args args = {.prefix = d->prefix,
                                      .delimited = true,
                                      .max_keys = S3_LIST_PAGE,
                                      .token = d->token,
                                      .trail = &d->trail,
                                      .log = d->view->log};
    d->since = attr_cache_now();
    d->request = s3_list_start(d->view->store, &args, on_item, on_page, d);
}

/* The page that has come is the one to hand out; the one behind it is asked for at once. */
static void turn_page(struct s3_dir *d)
{
    s3_page_free(&d->ready);
    d->ready = d->next;
    d->next_full = false;
    d->pos = 0;
    d->hidden += d->ready.hidden;
    if (d->hidden_name[0] == '\0')
        memcpy(d->hidden_name, d->ready.hidden_name, sizeof d->hidden_name);
    s3_page_init(&d->next);
    s3_page_settle(&d->ready, d->more, &d->next);
    prime_cache(d, &d->ready);
    if (d->more)
        fetch(d);
}

/* ---- handing out ---- */

static void hand_out(struct remote_dir_task *r)
{
    struct s3_dir *d = of(r->dir);
    struct fs_entry *entries = mem_array(r->want, sizeof *entries);
    size_t n = 0;
    for (; n < r->want && d->pos < d->ready.n; n++, d->pos++) {
        const struct s3_page_entry *e = &d->ready.v[d->pos];
        entries[n].name = s3_page_name(&d->ready, e);
        entry_attr(d, e, &entries[n].attr);
    }
    remote_dir_give(r, entries, n);
    mem_free(entries);
}

static void read_on(struct remote_dir_task *r)
{
    struct s3_dir *d = of(r->dir);
    while (d->pos == d->ready.n && d->next_full && d->head.err == GW_OK)
        turn_page(d);
    if (d->pos < d->ready.n) {
        hand_out(r);
    } else if (d->request == NULL) {
        give_back(d);
        remote_dir_end(r);
    } else {
        d->head.waiting = r;
    }
}

static void read_turn(void *arg)
{
    struct remote_dir_task *r = arg;
    r->task.step = NULL;
    read_on(r);
}

struct op *s3_dir_read(struct fs_dir *base, size_t want, fs_done_fn *done, void *arg)
{
    struct remote_dir_task *r = remote_dir_read((struct remote_dir *)base, want, done, arg);
    r->task.step = loop_defer(base->fs->loop, read_turn, r);
    return &r->task.op;
}

void s3_dir_close(struct fs_dir *base)
{
    dir_free((struct remote_dir *)base);
}

/* ---- opening ---- */

static const char half_read_text[] = "too many folders are open that were not read to the end";

static void opened(struct remote_dir_task *r)
{
    struct s3_dir *d = of(r->dir);
    struct s3_view *v = d->view;
    if (v->listing_bytes > 0 &&
        v->listing_bytes + d->reserved > budget_total(v->budget) / SESSION_PART) {
        remote_dir_fail(r, GW_BUSY, half_read_text);
        return;
    }
    d->holds = true;
    v->listing_bytes += d->reserved;
    remote_dir_opened(r);
}

static void open_looked(void *arg, const struct s3_look_res *res)
{
    struct remote_dir_task *r = arg;
    r->task.step = NULL;
    if (res->err == GW_OK && res->kind == FS_KIND_DIR) /* made in this moment */
        opened(r);
    else if (res->err == GW_OK)
        remote_dir_fail(r, res->kind == FS_KIND_REG ? GW_NOT_DIR : GW_NOT_FOUND, NULL);
    else
        remote_dir_fail(r, res->err, res->text);
}

/* The first page with a name tells whether there is such a folder: a store may send empty ones
 * before it. Where there is none, a look tells what else. */
static void open_on(struct remote_dir_task *r)
{
    struct s3_dir *d = of(r->dir);
    if (d->head.err != GW_OK) {
        remote_dir_end(r);
    } else if (d->next.any || strcmp(d->key, d->prefix) == 0) {
        opened(r);
    } else if (d->more) {
        d->head.waiting = r;
        turn_page(d);
    } else {
        r->task.step =
            s3_look_start(d->view->store, d->key, S3_LOOK_ANY, d->view->log, open_looked, r);
    }
}

static void page_arrived(struct s3_dir *d)
{
    struct remote_dir_task *r = d->head.waiting;
    d->head.waiting = NULL;
    if (r != NULL && r->opens)
        open_on(r);
    else if (r != NULL)
        read_on(r);
}

static void open_granted(void *arg)
{
    struct remote_dir_task *r = arg;
    r->task.step = NULL;
    of(r->dir)->reserved = LISTING_BYTES;
    fetch(of(r->dir));
}

struct op *s3_dir_open(struct s3_view *v, const char *path, fs_done_fn *done, void *arg)
{
    char key[S3_KEY_MAX + 2];
    char prefix[S3_KEY_MAX + 2];
    if (s3_view_key(v, path, key) != GW_OK || s3_look_prefix(key, prefix) != GW_OK)
        return fs_fail(v->fs.loop, GW_NOT_FOUND, "no such folder: the name is too long for S3",
                       done, arg);
    /* Who keeps others half-read is not made to wait for them. */
    bool taken = budget_take(v->budget, LISTING_BYTES);
    if (!taken && v->listings > 0)
        return fs_fail(v->fs.loop, GW_BUSY, half_read_text, done, arg);
    struct s3_dir *d = mem_zalloc(sizeof *d);
    d->head = (struct remote_dir){
        .base.fs = &v->fs, .backend = &v->store->base, .log = v->log, .free = dir_free};
    d->view = v;
    d->key = mem_strdup(key);
    memcpy(d->prefix, prefix, sizeof prefix);
    d->now_s = s3_client_now_s(v->store->client);
    s3_page_init(&d->ready);
    s3_page_init(&d->next);
    struct remote_dir_task *r = remote_dir_open(&d->head, done, arg);
    d->head.waiting = r;
    d->counted = true;
    v->listings++;
    if (taken)
        open_granted(r);
    else
        r->task.step = budget_wait(v->fs.loop, v->budget, LISTING_BYTES, open_granted, r);
    return &r->task.op;
}
