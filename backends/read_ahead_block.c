#include "backends/read_ahead_impl.h"

#include <stdio.h>
#include <string.h>

#include "backends/remote_meta.h"
#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"

/* Ranges without a single byte, one after the other, before a read fails; the client has retried
 * each of them already. */
#define TRIES      4u
#define BACKOFF_MS 50u

static const char CHANGED[] = "the file was changed while it was read";

static void block_get(void *arg);
static void changed_again(void *arg);

void read_ahead_block_free(struct read_ahead_block *b)
{
    op_cancel(&b->step);
    list_remove(&b->node);
    buffers_put(budget_buffers(b->reader->conf.budget), &b->data, b->room);
    budget_give(b->reader->conf.budget, b->budget);
    mem_free(b);
}

static bool refuse(struct read_ahead *r, const char *what)
{
    char text[FS_TEXT_MAX];
    snprintf(text, sizeof text, "%s %s", r->conf.type->name, what);
    read_ahead_fail(r, GW_UPSTREAM, text);
    return false;
}

static bool refuse_changed(struct read_ahead *r)
{
    read_ahead_fail(r, GW_CHANGED, CHANGED);
    return false;
}

/* An answer without a range, to the end of the file: its length says where it begins. */
static bool right_offset(struct read_ahead *r, const struct http_res *res, uint64_t from)
{
    const char *text = http_res_header(res, "Content-Length");
    uint64_t len;
    if (!r->conf.type->starts_at_offset)
        return refuse(r, "ignores ranges");
    if (text == NULL || !remote_meta_number(text, &len) || len == r->attr.size - from)
        return true;
    return len == r->attr.size ? refuse(r, "ignores the offset that it is asked for")
                               : refuse_changed(r);
}

/* Is it the range that was asked for? */
static bool right_range(struct read_ahead *r, const struct http_res *res, uint64_t from)
{
    if (http_res_status(res) != 206)
        return from == 0 || right_offset(r, res, from);
    const char *range = http_res_header(res, "Content-Range");
    char want[40];
    int n = snprintf(want, sizeof want, "bytes %llu-", (unsigned long long)from);
    if (range == NULL || strncmp(range, want, (size_t)n) != 0)
        return refuse(r, "answered with another range than it was asked for");
    /* A server without tags still tells so that the file is another one. */
    const char *total = strchr(range, '/');
    uint64_t size;
    if (r->known && total != NULL && remote_meta_number(total + 1, &size) && size != r->attr.size)
        return refuse_changed(r);
    return true;
}

static bool weak(const char *etag)
{
    return strncmp(etag, "W/", 2) == 0;
}

/* Some servers' tags are weak for as long as a file is young, and name the same bytes. */
static bool same_etag(const char *a, const char *b)
{
    return strcmp(weak(a) ? a + 2 : a, weak(b) ? b + 2 : b) == 0;
}

static bool block_head(void *arg, const struct http_res *res)
{
    struct read_ahead_block *b = arg;
    struct read_ahead *r = b->reader;
    const char *etag = http_res_header(res, "ETag");
    if (etag == NULL)
        etag = "";
    if (!right_range(r, res, b->off + b->have))
        return false;
    if (!r->known) {
        if (!r->conf.type->attr(r->conf.src, res, &r->attr) || strlen(etag) >= sizeof r->etag)
            return refuse(r, "answered without a usable size or ETag");
        memcpy(r->etag, etag, strlen(etag) + 1);
        r->known = true;
        if (b->len > r->attr.size) {
            b->len = (size_t)r->attr.size;
            budget_give(r->conf.budget, b->budget - b->len);
            b->budget = b->len;
        }
    } else if (!same_etag(etag, r->etag)) {
        return refuse_changed(r);
    }
    return true;
}

