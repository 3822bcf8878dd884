#include "backends/http/web_read.h"

#include <assert.h>

#include "backends/http/web_ops.h"
#include "gateway/base/mem.h"

struct open_op {
    struct fs_task task;
    struct web_reader *reader; /* NULL once it is given */
};

static struct web_reader *reader_of(struct web_file *f)
{
    assert(f->role == WEB_ROLE_READ);
    return (struct web_reader *)(void *)f;
}

static void reader_free(struct web_reader *r)
{
    read_ahead_free(&r->ahead);
    mem_free(r->file.path);
    mem_free(r);
}

enum gw_err web_read_now(struct web_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n)
{
    return read_ahead_now(reader_of(f)->ahead, off, to, len, n);
}

struct op *web_read_start(struct web_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg)
{
    return read_ahead_start(reader_of(f)->ahead, off, len, done, arg);
}

/* The listing's times and modes, the first answer's size. */
static struct fs_attr attr_of(const struct web_reader *r)
{
    struct fs_attr attr = r->seen;
    attr.size = read_ahead_attr(r->ahead)->size;
    return attr;
}

struct op *web_read_fstat(struct web_file *f, fs_done_fn *done, void *arg)
{
    const struct fs_attr attr = attr_of(reader_of(f));
    return fs_ok(f->base.fs->loop, &attr, done, arg);
}

void web_read_abort(struct web_file *f)
{
    reader_free(reader_of(f));
}

struct op *web_read_close(struct web_file *f, fs_done_fn *done, void *arg)
{
    struct loop *l = f->base.fs->loop;
    reader_free(reader_of(f));
    return fs_ok(l, NULL, done, arg);
}

uint64_t web_read_size(const struct web_file *f)
{
    return read_ahead_attr(((const struct web_reader *)(const void *)f)->ahead)->size;
}

/* ---- opening ---- */

static void open_release(struct fs_task *t)
{
    struct open_op *o = (struct open_op *)t;
    if (o->reader != NULL)
        reader_free(o->reader);
}

static void opened(struct open_op *o)
{
    struct fs_res res = {.file = &o->reader->file.base};
    o->reader = NULL;
    fs_task_end(&o->task, &res);
}

static void open_answered(void *arg, const struct remote_res *res)
{
    struct open_op *o = arg;
    o->task.step = NULL;
    /* It has shrunk to nothing since we looked. */
    struct fs_attr empty = o->reader->seen;
    empty.size = 0;
    if (res->err == GW_OK ||
        (res->err == GW_EOF && read_ahead_know(o->reader->ahead, &empty, NULL)))
        opened(o);
    else
        fs_task_fail(&o->task, res->err, res->text);
}

static void open_looked(void *arg, const struct fs_res *res)
{
    struct open_op *o = arg;
    struct web_reader *r = o->reader;
    o->task.step = NULL;
    if (res->err != GW_OK) {
        fs_task_fail(&o->task, res->err, res->text);
        return;
    }
    if (res->attr->kind != FS_KIND_REG) {
        fs_task_fail(&o->task, res->attr->kind == FS_KIND_DIR ? GW_IS_DIR : GW_UNSUPPORTED, NULL);
        return;
    }
    r->seen = *res->attr;
    uint64_t size = r->seen.set & FS_ATTR_SIZE ? r->seen.size : READ_AHEAD_FIRST;
    if (size == 0 && read_ahead_know(r->ahead, &r->seen, NULL))
        opened(o);
    else
        o->task.step = read_ahead_first(
            r->ahead, size < READ_AHEAD_FIRST ? (size_t)size : READ_AHEAD_FIRST, open_answered, o);
}

/* A server that knows no ranges sends all that follows, to be cut off: once at a time. */
static unsigned concurrency(const struct web_store *s)
{
    return s->dialect->ahead->starts_at_offset && !s->knows_ranges ? 1
                                                                   : s->conf->download_concurrency;
}

struct op *web_read_open(struct web_view *v, const char *path, fs_done_fn *done, void *arg)
{
    struct web_store *s = v->access->store;
    struct open_op *o = fs_task_new(sizeof *o, &s->base, v->log, done, arg);
    struct web_reader *r = mem_zalloc(sizeof *r);
    o->task.release = open_release;
    o->reader = r;
    r->file = (struct web_file){
        .base.fs = &v->fs, .role = WEB_ROLE_READ, .view = v, .path = mem_strdup(path)};
    r->log = v->log;
    r->ahead = read_ahead_new(&(struct read_ahead_conf){.type = s->dialect->ahead,
                                                        .src = r,
                                                        .loop = v->fs.loop,
                                                        .budget = v->budget,
                                                        .concurrency = concurrency(s)});
    o->task.step = web_ops_look(v, path, open_looked, o);
    return &o->task.op;
}
