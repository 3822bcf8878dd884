#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "backends/http/web_writer.h"
#include "gateway/base/mem.h"

enum commit_state {
    COMMIT_BODY,          /* for the PUT, or the copy */
    COMMIT_PUT_LOOK,      /* for a look: the answer to the PUT was lost */
    COMMIT_TIMES,         /* for the time to be set */
    COMMIT_MOVE_LOOK,     /* for a look at what has the name */
    COMMIT_MOVE,          /* for the MOVE to its name */
    COMMIT_CONFIRM_STAGE, /* for a look: the answer to the MOVE was lost. Is it gone there ... */
    COMMIT_CONFIRM,       /* ... and here? */
};

struct commit {
    struct op op;
    struct web_writer *writer;
    enum commit_state state;
    struct op *step;
    bool overwrite;
    enum gw_err err; /* what the request said whose effect is looked for */
    char text[FS_TEXT_MAX];
    fs_done_fn *done;
    void *arg;
};

static const struct web_dialect *dialect_of(const struct commit *c)
{
    return c->writer->access->store->dialect;
}

static struct loop *loop_of(const struct commit *c)
{
    return remote_loop(c->writer->access->store->remote);
}

static void forget(struct web_writer *w)
{
    attr_cache_forget(w->access->store->cache, w->file.path);
}

static void commit_free(struct commit *c)
{
    op_cancel(&c->step);
    forget(c->writer);
    web_writer_free(c->writer);
    mem_free(c);
}

static void cancel(struct op *op)
{
    commit_free((struct commit *)op);
}

static const struct op_type commit_type = {"web_commit", cancel};

static void end(struct commit *c, enum gw_err err, const char *text)
{
    const struct fs_res res = {.err = err, .text = text};
    forget(c->writer);
    if (err == GW_OK)
        c->writer->staged = false;
    c->done(c->arg, &res);
    commit_free(c);
}

static void keep(struct commit *c, enum gw_err err, const char *text)
{
    c->err = err;
    snprintf(c->text, sizeof c->text, "%s", text != NULL ? text : gw_err_text(err));
}

static bool whole(const struct commit *c, const struct fs_res *res)
{
    return res->err == GW_OK && res->attr->kind == FS_KIND_REG && (res->attr->set & FS_ATTR_SIZE) &&
           res->attr->size == web_writer_size(c->writer);
}

static void look(struct commit *c, enum commit_state state, const char *path, fs_done_fn *done)
{
    struct web_writer *w = c->writer;
    c->state = state;
    c->step = dialect_of(c)->look(w->access, path, w->log, done, c);
}

/* ---- its name ---- */

static void move(struct commit *c, bool overwrite);

static void confirm_seen(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->step = NULL;
    if (whole(c, res))
        end(c, GW_OK, NULL);
    else
        end(c, c->err, c->text);
}

static void confirm_stage_seen(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->step = NULL;
    if (res->err == GW_NOT_FOUND)
        look(c, COMMIT_CONFIRM, c->writer->file.path, confirm_seen);
    else
        end(c, c->err, c->text);
}

static void target_seen(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->step = NULL;
    if (res->err != GW_OK && res->err != GW_NOT_FOUND)
        end(c, res->err, res->text);
    else if (res->err == GW_OK && c->writer->exclusive)
        end(c, GW_EXISTS, NULL);
    else if (res->err == GW_OK && res->attr->kind == FS_KIND_DIR)
        end(c, GW_IS_DIR, NULL);
    else
        move(c, res->err == GW_OK);
}

static void moved(void *arg, const struct remote_res *res)
{
    struct commit *c = arg;
    struct web_writer *w = c->writer;
    c->step = NULL;
    if (res->err == GW_OK) {
        end(c, GW_OK, NULL);
        return;
    }
    keep(c, res->err, res->text);
    if (res->maybe_done)
        look(c, COMMIT_CONFIRM_STAGE, w->stage, confirm_stage_seen);
    else if (res->err == GW_EXISTS && !w->exclusive && !c->overwrite)
        look(c, COMMIT_MOVE_LOOK, w->file.path, target_seen);
    else
        end(c, c->err, c->text);
}

