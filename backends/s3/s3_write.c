#include "backends/s3/s3_write.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "backends/s3/s3_look.h"
#include "backends/s3/s3_meta.h"
#include "backends/s3/s3_read.h"
#include "backends/s3/s3_writer.h"
#include "gateway/base/mem.h"

/* How far ahead of the first missing byte a write may be: more than any client has under way. */
#define REORDER_MAX ((uint64_t)64 * 1024 * 1024)
#define RANDOM_TEXT                                                                                \
    "a new S3 object is written from begin to end; to write anywhere, open the file for reading "  \
    "and writing"

struct write_op {
    struct op op;
    struct list node;
    struct writer *writer;
    uint64_t off;
    struct gw_span data; /* what is not placed yet, in `copy` */
    uint8_t *copy;
    fs_done_fn *done;
    void *arg;
};

static void pump(struct writer *w);

struct writer *s3_writer_of(struct s3_file *f)
{
    assert(f->role == S3_ROLE_WRITE);
    return (struct writer *)(void *)f;
}

static struct loop *loop_of(const struct writer *w)
{
    return w->store->base.env.loop;
}

static struct budget *budget_of(const struct writer *w)
{
    return w->file.view->budget;
}

static void turn(void *arg)
{
    struct writer *w = arg;
    w->turn = NULL;
    pump(w);
}

static void wake(struct writer *w)
{
    if (w->turn == NULL)
        w->turn = loop_defer(loop_of(w), turn, w);
}

void s3_writer_fail(struct writer *w, enum gw_err err, const char *text)
{
    if (w->err == GW_OK) {
        w->err = err;
        snprintf(w->text, sizeof w->text, "%s", text != NULL ? text : gw_err_text(err));
    }
    if (!list_empty(&w->waiting))
        wake(w);
}

void s3_writer_free(struct writer *w)
{
    assert(list_empty(&w->waiting));
    op_cancel(&w->turn);
    op_cancel(&w->budget);
    if (w->budget_granted > 0)
        budget_give(budget_of(w), w->budget_granted);
    s3_part_free(&w->cur);
    s3_part_free(&w->first);
    s3_upload_abort(&w->upload);
    mem_free(w->source_key);
    mem_free(w->source_etag);
    mem_free(w->file.key);
    s3_store_unref(&w->store);
    mem_free(w);
}

/* The upload stored a part, or failed. */
static void upload_moved(void *arg)
{
    struct writer *w = arg;
    const char *text;
    enum gw_err err = s3_upload_err(w->upload, &text);
    if (err != GW_OK)
        s3_writer_fail(w, err, text);
    if (!list_empty(&w->waiting))
        wake(w);
    if (w->moved != NULL)
        w->moved(w->moved_arg);
}

static void granted(void *arg)
{
    struct writer *w = arg;
    w->budget = NULL;
    w->budget_granted = w->budget_asked;
    pump(w);
}

/* n bytes of the budget, now or later; waiting = false: now or not at all. */
static bool take(struct writer *w, size_t n, bool waiting)
{
    if (w->budget_granted == n) {
        w->budget_granted = 0;
        return true;
    }
    if (w->budget_granted > 0) { /* asked for something that came to nothing */
        budget_give(budget_of(w), w->budget_granted);
        w->budget_granted = 0;
    }
    if (w->budget != NULL)
        return false;
    if (budget_take(budget_of(w), n))
        return true;
    if (waiting) {
        w->budget_asked = n;
        w->budget = budget_wait(loop_of(w), budget_of(w), n, granted, w);
    }
    return false;
}

static bool wants_hash(const struct writer *w)
{
    const struct s3_conf *c = w->store->conf;
    bool tls = c->endpoint == NULL || strncmp(c->endpoint, "https:", 6) == 0;
    return c->payload_signing == S3_PAYLOAD_ALWAYS ||
           (c->payload_signing == S3_PAYLOAD_AUTO && !tls);
}

