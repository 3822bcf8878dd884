#include <string.h>

#include "backends/http/web_writer.h"
#include "backends/remote_commit.h"

enum commit_state {
    COMMIT_BODY,          /* for the PUT, or the copy */
    COMMIT_PUT_LOOK,      /* for a look: the answer to the PUT was lost */
    COMMIT_SIZE_LOOK,     /* for a look: is all there that was sent without a length? */
    COMMIT_TIMES,         /* for the time to be set */
    COMMIT_MOVE_LOOK,     /* for a look at what has the name */
    COMMIT_MOVE,          /* for the MOVE to its name */
    COMMIT_CONFIRM_STAGE, /* for a look: the answer to the MOVE was lost. Is it gone there ... */
    COMMIT_CONFIRM,       /* ... and here? */
};

struct commit {
    struct remote_commit base;
    enum commit_state state;
    bool overwrite;
};

static struct web_writer *writer_of(const struct commit *c)
{
    return (struct web_writer *)c->base.file;
}

static struct web_access *access_of(const struct commit *c)
{
    return web_access_of(c->base.file);
}

static const struct web_dialect *dialect_of(const struct commit *c)
{
    return access_of(c)->store->dialect;
}

static void end(struct commit *c, enum gw_err err, const char *text)
{
    if (err == GW_OK)
        writer_of(c)->staged = false;
    remote_commit_end(&c->base, err, text);
}

static bool whole(const struct commit *c, const struct fs_res *res)
{
    return res->err == GW_OK && res->attr->kind == FS_KIND_REG && (res->attr->set & FS_ATTR_SIZE) &&
           res->attr->size == remote_file_size(c->base.file);
}

static void look(struct commit *c, enum commit_state state, const char *path, fs_done_fn *done)
{
    c->state = state;
    c->base.task.step = dialect_of(c)->look(access_of(c), path, c->base.task.log, done, c);
}

/* ---- its name ---- */

static void move(struct commit *c, bool overwrite);

static void confirm_seen(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->base.task.step = NULL;
    if (whole(c, res))
        end(c, GW_OK, NULL);
    else
        end(c, c->base.err, c->base.text);
}

static void confirm_stage_seen(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->base.task.step = NULL;
    if (res->err == GW_NOT_FOUND)
        look(c, COMMIT_CONFIRM, c->base.file->name, confirm_seen);
    else
        end(c, c->base.err, c->base.text);
}

static void target_seen(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->base.task.step = NULL;
    if (res->err != GW_OK && res->err != GW_NOT_FOUND)
        end(c, res->err, res->text);
    else if (res->err == GW_OK && c->base.file->exclusive)
        end(c, GW_EXISTS, NULL);
    else if (res->err == GW_OK && res->attr->kind == FS_KIND_DIR)
        end(c, GW_IS_DIR, NULL);
    else
        move(c, res->err == GW_OK);
}

static void moved(void *arg, const struct remote_res *res)
{
    struct commit *c = arg;
    struct web_writer *w = writer_of(c);
    c->base.task.step = NULL;
    if (res->err == GW_OK) {
        end(c, GW_OK, NULL);
        return;
    }
    remote_commit_keep(&c->base, res->err, res->text);
    if (res->maybe_done)
        look(c, COMMIT_CONFIRM_STAGE, w->stage, confirm_stage_seen);
    else if (res->err == GW_EXISTS && !w->file.exclusive && !c->overwrite)
        look(c, COMMIT_MOVE_LOOK, w->file.name, target_seen);
    else
        end(c, c->base.err, c->base.text);
}

/* Overwriting a folder would remove all that is in it: only what was seen to be a file is. */
static void move(struct commit *c, bool overwrite)
{
    struct web_writer *w = writer_of(c);
    c->state = COMMIT_MOVE;
    c->overwrite = overwrite;
    const struct web_move m = {
        .from = w->stage, .to = w->file.name, .overwrite = overwrite, .log = w->file.log};
    c->base.task.step = dialect_of(c)->move(access_of(c), &m, moved, c);
}

static void give_name(struct commit *c)
{
    struct web_writer *w = writer_of(c);
    if (web_writer_in_place(w))
        end(c, GW_OK, NULL);
    else if (w->existed || dialect_of(c)->moves_onto)
        look(c, COMMIT_MOVE_LOOK, w->file.name, target_seen);
    else
        move(c, false);
}

/* ---- its time ---- */

static void times_set(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->base.task.step = NULL;
    if (res->err == GW_UNSUPPORTED)
        access_of(c)->store->no_times = true;
    else if (res->err != GW_OK) /* no reason to throw the bytes away */
        LOG_EVENT(LOG_LVL_WARN, c->base.task.log, "http_mtime_lost",
                  log_str("path", c->base.file->name),
                  log_str("error", res->text != NULL ? res->text : gw_err_text(res->err)));
    give_name(c);
}