static bool block_body(void *arg, struct gw_span part)
{
    struct read_ahead_block *b = arg;
    size_t n = part.len;
    if (n > b->len - b->have)
        n = b->len - b->have;
    if (n > 0)
        memcpy(b->data + b->have, part.ptr, n);
    b->have += n;
    b->tries = 0;
    read_ahead_wake(b->reader);
    /* A server that sends on behind what was asked for is stopped by serve(). */
    b->surplus = n < part.len;
    return !b->surplus;
}

/* Faults that a new range may get over; the client has given up on this one. */
static bool passing(enum gw_err err)
{
    return err == GW_IO || err == GW_TIMEOUT || err == GW_OK;
}

/* Another one by its ETag. One with the same bytes is read on, by all GETs alike. */
static void changed(struct read_ahead_block *b, const char *text)
{
    struct read_ahead *r = b->reader;
    char etag[READ_AHEAD_ETAG_MAX];
    enum read_ahead_same same = READ_AHEAD_OTHER;
    if (r->conf.type->same != NULL)
        same = r->conf.type->same(r->conf.src, r->etag, etag);
    if (same == READ_AHEAD_SAME) {
        read_ahead_hold(r);
        read_ahead_go_on(r, etag);
    } else if (same == READ_AHEAD_SOON) {
        b->step = deadline_start(r->conf.loop, BACKOFF_MS, changed_again, b);
    } else {
        read_ahead_fail(r, GW_CHANGED, text);
    }
}

static void changed_again(void *arg)
{
    struct read_ahead_block *b = arg;
    b->step = NULL;
    if (b->reader->err == GW_OK)
        changed(b, CHANGED);
}

static void block_done(void *arg, const struct remote_res *res)
{
    struct read_ahead_block *b = arg;
    struct read_ahead *r = b->reader;
    b->step = NULL;
    if (!r->known) {
        read_ahead_opened(r, res);
        return;
    }
    bool whole = b->have == b->len;
    if (!whole && r->err == GW_OK) {
        /* Cut off, or shorter than it should be: go on from there, if it is still the same. */
        if (passing(res->err) && b->tries < TRIES)
            b->step =
                deadline_start(r->conf.loop, (uint64_t)BACKOFF_MS << b->tries++, block_get, b);
        else if (res->err == GW_CHANGED)
            changed(b, res->text);
        else
            read_ahead_fail(r, res->err == GW_OK || res->err == GW_EOF ? GW_IO : res->err,
                            res->text);
    }
    if (whole && b->served >= b->len)
        read_ahead_block_free(b);
    read_ahead_wake(r);
}

static void block_get(void *arg)
{
    struct read_ahead_block *b = arg;
    struct read_ahead *r = b->reader;
    b->step = NULL;
    if (r->holds > 0)
        return;
    bool strong = r->known && r->etag[0] != '\0' && !weak(r->etag);
    const struct read_ahead_range range = {
        .off = b->off + b->have, .len = b->len - b->have, .etag = strong ? r->etag : NULL};
    b->step = r->conf.type->get(r->conf.src, &range, block_head, block_body, block_done, b);
}

void read_ahead_block_stop(struct read_ahead_block *b)
{
    if (b->have < b->len)
        op_cancel(&b->step);
}

void read_ahead_block_go_on(struct read_ahead_block *b)
{
    if (b->have < b->len && b->step == NULL)
        block_get(b);
}

struct read_ahead_block *read_ahead_block_new(struct read_ahead *r, uint64_t off, size_t len,
                                              size_t budget)
{
    struct read_ahead_block *b = mem_zalloc(sizeof *b);
    b->data = buffers_get(budget_buffers(r->conf.budget), len);
    if (b->data == NULL) {
        mem_free(b);
        budget_give(r->conf.budget, budget);
        return NULL;
    }
    b->reader = r;
    b->off = off;
    b->len = b->room = len;
    b->budget = budget;
    b->touched = r->clock;
    struct list *after = &r->blocks;
    LIST_EACH(it, &r->blocks)
    {
        if (LIST_ENTRY(it, struct read_ahead_block, node)->off > off)
            break;
        after = it;
    }
    list_push(after->next, &b->node); /* before what follows */
    block_get(b);
    return b;
}