/* True when w->cur is there. False: it waits, or w has failed. */
static bool begin_part(struct writer *w, bool waiting)
{
    if (w->cur != NULL)
        return true;
    uint32_t number = w->nparts + 1;
    const struct s3_conf *conf = w->store->conf;
    if (number > conf->max_parts || w->next_off >= S3_OBJECT_MAX) {
        s3_writer_fail(w, GW_TOO_LARGE, "the file is larger than the S3 store takes");
        return false;
    }
    uint64_t size = s3_part_size((uint64_t)conf->part_mb << 20, number, conf->max_parts);
    /* Before any wait: a part that is full must be on its way, else its memory never comes back. */
    if (number > 1 && w->upload == NULL) {
        w->upload = s3_upload_new(w->store, w->file.key, &w->meta, w->log, upload_moved, w);
        s3_upload_add(w->upload, &w->first);
    }
    /* As many parts wait as are sent: one is filled while the lanes are busy. */
    if (w->upload != NULL && s3_upload_unsent(w->upload) > conf->upload_concurrency)
        return false;
    size_t reserve = number == 1 && S3_PART_FIRST < size ? S3_PART_FIRST : (size_t)size;
    if (!take(w, reserve, waiting))
        return false;
    w->nparts = number;
    w->cur = s3_part_new(budget_of(w), number, w->next_off, (size_t)size, reserve, wants_hash(w));
    return true;
}

static void seal(struct writer *w)
{
    w->next_off += s3_part_filled(w->cur);
    if (w->upload != NULL) {
        s3_upload_add(w->upload, &w->cur);
    } else {
        w->first = w->cur;
        w->cur = NULL;
    }
}

/* Room in w->cur up to `end` of it, as far as it goes. */
static bool grow_part(struct writer *w, size_t end, bool waiting)
{
    size_t full = s3_part_full(w->cur), has = s3_part_reserved(w->cur);
    if (end <= has || has == full)
        return true;
    if (!take(w, full, waiting))
        return false;
    s3_part_grow(w->cur, full);
    return true;
}

/* May [off, off + len) be written at all? */
static enum gw_err check(struct writer *w, uint64_t off, size_t len)
{
    if (w->err != GW_OK)
        return w->err;
    uint64_t begin = w->cur != NULL ? s3_part_off(w->cur) : w->next_off;
    uint64_t frontier = w->cur != NULL ? begin + s3_part_filled(w->cur) : begin;
    if (off > S3_OBJECT_MAX || len > S3_OBJECT_MAX - off)
        return GW_TOO_LARGE;
    if (w->source_key != NULL || off < begin || off > frontier + REORDER_MAX)
        return GW_UNSUPPORTED;
    return GW_OK;
}

