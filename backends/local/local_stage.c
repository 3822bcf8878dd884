#include "backends/local/local_stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#define TRIES_MAX  100
#define HEX_DIGITS 24

/* The reserved name, a dot, HEX_DIGITS of chance. */
static enum gw_err fresh_name(char to[48])
{
    uint64_t r[2];
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
        return GW_IO;
    snprintf(to, 48, "%s.%016llx%08llx", RESERVED_PREFIX, (unsigned long long)r[0],
             (unsigned long long)(r[1] & 0xffffffffu));
    return GW_OK;
}

/* Not everything that is hidden is ours to remove. */
static bool is_fresh_name(const char *name)
{
    const size_t n = sizeof RESERVED_PREFIX - 1;
    return strncmp(name, RESERVED_PREFIX ".", n + 1) == 0 && strlen(name + n + 1) == HEX_DIGITS &&
           strspn(name + n + 1, "0123456789abcdef") == HEX_DIGITS;
}

static bool same_mount(int a, int b)
{
    struct statx x;
    struct statx y;
    if (statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_TYPE, &x) != 0 ||
        statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_TYPE, &y) != 0)
        return false;
    return (x.stx_mask & y.stx_mask & STATX_MNT_ID) != 0 && x.stx_mnt_id == y.stx_mnt_id;
}

/* The store's root, where a sweep looks; beside the target where the root is not ours to write, or
 * on another mount, from which no file can be renamed. There a listing cleans up. */
static int tmp_dir(const struct local_store *s, int dirfd)
{
    return s->is_writable && same_mount(s->fd, dirfd) ? s->fd : dirfd;
}

/* Made, and locked before anybody can take it for a dead one's. */
static enum gw_err open_named(struct local_stage *g, int append_flag, int *fd)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        struct stat st;
        enum gw_err err = fresh_name(g->tmp);
        if (err != GW_OK)
            break;
        *fd = openat(g->tmp_dirfd, g->tmp,
                     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | append_flag, 0600);
        if (*fd < 0 && errno == EEXIST)
            continue;
        if (*fd < 0) {
            g->tmp[0] = '\0';
            return gw_err_from_errno(errno);
        }
        if (flock(*fd, LOCK_EX | LOCK_NB) == 0 && fstat(*fd, &st) == 0 && st.st_nlink == 1)
            return GW_OK;
        close(*fd); /* a sweeper was quicker, and removes it */
        *fd = -1;
    }
    g->tmp[0] = '\0';
    return GW_IO;
}

enum gw_err local_stage_open(const struct local_store *s, struct local_place *place, bool excl,
                             int append_flag, struct local_stage *out, int *fd)
{
    *out = (struct local_stage){.dirfd = place->dirfd, .excl = excl, .replaces = place->exists};
    memcpy(out->name, place->name, sizeof out->name);
    place->dirfd = -1;
    *fd = -1;
    if (s->nameless)
        *fd = openat(out->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC | append_flag, 0600);
    if (*fd >= 0)
        return GW_OK;
    enum gw_err err = GW_OK;
    if (s->nameless && errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        err = gw_err_from_errno(errno);
    if (err == GW_OK) {
        out->tmp_dirfd = tmp_dir(s, out->dirfd);
        err = open_named(out, append_flag, fd);
    }
    if (err != GW_OK)
        local_stage_discard(out);
    return err;
}

void local_stage_discard(struct local_stage *g)
{
    if (g->tmp[0] != '\0')
        (void)unlinkat(g->tmp_dirfd, g->tmp, 0);
    g->tmp[0] = '\0';
    if (g->dirfd >= 0)
        close(g->dirfd);
    g->dirfd = -1;
}

static int link_nameless(int fd, int dirfd, const char *name)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW);
}

/* A name of its own for a moment: link() does not replace, rename() does. */
static enum gw_err name_it(const struct local_store *s, struct local_stage *g, int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return gw_err_from_errno(errno);
    g->tmp_dirfd = tmp_dir(s, g->dirfd);
    for (int i = 0; i < TRIES_MAX; i++) {
        enum gw_err err = fresh_name(g->tmp);
        if (err == GW_OK && link_nameless(fd, g->tmp_dirfd, g->tmp) == 0)
            return GW_OK;
        g->tmp[0] = '\0';
        if (err != GW_OK || errno != EEXIST)
            return err != GW_OK ? err : gw_err_from_errno(errno);
    }
    return GW_IO;
}

/* renameat2(RENAME_NOREPLACE), and what does the same where a file system lacks it. */
static int rename_exclusive(const struct local_stage *g)
{
    if (renameat2(g->tmp_dirfd, g->tmp, g->dirfd, g->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(g->tmp_dirfd, g->tmp, g->dirfd, g->name, 0) != 0)
        return -1;
    return unlinkat(g->tmp_dirfd, g->tmp, 0);
}

static enum gw_err sync_dir(int dirfd)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return gw_err_from_errno(errno);
    enum gw_err err = fsync(fd) == 0 ? GW_OK : gw_err_from_errno(errno);
    close(fd);
    return err;
}

static enum gw_err take_name(const struct local_store *s, struct local_stage *g, int fd)
{
    if (g->tmp[0] == '\0' && !(g->replaces && !g->excl)) {
        if (link_nameless(fd, g->dirfd, g->name) == 0)
            return GW_OK;
        if (errno != EEXIST || g->excl)
            return gw_err_from_errno(errno);
    }
    if (g->tmp[0] == '\0') {
        enum gw_err err = name_it(s, g, fd);
        if (err != GW_OK)
            return err;
    }
    int rc = g->excl ? rename_exclusive(g) : renameat(g->tmp_dirfd, g->tmp, g->dirfd, g->name);
    if (rc != 0)
        return gw_err_from_errno(errno);
    g->tmp[0] = '\0';
    return GW_OK;
}

enum gw_err local_stage_publish(const struct local_store *s, struct local_stage *g, int fd)
{
    enum gw_err err = GW_OK;
    if (s->fsync && fsync(fd) != 0)
        err = gw_err_from_errno(errno);
    if (err == GW_OK)
        err = take_name(s, g, fd);
    if (err == GW_OK && s->fsync)
        err = sync_dir(g->dirfd);
    local_stage_discard(g);
    return err == GW_NOT_FOUND ? GW_NO_PATH : err; /* the folder was removed meanwhile */
}

bool local_stage_reap(int dirfd, const char *name)
{
    bool removed = false;
    if (!is_fresh_name(name))
        return false;
    int fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        removed = unlinkat(dirfd, name, 0) == 0;
    close(fd);
    return removed;
}

unsigned local_stage_sweep(const struct local_store *s)
{
    unsigned n = 0;
    int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        n += local_stage_reap(s->fd, e->d_name);
    closedir(d);
    return n;
}
