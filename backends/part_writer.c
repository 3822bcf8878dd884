#include "backends/part_writer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

/* How far ahead of the first missing byte a write may be: more than any client has under way. */
#define REORDER_MAX ((uint64_t)64 * 1024 * 1024)

struct part_writer {
    struct part_writer_conf conf;
    struct part *cur;  /* takes bytes; NULL between two */
    uint32_t nparts;   /* begun so far */
    uint64_t next_off; /* where the next part begins */

    struct list waiting; /* writes that no memory or no lane is there for, in order of arrival */
    struct op *budget;   /* memory for the next part, or for the rest of the first */
    size_t budget_asked, budget_granted;
    struct op *turn;
    enum gw_err err; /* sticks */
    char text[FS_TEXT_MAX];
};

struct write_op {
    struct op op;
    struct list node;
    struct part_writer *writer;
    uint64_t off;
    struct gw_span data; /* what is not placed yet, in `copy` */
    uint8_t *copy;
    fs_done_fn *done;
    void *arg;
};

static void pump(struct part_writer *w);

static void turn(void *arg)
{
    struct part_writer *w = arg;
    w->turn = NULL;
    pump(w);
}

void part_writer_wake(struct part_writer *w)
{
    if (w->turn == NULL)
        w->turn = loop_defer(w->conf.loop, turn, w);
}

void part_writer_fail(struct part_writer *w, enum gw_err err, const char *text)
{
    if (w->err == GW_OK) {
        w->err = err;
        snprintf(w->text, sizeof w->text, "%s", text != NULL ? text : gw_err_text(err));
    }
    if (!list_empty(&w->waiting))
        part_writer_wake(w);
}

enum gw_err part_writer_err(const struct part_writer *w, const char **text)
{
    *text = w->text;
    return w->err;
}

struct part_writer *part_writer_new(const struct part_writer_conf *conf)
{
    struct part_writer *w = mem_zalloc(sizeof *w);
    w->conf = *conf;
    list_init(&w->waiting);
    return w;
}

void part_writer_free(struct part_writer **wp)
{
    struct part_writer *w = *wp;
    *wp = NULL;
    if (w == NULL)
        return;
    assert(list_empty(&w->waiting));
    op_cancel(&w->turn);
    op_cancel(&w->budget);
    if (w->budget_granted > 0)
        budget_give(w->conf.budget, w->budget_granted);
    part_free(&w->cur);
    mem_free(w);
}

static void granted(void *arg)
{
    struct part_writer *w = arg;
    w->budget = NULL;
    w->budget_granted = w->budget_asked;
    pump(w);
}

/* n bytes of the budget, now or later; waiting = false: now or not at all. */
static bool take(struct part_writer *w, size_t n, bool waiting)
{
    if (w->budget_granted == n) {
        w->budget_granted = 0;
        return true;
    }
    if (w->budget_granted > 0) { /* asked for something that came to nothing */
        budget_give(w->conf.budget, w->budget_granted);
        w->budget_granted = 0;
    }
    if (w->budget != NULL)
        return false;
    if (budget_take(w->conf.budget, n))
        return true;
    if (waiting) {
        w->budget_asked = n;
        w->budget = budget_wait(w->conf.loop, w->conf.budget, n, granted, w);
    }
    return false;
}

/* True when w->cur is there. False: it waits, or w has failed. */
static bool begin_part(struct part_writer *w, bool waiting)
{
    const struct part_writer_type *type = w->conf.type;
    if (w->cur != NULL)
        return true;
    uint32_t number = w->nparts + 1;
    uint64_t size = w->next_off >= type->max_bytes ? 0 : type->size(w->conf.arg, number);
    if (size == 0) {
        part_writer_fail(w, GW_TOO_LARGE, "the file is larger than the store takes");
        return false;
    }
    if (!type->ready(w->conf.arg, number))
        return false;
    size_t reserve = number == 1 && PART_FIRST < size ? PART_FIRST : (size_t)size;
    if (!take(w, reserve, waiting))
        return false;
    w->nparts = number;
    w->cur = part_new(w->conf.budget, number, w->next_off, (size_t)size, reserve, w->conf.hash);
    return true;
}

static void seal(struct part_writer *w)
{
    w->next_off += part_filled(w->cur);
    w->conf.type->full(w->conf.arg, &w->cur);
}

/* Room in w->cur up to `end` of it, as far as it goes. */
static bool grow_part(struct part_writer *w, size_t end, bool waiting)
{
    size_t full = part_full(w->cur), has = part_reserved(w->cur);
    if (end <= has || has == full)
        return true;
    if (!take(w, full, waiting))
        return false;
    part_grow(w->cur, full);
    return true;
}

/* May [off, off + len) be written at all? */
static enum gw_err check(struct part_writer *w, uint64_t off, size_t len)
{
    if (w->err != GW_OK)
        return w->err;
    uint64_t max = w->conf.type->max_bytes;
    uint64_t begin = w->cur != NULL ? part_off(w->cur) : w->next_off;
    uint64_t frontier = w->cur != NULL ? begin + part_filled(w->cur) : begin;
    if (off > max || len > max - off)
        return GW_TOO_LARGE;
    return off < begin || off > frontier + REORDER_MAX ? GW_UNSUPPORTED : GW_OK;
}

