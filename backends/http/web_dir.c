#include "backends/http/web_dir.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backends/http/web_cleanup.h"
#include "backends/http/web_stage.h"
#include "backends/reserved.h"
#include "gateway/base/mem.h"

/* Of what one piece of the answer holds (RECV_LARGE_BYTES in gateway/io/http_op.c). No entry takes
 * less than 10 bytes. */
#define NAMES_MAX   (1u << 20)
#define ENTRIES_MAX 16384u
/* Leftovers that one listing removes. */
#define SWEEP_MAX 16u

struct entry {
    size_t name; /* in names */
    struct fs_attr attr;
};

struct web_dir {
    struct remote_dir head;
    struct web_view *view;
    char *path;
    const struct web_dir_type *type;
    void *src;
    struct op *request, *turn;
    uint64_t since; /* when it was sent, for the cache */
    /* What came and was not handed out yet: nothing more is taken meanwhile. */
    struct entry *v;
    size_t n, cap, pos;
    struct gw_buf names;
    bool is_folder, paused, ended;
    size_t hidden, swept;
};

static struct web_dir *of(struct remote_dir *d)
{
    return (struct web_dir *)d;
}

static void serve(void *arg);

static void wake(struct web_dir *d)
{
    if (d->turn == NULL && d->head.waiting != NULL)
        d->turn = loop_defer(d->view->fs.loop, serve, d);
}

static void dir_free(struct remote_dir *head)
{
    struct web_dir *d = of(head);
    op_cancel(&d->request);
    op_cancel(&d->turn);
    if (d->hidden > 0)
        LOG_EVENT(LOG_LVL_WARN, d->view->log, "http_hidden", log_str("folder", d->path),
                  log_u64("names", d->hidden), log_str("msg", "names that no path can have"));
    if (d->src != NULL)
        d->type->free(d->src);
    gw_buf_free(&d->names);
    mem_free(d->v);
    mem_free(d->path);
    mem_free(d);
}

void web_dir_fail(struct web_dir *d, enum gw_err err, const char *text)
{
    remote_dir_break(&d->head, err, text);
}

/* ---- what a killed process left ---- */

static void sweep(struct web_dir *d, const char *name, const struct fs_attr *attr)
{
    struct web_store *store = d->view->access->store;
    int64_t age_s = (int64_t)time(NULL) - attr->mtime_s;
    int64_t enough_s = (int64_t)store->conf->sweep_age_h * 3600;
    /* A client may have given it an old time already. */
    bool young = age_s < enough_s || (int64_t)time(NULL) - web_stage_begun_s(name) < enough_s;
    if (attr->kind != FS_KIND_REG || !(attr->set & FS_ATTR_MTIME) || d->view->read_only ||
        d->swept == SWEEP_MAX || young)
        return;
    d->swept++;
    char *path = mem_printf("%s/%s", d->path, name);
    web_cleanup_start(d->view->access, path);
    LOG_EVENT(LOG_LVL_INFO, d->view->log, "http_sweep", log_str("path", path));
    mem_free(path);
}

/* ---- what comes ---- */

static bool push(struct web_dir *d, const char *name, size_t len, const struct fs_attr *attr)
{
    if (d->n == d->cap) {
        size_t cap = d->cap == 0 ? 128 : d->cap * 2;
        struct entry *v = cap > ENTRIES_MAX ? NULL : mem_try_realloc(d->v, cap * sizeof *v);
        if (v == NULL)
            return false;
        d->v = v;
        d->cap = cap;
    }
    d->v[d->n++] = (struct entry){.name = d->names.len, .attr = *attr};
    gw_buf_put(&d->names, name, len);
    gw_buf_put_u8(&d->names, 0);
    return d->names.failed == GW_OK;
}