/* Puts what it can of *data, which is to stand at *off, and moves both on. */
static void place(struct writer *w, uint64_t *off, struct gw_span *data, bool waiting)
{
    while (data->len > 0 && w->err == GW_OK && begin_part(w, waiting)) {
        uint64_t begin = s3_part_off(w->cur);
        size_t full = s3_part_full(w->cur);
        if (*off < begin) {
            s3_writer_fail(w, GW_UNSUPPORTED, RANDOM_TEXT);
            return;
        }
        if (*off - begin >= full) /* belongs to a later part: this one has a hole */
            return;
        size_t at = (size_t)(*off - begin);
        size_t n = full - at < data->len ? full - at : data->len;
        if (!grow_part(w, at + n, waiting))
            return;
        enum gw_err err = s3_part_put(w->cur, at, gw_span_of(data->ptr, n));
        if (err != GW_OK) {
            s3_writer_fail(w, err, err == GW_UNSUPPORTED ? RANDOM_TEXT : NULL);
            return;
        }
        *off += n;
        data->ptr += n;
        data->len -= n;
        if (s3_part_filled(w->cur) == full)
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

static const struct op_type write_type = {"s3_write", write_cancel};

/* Places what waits and answers one write: its done may end the writer. The others follow on the
 * next turn. */
static void pump(struct writer *w)
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
        wake(w);
    struct fs_res res = {.err = GW_OK};
    if (ready->data.len > 0) {
        res.err = w->err;
        res.text = w->text;
    }
    list_remove(&ready->node);
    ready->done(ready->arg, &res);
    write_free(ready);
}

enum gw_err s3_write_now(struct s3_file *f, uint64_t off, struct gw_span data)
{
    struct writer *w = s3_writer_of(f);
    enum gw_err err = check(w, off, data.len);
    if (err != GW_OK)
        return GW_BUSY; /* s3_write_start() has the words */
    if (data.len == 0)
        return GW_OK;
    /* Those that waited are answered one a turn, and none after what came later: paramiko's put()
     * waits for ever for a reply that has been overtaken. */
    if (!list_empty(&w->waiting) || !begin_part(w, false))
        return GW_BUSY;
    size_t full = s3_part_full(w->cur);
    uint64_t begin = s3_part_off(w->cur);
    if (off < begin || off - begin > full || data.len > full - (size_t)(off - begin) ||
        !grow_part(w, (size_t)(off - begin) + data.len, false))
        return GW_BUSY;
    place(w, &off, &data, false);
    assert(data.len == 0 || w->err != GW_OK);
    return w->err;
}

struct op *s3_write_start(struct s3_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                          void *arg)
{
    struct writer *w = s3_writer_of(f);
    enum gw_err err = check(w, off, data.len);
    if (err == GW_OK) {
        place(w, &off, &data, true);
        err = w->err;
    }
    if (err != GW_OK)
        return fs_fail(loop_of(w), err,
                       w->err != GW_OK         ? w->text
                       : err == GW_UNSUPPORTED ? RANDOM_TEXT
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
            return fs_fail(loop_of(w), GW_NO_MEMORY, NULL, done, arg);
        }
        memcpy(o->copy, data.ptr, data.len);
        o->data = gw_span_of(o->copy, data.len);
    }
    list_push(&w->waiting, &o->node);
    if (data.len == 0)
        wake(w);
    return &o->op;
}

/* How large the object would be if nothing followed. */
static uint64_t size_of(const struct writer *w)
{
    if (w->source_key != NULL)
        return w->source_size;
    return w->cur != NULL ? s3_part_off(w->cur) + s3_part_end(w->cur) : w->next_off;
}

struct op *s3_write_fstat(struct s3_file *f, fs_done_fn *done, void *arg)
{
    struct writer *w = s3_writer_of(f);
    struct fs_attr attr;
    remote_meta_attr_file(
        size_of(w), w->meta.has_mtime ? w->meta.mtime_s : s3_client_now_s(w->store->client), &attr);
    return fs_ok(loop_of(w), &attr, done, arg);
}

static void remember(struct writer *w, const struct fs_attr *attr)
{
    if (attr == NULL || !(attr->set & FS_ATTR_MTIME))
        return;
    w->meta = (struct s3_object_meta){true, attr->mtime_s, attr->mtime_ns};
}

struct op *s3_write_fsetstat(struct s3_file *f, const struct fs_attr *attr, fs_done_fn *done,
                             void *arg)
{
    struct writer *w = s3_writer_of(f);
    const char *text = NULL;
    if ((attr->set & FS_ATTR_SIZE) && attr->size != size_of(w))
        text = "the size of an S3 object is what was written";
    if ((attr->set & (FS_ATTR_MODE | FS_ATTR_OWNER)) &&
        w->store->conf->setstat == S3_SETSTAT_STRICT)
        text = "S3 objects have no owner and no permissions";
    if (text != NULL)
        return fs_fail(loop_of(w), GW_UNSUPPORTED, text, done, arg);
    remember(w, attr);
    return fs_ok(loop_of(w), NULL, done, arg);
}

struct op *s3_write_fsync(struct s3_file *f, fs_done_fn *done, void *arg)
{
    return fs_fail(f->base.fs->loop, GW_UNSUPPORTED, "an S3 object is stored at its close", done,
                   arg);
}

void s3_write_abort(struct s3_file *f)
{
    s3_writer_free(s3_writer_of(f));
}

