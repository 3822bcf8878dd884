#include "backends/remote_open.h"

#include <stdio.h>

#include "backends/attr_cache.h"

struct op *remote_open_refuse(struct fs *fs, uint32_t flags, fs_done_fn *done, void *arg)
{
    if (!(flags & (FS_WRITE | FS_APPEND)))
        return NULL;
    if (fs->caps & FS_CAP_READ_ONLY)
        return fs_fail(fs->loop, GW_READ_ONLY, NULL, done, arg);
    if (flags & (FS_READ | FS_APPEND))
        return fs_fail(fs->loop, GW_UNSUPPORTED, "this store takes a file once, from begin to end",
                       done, arg);
    return NULL;
}

enum gw_err remote_open_onto(uint32_t flags, const struct fs_attr *there, const char **text)
{
    *text = NULL;
    if (there == NULL)
        return flags & FS_CREATE ? GW_OK : GW_NOT_FOUND;
    if ((flags & FS_CREATE) && (flags & FS_EXCL))
        return GW_EXISTS;
    if (there->kind == FS_KIND_DIR)
        return GW_IS_DIR;
    if (!(flags & FS_TRUNC) && there->size > 0) {
        *text = PART_WRITER_RANDOM;
        return GW_UNSUPPORTED;
    }
    return GW_OK;
}

static void release(struct fs_task *t)
{
    remote_file_free(&((struct remote_open *)t)->file);
}

struct remote_open *remote_open_new(struct remote_file *f, uint32_t flags, struct backend *b,
                                    fs_done_fn *done, void *arg)
{
    struct remote_open *o = fs_task_new(sizeof *o, b, f->log, done, arg);
    o->task.release = release;
    o->file = f;
    o->flags = flags;
    o->since = attr_cache_now();
    return o;
}

/* done may be the end of the view, which a file must not outlive. */
void remote_open_end(struct remote_open *o, enum gw_err err, const char *text)
{
    struct fs_file *given = &o->file->base;
    char copy[FS_TEXT_MAX];
    snprintf(copy, sizeof copy, "%s", text != NULL ? text : "");
    if (err == GW_OK) {
        o->file = NULL;
        fs_task_end(&o->task, &(struct fs_res){.file = given});
        return;
    }
    remote_file_free(&o->file);
    fs_task_fail(&o->task, err, text != NULL ? copy : NULL);
}
