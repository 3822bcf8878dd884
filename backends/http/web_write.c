#include "backends/http/web_write.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "backends/http/web_cleanup.h"
#include "backends/http/web_ops.h"
#include "backends/http/web_writer.h"
#include "backends/remote_meta.h"
#include "backends/reserved.h"
#include "gateway/base/mem.h"

#define RANDOM_TEXT                                                                                \
    "a new file is written from begin to end here; to write anywhere, open the file for reading "  \
    "and writing"
/* A file that fits the first part is one PUT with a length, which can be sent again. */
#define PART_ONE_BYTES  ((uint64_t)BUDGET_SMALL)
#define PART_MORE_BYTES ((uint64_t)1 << 20)
/* Full parts that wait for the connection while another one fills. */
#define UNSENT_MAX 2u

struct web_writer *web_writer_of(struct web_file *f)
{
    assert(f->role == WEB_ROLE_WRITE);
    return (struct web_writer *)(void *)f;
}

void web_writer_free(struct web_writer *w)
{
    web_body_free(&w->body);
    part_writer_free(&w->parts);
    if (w->staged && strcmp(w->stage, w->file.path) != 0)
        web_cleanup_start(w->access, w->stage);
    web_access_unref(&w->access);
    mem_free(w->source);
    mem_free(w->stage);
    mem_free(w->file.path);
    mem_free(w);
}

/* ---- bytes in ---- */

void web_writer_put(struct web_writer *w, int64_t bytes)
{
    w->staged = true;
    const struct web_put put = {.path = w->stage,
                                .bytes = bytes,
                                .exclusive = w->exclusive && strcmp(w->stage, w->file.path) == 0,
                                .has_mtime = w->has_mtime,
                                .mtime_s = w->mtime_s,
                                .log = w->log};
    web_body_start(w->body, &put);
}

static void body_moved(void *arg)
{
    struct web_writer *w = arg;
    const struct web_body_result *r = web_body_result(w->body);
    if (w->access->store->wants_length)
        w->file.view->fs.caps |= FS_CAP_NEEDS_LENGTH;
    if (r != NULL && w->moved == NULL)
        part_writer_fail(w->parts, r->err, r->text);
    if (part_writer_waits(w->parts))
        part_writer_wake(w->parts);
    if (w->moved != NULL)
        w->moved(w->moved_arg);
}

static uint64_t part_size(void *arg, uint32_t number)
{
    (void)arg;
    return number == 1 ? PART_ONE_BYTES : PART_MORE_BYTES;
}

/* The second part makes it a stream. */
static bool part_ready(void *arg, uint32_t number)
{
    struct web_writer *w = arg;
    if (number > 1 && !web_body_started(w->body)) {
        if (w->length < 0 && w->access->store->wants_length) {
            part_writer_fail(w->parts, GW_UNSUPPORTED,
                             "the server wants to know a file's length beforehand: postern needs a "
                             "state_dir for that");
            return false;
        }
        web_writer_put(w, w->length);
    }
    return web_body_unsent(w->body) <= UNSENT_MAX;
}

static void part_is_full(void *arg, struct part **pp)
{
    struct web_writer *w = arg;
    web_body_add(w->body, pp);
}

static const struct part_writer_type parts_type = {
    .random_text = RANDOM_TEXT,
    .large_text = "the file is too large",
    .max_bytes = INT64_MAX,
    .size = part_size,
    .ready = part_ready,
    .full = part_is_full,
};

enum gw_err web_write_now(struct web_file *f, uint64_t off, struct gw_span data)
{
    struct web_writer *w = web_writer_of(f);
    return w->source != NULL ? GW_BUSY : part_writer_now(w->parts, off, data);
}

struct op *web_write_start(struct web_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                           void *arg)
{
    struct web_writer *w = web_writer_of(f);
    if (w->source != NULL)
        return fs_fail(f->base.fs->loop, GW_UNSUPPORTED, RANDOM_TEXT, done, arg);
    return part_writer_start(w->parts, off, data, done, arg);
}

uint64_t web_writer_size(const struct web_writer *w)
{
    return w->source != NULL ? w->source_size : part_writer_size(w->parts);
}

/* ---- attributes ---- */

struct op *web_write_fstat(struct web_file *f, fs_done_fn *done, void *arg)
{
    const struct web_writer *w = web_writer_of(f);
    struct fs_attr attr;
    remote_meta_attr_file(web_writer_size(w), w->has_mtime ? w->mtime_s : 0, &attr);
    return fs_ok(f->base.fs->loop, &attr, done, arg);
}

static void remember(struct web_writer *w, const struct fs_attr *attr)
{
    if (attr == NULL || !(attr->set & FS_ATTR_MTIME))
        return;
    w->has_mtime = true;
    w->mtime_s = attr->mtime_s;
    w->mtime_ns = attr->mtime_ns;
}