/* Puts what it can of *data, which is to stand at *off, and moves both on. */
static void place(struct part_writer *w, uint64_t *off, struct gw_span *data, bool waiting)
{
    while (data->len > 0 && w->err == GW_OK && begin_part(w, waiting)) {
        uint64_t begin = part_off(w->cur);
        size_t full = part_full(w->cur);
        if (*off < begin) {
            part_writer_fail(w, GW_UNSUPPORTED, PART_WRITER_RANDOM);
            return;
        }
        if (*off - begin >= full) /* belongs to a later part: this one has a hole */
            return;
        size_t at = (size_t)(*off - begin);
        size_t n = full - at < data->len ? full - at : data->len;
        if (!grow_part(w, at + n, waiting))
            return;
        enum gw_err err = part_put(w->cur, at, gw_span_of(data->ptr, n));
        if (err != GW_OK) {
            part_writer_fail(w, err, err == GW_UNSUPPORTED ? PART_WRITER_RANDOM : NULL);
            return;
        }
        *off += n;
        data->ptr += n;
        data->len -= n;
        if (part_filled(w->cur) == full)
            seal(w);
    }
}

static void write_free(struct write_op *o)
{
    list_remove(&o->node);
    mem_free(o->copy);
    mem_free(o);
}

static void write_cancel(struct op *op)
{
    write_free((struct write_op *)op);
}

static const struct op_type write_type = {"part_writer", write_cancel};

/* Places what waits and answers one write: its done may end the writer. The others follow on the
 * next turn. */
static void pump(struct part_writer *w)
{
    struct write_op *ready = NULL;
    uint32_t parts;
    do {
        parts = w->nparts;
        LIST_EACH(it, &w->waiting)
        {
            struct write_op *o = LIST_ENTRY(it, struct write_op, node);
            if (w->err == GW_OK)
                place(w, &o->off, &o->data, true);
            if (ready == NULL && (w->err != GW_OK || o->data.len == 0))
                ready = o;
        }
    } while (parts != w->nparts && w->err == GW_OK);
    if (ready == NULL)
        return;
    if (list_first(&w->waiting)->next != &w->waiting)
        part_writer_wake(w);
    struct fs_res res = {.err = GW_OK};
    if (ready->data.len > 0) {
        res.err = w->err;
        res.text = w->text;
    }
    list_remove(&ready->node);
    ready->done(ready->arg, &res);
    write_free(ready);
}

enum gw_err part_writer_now(struct part_writer *w, uint64_t off, struct gw_span data)
{
    enum gw_err err = check(w, off, data.len);
    if (err != GW_OK)
        return GW_BUSY; /* part_writer_start() has the words */
    if (data.len == 0)
        return GW_OK;
    /* Those that waited are answered one a turn, and none after what came later: paramiko's put()
     * waits for ever for a reply that has been overtaken. */
    if (!list_empty(&w->waiting) || !begin_part(w, false))
        return GW_BUSY;
    size_t full = part_full(w->cur);
    uint64_t begin = part_off(w->cur);
    if (off < begin || off - begin > full || data.len > full - (size_t)(off - begin) ||
        !grow_part(w, (size_t)(off - begin) + data.len, false))
        return GW_BUSY;
    place(w, &off, &data, false);
    assert(data.len == 0 || w->err != GW_OK);
    return w->err;
}

struct op *part_writer_start(struct part_writer *w, uint64_t off, struct gw_span data,
                             fs_done_fn *done, void *arg)
{
    enum gw_err err = check(w, off, data.len);
    if (err == GW_OK) {
        place(w, &off, &data, true);
        err = w->err;
    }
    if (err != GW_OK)
        return fs_fail(w->conf.loop, err,
                       w->err != GW_OK         ? w->text
                       : err == GW_UNSUPPORTED ? PART_WRITER_RANDOM
                                               : NULL,
                       done, arg);
    struct write_op *o = mem_zalloc(sizeof *o);
    o->op.type = &write_type;
    o->writer = w;
    o->off = off;
    o->done = done;
    o->arg = arg;
    if (data.len > 0) {
        o->copy = mem_try_alloc(data.len);
        if (o->copy == NULL) {
            mem_free(o);
            return fs_fail(w->conf.loop, GW_NO_MEMORY, NULL, done, arg);
        }
        memcpy(o->copy, data.ptr, data.len);
        o->data = gw_span_of(o->copy, data.len);
    }
    list_push(&w->waiting, &o->node);
    if (data.len == 0)
        part_writer_wake(w);
    return &o->op;
}

bool part_writer_waits(const struct part_writer *w)
{
    return !list_empty(&w->waiting);
}

uint32_t part_writer_begun(const struct part_writer *w)
{
    return w->nparts;
}

uint64_t part_writer_size(const struct part_writer *w)
{
    return w->cur != NULL ? part_off(w->cur) + part_end(w->cur) : w->next_off;
}

void part_writer_seal(struct part_writer *w)
{
    if (w->cur == NULL || w->err != GW_OK)
        return;
    if (part_end(w->cur) > part_filled(w->cur)) {
        char text[FS_TEXT_MAX];
        snprintf(text, sizeof text, "the file has a hole: no byte came for offset %llu",
                 (unsigned long long)(part_off(w->cur) + part_filled(w->cur)));
        part_writer_fail(w, GW_BAD_ARG, text);
    } else if (part_filled(w->cur) == 0) {
        part_free(&w->cur);
    } else {
        seal(w);
    }
}