static void prime_cache(const struct web_dir *d, const char *name, const struct fs_attr *attr)
{
    char path[2 * FS_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", d->path, name);
    if (n > 0 && (size_t)n < sizeof path && (attr->kind == FS_KIND_DIR || attr->set & FS_ATTR_SIZE))
        web_cache_put(d->view, path, attr, d->since);
}

bool web_dir_add(struct web_dir *d, const char *name, size_t n, const struct fs_attr *attr)
{
    d->is_folder = true;
    if (!fs_name_ok(name, n)) {
        d->hidden++;
        return true;
    }
    if (reserved_name(name)) {
        sweep(d, name, attr);
        return true;
    }
    prime_cache(d, name, attr);
    if (push(d, name, n, attr))
        return true;
    web_dir_fail(d, GW_NO_MEMORY, NULL);
    return false;
}

void web_dir_is_folder(struct web_dir *d)
{
    d->is_folder = true;
}

static bool on_body(void *arg, struct gw_span part)
{
    struct web_dir *d = arg;
    if (d->pos < d->n) {
        d->paused = true;
        return false;
    }
    d->pos = d->n = 0;
    gw_buf_reset(&d->names);
    if (d->head.err == GW_OK)
        d->type->feed(d->src, part);
    wake(d);
    return true;
}

static void fetch(struct web_dir *d);

static void on_done(void *arg, const struct remote_res *res)
{
    struct web_dir *d = arg;
    d->request = NULL;
    d->ended = true;
    if (res->err != GW_OK)
        web_dir_fail(d, res->err, res->text);
    else if (d->head.err == GW_OK)
        d->ended = !d->type->end(d->src, res);
    if (!d->ended && d->head.err == GW_OK && d->pos == d->n)
        fetch(d);
    wake(d);
}

static void fetch(struct web_dir *d)
{
    d->request = d->type->start(d->src, on_body, on_done, d);
}

/* ---- handing out ---- */

static void resume(struct web_dir *d)
{
    if (d->pos < d->n)
        return;
    if (d->paused && d->request != NULL) {
        d->paused = false;
        remote_resume(d->request);
    } else if (d->request == NULL && !d->ended && d->head.err == GW_OK) {
        fetch(d); /* the next page */
    }
}

static void hand_out(struct remote_dir_task *r)
{
    struct web_dir *d = of(r->dir);
    struct fs_entry *entries = mem_array(r->want, sizeof *entries);
    size_t n = 0;
    for (; n < r->want && d->pos < d->n; n++, d->pos++)
        entries[n] = (struct fs_entry){.name = (const char *)d->names.data + d->v[d->pos].name,
                                       .attr = d->v[d->pos].attr};
    resume(d);
    remote_dir_give(r, entries, n);
    mem_free(entries);
}

static void serve_read(struct remote_dir_task *r)
{
    struct web_dir *d = of(r->dir);
    if (d->pos < d->n)
        hand_out(r);
    else if (d->head.err != GW_OK || d->ended)
        remote_dir_end(r);
    else
        d->head.waiting = r;
}

static void serve_open(struct remote_dir_task *r)
{
    struct web_dir *d = of(r->dir);
    if (d->head.err != GW_OK)
        remote_dir_end(r);
    else if (d->is_folder)
        remote_dir_opened(r);
    else if (d->ended)
        remote_dir_fail(r, GW_NOT_DIR, NULL);
    else
        d->head.waiting = r;
}

static void serve(void *arg)
{
    struct web_dir *d = arg;
    struct remote_dir_task *r = d->head.waiting;
    d->turn = NULL;
    d->head.waiting = NULL;
    if (r == NULL)
        return;
    if (r->opens)
        serve_open(r);
    else
        serve_read(r);
}

struct op *web_dir_read(struct fs_dir *base, size_t want, fs_done_fn *done, void *arg)
{
    struct web_dir *d = (struct web_dir *)base;
    struct remote_dir_task *r = remote_dir_read(&d->head, want, done, arg);
    d->head.waiting = r;
    wake(d);
    return &r->task.op;
}

void web_dir_close(struct fs_dir *base)
{
    dir_free((struct remote_dir *)base);
}

struct op *web_dir_open(struct web_view *v, const char *path, fs_done_fn *done, void *arg)
{
    const struct web_dir_type *type = v->access->store->dialect->listing;
    struct web_dir *d = mem_zalloc(sizeof *d);
    d->head = (struct remote_dir){
        .base.fs = &v->fs, .backend = &v->access->store->base, .log = v->log, .free = dir_free};
    d->view = v;
    d->path = mem_strdup(path);
    d->type = type;
    d->since = attr_cache_now();
    gw_buf_init(&d->names, NAMES_MAX);
    d->src = type->open(d, v, path);
    if (d->src == NULL) {
        dir_free(&d->head);
        return fs_fail(v->fs.loop, GW_NO_MEMORY, NULL, done, arg);
    }
    struct remote_dir_task *r = remote_dir_open(&d->head, done, arg);
    d->head.waiting = r;
    fetch(d);
    return &r->task.op;
}
