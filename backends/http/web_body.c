#include "backends/http/web_body.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"

/* Those that wait, the one that is being sent, and the last of the file. */
#define QUEUE_MAX 8u

struct web_body {
    struct web_access *access;
    loop_fn *moved;
    void *arg;
    struct part *queue[QUEUE_MAX];
    size_t n, next; /* next: the one that is being sent */
    size_t at;      /* how much of it */
    uint64_t sent;
    int64_t bytes; /* of the whole; -1 = not known */
    bool started, streamed, ended, paused;
    bool early; /* a success was said of a body that had not all been sent */
    struct op *put, *turn;
    struct web_body_result *result;
};

static void tell(void *arg)
{
    struct web_body *b = arg;
    b->turn = NULL;
    b->moved(b->arg);
}

static void tell_later(struct web_body *b)
{
    if (b->turn == NULL)
        b->turn = loop_defer(remote_loop(b->access->store->remote), tell, b);
}

struct web_body *web_body_new(struct web_access *a, loop_fn *moved, void *arg)
{
    struct web_body *b = mem_zalloc(sizeof *b);
    b->access = web_access_ref(a);
    b->moved = moved;
    b->arg = arg;
    return b;
}

void web_body_free(struct web_body **bp)
{
    struct web_body *b = *bp;
    *bp = NULL;
    if (b == NULL)
        return;
    op_cancel(&b->put);
    op_cancel(&b->turn);
    for (size_t i = 0; i < b->n; i++)
        part_free(&b->queue[i]);
    mem_free(b->result);
    web_access_unref(&b->access);
    mem_free(b);
}

size_t web_body_unsent(const struct web_body *b)
{
    return b->n - b->next;
}

static void resume(struct web_body *b)
{
    if (b->paused && b->put != NULL) {
        b->paused = false;
        remote_resume(b->put);
    }
}

void web_body_add(struct web_body *b, struct part **pp)
{
    if (b->n == QUEUE_MAX || b->result != NULL) { /* the PUT has failed: it is for nobody */
        part_free(pp);
        return;
    }
    b->queue[b->n++] = *pp;
    *pp = NULL;
    resume(b);
}

/* The first part is through: what was streamed cannot be wanted again. */
static void drop_sent(struct web_body *b)
{
    if (b->streamed) {
        part_free(&b->queue[0]);
        b->n--;
        for (size_t i = 0; i < b->n; i++)
            b->queue[i] = b->queue[i + 1];
        tell_later(b);
    } else {
        b->next++;
    }
    b->at = 0;
}

static size_t copy_out(struct part *p, size_t at, uint8_t *to, size_t cap)
{
    size_t n, done = 0;
    const struct gw_span *body = part_body(p, &n);
    for (size_t i = 0; i < n && done < cap; i++) {
        if (at >= body[i].len) {
            at -= body[i].len;
            continue;
        }
        size_t piece = body[i].len - at < cap - done ? body[i].len - at : cap - done;
        memcpy(to + done, body[i].ptr + at, piece);
        done += piece;
        at = 0;
    }
    return done;
}

static size_t on_send(void *arg, uint8_t *to, size_t cap)
{
    struct web_body *b = arg;
    if (b->next == b->n) {
        b->paused = !b->ended;
        return b->ended ? 0 : HTTP_SEND_PAUSE;
    }
    struct part *p = b->queue[b->next];
    size_t n = copy_out(p, b->at, to, cap);
    b->at += n;
    b->sent += n;
    if (b->at == part_filled(p))
        drop_sent(b);
    return n;
}

static void rewind_body(void *arg)
{
    struct web_body *b = arg;
    b->next = b->at = 0;
    b->sent = 0;
    b->early = false;
}

/* Of a length that was said the last byte is the end, whether it is closed or not. */
static bool all_sent(const struct web_body *b)
{
    bool last = b->ended || (b->bytes >= 0 && b->sent == (uint64_t)b->bytes);
    return last && b->next == b->n;
}

/* What the server says of a file that it does not have yet means nothing, even if it goes on
 * reading. */
static bool on_head(void *arg, const struct http_res *res)
{
    struct web_body *b = arg;
    (void)res;
    b->early = !all_sent(b);
    return !b->early;
}

static void put_done(void *arg, const struct remote_res *res)
{
    struct web_body *b = arg;
    struct web_store *s = b->access->store;
    b->put = NULL;
    b->result = mem_zalloc(sizeof *b->result);
    *b->result =
        (struct web_body_result){.err = res->err, .status = res->status, .unsized = b->bytes < 0};
    if (res->err != GW_OK) {
        b->result->maybe_done = all_sent(b) && res->maybe_done;
        /* One that does not wait for the chunks does not know them. */
        bool deaf = b->early && b->bytes < 0;
        if (b->streamed && (res->status == 411 || res->status == 501 || deaf))
            s->wants_length = true;
        snprintf(b->result->text, sizeof b->result->text, "%s",
                 b->early            ? "the server answered before it had the whole file"
                 : res->text != NULL ? res->text
                                     : gw_err_text(res->err));
    } else {
        b->result->kept_time = s->dialect->put_kept_time(res);
    }
    tell_later(b);
}

void web_body_start(struct web_body *b, const struct web_put *put)
{
    struct web_put mine = *put;
    mine.send = on_send;
    mine.on_head = on_head;
    b->bytes = put->bytes;
    b->streamed = !b->ended;
    mine.rewind = b->streamed ? NULL : rewind_body;
    b->started = true;
    b->put = b->access->store->dialect->put(b->access, &mine, put_done, b);
}

bool web_body_started(const struct web_body *b)
{
    return b->started;
}

void web_body_end(struct web_body *b)
{
    b->ended = true;
    resume(b);
}

const struct web_body_result *web_body_result(const struct web_body *b)
{
    return b->result;
}