struct op *web_write_fsetstat(struct web_file *f, const struct fs_attr *attr, fs_done_fn *done,
                              void *arg)
{
    struct web_writer *w = web_writer_of(f);
    const char *text = NULL;
    if ((attr->set & FS_ATTR_SIZE) && attr->size != web_writer_size(w))
        text = "the size of the file is what was written";
    if ((attr->set & (FS_ATTR_MODE | FS_ATTR_OWNER)) &&
        w->access->store->conf->setstat == WEB_SETSTAT_STRICT)
        text = "the server keeps no owner and no permissions";
    if (text != NULL)
        return fs_fail(f->base.fs->loop, GW_UNSUPPORTED, text, done, arg);
    remember(w, attr);
    return fs_ok(f->base.fs->loop, NULL, done, arg);
}

void web_write_abort(struct web_file *f)
{
    web_writer_free(web_writer_of(f));
}

enum gw_err web_write_set_source(struct web_file *f, const char *path, uint64_t size)
{
    struct web_writer *w = web_writer_of(f);
    if (part_writer_begun(w->parts) > 0 || w->source != NULL || part_writer_waits(w->parts) ||
        w->access->store->dialect->copy == NULL)
        return GW_UNSUPPORTED;
    w->source = mem_strdup(path);
    w->source_size = size;
    return GW_OK;
}

/* ---- opening ---- */

struct open_op {
    struct fs_task task;
    struct web_writer *writer; /* NULL once it is given */
    uint32_t flags;
};

static void open_release(struct fs_task *t)
{
    struct open_op *o = (struct open_op *)t;
    if (o->writer != NULL)
        web_writer_free(o->writer);
}

static void opened(struct open_op *o)
{
    struct fs_res res = {.file = &o->writer->file.base};
    o->writer = NULL;
    fs_task_end(&o->task, &res);
}

static void parent_looked(void *arg, const struct fs_res *res)
{
    struct open_op *o = arg;
    o->task.step = NULL;
    if (res->err == GW_OK && res->attr->kind == FS_KIND_DIR)
        opened(o);
    else if (res->err == GW_OK)
        fs_task_fail(&o->task, GW_NOT_DIR, NULL);
    else
        fs_task_fail(&o->task, res->err == GW_NOT_FOUND ? GW_NO_PATH : res->err, res->text);
}

/* There is no such file: is there a folder for it? */
static void look_at_parent(struct open_op *o)
{
    const struct web_writer *w = o->writer;
    if (!(o->flags & FS_CREATE)) {
        fs_task_fail(&o->task, GW_NOT_FOUND, NULL);
        return;
    }
    char *parent = mem_strndup(w->file.path, (size_t)(strrchr(w->file.path, '/') - w->file.path));
    o->task.step = web_ops_look(w->file.view, parent, parent_looked, o);
    mem_free(parent);
}

static void target_looked(void *arg, const struct fs_res *res)
{
    struct open_op *o = arg;
    bool exclusive = (o->flags & FS_CREATE) && (o->flags & FS_EXCL);
    o->task.step = NULL;
    if (res->err == GW_NOT_FOUND) {
        look_at_parent(o);
    } else if (res->err != GW_OK) {
        fs_task_fail(&o->task, res->err, res->text);
    } else if (exclusive) {
        fs_task_fail(&o->task, GW_EXISTS, NULL);
    } else if (res->attr->kind == FS_KIND_DIR) {
        fs_task_fail(&o->task, GW_IS_DIR, NULL);
    } else if (!(o->flags & FS_TRUNC) && res->attr->size > 0) {
        fs_task_fail(&o->task, GW_UNSUPPORTED, RANDOM_TEXT);
    } else {
        o->writer->existed = true;
        opened(o);
    }
}

/* "/folder/.gateway-upload.0123456789abcdef" beside "/folder/name". */
static char *stage_name(const char *path)
{
    uint64_t chance = 0;
    if (RAND_bytes((unsigned char *)&chance, (int)sizeof chance) != 1)
        return NULL;
    return mem_printf("%.*s/%s.%016llx", (int)(strrchr(path, '/') - path), path, RESERVED_PREFIX,
                      (unsigned long long)chance);
}

struct op *web_write_open(struct web_view *v, const char *path, uint32_t flags,
                          const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct web_store *s = v->access->store;
    char *stage = s->conf->atomic_uploads ? stage_name(path) : mem_strdup(path);
    if (stage == NULL)
        return fs_fail(v->fs.loop, GW_INTERNAL, NULL, done, arg);
    struct web_writer *w = mem_zalloc(sizeof *w);
    w->file = (struct web_file){
        .base.fs = &v->fs, .role = WEB_ROLE_WRITE, .view = v, .path = mem_strdup(path)};
    w->access = web_access_ref(v->access);
    w->log = v->log;
    w->exclusive = (flags & FS_CREATE) && (flags & FS_EXCL);
    w->length = attr != NULL && (attr->set & FS_ATTR_SIZE) ? (int64_t)attr->size : -1;
    w->stage = stage;
    w->parts = part_writer_new(&(struct part_writer_conf){
        .type = &parts_type, .arg = w, .loop = v->fs.loop, .budget = v->budget});
    w->body = web_body_new(v->access, body_moved, w);
    remember(w, attr);
    struct open_op *o = fs_task_new(sizeof *o, &s->base, v->log, done, arg);
    o->task.release = open_release;
    o->writer = w;
    o->flags = flags;
    o->task.step = web_ops_look(v, path, target_looked, o);
    return &o->task.op;
}
