/*
 * The head of every operation that is a sequence of steps: one at a time (a step may itself be
 * several requests), cancelled with the operation.
 */
#ifndef BACKENDS_FS_TASK_H
#define BACKENDS_FS_TASK_H

#include "backends/backends.h"

struct fs_task {
    struct op op;
    struct op *step; /* what is under way; the callback of a step nulls it first */
    struct backend *backend;
    const struct log_ctx *log;
    fs_done_fn *done;
    void *arg;
    /* What the operation's own struct holds beyond this head; not the struct. NULL = nothing. */
    void (*release)(struct fs_task *t);
};

/* A zeroed struct of `size` bytes that begins with a task. It holds a reference to the backend. */
void *fs_task_new(size_t size, struct backend *b, const struct log_ctx *log, fs_done_fn *done,
                  void *arg);
/* Each calls done and frees the task: the last thing that a step does. text may be the task's own.
 */
void fs_task_end(struct fs_task *t, const struct fs_res *res);
void fs_task_ok(struct fs_task *t);
void fs_task_fail(struct fs_task *t, enum gw_err err, const char *text);

#endif
