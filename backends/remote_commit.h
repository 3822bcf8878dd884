/*
 * The CLOSE of a file of a remote store that was written: the head of what a store does to make
 * what came into the file. The cache forgets the name at its begin and at its end, however it ends.
 */
#ifndef BACKENDS_REMOTE_COMMIT_H
#define BACKENDS_REMOTE_COMMIT_H

#include "backends/attr_cache.h"
#include "backends/fs_task.h"
#include "backends/remote_file.h"

struct remote_commit {
    struct fs_task task;
    struct remote_file *file;
    struct attr_cache *cache;
    enum gw_err err; /* what the request said whose effect is looked for */
    char text[FS_TEXT_MAX];
};

/* A zeroed struct of `size` bytes that begins with a commit. Takes f; no write is under way. */
void *remote_commit_new(size_t size, struct remote_file *f, struct backend *b,
                        struct attr_cache *cache, fs_done_fn *done, void *arg);
/* Gives the last part away. False: a byte is missing or a part was lost, and c has ended. */
bool remote_commit_seal(struct remote_commit *c);
/* For remote_commit_end() later. */
void remote_commit_keep(struct remote_commit *c, enum gw_err err, const char *text);
/* GW_OK = stored. Drops the file, then calls done: the last thing that a step does. */
void remote_commit_end(struct remote_commit *c, enum gw_err err, const char *text);

#endif
