#include "backends/s3/s3_read.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/attr_cache.h"
#include "backends/s3/s3_look.h"
#include "backends/s3/s3_meta.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"

/* The first GET, at open: a small file costs this one request. */
#define FIRST_BYTES ((size_t)128 * 1024)
/* Read-ahead: blocks double from the smallest to the largest as the reader goes on in order. */
#define AHEAD_MIN ((size_t)256 * 1024)
#define AHEAD_MAX ((size_t)4 * 1024 * 1024)
/* One read; the engine's are smaller. A demand's block is of the budget's small class. */
#define READ_MAX ((size_t)256 * 1024)
/* Blocks whose reader went elsewhere: the oldest goes when there are more. */
#define STRAY_MAX 4u
/* What nobody read for so long is given back to the budget. */
#define IDLE_MS 10000u
/* Ranges without a single byte, one after the other, before a read fails; the client has retried
 * each of them already. */
#define TRIES      4u
#define BACKOFF_MS 50u
#define ETAG_MAX   256u

/* One ranged GET and what it brought. */
struct block {
    struct list node; /* in reader->blocks, by offset; never overlapping */
    struct reader *reader;
    uint64_t off;
    size_t len, have, served;
    uint8_t *data;
    size_t budget;
    struct op *step; /* the GET, or the pause before the next one */
    unsigned tries;  /* since the last byte */
    bool surplus;    /* complete, and its GET is paused before what nobody asked for */
    uint64_t touched;
};

struct read_op {
    struct op op;
    struct list node; /* in reader->waiting, in order of arrival */
    struct reader *reader;
    uint64_t off;
    size_t len;
    fs_done_fn *done;
    void *arg;
};

struct open_op {
    struct op op;
    struct reader *reader;
    struct op *step; /* budget, HEAD, or the look for a folder */
    fs_done_fn *done;
    void *arg;
};

struct reader {
    struct s3_file file;
    struct s3_store *store;
    const struct log_ctx *log;
    struct open_op *opening; /* NULL once it is open */
    uint64_t since;          /* attr_cache_now() at open */
    struct fs_attr attr;
    char etag[ETAG_MAX]; /* with its quotes; "" = the server gave none */
    bool known;          /* attr and etag are those of the first answer */
    struct list blocks, waiting;
    uint64_t next;   /* where a reader in order reads on */
    size_t ahead;    /* size of the next read-ahead block; 0 = reads at random */
    uint64_t clock;  /* counts reads: for `touched` */
    enum gw_err err; /* sticks: no read can succeed any more */
    char text[FS_TEXT_MAX];
    struct op *turn;   /* serves what waits */
    struct op *budget; /* a demand that waits for memory */
    size_t budget_bytes;
    uint64_t demand_off;
    struct op *idle;
    uint64_t idle_clock;
};

static void serve(void *arg);
static void block_get(void *arg);

static void wake(struct reader *r)
{
    if (r->turn == NULL)
        r->turn = loop_defer(r->file.base.fs->loop, serve, r);
}

static void block_free(struct block *b)
{
    op_cancel(&b->step);
    list_remove(&b->node);
    mem_free(b->data);
    budget_give(b->reader->file.view->budget, b->budget);
    mem_free(b);
}

static void reader_fail(struct reader *r, enum gw_err err, const char *text)
{
    if (r->err == GW_OK) {
        r->err = err;
        snprintf(r->text, sizeof r->text, "%s", text != NULL ? text : gw_err_text(err));
    }
    wake(r);
}

static void reader_free(struct reader *r)
{
    assert(list_empty(&r->waiting));
    op_cancel(&r->turn);
    op_cancel(&r->budget);
    op_cancel(&r->idle);
    while (!list_empty(&r->blocks))
        block_free(LIST_ENTRY(list_first(&r->blocks), struct block, node));
    s3_store_unref(&r->store);
    mem_free(r->file.key);
    mem_free(r);
}

/* The GET of a block. */

