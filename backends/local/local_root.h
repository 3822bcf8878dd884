/*
 * The fence of the local store: one disk folder of the configuration (struct local_store), and the
 * folder below it that a view cannot leave (struct local_root). Both are counted, on the loop's
 * thread: a job on the pool holds one, so that it may outlive the view.
 * What takes a path may block, and belongs on the pool.
 */
#ifndef BACKENDS_LOCAL_LOCAL_ROOT_H
#define BACKENDS_LOCAL_LOCAL_ROOT_H

#include <limits.h>
#include <sys/stat.h>

#include "backends/local/local.h"
#include "backends/local/local_now.h"
#include "backends/reserved.h"

struct local_store {
    unsigned refs;
    int fd;     /* of root */
    char *path; /* of root, without a slash at the end */
    mode_t umask;
    uid_t uid;
    gid_t gid;
    bool atomic, fsync;
    bool nameless;    /* uploads may be O_TMPFILE: /proc is there to name them from */
    bool is_writable; /* root itself: an upload may lie there */
    struct local_now_turn turn;
};

struct local_root {
    unsigned refs;
    struct local_store *store;
    char *prefix;
    bool read_only, no_links;
    uv_mutex_t lock; /* of who opens fd */
    int fd;          /* atomic; -1 = not opened yet */
    bool is_prompt;  /* of fd, set before it: the loop may ask for attributes, see local_now.h */
};

enum gw_err local_root_store(const struct local_conf *conf, struct local_store **out,
                             struct gw_errmsg *msg);
struct local_store *local_root_store_ref(struct local_store *s);
void local_root_store_unref(struct local_store **sp);

struct local_root *local_root_new(struct local_store *s, const struct backend_view *view);
struct local_root *local_root_ref(struct local_root *r);
void local_root_unref(struct local_root **rp);

/* openat2() inside the fence; O_CLOEXEC is added. Errors as enum gw_err; *fd is -1 then. */
enum gw_err local_root_open(struct local_root *r, const char *path, int flags, mode_t mode,
                            int *fd);
/*
 * On the loop: an O_PATH descriptor of what the kernel knows already, in the same fence. Follows no
 * link on the way, and none at the end: nofollow = gives the link itself.
 * Errors: GW_NOT_FOUND; GW_BUSY: it would have to wait, or the pool has to judge.
 */
enum gw_err local_root_open_known(struct local_root *r, const char *path, bool nofollow, int *fd);
/* The folder that `path`'s last name is in, as an O_PATH descriptor. *name points into path.
 * Errors: GW_NO_PATH, GW_DENIED (the root itself has no name). */
enum gw_err local_root_parent(struct local_root *r, const char *path, int *dirfd,
                              const char **name);

/* Where a file is, or would be, once every link at the path's end is followed. */
struct local_place {
    int dirfd; /* O_PATH; the caller closes it */
    char name[NAME_MAX + 1];
    bool exists;
    struct stat st; /* exists */
};
enum gw_err local_root_place(struct local_root *r, const char *path, bool follow,
                             struct local_place *out);

#endif