/* Overwriting a folder would remove all that is in it: only what was seen to be a file is. */
static void move(struct commit *c, bool overwrite)
{
    struct web_writer *w = c->writer;
    c->state = COMMIT_MOVE;
    c->overwrite = overwrite;
    const struct web_move m = {
        .from = w->stage, .to = w->file.path, .overwrite = overwrite, .log = w->log};
    c->step = dialect_of(c)->move(w->access, &m, moved, c);
}

static void give_name(struct commit *c)
{
    struct web_writer *w = c->writer;
    if (strcmp(w->stage, w->file.path) == 0)
        end(c, GW_OK, NULL);
    else if (w->existed || dialect_of(c)->moves_onto)
        look(c, COMMIT_MOVE_LOOK, w->file.path, target_seen);
    else
        move(c, false);
}

/* ---- its time ---- */

static void times_set(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->step = NULL;
    if (res->err == GW_UNSUPPORTED)
        c->writer->access->store->no_times = true;
    else if (res->err != GW_OK) /* no reason to throw the bytes away */
        LOG_EVENT(LOG_LVL_WARN, c->writer->log, "http_mtime_lost",
                  log_str("path", c->writer->file.path),
                  log_str("error", res->text != NULL ? res->text : gw_err_text(res->err)));
    give_name(c);
}

static void stored(struct commit *c, bool kept_time)
{
    struct web_writer *w = c->writer;
    if (!w->has_mtime || kept_time || w->access->store->no_times) {
        give_name(c);
        return;
    }
    const struct fs_attr attr = {
        .set = FS_ATTR_MTIME, .mtime_s = w->mtime_s, .mtime_ns = w->mtime_ns};
    c->state = COMMIT_TIMES;
    c->step = dialect_of(c)->set(w->access, w->stage, &attr, w->log, times_set, c);
}

/* ---- its bytes ---- */

static void put_seen(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->step = NULL;
    if (whole(c, res))
        stored(c, false);
    else
        end(c, c->err, c->text);
}

static void body_ended(struct commit *c, const struct web_body_result *r)
{
    if (r->err == GW_OK) {
        stored(c, r->kept_time);
    } else if (r->maybe_done) {
        keep(c, r->err, r->text);
        look(c, COMMIT_PUT_LOOK, c->writer->stage, put_seen);
    } else {
        keep(c, r->err, r->text); /* the body goes with the writer */
        end(c, c->err, c->text);
    }
}

static void copied(void *arg, const struct remote_res *res)
{
    struct commit *c = arg;
    c->step = NULL;
    if (res->err == GW_OK) {
        stored(c, false);
    } else if (res->maybe_done) {
        keep(c, res->err, res->text);
        look(c, COMMIT_PUT_LOOK, c->writer->stage, put_seen);
    } else {
        end(c, res->err, res->text);
    }
}

static void body_moved(void *arg)
{
    struct commit *c = arg;
    const struct web_body_result *r = web_body_result(c->writer->body);
    if (r != NULL && c->state == COMMIT_BODY && c->step == NULL)
        body_ended(c, r);
}

static void begin(void *arg)
{
    struct commit *c = arg;
    struct web_writer *w = c->writer;
    c->step = NULL;
    part_writer_seal(w->parts);
    const char *text;
    enum gw_err err = part_writer_err(w->parts, &text);
    if (err != GW_OK) {
        end(c, err, text);
    } else if (w->source != NULL) {
        w->staged = true;
        const struct web_move m = {
            .from = w->source, .to = w->stage, .overwrite = true, .log = w->log};
        c->step = dialect_of(c)->copy(w->access, &m, copied, c);
    } else if (web_body_started(w->body) && w->length >= 0 &&
               (uint64_t)w->length != web_writer_size(w)) {
        end(c, GW_BAD_ARG, "the file has not the length that was said");
    } else {
        web_body_end(w->body);
        if (!web_body_started(w->body))
            web_writer_put(w, (int64_t)web_writer_size(w));
        body_moved(c); /* it may have ended before */
    }
}

struct op *web_write_close(struct web_file *f, fs_done_fn *done, void *arg)
{
    struct web_writer *w = web_writer_of(f);
    struct commit *c = mem_zalloc(sizeof *c);
    assert(!part_writer_waits(w->parts));
    c->op.type = &commit_type;
    c->writer = w;
    c->done = done;
    c->arg = arg;
    w->moved = body_moved;
    w->moved_arg = c;
    forget(w);
    c->step = loop_defer(loop_of(c), begin, c);
    return &c->op;
}