static bool block_head(void *arg, const struct http_res *res)
{
    struct block *b = arg;
    struct reader *r = b->reader;
    const char *etag = http_res_header(res, "ETag");
    if (etag == NULL)
        etag = "";
    uint64_t from = b->off + b->have;
    if (http_res_status(res) == 206) {
        const char *range = http_res_header(res, "Content-Range");
        char want[40];
        int n = snprintf(want, sizeof want, "bytes %llu-", (unsigned long long)from);
        if (range == NULL || strncmp(range, want, (size_t)n) != 0) {
            reader_fail(r, GW_UPSTREAM, "S3 answered with another range than it was asked for");
            return false;
        }
    } else if (from != 0) {
        reader_fail(r, GW_UPSTREAM, "the S3 server ignores ranges");
        return false;
    }
    if (!r->known) {
        if (strlen(etag) >= sizeof r->etag || !s3_meta_attr(res, &r->attr)) {
            reader_fail(r, GW_UPSTREAM, "S3 answered without a usable size or ETag");
            return false;
        }
        memcpy(r->etag, etag, strlen(etag) + 1);
        r->known = true;
        if (b->len > r->attr.size) {
            b->len = (size_t)r->attr.size;
            budget_give(r->file.view->budget, b->budget - b->len);
            b->budget = b->len;
        }
    } else if (strcmp(etag, r->etag) != 0) {
        reader_fail(r, GW_CHANGED, "the object was changed while it was read");
        return false;
    }
    return true;
}

static bool block_body(void *arg, struct gw_span part)
{
    struct block *b = arg;
    size_t n = part.len;
    if (n > b->len - b->have)
        n = b->len - b->have;
    if (n > 0)
        memcpy(b->data + b->have, part.ptr, n);
    b->have += n;
    b->tries = 0;
    wake(b->reader);
    /* A server that sends on behind what was asked for is stopped by serve(). */
    b->surplus = n < part.len;
    return !b->surplus;
}

static void open_answered(struct open_op *o, const struct remote_res *res);
static void open_end(struct open_op *o, enum gw_err err, const char *text);

/* Faults that a new range may get over; the client has given up on this one. */
static bool passing(enum gw_err err)
{
    return err == GW_IO || err == GW_TIMEOUT || err == GW_OK;
}

static void block_done(void *arg, const struct remote_res *res)
{
    struct block *b = arg;
    struct reader *r = b->reader;
    b->step = NULL;
    if (!r->known) {
        assert(r->opening != NULL);
        open_answered(r->opening, res);
        return;
    }
    bool whole = b->have == b->len;
    if (!whole && r->err == GW_OK) {
        /* Cut off, or shorter than it should be: go on from there, if it is still the same. */
        if (passing(res->err) && b->tries < TRIES)
            b->step = deadline_start(r->file.base.fs->loop, (uint64_t)BACKOFF_MS << b->tries++,
                                     block_get, b);
        else
            reader_fail(r, res->err == GW_OK || res->err == GW_EOF ? GW_IO : res->err, res->text);
    }
    if (whole && b->served >= b->len)
        block_free(b);
    wake(r);
}

static void block_get(void *arg)
{
    struct block *b = arg;
    struct reader *r = b->reader;
    char range[80], match[ETAG_MAX + 16];
    snprintf(range, sizeof range, "Range: bytes=%llu-%llu", (unsigned long long)(b->off + b->have),
             (unsigned long long)(b->off + b->len - 1));
    snprintf(match, sizeof match, "If-Match: %s", r->etag);
    const char *headers[] = {range, match};
    const struct s3_req req = {
        .method = "GET",
        .key = r->file.key,
        .headers = headers,
        .nheaders = r->known && r->etag[0] != '\0' ? 2 : 1,
        .on_head = block_head,
        .on_body = block_body,
        .log = r->log,
    };
    b->step = s3_client_start(r->store->client, &req, block_done, b);
}

/* A block of len bytes whose memory is taken already; its GET starts at once. NULL: no memory. */
static struct block *block_new(struct reader *r, uint64_t off, size_t len, size_t budget)
{
    struct block *b = mem_zalloc(sizeof *b);
    b->data = mem_try_alloc(len);
    if (b->data == NULL) {
        mem_free(b);
        budget_give(r->file.view->budget, budget);
        return NULL;
    }
    b->reader = r;
    b->off = off;
    b->len = len;
    b->budget = budget;
    b->touched = r->clock;
    struct list *after = &r->blocks;
    LIST_EACH(it, &r->blocks)
    {
        if (LIST_ENTRY(it, struct block, node)->off > off)
            break;
        after = it;
    }
    list_push(after->next, &b->node); /* before what follows */
    block_get(b);
    return b;
}