enum gw_err s3_write_set_source(struct s3_file *f, const struct s3_file *from)
{
    struct writer *w = s3_writer_of(f);
    if (w->nparts > 0 || w->source_key != NULL || !list_empty(&w->waiting))
        return GW_UNSUPPORTED;
    w->source_key = mem_strdup(from->key);
    w->source_etag = mem_strdup(s3_read_etag(from));
    w->source_size = s3_read_size(from);
    return GW_OK;
}

void s3_writer_seal_last(struct writer *w)
{
    if (w->cur == NULL || w->err != GW_OK)
        return;
    if (s3_part_end(w->cur) > s3_part_filled(w->cur)) {
        char text[FS_TEXT_MAX];
        snprintf(text, sizeof text, "the file has a hole: no byte came for offset %llu",
                 (unsigned long long)(s3_part_off(w->cur) + s3_part_filled(w->cur)));
        s3_writer_fail(w, GW_BAD_ARG, text);
        return;
    }
    if (s3_part_filled(w->cur) == 0)
        s3_part_free(&w->cur);
    else
        seal(w);
}

/* Opening: is the name free for a file, and does what is there allow it? */

struct open_op {
    struct op op;
    struct op *step;
    struct writer *writer;
    uint32_t flags;
    fs_done_fn *done;
    void *arg;
};

static void open_cancel(struct op *op)
{
    struct open_op *o = (struct open_op *)op;
    op_cancel(&o->step);
    s3_writer_free(o->writer);
    mem_free(o);
}

static const struct op_type open_type = {"s3_write_open", open_cancel};

static enum gw_err allowed(uint32_t flags, const struct s3_look_res *seen, const char **text)
{
    *text = NULL;
    if (seen->err != GW_OK) {
        *text = seen->text;
        return seen->err;
    }
    if (seen->kind == FS_KIND_DIR)
        return flags & FS_EXCL ? GW_EXISTS : GW_IS_DIR;
    if (seen->kind == FS_KIND_UNKNOWN) /* when only a folder was looked for: no folder */
        return (flags & FS_CREATE) ? GW_OK : GW_NOT_FOUND;
    if ((flags & FS_CREATE) && (flags & FS_EXCL))
        return GW_EXISTS;
    if (!(flags & FS_TRUNC) && seen->attr.size > 0) {
        *text = RANDOM_TEXT;
        return GW_UNSUPPORTED;
    }
    return GW_OK;
}

static void open_seen(void *arg, const struct s3_look_res *seen)
{
    struct open_op *o = arg;
    o->step = NULL;
    struct fs_res res = {0};
    res.err = allowed(o->flags, seen, &res.text);
    if (res.err == GW_OK)
        res.file = &o->writer->file.base;
    else
        s3_writer_free(o->writer);
    o->done(o->arg, &res);
    mem_free(o);
}

struct op *s3_write_open(struct s3_view *v, const char *path, uint32_t flags,
                         const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    char key[S3_KEY_MAX + 2];
    enum gw_err err = s3_view_key(v, path, key);
    size_t n = err == GW_OK ? strlen(key) : 0;
    if (err == GW_OK && (n == 0 || key[n - 1] == '/'))
        err = GW_IS_DIR;
    if (err != GW_OK)
        return fs_fail(v->fs.loop, err, NULL, done, arg);
    struct writer *w = mem_zalloc(sizeof *w);
    w->file = (struct s3_file){
        .base.fs = &v->fs, .role = S3_ROLE_WRITE, .view = v, .key = mem_strdup(key)};
    w->store = s3_store_ref(v->store);
    w->log = v->log;
    w->exclusive = (flags & FS_CREATE) && (flags & FS_EXCL);
    list_init(&w->waiting);
    remember(w, attr);
    struct open_op *o = mem_zalloc(sizeof *o);
    o->op.type = &open_type;
    o->writer = w;
    o->flags = flags;
    o->done = done;
    o->arg = arg;
    /* What is overwritten without a look needs only not to be a folder. */
    bool plain = (flags & FS_CREATE) && (flags & FS_TRUNC) && !w->exclusive;
    o->step =
        s3_look_start(v->store, key, plain ? S3_LOOK_FOLDER : S3_LOOK_ANY, v->log, open_seen, o);
    return &o->op;
}
