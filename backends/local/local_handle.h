/*
 * What an open file of the local store is made of, and what happens to it on the pool. Counted on
 * the loop's thread: each job under way holds one, so that the file outlives a cancelled one.
 */
#ifndef BACKENDS_LOCAL_LOCAL_HANDLE_H
#define BACKENDS_LOCAL_LOCAL_HANDLE_H

#include "backends/local/local_ahead.h"
#include "backends/local/local_file.h"
#include "backends/local/local_stage.h"
#include "gateway/base/list.h"

struct local_handle {
    struct fs_file base;
    unsigned refs;
    struct loop *loop;
    struct local_root *root;
    int fd;
    uint32_t flags;
    bool is_staged; /* an upload that has no name yet */
    struct local_stage stage;
    enum gw_err failed; /* a write that was lost: the close says so, and an upload is thrown away */
    struct local_ahead ahead;             /* of reads on the loop */
    bool no_nowait_read, no_nowait_write; /* the file system does not know RWF_NOWAIT */
    bool is_prompt;                       /* the loop may ask for its attributes: local_now.h */
    bool wrote;                           /* since times were set */
    struct fs_attr times;                 /* what the client set: writing on must not undo it */
    struct list queue;                    /* of writes that wait for the one under way */
    bool is_writing;
};

/* On the pool. Fills h->fd, h->stage. */
enum gw_err local_handle_open(struct local_handle *h, const char *path, const struct fs_attr *attr,
                              const char **text);
/* On the pool. Everything that a close does but the freeing. */
enum gw_err local_handle_commit(struct local_handle *h);

struct local_handle *local_handle_ref(struct local_handle *h);
/* The last one closes the file, on the pool; an upload that was not committed is thrown away. */
void local_handle_unref(struct local_handle **hp);

#endif
