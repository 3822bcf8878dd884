#include "backends/local/local_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/base/mem.h"

#define HOPS_MAX    40 /* symbolic links at the end of one path, as Linux has it */
#define RETRIES_MAX 16 /* EAGAIN: a rename elsewhere made ".." of a link uncertain */

static int fenced_open(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve,
    };
    for (int i = 0;; i++) {
        long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof how);
        if (fd >= 0)
            return (int)fd;
        if ((errno != EAGAIN && errno != EINTR) || i == RETRIES_MAX)
            return -1;
    }
}

static enum gw_err store_open(struct local_store *s, const char *path, struct gw_errmsg *msg)
{
    char real[PATH_MAX];
    if (realpath(path, real) == NULL)
        return gw_err_set(msg, GW_CONFIG, "root: %s: %s", path,
                          gw_err_text(gw_err_from_errno(errno)));
    s->path = mem_strdup(strcmp(real, "/") == 0 ? "" : real);
    s->fd = open(real, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (s->fd < 0)
        return gw_err_set(msg, GW_CONFIG, "root: %s: %s", path,
                          gw_err_text(gw_err_from_errno(errno)));
    if (faccessat(s->fd, ".", X_OK, AT_EACCESS) != 0)
        return gw_err_set(msg, GW_CONFIG, "root: %s: the gateway's user may not enter it", path);
    int fd = fenced_open(s->fd, ".", O_PATH, 0, 0);
    if (fd < 0)
        return gw_err_set(msg, GW_CONFIG,
                          "root: %s: openat2() is not to be had: this store needs Linux 5.6, and a "
                          "sandbox that allows the call",
                          path);
    close(fd);
    s->is_writable = faccessat(s->fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
    return GW_OK;
}

enum gw_err local_root_store(const struct local_conf *conf, struct local_store **out,
                             struct gw_errmsg *msg)
{
    struct local_store *s = mem_zalloc(sizeof *s);
    s->refs = 1;
    s->fd = -1;
    s->umask = (mode_t)strtoul(conf->umask, NULL, 8);
    s->uid = conf->uid;
    s->gid = conf->gid;
    s->atomic = conf->atomic_uploads;
    s->fsync = conf->fsync;
    s->nameless = access("/proc/self/fd", X_OK) == 0;
    enum gw_err err = store_open(s, conf->root, msg);
    if (err != GW_OK)
        local_root_store_unref(&s);
    *out = s;
    return err;
}

struct local_store *local_root_store_ref(struct local_store *s)
{
    s->refs++;
    return s;
}

void local_root_store_unref(struct local_store **sp)
{
    struct local_store *s = *sp;
    *sp = NULL;
    if (s == NULL || --s->refs > 0)
        return;
    if (s->fd >= 0)
        close(s->fd);
    mem_free(s->path);
    mem_free(s);
}

struct local_root *local_root_new(struct local_store *s, const struct backend_view *view)
{
    struct local_root *r = mem_zalloc(sizeof *r);
    r->refs = 1;
    r->store = local_root_store_ref(s);
    r->prefix = mem_strdup(view->prefix);
    r->read_only = view->read_only;
    r->no_links = view->no_links;
    r->fd = -1;
    uv_mutex_init(&r->lock);
    return r;
}

struct local_root *local_root_ref(struct local_root *r)
{
    r->refs++;
    return r;
}

void local_root_unref(struct local_root **rp)
{
    struct local_root *r = *rp;
    *rp = NULL;
    if (r == NULL || --r->refs > 0)
        return;
    if (r->fd >= 0)
        close(r->fd);
    uv_mutex_destroy(&r->lock);
    local_root_store_unref(&r->store);
    mem_free(r->prefix);
    mem_free(r);
}

/* One folder of the prefix; made where it is missing. A link there is refused: the prefix says
 * where a user ends, and no user may have a say in that. */
static int prefix_step(const struct local_root *r, int dirfd, const char *name)
{
    const int flags = O_PATH | O_DIRECTORY;
    int fd = fenced_open(dirfd, name, flags, 0, RESOLVE_NO_SYMLINKS);
    if (fd >= 0 || errno != ENOENT || r->read_only)
        return fd;
    mode_t mode = 0777 & ~r->store->umask;
    if (mkdirat(dirfd, name, mode) != 0 && errno != EEXIST)
        return -1;
    fd = fenced_open(dirfd, name, O_RDONLY | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);
    if (fd < 0)
        return -1;
    bool ok = fchmod(fd, mode) == 0;
    if (ok && (r->store->uid != 0 || r->store->gid != 0))
        ok = fchown(fd, r->store->uid == 0 ? (uid_t)-1 : r->store->uid,
                    r->store->gid == 0 ? (gid_t)-1 : r->store->gid) == 0;
    if (!ok) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

static int prefix_open(const struct local_root *r)
{
    int fd = fenced_open(r->store->fd, ".", O_PATH | O_DIRECTORY, 0, 0);
    for (const char *at = r->prefix; fd >= 0 && *at != '\0';) {
        char name[NAME_MAX + 1];
        size_t n = strcspn(at, "/");
        if (n > NAME_MAX) {
            close(fd);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, at, n);
        name[n] = '\0';
        at += n + strspn(at + n, "/");
        int next = n == 0 ? fd : prefix_step(r, fd, name);
        int why = errno;
        if (next != fd)
            close(fd);
        errno = why;
        fd = next;
    }
    return fd;
}

/* One try: the pool may have several. RESOLVE_NO_XDEV: what is mounted below may be anything. */
static int open_known(int dirfd, const char *path, int flags)
{
    const struct open_how how = {
        .flags = (unsigned)(flags | O_PATH | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV |
                   RESOLVE_CACHED,
    };
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

/* Linux 5.12 knows RESOLVE_CACHED; who does not says EINVAL. */
static bool opens_known(int dirfd)
{
    int fd = open_known(dirfd, ".", 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int root_fd(struct local_root *r)
{
    int fd = __atomic_load_n(&r->fd, __ATOMIC_ACQUIRE);
    if (fd >= 0)
        return fd;
    uv_mutex_lock(&r->lock);
    fd = __atomic_load_n(&r->fd, __ATOMIC_RELAXED);
    if (fd < 0) {
        fd = prefix_open(r);
        int why = errno;
        r->is_prompt = fd >= 0 && local_now_is_prompt(fd) && opens_known(fd);
        __atomic_store_n(&r->fd, fd, __ATOMIC_RELEASE);
        errno = why;
    }
    uv_mutex_unlock(&r->lock);
    return fd;
}

static const char *below(const char *path)
{
    const char *inside = path + strspn(path, "/");
    return *inside == '\0' ? "." : inside;
}

enum gw_err local_root_open_known(struct local_root *r, const char *path, bool nofollow, int *fd)
{
    int top = __atomic_load_n(&r->fd, __ATOMIC_ACQUIRE);
    *fd = -1;
    if (top < 0 || !r->is_prompt || reserved_path(path))
        return GW_BUSY;
    *fd = open_known(top, below(path), nofollow ? O_NOFOLLOW : 0);
    if (*fd >= 0)
        return GW_OK;
    return errno == ENOENT ? GW_NOT_FOUND : GW_BUSY;
}

enum gw_err local_root_open(struct local_root *r, const char *path, int flags, mode_t mode, int *fd)
{
    *fd = -1;
    if (reserved_path(path))
        return GW_DENIED;
    int top = root_fd(r);
    if (top < 0)
        return gw_err_from_errno(errno);
    *fd = fenced_open(top, below(path), flags, mode, r->no_links ? RESOLVE_NO_SYMLINKS : 0);
    if (*fd >= 0)
        return GW_OK;
    return r->no_links && errno == ELOOP ? GW_DENIED : gw_err_from_errno(errno);
}

enum gw_err local_root_parent(struct local_root *r, const char *path, int *dirfd, const char **name)
{
    char parent[FS_PATH_MAX];
    const char *slash = strrchr(path, '/');
    *dirfd = -1;
    if (slash == NULL || slash[1] == '\0')
        return GW_DENIED;
    if (reserved_name(slash + 1))
        return GW_DENIED;
    size_t n = (size_t)(slash - path);
    if (n >= sizeof parent || strlen(slash + 1) > NAME_MAX)
        return GW_BAD_NAME;
    memcpy(parent, path, n);
    parent[n] = '\0';
    *name = slash + 1;
    enum gw_err err = local_root_open(r, parent, O_PATH | O_DIRECTORY, 0, dirfd);
    return err == GW_NOT_FOUND ? GW_NO_PATH : err;
}

/* `path` becomes what the link at its end says, seen from the link's folder. */
static enum gw_err follow_link(struct local_root *r, const struct local_place *at,
                               char path[FS_PATH_MAX])
{
    char target[FS_PATH_MAX];
    ssize_t n = readlinkat(at->dirfd, at->name, target, sizeof target - 1);
    if (n < 0)
        return gw_err_from_errno(errno);
    target[n] = '\0';
    if (r->no_links || target[0] == '/')
        return GW_DENIED;
    size_t dir = (size_t)(strrchr(path, '/') - path) + 1;
    if (dir + (size_t)n >= FS_PATH_MAX)
        return GW_BAD_NAME;
    memcpy(path + dir, target, (size_t)n + 1);
    const char *last = strrchr(path, '/') + 1;
    if (*last != '\0' && strcmp(last, ".") != 0 && strcmp(last, "..") != 0)
        return GW_OK;
    int fd; /* a folder, if it is inside at all */
    enum gw_err err = local_root_open(r, path, O_PATH, 0, &fd);
    if (err == GW_OK)
        close(fd);
    return err == GW_OK ? GW_IS_DIR : err;
}

enum gw_err local_root_place(struct local_root *r, const char *path, bool follow,
                             struct local_place *out)
{
    char at[FS_PATH_MAX];
    size_t len = strlen(path);
    out->dirfd = -1;
    if (len >= sizeof at)
        return GW_BAD_NAME;
    memcpy(at, path, len + 1);
    for (int hops = 0; hops < HOPS_MAX; hops++) {
        const char *name;
        enum gw_err err = local_root_parent(r, at, &out->dirfd, &name);
        if (err != GW_OK)
            return err;
        memcpy(out->name, name, strlen(name) + 1);
        out->exists = fstatat(out->dirfd, name, &out->st, AT_SYMLINK_NOFOLLOW) == 0;
        if (!out->exists)
            err = errno == ENOENT ? GW_OK : gw_err_from_errno(errno);
        else if (follow && S_ISLNK(out->st.st_mode))
            err = follow_link(r, out, at);
        else
            return GW_OK;
        if (err == GW_OK && !out->exists)
            return GW_OK;
        close(out->dirfd);
        out->dirfd = -1;
        if (err != GW_OK)
            return err;
    }
    return GW_LOOP;
}
