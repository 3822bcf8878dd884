#include "backends/remote_dir.h"

#include <stdio.h>

#define BATCH_MAX 1000u

void remote_dir_break(struct remote_dir *d, enum gw_err err, const char *text)
{
    if (d->err != GW_OK)
        return;
    d->err = err;
    snprintf(d->text, sizeof d->text, "%s", text != NULL ? text : "");
}

/* done may close the folder, or end the view: the task is not in it any more, and a folder that was
 * not given is gone. */
static void leave(struct remote_dir_task *r)
{
    struct remote_dir *d = r->dir;
    r->dir = NULL;
    if (d == NULL)
        return;
    if (d->waiting == r)
        d->waiting = NULL;
    if (r->opens)
        d->free(d);
}

static void release(struct fs_task *t)
{
    leave((struct remote_dir_task *)t);
}

static struct remote_dir_task *task_new(struct remote_dir *d, fs_done_fn *done, void *arg)
{
    struct remote_dir_task *r = fs_task_new(sizeof *r, d->backend, d->log, done, arg);
    r->task.release = release;
    r->dir = d;
    return r;
}

struct remote_dir_task *remote_dir_open(struct remote_dir *d, fs_done_fn *done, void *arg)
{
    struct remote_dir_task *r = task_new(d, done, arg);
    r->opens = true;
    return r;
}

struct remote_dir_task *remote_dir_read(struct remote_dir *d, size_t want, fs_done_fn *done,
                                        void *arg)
{
    struct remote_dir_task *r = task_new(d, done, arg);
    r->want = want == 0 ? 1 : want < BATCH_MAX ? want : BATCH_MAX;
    return r;
}

void remote_dir_opened(struct remote_dir_task *r)
{
    struct fs_dir *given = &r->dir->base;
    r->opens = false;
    leave(r);
    fs_task_end(&r->task, &(struct fs_res){.dir = given});
}

void remote_dir_give(struct remote_dir_task *r, const struct fs_entry *entries, size_t n)
{
    leave(r);
    fs_task_end(&r->task, &(struct fs_res){.entries = entries, .nentries = n});
}

void remote_dir_fail(struct remote_dir_task *r, enum gw_err err, const char *text)
{
    char copy[FS_TEXT_MAX];
    snprintf(copy, sizeof copy, "%s", text != NULL ? text : "");
    leave(r);
    fs_task_fail(&r->task, err, copy[0] != '\0' ? copy : NULL);
}

void remote_dir_end(struct remote_dir_task *r)
{
    const struct remote_dir *d = r->dir;
    if (d->err != GW_OK)
        remote_dir_fail(r, d->err, d->text);
    else
        remote_dir_fail(r, GW_EOF, NULL);
}
