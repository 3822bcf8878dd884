#include "backends/http/web_write.h"

#include <string.h>

#include "backends/http/web_cleanup.h"
#include "backends/http/web_ops.h"
#include "backends/http/web_stage.h"
#include "backends/http/web_writer.h"
#include "backends/remote_open.h"
#include "gateway/base/mem.h"

/* A file that fits the first part is one PUT with a length, which can be sent again. */
#define PART_ONE_BYTES  ((uint64_t)BUDGET_SMALL)
#define PART_MORE_BYTES ((uint64_t)1 << 20)
/* Full parts that wait for the connection while another one fills. */
#define UNSENT_MAX 2u

bool web_writer_in_place(const struct web_writer *w)
{
    return strcmp(w->stage, w->file.name) == 0;
}

static void drop(struct remote_file *f)
{
    struct web_writer *w = (struct web_writer *)f;
    web_body_free(&w->body);
    if (w->staged && !web_writer_in_place(w))
        web_cleanup_start(web_access_of(f), w->stage);
    mem_free(w->stage);
}

static const struct remote_file_type web_write_type = {.commit = web_commit_start, .drop = drop};

/* ---- bytes in ---- */

void web_writer_put(struct web_writer *w, int64_t bytes)
{
    const struct remote_file *f = &w->file;
    w->staged = true;
    const struct web_put put = {.path = w->stage,
                                .bytes = bytes,
                                .exclusive = f->exclusive && web_writer_in_place(w),
                                .has_mtime = f->attr.set & FS_ATTR_MTIME,
                                .mtime_s = f->attr.mtime_s,
                                .log = f->log};
    web_body_start(w->body, &put);
}

static void body_moved(void *arg)
{
    struct web_writer *w = arg;
    const struct web_body_result *r = web_body_result(w->body);
    if (web_access_of(&w->file)->store->wants_length)
        w->file.base.fs->caps |= FS_CAP_NEEDS_LENGTH;
    bool failed = r != NULL && w->file.moved == NULL; /* else the commit looks at it */
    remote_file_moved(&w->file, failed ? r->err : GW_OK, failed ? r->text : NULL);
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
        if (w->length < 0 && web_access_of(&w->file)->store->wants_length) {
            part_writer_fail(w->file.parts, GW_UNSUPPORTED,
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
    .max_bytes = INT64_MAX,
    .size = part_size,
    .ready = part_ready,
    .full = part_is_full,
};

/* ---- opening ---- */

static void parent_looked(void *arg, const struct fs_res *res)
{
    struct remote_open *o = arg;
    o->task.step = NULL;
    if (res->err != GW_OK)
        remote_open_end(o, res->err == GW_NOT_FOUND ? GW_NO_PATH : res->err, res->text);
    else
        remote_open_end(o, res->attr->kind == FS_KIND_DIR ? GW_OK : GW_NOT_DIR, NULL);
}

/* There is no such file: is there a folder for it? */
static void look_at_parent(struct remote_open *o)
{
    const char *path = o->file->name;
    char *parent = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
    o->task.step = web_ops_look((struct web_view *)o->file->base.fs, parent, parent_looked, o);
    mem_free(parent);
}

static void target_looked(void *arg, const struct fs_res *res)
{
    struct remote_open *o = arg;
    o->task.step = NULL;
    const char *text = res->text;
    enum gw_err err = res->err;
    bool there = err == GW_OK;
    if (there || err == GW_NOT_FOUND)
        err = remote_open_onto(o->flags, there ? res->attr : NULL, &text);
    if (err == GW_OK && !there) {
        look_at_parent(o);
        return;
    }
    struct web_writer *w = (struct web_writer *)o->file;
    w->existed = there;
    w->old_size = there && (res->attr->set & FS_ATTR_SIZE) ? res->attr->size : 0;
    remote_open_end(o, err, text);
}

struct op *web_write_open(struct web_view *v, const char *path, uint32_t flags,
                          const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct web_store *s = v->access->store;
    char *stage = s->conf->atomic_uploads ? web_stage_name(path) : mem_strdup(path);
    if (stage == NULL)
        return fs_fail(v->fs.loop, GW_INTERNAL, NULL, done, arg);
    struct web_writer *w = remote_file_new(sizeof *w, &web_write_type, &v->fs, path, v->log);
    w->file.exclusive = (flags & FS_CREATE) && (flags & FS_EXCL);
    w->file.strict = s->conf->setstat == WEB_SETSTAT_STRICT;
    w->length = attr != NULL && (attr->set & FS_ATTR_SIZE) ? (int64_t)attr->size : -1;
    w->stage = stage;
    w->file.parts = part_writer_new(&(struct part_writer_conf){
        .type = &parts_type, .arg = w, .loop = v->fs.loop, .budget = v->budget});
    w->body = web_body_new(v->access, body_moved, w);
    remote_file_want(&w->file, attr);
    struct remote_open *o = remote_open_new(&w->file, flags, &s->base, done, arg);
    o->task.step = web_ops_look(v, path, target_looked, o);
    return &o->task.op;
}
