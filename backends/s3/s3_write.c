#include "backends/s3/s3_write.h"

#include <string.h>

#include "backends/remote_open.h"
#include "backends/s3/s3_look.h"
#include "backends/s3/s3_meta.h"
#include "backends/s3/s3_writer.h"

static void drop(struct remote_file *f)
{
    struct s3_writer *w = (struct s3_writer *)f;
    part_free(&w->first);
    s3_upload_abort(&w->upload);
    s3_object_headers_free(&w->headers);
}

static const struct remote_file_type s3_write_type = {.commit = s3_commit_start, .drop = drop};

/* The upload stored a part, or failed. */
static void upload_moved(void *arg)
{
    struct s3_writer *w = arg;
    const char *text;
    enum gw_err err = s3_upload_err(w->upload, &text);
    remote_file_moved(&w->file, err, text);
}

static bool wants_hash(const struct s3_conf *c)
{
    bool tls = c->endpoint == NULL || strncmp(c->endpoint, "https:", 6) == 0;
    return c->payload_signing == S3_PAYLOAD_ALWAYS ||
           (c->payload_signing == S3_PAYLOAD_AUTO && !tls);
}

static uint64_t part_size_of(void *arg, uint32_t number)
{
    const struct s3_writer *w = arg;
    const struct s3_conf *c = s3_store_of_file(&w->file)->conf;
    if (number > c->max_parts)
        return 0;
    if (c->equal_parts)
        return (uint64_t)c->part_mb << 20;
    return s3_meta_part_size((uint64_t)c->part_mb << 20, number, c->max_parts);
}

/* The second part makes it a multipart upload. As many parts wait as are sent: one is filled while
 * the lanes are busy. */
static bool part_ready(void *arg, uint32_t number)
{
    struct s3_writer *w = arg;
    struct s3_store *store = s3_store_of_file(&w->file);
    if (number > 1 && w->upload == NULL) {
        w->upload = s3_upload_new(store, w->file.name, &w->file.attr, w->file.log, upload_moved, w);
        s3_upload_add(w->upload, &w->first);
    }
    return w->upload == NULL || s3_upload_unsent(w->upload) <= store->conf->upload_concurrency;
}

static void part_is_full(void *arg, struct part **pp)
{
    struct s3_writer *w = arg;
    if (w->upload != NULL) {
        s3_upload_add(w->upload, pp);
    } else {
        w->first = *pp;
        *pp = NULL;
    }
}

static const struct part_writer_type s3_parts = {
    .max_bytes = S3_OBJECT_MAX,
    .size = part_size_of,
    .ready = part_ready,
    .full = part_is_full,
};

/* Opening: is the name free for a file, and does what is there allow it? */

static void open_seen(void *arg, const struct s3_look_res *seen)
{
    struct remote_open *o = arg;
    o->task.step = NULL;
    const char *text = seen->text;
    enum gw_err err = seen->err;
    /* Nothing: also an object, where only a folder was looked for. */
    if (err == GW_OK)
        err = remote_open_onto(o->flags, seen->kind != FS_KIND_UNKNOWN ? &seen->attr : NULL, &text);
    remote_open_end(o, err, text);
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
    const struct s3_conf *conf = v->store->conf;
    struct s3_writer *w = remote_file_new(sizeof *w, &s3_write_type, &v->fs, key, v->log);
    w->file.exclusive = (flags & FS_CREATE) && (flags & FS_EXCL);
    w->file.strict = conf->setstat == S3_SETSTAT_STRICT;
    w->file.parts = part_writer_new(&(struct part_writer_conf){.type = &s3_parts,
                                                               .arg = w,
                                                               .loop = v->fs.loop,
                                                               .budget = v->budget,
                                                               .hash = wants_hash(conf)});
    remote_file_want(&w->file, attr);
    struct remote_open *o = remote_open_new(&w->file, flags, &v->store->base, done, arg);
    /* What is overwritten without a look needs only not to be a folder. */
    bool plain = (flags & FS_CREATE) && (flags & FS_TRUNC) && !w->file.exclusive;
    o->task.step =
        s3_look_start(v->store, key, plain ? S3_LOOK_FOLDER : S3_LOOK_ANY, v->log, open_seen, o);
    return &o->task.op;
}
