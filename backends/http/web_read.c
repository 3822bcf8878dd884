#include "backends/http/web_read.h"

#include "backends/http/web_ops.h"
#include "backends/remote_open.h"

static struct op *set(struct remote_file *f, const struct fs_attr *attr, fs_done_fn *done,
                      void *arg)
{
    return web_ops_set((struct web_view *)f->base.fs, f->name, attr, done, arg);
}

static const struct remote_file_type web_read_type = {.set = set};

/* The look's times and modes, the first answer's size. */
static void opened(struct remote_open *o)
{
    o->file->attr.size = read_ahead_attr(o->file->ahead)->size;
    remote_open_end(o, GW_OK, NULL);
}

static void looked_again(void *arg, const struct fs_res *res)
{
    struct remote_open *o = arg;
    o->task.step = NULL;
    if (res->err != GW_OK) {
        remote_open_end(o, res->err, res->text);
        return;
    }
    struct fs_attr *attr = &o->file->attr;
    bool sized = res->attr->set & FS_ATTR_SIZE;
    *attr = *res->attr;
    attr->set |= FS_ATTR_SIZE;
    attr->size = sized ? attr->size : 0;
    if (attr->kind == FS_KIND_REG && attr->size == 0 && read_ahead_know(o->file->ahead, attr, NULL))
        opened(o);
    else
        remote_open_end(o, GW_UPSTREAM, "the server refuses a range that the file has");
}

static void open_answered(void *arg, const struct remote_res *res)
{
    struct remote_open *o = arg;
    struct remote_file *f = o->file;
    struct web_access *a = web_access_of(f);
    o->task.step = NULL;
    if (res->err == GW_OK)
        opened(o);
    else if (res->err == GW_EOF) /* has it shrunk to nothing since we looked? */
        o->task.step = a->store->dialect->look(a, f->name, f->log, looked_again, o);
    else
        remote_open_end(o, res->err, res->text);
}

static void open_looked(void *arg, const struct fs_res *res)
{
    struct remote_open *o = arg;
    struct remote_file *f = o->file;
    o->task.step = NULL;
    if (res->err != GW_OK) {
        remote_open_end(o, res->err, res->text);
        return;
    }
    if (res->attr->kind != FS_KIND_REG) {
        remote_open_end(o, res->attr->kind == FS_KIND_DIR ? GW_IS_DIR : GW_UNSUPPORTED, NULL);
        return;
    }
    f->attr = *res->attr;
    uint64_t size = f->attr.set & FS_ATTR_SIZE ? f->attr.size : READ_AHEAD_FIRST;
    if (size == 0 && read_ahead_know(f->ahead, &f->attr, NULL))
        opened(o);
    else
        o->task.step = read_ahead_first(
            f->ahead, size < READ_AHEAD_FIRST ? (size_t)size : READ_AHEAD_FIRST, open_answered, o);
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
    struct remote_file *f = remote_file_new(sizeof *f, &web_read_type, &v->fs, path, v->log);
    f->ahead = read_ahead_new(&(struct read_ahead_conf){.type = s->dialect->ahead,
                                                        .src = f,
                                                        .loop = v->fs.loop,
                                                        .budget = v->budget,
                                                        .concurrency = concurrency(s)});
    struct remote_open *o = remote_open_new(f, FS_READ, &s->base, done, arg);
    o->task.step = web_ops_look(v, path, open_looked, o);
    return &o->task.op;
}
