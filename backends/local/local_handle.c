#include "backends/local/local_handle.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "backends/local/local_attr.h"
#include "gateway/base/mem.h"
#include "gateway/io/work.h"

static const char SPECIAL[] = "not a regular file";

/* O_NONBLOCK: a FIFO without a reader must not hold a thread of the pool. */
#define OPEN_COMMON (O_NONBLOCK | O_NOCTTY)

static int access_flags(uint32_t flags)
{
    bool writes = (flags & (FS_WRITE | FS_APPEND | FS_TRUNC)) != 0;
    int how = !writes ? O_RDONLY : (flags & FS_READ) != 0 ? O_RDWR : O_WRONLY;
    return how | ((flags & FS_APPEND) != 0 ? O_APPEND : 0);
}

static enum gw_err refuse_special(mode_t mode, const char **text)
{
    if (S_ISREG(mode))
        return GW_OK;
    if (S_ISDIR(mode))
        return GW_IS_DIR;
    *text = SPECIAL;
    return GW_DENIED;
}

static enum gw_err open_existing(struct local_handle *h, const char *path, const char **text)
{
    struct stat st;
    enum gw_err err =
        local_root_open(h->root, path, access_flags(h->flags) | OPEN_COMMON, 0, &h->fd);
    if (err == GW_IO && errno == ENXIO) { /* a FIFO that nobody reads, a socket, a dead device */
        *text = SPECIAL;
        return GW_DENIED;
    }
    if (err != GW_OK)
        return err;
    if (fstat(h->fd, &st) != 0)
        return gw_err_from_errno(errno);
    err = refuse_special(st.st_mode, text);
    if (err == GW_OK && (h->flags & FS_TRUNC) != 0 && ftruncate(h->fd, 0) != 0)
        err = gw_err_from_errno(errno);
    return err;
}

static mode_t new_mode(const struct local_store *s, const struct fs_attr *attr)
{
    bool asked = (attr->set & FS_ATTR_MODE) != 0;
    return local_attr_mode(asked ? attr->mode : 0666u, false) & ~s->umask;
}

/* A file that the store makes belongs to whom the configuration says. */
static enum gw_err give_owner(const struct local_store *s, int fd)
{
    if ((s->uid != 0 || s->gid != 0) &&
        fchown(fd, s->uid == 0 ? (uid_t)-1 : s->uid, s->gid == 0 ? (gid_t)-1 : s->gid) != 0)
        return gw_err_from_errno(errno);
    return GW_OK;
}

/* Without uploads by name (atomic_uploads false): made where it will be. */
static enum gw_err open_plain(struct local_handle *h, const char *path, const struct fs_attr *attr,
                              const char **text)
{
    enum gw_err err = GW_EXISTS;
    for (int i = 0; i < 8 && err == GW_EXISTS; i++) { /* made and removed by others meanwhile */
        if ((h->flags & FS_EXCL) == 0) {
            err = open_existing(h, path, text);
            if (err != GW_NOT_FOUND || (h->flags & FS_CREATE) == 0)
                return err;
        }
        struct local_place at;
        err = local_root_place(h->root, path, (h->flags & FS_EXCL) == 0, &at);
        if (err != GW_OK)
            return err;
        h->fd = openat(at.dirfd, at.name,
                       access_flags(h->flags) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        err = h->fd < 0 ? gw_err_from_errno(errno) : GW_OK;
        close(at.dirfd);
        if (err == GW_EXISTS && (h->flags & FS_EXCL) != 0)
            return err;
    }
    if (err == GW_OK)
        err = give_owner(h->root->store, h->fd);
    if (err == GW_OK && fchmod(h->fd, new_mode(h->root->store, attr)) != 0)
        err = gw_err_from_errno(errno);
    return err;
}

/* A new inode in the old one's place has its owner and mode, as far as we may. */
static enum gw_err take_after(int fd, const struct stat *old)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return gw_err_from_errno(errno);
    if (st.st_uid != old->st_uid || st.st_gid != old->st_gid)
        (void)!fchown(fd, old->st_uid, old->st_gid);
    return fchmod(fd, local_attr_mode(old->st_mode, false)) == 0 ? GW_OK : gw_err_from_errno(errno);
}

