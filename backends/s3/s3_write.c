#include "backends/s3/s3_write.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "backends/s3/s3_look.h"
#include "backends/s3/s3_meta.h"
#include "backends/s3/s3_read.h"
#include "backends/s3/s3_writer.h"
#include "gateway/base/mem.h"

#define RANDOM_TEXT                                                                                \
    "a new S3 object is written from begin to end; to write anywhere, open the file for reading "  \
    "and writing"

struct writer *s3_writer_of(struct s3_file *f)
{
    assert(f->role == S3_ROLE_WRITE);
    return (struct writer *)(void *)f;
}

static struct loop *loop_of(const struct writer *w)
{
    return w->store->base.env.loop;
}

void s3_writer_free(struct writer *w)
{
    part_writer_free(&w->parts);
    part_free(&w->first);
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
        part_writer_fail(w->parts, err, text);
    if (part_writer_waits(w->parts))
        part_writer_wake(w->parts);
    if (w->moved != NULL)
        w->moved(w->moved_arg);
}

static bool wants_hash(const struct s3_conf *c)
{
    bool tls = c->endpoint == NULL || strncmp(c->endpoint, "https:", 6) == 0;
    return c->payload_signing == S3_PAYLOAD_ALWAYS ||
           (c->payload_signing == S3_PAYLOAD_AUTO && !tls);
}

static uint64_t part_size_of(void *arg, uint32_t number)
{
    const struct s3_conf *c = ((const struct writer *)arg)->store->conf;
    if (number > c->max_parts)
        return 0;
    return s3_meta_part_size((uint64_t)c->part_mb << 20, number, c->max_parts);
}

/* The second part makes it a multipart upload. As many parts wait as are sent: one is filled while
 * the lanes are busy. */
static bool part_ready(void *arg, uint32_t number)
{
    struct writer *w = arg;
    if (number > 1 && w->upload == NULL) {
        w->upload = s3_upload_new(w->store, w->file.key, &w->meta, w->log, upload_moved, w);
        s3_upload_add(w->upload, &w->first);
    }
    return w->upload == NULL || s3_upload_unsent(w->upload) <= w->store->conf->upload_concurrency;
}

static void part_is_full(void *arg, struct part **pp)
{
    struct writer *w = arg;
    if (w->upload != NULL) {
        s3_upload_add(w->upload, pp);
    } else {
        w->first = *pp;
        *pp = NULL;
    }
}

static const struct part_writer_type s3_parts = {
    .random_text = RANDOM_TEXT,
    .large_text = "the file is larger than the S3 store takes",
    .max_bytes = S3_OBJECT_MAX,
    .size = part_size_of,
    .ready = part_ready,
    .full = part_is_full,
};

enum gw_err s3_write_now(struct s3_file *f, uint64_t off, struct gw_span data)
{
    struct writer *w = s3_writer_of(f);
    return w->source_key != NULL ? GW_BUSY : part_writer_now(w->parts, off, data);
}

struct op *s3_write_start(struct s3_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                          void *arg)
{
    struct writer *w = s3_writer_of(f);
    if (w->source_key != NULL)
        return fs_fail(loop_of(w), GW_UNSUPPORTED, RANDOM_TEXT, done, arg);
    return part_writer_start(w->parts, off, data, done, arg);
}

/* How large the object would be if nothing followed. */
static uint64_t size_of(const struct writer *w)
{
    return w->source_key != NULL ? w->source_size : part_writer_size(w->parts);
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
    if (part_writer_begun(w->parts) > 0 || w->source_key != NULL || part_writer_waits(w->parts))
        return GW_UNSUPPORTED;
    w->source_key = mem_strdup(from->key);
    w->source_etag = mem_strdup(s3_read_etag(from));
    w->source_size = s3_read_size(from);
    return GW_OK;
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
    w->parts = part_writer_new(&(struct part_writer_conf){.type = &s3_parts,
                                                          .arg = w,
                                                          .loop = v->fs.loop,
                                                          .budget = v->budget,
                                                          .hash = wants_hash(v->store->conf)});
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