static void stored(struct commit *c, bool kept_time)
{
    struct web_writer *w = writer_of(c);
    if (!(w->file.attr.set & FS_ATTR_MTIME) || kept_time || access_of(c)->store->no_times) {
        give_name(c);
        return;
    }
    c->state = COMMIT_TIMES;
    c->base.task.step =
        dialect_of(c)->set(access_of(c), w->stage, &w->file.attr, w->file.log, times_set, c);
}

/* ---- its bytes ---- */

/* An older file of the same size would look alike. */
static bool look_proves(const struct commit *c)
{
    const struct web_writer *w = writer_of(c);
    return !web_writer_in_place(w) || !w->existed || w->old_size != remote_file_size(&w->file);
}

/* FastCGI and WSGI servers may hand on an empty body where they are told no length, and whoever
 * gets it says that it is stored. */
static void size_seen(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    struct web_store *s = access_of(c)->store;
    c->base.task.step = NULL;
    bool unknown = res->err == GW_OK && !(res->attr->set & FS_ATTR_SIZE);
    if (unknown || whole(c, res)) {
        stored(c, web_body_result(writer_of(c)->body)->kept_time);
    } else if (res->err != GW_OK && res->err != GW_NOT_FOUND) {
        end(c, res->err, res->text);
    } else {
        LOG_EVENT(LOG_LVL_WARN, c->base.task.log, "http_not_stored",
                  log_str("path", c->base.file->name),
                  log_u64("sent", remote_file_size(c->base.file)),
                  log_u64("there", res->err == GW_OK ? res->attr->size : 0));
        if (res->err == GW_OK && res->attr->size == 0) {
            s->wants_length = true;
            c->base.file->base.fs->caps |= FS_CAP_NEEDS_LENGTH;
        }
        end(c, GW_UPSTREAM, "the server did not store what it was sent: try again");
    }
}

static void put_seen(void *arg, const struct fs_res *res)
{
    struct commit *c = arg;
    c->base.task.step = NULL;
    if (look_proves(c) && whole(c, res))
        stored(c, false);
    else
        end(c, c->base.err, c->base.text);
}

static void body_ended(struct commit *c, const struct web_body_result *r)
{
    if (r->err == GW_OK && r->unsized) {
        look(c, COMMIT_SIZE_LOOK, writer_of(c)->stage, size_seen);
    } else if (r->err == GW_OK) {
        stored(c, r->kept_time);
    } else if (r->maybe_done) {
        remote_commit_keep(&c->base, r->err, r->text);
        look(c, COMMIT_PUT_LOOK, writer_of(c)->stage, put_seen);
    } else {
        remote_commit_keep(&c->base, r->err, r->text); /* the body goes with the writer */
        end(c, c->base.err, c->base.text);
    }
}

static void copied(void *arg, const struct remote_res *res)
{
    struct commit *c = arg;
    c->base.task.step = NULL;
    if (res->err == GW_OK) {
        stored(c, false);
    } else if (res->maybe_done) {
        remote_commit_keep(&c->base, res->err, res->text);
        look(c, COMMIT_PUT_LOOK, writer_of(c)->stage, put_seen);
    } else {
        end(c, res->err, res->text);
    }
}

static void body_moved(void *arg)
{
    struct commit *c = arg;
    const struct web_body_result *r = web_body_result(writer_of(c)->body);
    if (r != NULL && c->state == COMMIT_BODY && c->base.task.step == NULL)
        body_ended(c, r);
}

static void begin(void *arg)
{
    struct commit *c = arg;
    struct web_writer *w = writer_of(c);
    c->base.task.step = NULL;
    if (!remote_commit_seal(&c->base))
        return;
    if (w->file.source != NULL) {
        w->staged = true;
        const struct web_move m = {
            .from = w->file.source, .to = w->stage, .overwrite = true, .log = w->file.log};
        c->base.task.step = dialect_of(c)->copy(access_of(c), &m, copied, c);
    } else if (web_body_started(w->body) && w->length >= 0 &&
               (uint64_t)w->length != remote_file_size(&w->file)) {
        end(c, GW_BAD_ARG, "the file has not the length that was said");
    } else {
        web_body_end(w->body);
        if (!web_body_started(w->body))
            web_writer_put(w, (int64_t)remote_file_size(&w->file));
        body_moved(c); /* it may have ended before */
    }
}

struct op *web_commit_start(struct remote_file *f, fs_done_fn *done, void *arg)
{
    struct web_store *s = web_access_of(f)->store;
    struct commit *c = remote_commit_new(sizeof *c, f, &s->base, s->cache, done, arg);
    f->moved = body_moved;
    f->moved_arg = c;
    c->base.task.step = loop_defer(f->base.fs->loop, begin, c);
    return &c->base.task.op;
}