/* What is here, what is coming, and what is to be asked for. */

static bool running(const struct block *b)
{
    return b->step != NULL;
}

static unsigned count_running(const struct reader *r)
{
    unsigned n = 0;
    LIST_EACH(it, &r->blocks)
    n += running(LIST_ENTRY(it, struct block, node));
    return n;
}

/* The first byte from off on that is in no block, up to end; *ready likewise for bytes that are
 * here. */
static uint64_t covered(const struct reader *r, uint64_t off, uint64_t end, uint64_t *ready)
{
    uint64_t claimed = off;
    *ready = off;
    LIST_EACH(it, &r->blocks)
    {
        const struct block *b = LIST_ENTRY(it, struct block, node);
        if (b->off > claimed || claimed >= end)
            break;
        if (b->off + b->len <= claimed)
            continue;
        if (*ready == claimed && b->off + b->have > *ready)
            *ready = b->off + b->have;
        claimed = b->off + b->len;
    }
    return claimed;
}

static uint64_t next_block_off(const struct reader *r, uint64_t off)
{
    LIST_EACH(it, &r->blocks)
    {
        const struct block *b = LIST_ENTRY(it, struct block, node);
        if (b->off > off)
            return b->off;
    }
    return UINT64_MAX;
}

static bool wanted(const struct reader *r, const struct block *b)
{
    LIST_EACH(it, &r->waiting)
    {
        const struct read_op *w = LIST_ENTRY(it, struct read_op, node);
        if (w->off < b->off + b->len && b->off < w->off + w->len)
            return true;
    }
    return false;
}

/* Gives back blocks that nobody waits for, the longest untouched first, until at most `keep` of
 * those that are not ahead of the reader are left. keep 0: those ahead as well. */
static void drop_strays(struct reader *r, unsigned keep)
{
    for (;;) {
        struct block *oldest = NULL;
        unsigned n = 0;
        LIST_EACH(it, &r->blocks)
        {
            struct block *b = LIST_ENTRY(it, struct block, node);
            bool ahead = r->ahead > 0 && b->off + b->len > r->next;
            if (wanted(r, b) || (keep > 0 && ahead) || (keep == 0 && running(b)))
                continue;
            n++;
            if (oldest == NULL || b->touched < oldest->touched)
                oldest = b;
        }
        if (oldest == NULL || n <= keep)
            return;
        block_free(oldest);
    }
}

static void idle_check(void *arg)
{
    struct reader *r = arg;
    r->idle = NULL;
    if (r->idle_clock == r->clock && list_empty(&r->waiting)) {
        drop_strays(r, 0);
        r->ahead = 0;
    }
    r->idle_clock = r->clock;
    if (!list_empty(&r->blocks))
        r->idle = deadline_start(r->file.base.fs->loop, IDLE_MS, idle_check, r);
}

/* Keeps up to download_concurrency ranges under way before a reader that reads in order. Only what
 * the budget has at once: nobody waits for memory to read ahead. */
static void read_ahead(struct reader *r)
{
    if (r->ahead == 0 || r->err != GW_OK)
        return;
    struct budget *budget = r->file.view->budget;
    unsigned most = r->store->conf->download_concurrency;
    for (;;) {
        uint64_t ready;
        uint64_t at = covered(r, r->next, r->attr.size, &ready);
        if (at >= r->attr.size || count_running(r) >= most || at - r->next >= most * r->ahead)
            break;
        size_t free_bytes = budget_total(budget) - budget_used(budget);
        size_t len = r->ahead;
        while (len > AHEAD_MIN && len > free_bytes / 8)
            len /= 2;
        uint64_t limit =
            next_block_off(r, at) < r->attr.size ? next_block_off(r, at) : r->attr.size;
        if (len > limit - at)
            len = (size_t)(limit - at);
        if (!budget_take(budget, len) || block_new(r, at, len, len) == NULL)
            break;
        if (r->ahead < AHEAD_MAX)
            r->ahead *= 2;
    }
    if (r->idle == NULL && !list_empty(&r->blocks))
        r->idle = deadline_start(r->file.base.fs->loop, IDLE_MS, idle_check, r);
}

