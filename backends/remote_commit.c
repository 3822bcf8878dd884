#include "backends/remote_commit.h"

#include <assert.h>
#include <stdio.h>

/* A cancel, or the end. */
static void release(struct fs_task *t)
{
    struct remote_commit *c = (struct remote_commit *)t;
    if (c->file != NULL)
        attr_cache_forget(c->cache, c->file->name);
    remote_file_free(&c->file);
}

void *remote_commit_new(size_t size, struct remote_file *f, struct backend *b,
                        struct attr_cache *cache, fs_done_fn *done, void *arg)
{
    struct remote_commit *c = fs_task_new(size, b, f->log, done, arg);
    assert(!part_writer_waits(f->parts));
    c->task.release = release;
    c->file = f;
    c->cache = cache;
    attr_cache_forget(cache, f->name);
    return c;
}

bool remote_commit_seal(struct remote_commit *c)
{
    const char *text;
    part_writer_seal(c->file->parts);
    enum gw_err err = part_writer_err(c->file->parts, &text);
    if (err != GW_OK)
        remote_commit_end(c, err, text);
    return err == GW_OK;
}

void remote_commit_keep(struct remote_commit *c, enum gw_err err, const char *text)
{
    c->err = err;
    snprintf(c->text, sizeof c->text, "%s", text != NULL ? text : gw_err_text(err));
}

/* done may be the end of the view, which a file must not outlive. */
void remote_commit_end(struct remote_commit *c, enum gw_err err, const char *text)
{
    char copy[FS_TEXT_MAX];
    snprintf(copy, sizeof copy, "%s", text != NULL ? text : "");
    release(&c->task);
    fs_task_fail(&c->task, err, text != NULL ? copy : NULL);
}
