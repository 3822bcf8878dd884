/*
 * The head of every operation that is a sequence of requests: one step at a time (a step may itself
 * be several requests), cancelled with the operation.
 */
#ifndef BACKENDS_S3_S3_TASK_H
#define BACKENDS_S3_S3_TASK_H

#include "backends/s3/s3.h"

struct s3_task {
    struct op op;
    struct op *step; /* what is under way; the callback of a step nulls it first */
    struct s3_store *store;
    const struct log_ctx *log;
    fs_done_fn *done;
    void *arg;
    /* What the operation's own struct holds beyond this head; not the struct. NULL = nothing. */
    void (*release)(struct s3_task *t);
};

/* A zeroed struct of `size` bytes that begins with a task. It holds a reference to the store. */
void *s3_task_new(size_t size, struct s3_store *store, const struct log_ctx *log, fs_done_fn *done,
                  void *arg);
/* Each calls done and frees the task: the last thing that a step does. text may be the task's own.
 */
void s3_task_end(struct s3_task *t, const struct fs_res *res);
void s3_task_ok(struct s3_task *t);
void s3_task_fail(struct s3_task *t, enum gw_err err, const char *text);
/* res's error and text; GW_OK as well. */
void s3_task_end_res(struct s3_task *t, const struct remote_res *res);

#endif