static void demand_granted(void *arg)
{
    struct reader *r = arg;
    r->budget = NULL;
    /* The reads may have been cancelled, or the bytes have come from elsewhere: then it is a read
     * too much, once. */
    uint64_t limit = next_block_off(r, r->demand_off), ready;
    size_t len = r->budget_bytes;
    if (covered(r, r->demand_off, r->demand_off + 1, &ready) > r->demand_off ||
        list_empty(&r->waiting)) {
        budget_give(r->file.view->budget, r->budget_bytes);
    } else {
        if (len > limit - r->demand_off)
            len = (size_t)(limit - r->demand_off);
        if (block_new(r, r->demand_off, len, r->budget_bytes) == NULL)
            reader_fail(r, GW_NO_MEMORY, NULL);
    }
    wake(r);
}

/* Asks for what [off, end) still lacks. */
static void demand(struct reader *r, uint64_t off, uint64_t end)
{
    uint64_t ready, at;
    while (r->budget == NULL && r->err == GW_OK && (at = covered(r, off, end, &ready)) < end) {
        uint64_t limit =
            next_block_off(r, at) < r->attr.size ? next_block_off(r, at) : r->attr.size;
        uint64_t want = r->ahead > 0 && end - at < AHEAD_MIN ? AHEAD_MIN : end - at;
        size_t len = (size_t)(want < limit - at ? want : limit - at);
        assert(len <= BUDGET_SMALL);
        if (!budget_take(r->file.view->budget, len)) {
            drop_strays(r, 0);
            r->demand_off = at;
            r->budget_bytes = len;
            r->budget =
                budget_wait(r->file.base.fs->loop, r->file.view->budget, len, demand_granted, r);
            return;
        }
        if (block_new(r, at, len, len) == NULL)
            reader_fail(r, GW_NO_MEMORY, NULL);
    }
}

/* A read that starts where one has ended, or within what is on its way, is in order. */
static void learn(struct reader *r, uint64_t off, uint64_t end)
{
    r->clock++;
    uint64_t slack = r->ahead > 0 ? 2 * (uint64_t)AHEAD_MAX : READ_MAX;
    bool in_order =
        off <= r->next ? r->next - off <= slack : r->ahead > 0 && off - r->next <= slack;
    if (!in_order) {
        r->ahead = 0;
        r->next = end;
        return;
    }
    if (r->ahead == 0 && (off == r->next || end > r->next))
        r->ahead = AHEAD_MIN;
    if (end > r->next)
        r->next = end;
}

/* Copies [off, end), all of which is here, and gives back blocks that were read to their end. */
static void copy_out(struct reader *r, uint64_t off, uint64_t end, uint8_t *to)
{
    LIST_EACH_SAFE(it, tmp, &r->blocks)
    {
        struct block *b = LIST_ENTRY(it, struct block, node);
        if (b->off + b->len <= off)
            continue;
        if (off >= end || b->off > off)
            break;
        uint64_t stop = b->off + b->len < end ? b->off + b->len : end;
        size_t n = (size_t)(stop - off);
        memcpy(to, b->data + (off - b->off), n);
        to += n;
        off = stop;
        b->served += n;
        b->touched = r->clock;
        if (b->served >= b->len && !running(b))
            block_free(b);
    }
}

/* Clips a read to the object. False: at or after its end. */
static bool clip(const struct reader *r, uint64_t off, size_t len, uint64_t *end)
{
    if (off >= r->attr.size)
        return false;
    if (len > READ_MAX)
        len = READ_MAX;
    *end = r->attr.size - off < len ? r->attr.size : off + len;
    return true;
}

static void read_finish(struct read_op *w, const struct fs_res *res)
{
    list_remove(&w->node);
    w->done(w->arg, res);
    mem_free(w);
}

static void serve_one(struct reader *r, struct read_op *w, uint64_t end)
{
    size_t n = (size_t)(end - w->off);
    uint8_t *data = mem_try_alloc(n);
    struct fs_res res = {.err = GW_NO_MEMORY};
    if (data != NULL) {
        copy_out(r, w->off, end, data);
        res = (struct fs_res){.data = {data, n}};
    }
    read_finish(w, &res);
    mem_free(data);
}

static struct read_op *next_servable(struct reader *r, uint64_t *end)
{
    LIST_EACH(it, &r->waiting)
    {
        struct read_op *w = LIST_ENTRY(it, struct read_op, node);
        uint64_t ready;
        *end = w->off + w->len;
        covered(r, w->off, *end, &ready);
        if (ready >= *end || r->err != GW_OK)
            return w;
        demand(r, w->off, *end);
    }
    return NULL;
}