static enum gw_err open_staged(struct local_handle *h, const char *path, const struct fs_attr *attr,
                               const char **text)
{
    struct local_store *s = h->root->store;
    const bool excl = (h->flags & FS_CREATE) != 0 && (h->flags & FS_EXCL) != 0;
    struct local_place at;
    enum gw_err err = local_root_place(h->root, path, !excl, &at);
    if (err != GW_OK)
        return err;
    if (at.exists)
        err = excl ? GW_EXISTS : refuse_special(at.st.st_mode, text);
    else if ((h->flags & FS_CREATE) == 0)
        err = GW_NOT_FOUND;
    /* Replacing needs what writing would need. */
    if (err == GW_OK && at.exists && faccessat(at.dirfd, at.name, W_OK, AT_EACCESS) != 0)
        err = gw_err_from_errno(errno);
    if (err != GW_OK || (at.exists && (h->flags & FS_TRUNC) == 0)) {
        close(at.dirfd);
        return err != GW_OK ? err : open_existing(h, path, text);
    }
    const bool replaces = at.exists;
    const struct stat old = at.st;
    err = local_stage_open(s, &at, excl, access_flags(h->flags) & O_APPEND, &h->stage, &h->fd);
    if (err != GW_OK)
        return err;
    h->is_staged = true;
    if (replaces)
        return take_after(h->fd, &old);
    err = give_owner(s, h->fd);
    if (err == GW_OK && fchmod(h->fd, new_mode(s, attr)) != 0)
        err = gw_err_from_errno(errno);
    return err;
}

enum gw_err local_handle_open(struct local_handle *h, const char *path, const struct fs_attr *attr,
                              const char **text)
{
    bool writes = (h->flags & (FS_WRITE | FS_APPEND | FS_TRUNC | FS_CREATE)) != 0;
    if (writes && h->root->read_only)
        return GW_READ_ONLY;
    if ((h->flags & (FS_CREATE | FS_TRUNC)) == 0)
        return open_existing(h, path, text);
    return h->root->store->atomic ? open_staged(h, path, attr, text)
                                  : open_plain(h, path, attr, text);
}

enum gw_err local_handle_commit(struct local_handle *h)
{
    enum gw_err err = h->failed;
    if (err == GW_OK && h->wrote && h->times.set != 0)
        err = local_attr_set(h->fd, &h->times);
    if (h->is_staged && err == GW_OK) {
        h->is_staged = false;
        err = local_stage_publish(h->root->store, &h->stage, h->fd);
    } else if (err == GW_OK && h->root->store->fsync &&
               (h->flags & (FS_WRITE | FS_APPEND | FS_TRUNC)) != 0 && fsync(h->fd) != 0) {
        err = gw_err_from_errno(errno);
    }
    return err;
}

struct local_handle *local_handle_ref(struct local_handle *h)
{
    h->refs++;
    return h;
}

static void end_run(void *job)
{
    struct local_handle *h = job;
    if (h->is_staged)
        local_stage_discard(&h->stage);
    if (h->fd >= 0)
        close(h->fd);
}

static void end_done(void *job)
{
    struct local_handle *h = job;
    local_root_unref(&h->root);
    mem_free(h);
}

static void end_orphan(void *job, bool ran)
{
    if (!ran)
        end_run(job);
    end_done(job);
}

/* A file that was only read, and still has its name. The last close of one that was removed frees
 * it, and what is cached of it: for a GiB that is many milliseconds. */
static bool closes_at_once(const struct local_handle *h)
{
    struct fs_attr attr;
    return (h->flags & (FS_WRITE | FS_APPEND | FS_TRUNC | FS_CREATE)) == 0 && h->is_prompt &&
           local_attr_get_held(h->fd, &attr) == GW_OK && attr.nlink > 0;
}

void local_handle_unref(struct local_handle **hp)
{
    static const struct work_fns fns = {end_run, end_done, end_orphan};
    struct local_handle *h = *hp;
    *hp = NULL;
    if (h == NULL || --h->refs > 0)
        return;
    if (h->fd < 0 || closes_at_once(h)) {
        end_run(h);
        end_done(h);
        return;
    }
    (void)work_start(h->loop, &fns, h);
}
