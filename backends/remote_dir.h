/*
 * A folder of a remote store that is being listed: the head of a store's own struct, and the open
 * or the read of it that is under way. Where the entries come from is the store's.
 */
#ifndef BACKENDS_REMOTE_DIR_H
#define BACKENDS_REMOTE_DIR_H

#include "backends/fs_task.h"

struct remote_dir {
    struct fs_dir base;
    struct backend *backend;
    const struct log_ctx *log;
    void (*free)(struct remote_dir *d);
    struct remote_dir_task *waiting; /* for more to come */
    enum gw_err err;                 /* why no more comes */
    char text[FS_TEXT_MAX];
};

/* An open or a read. */
struct remote_dir_task {
    struct fs_task task;
    struct remote_dir *dir;
    size_t want; /* entries */
    bool opens;  /* owns dir until it is given */
};

/* The first one sticks. */
void remote_dir_break(struct remote_dir *d, enum gw_err err, const char *text);

/* Takes d. */
struct remote_dir_task *remote_dir_open(struct remote_dir *d, fs_done_fn *done, void *arg);
struct remote_dir_task *remote_dir_read(struct remote_dir *d, size_t want, fs_done_fn *done,
                                        void *arg);
/* Each ends the task: the last thing that a step does. text may be of any of them. */
void remote_dir_opened(struct remote_dir_task *r);
void remote_dir_give(struct remote_dir_task *r, const struct fs_entry *entries, size_t n);
void remote_dir_fail(struct remote_dir_task *r, enum gw_err err, const char *text);
/* As the folder broke; where it did not, GW_EOF. */
void remote_dir_end(struct remote_dir_task *r);

#endif