static void stop_surplus(struct reader *r)
{
    LIST_EACH_SAFE(it, tmp, &r->blocks)
    {
        struct block *b = LIST_ENTRY(it, struct block, node);
        if (!b->surplus)
            continue;
        b->surplus = false;
        op_cancel(&b->step);
        if (b->served >= b->len)
            block_free(b);
    }
}

static bool all_here(const struct reader *r)
{
    LIST_EACH(it, &r->blocks)
    if (running(LIST_ENTRY(it, struct block, node)))
        return false;
    return true;
}

static void serve(void *arg)
{
    struct reader *r = arg;
    r->turn = NULL;
    stop_surplus(r);
    if (r->opening != NULL) {
        if (r->err != GW_OK || (r->known && all_here(r)))
            open_end(r->opening, r->err, r->text);
        return;
    }
    uint64_t end;
    struct read_op *w = next_servable(r, &end);
    if (w == NULL) {
        read_ahead(r);
        return;
    }
    wake(r); /* for the next one: a done may close the file, so nothing is touched after it */
    uint64_t ready;
    covered(r, w->off, end, &ready);
    if (ready >= end) {
        serve_one(r, w, end);
    } else {
        const struct fs_res res = {.err = r->err, .text = r->text};
        read_finish(w, &res);
    }
}

static void read_cancel(struct op *op)
{
    struct read_op *w = (struct read_op *)op;
    list_remove(&w->node);
    mem_free(w);
}

static const struct op_type read_type = {"s3_read", read_cancel};

static struct reader *reader_of(struct s3_file *f)
{
    assert(f->role == S3_ROLE_READ);
    return (struct reader *)(void *)f;
}

enum gw_err s3_read_now(struct s3_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n)
{
    struct reader *r = reader_of(f);
    uint64_t end, ready;
    *n = 0;
    if (!clip(r, off, len, &end))
        return r->err != GW_OK ? r->err : GW_EOF;
    covered(r, off, end, &ready);
    if (ready < end || !list_empty(&r->waiting))
        return GW_BUSY;
    learn(r, off, end);
    copy_out(r, off, end, to);
    *n = (size_t)(end - off);
    read_ahead(r);
    return GW_OK;
}

struct op *s3_read_start(struct s3_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg)
{
    struct reader *r = reader_of(f);
    uint64_t end;
    if (r->err != GW_OK)
        return fs_fail(f->base.fs->loop, r->err, r->text, done, arg);
    if (!clip(r, off, len, &end))
        return fs_fail(f->base.fs->loop, GW_EOF, NULL, done, arg);
    struct read_op *w = mem_zalloc(sizeof *w);
    w->op.type = &read_type;
    w->reader = r;
    w->off = off;
    w->len = (size_t)(end - off);
    w->done = done;
    w->arg = arg;
    list_push(&r->waiting, &w->node);
    learn(r, off, end);
    drop_strays(r, STRAY_MAX);
    demand(r, off, end);
    wake(r);
    return &w->op;
}

struct op *s3_read_fstat(struct s3_file *f, fs_done_fn *done, void *arg)
{
    return fs_ok(f->base.fs->loop, &reader_of(f)->attr, done, arg);
}

void s3_read_abort(struct s3_file *f)
{
    reader_free(reader_of(f));
}

struct op *s3_read_close(struct s3_file *f, fs_done_fn *done, void *arg)
{
    struct loop *l = f->base.fs->loop;
    reader_free(reader_of(f));
    return fs_ok(l, NULL, done, arg);
}

/* Opening. */

static void open_cancel(struct op *op)
{
    struct open_op *o = (struct open_op *)op;
    op_cancel(&o->step);
    reader_free(o->reader);
    mem_free(o);
}

static const struct op_type open_type = {"s3_read_open", open_cancel};

static void open_end(struct open_op *o, enum gw_err err, const char *text)
{
    struct reader *r = o->reader;
    struct fs_res res = {.err = err, .text = text};
    if (err == GW_OK) {
        r->opening = NULL;
        attr_cache_put(r->store->cache, r->file.key, &r->attr, r->since);
        res.file = &r->file.base;
    }
    o->done(o->arg, &res);
    if (err != GW_OK)
        reader_free(r);
    mem_free(o);
}

static void open_folder_seen(void *arg, const struct s3_look_res *res)
{
    struct open_op *o = arg;
    o->step = NULL;
    if (res->err != GW_OK && res->err != GW_DENIED)
        open_end(o, res->err, res->text);
    else
        open_end(o, res->kind == FS_KIND_DIR ? GW_IS_DIR : GW_NOT_FOUND, NULL);
}

/* Of an object that holds no byte to ask for. */
static void open_head_seen(void *arg, const struct remote_res *res)
{
    struct open_op *o = arg;
    struct reader *r = o->reader;
    o->step = NULL;
    if (res->err != GW_OK) {
        open_end(o, res->err, res->text);
        return;
    }
    const char *etag = http_res_header(res->http, "ETag");
    if (!s3_meta_attr(res->http, &r->attr) || (etag != NULL && strlen(etag) >= sizeof r->etag)) {
        open_end(o, GW_UPSTREAM, "S3 answered without a usable size or ETag");
        return;
    }
    snprintf(r->etag, sizeof r->etag, "%s", etag != NULL ? etag : "");
    r->known = true;
    open_end(o, GW_OK, NULL);
}

static void open_head(struct open_op *o)
{
    struct reader *r = o->reader;
    const struct s3_req req = {.method = "HEAD", .key = r->file.key, .log = r->log};
    o->step = s3_client_start(r->store->client, &req, open_head_seen, o);
}

/* The first GET failed. */
static void open_answered(struct open_op *o, const struct remote_res *res)
{
    struct reader *r = o->reader;
    while (!list_empty(&r->blocks))
        block_free(LIST_ENTRY(list_first(&r->blocks), struct block, node));
    if (r->err != GW_OK)
        open_end(o, r->err, r->text);
    else if (res->err == GW_EOF)
        open_head(o);
    else if (res->err == GW_NOT_FOUND)
        o->step = s3_look_start(r->store, r->file.key, S3_LOOK_FOLDER, r->log, open_folder_seen, o);
    else
        open_end(o, res->err == GW_OK ? GW_UPSTREAM : res->err, res->text);
}

static void open_granted(void *arg)
{
    struct open_op *o = arg;
    struct reader *r = o->reader;
    o->step = NULL;
    if (block_new(r, 0, r->budget_bytes, r->budget_bytes) == NULL)
        reader_fail(r, GW_NO_MEMORY, NULL);
}

struct op *s3_read_open(struct s3_view *v, const char *path, fs_done_fn *done, void *arg)
{
    struct s3_store *store = v->store;
    struct loop *l = v->fs.loop;
    char key[S3_KEY_MAX + 2];
    enum gw_err err = s3_view_key(v, path, key);
    if (err != GW_OK)
        return fs_fail(l, err, NULL, done, arg);
    size_t n = strlen(key);
    struct fs_attr seen;
    bool cached = attr_cache_get(store->cache, key, &seen);
    if (n == 0 || key[n - 1] == '/' || (cached && seen.kind == FS_KIND_DIR))
        return fs_fail(l, GW_IS_DIR, NULL, done, arg);

    struct reader *r = mem_zalloc(sizeof *r);
    struct open_op *o = mem_zalloc(sizeof *o);
    r->file = (struct s3_file){
        .base.fs = &v->fs, .role = S3_ROLE_READ, .view = v, .key = mem_strdup(key)};
    r->store = s3_store_ref(store);
    r->log = v->log;
    r->opening = o;
    r->since = attr_cache_now();
    list_init(&r->blocks);
    list_init(&r->waiting);
    o->op.type = &open_type;
    o->reader = r;
    o->done = done;
    o->arg = arg;
    r->budget_bytes = cached && seen.size < FIRST_BYTES ? (size_t)seen.size : FIRST_BYTES;
    if (r->budget_bytes == 0)
        open_head(o);
    else if (!budget_take(v->budget, r->budget_bytes))
        o->step = budget_wait(l, v->budget, r->budget_bytes, open_granted, o);
    else
        open_granted(o);
    return &o->op;
}

const char *s3_read_etag(const struct s3_file *f)
{
    return ((const struct reader *)(const void *)f)->etag;
}

uint64_t s3_read_size(const struct s3_file *f)
{
    return ((const struct reader *)(const void *)f)->attr.size;
}
