#include "backends/local/local_names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backends/local/local_attr.h"
#include "backends/local/local_file.h"
#include "backends/local/local_link.h"
#include "gateway/base/mem.h"
#include "gateway/io/work.h"

static const char TWO_DISKS[] = "the two names are on different file systems";

struct job {
    enum gw_err (*run)(struct job *j);
    fs_done_fn *done;
    void *arg;
    struct local_root *root;
    struct fs_res res;
    struct fs_attr attr; /* to set, or found */
    struct fs_space space;
    uint32_t flags;
    bool follow;
    char *target; /* of a link: given or found */
    char *to;
    char path[];
};

static void job_free(struct job *j)
{
    local_root_unref(&j->root);
    mem_free(j->target);
    mem_free(j->to);
    mem_free(j);
}

static void job_run(void *job)
{
    struct job *j = job;
    j->res.err = j->run(j);
}

static void job_done(void *job)
{
    struct job *j = job;
    j->done(j->arg, &j->res);
    job_free(j);
}

static void job_orphan(void *job, bool ran)
{
    (void)ran;
    job_free(job);
}

static struct job *job_new(struct fs *fs, const char *path, enum gw_err (*run)(struct job *j))
{
    size_t n = strlen(path) + 1;
    struct job *j = mem_zalloc(sizeof *j + n);
    memcpy(j->path, path, n);
    j->run = run;
    j->root = local_root_ref(((struct local_fs *)fs)->root);
    return j;
}

static struct op *job_start(struct fs *fs, struct job *j, fs_done_fn *done, void *arg)
{
    static const struct work_fns fns = {job_run, job_done, job_orphan};
    j->done = done;
    j->arg = arg;
    return work_start(fs->loop, &fns, j);
}

static enum gw_err of_errno(int rc)
{
    return rc == 0 ? GW_OK : gw_err_from_errno(errno);
}

/* The folder of what is to be changed. */
static enum gw_err parent_of(struct job *j, const char *path, int *dirfd, const char **name)
{
    *dirfd = -1;
    if (j->root->read_only)
        return GW_READ_ONLY;
    enum gw_err err = local_root_parent(j->root, path, dirfd, name);
    if (err == GW_DENIED && reserved_path(path))
        j->res.text = "this name is reserved";
    return err;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static enum gw_err open_path(struct job *j, int *fd)
{
    enum gw_err err =
        local_root_open(j->root, j->path, O_PATH | (j->follow ? 0 : O_NOFOLLOW), 0, fd);
    return err == GW_DENIED && reserved_path(j->path) ? GW_NOT_FOUND : err;
}

static enum gw_err stat_run(struct job *j)
{
    int fd;
    enum gw_err err = open_path(j, &fd);
    if (err != GW_OK)
        return err;
    err = local_attr_get(fd, "", &j->attr);
    j->res.attr = &j->attr;
    close(fd);
    return err;
}

struct op *local_names_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done,
                            void *arg)
{
    struct job *j = job_new(fs, path, stat_run);
    j->follow = follow;
    return job_start(fs, j, done, arg);
}

static enum gw_err set_size(struct job *j)
{
    int fd;
    struct stat st;
    if (j->attr.size > INT64_MAX)
        return GW_TOO_LARGE;
    enum gw_err err = local_root_open(
        j->root, j->path, O_WRONLY | O_NONBLOCK | O_NOCTTY | (j->follow ? 0 : O_NOFOLLOW), 0, &fd);
    if (err != GW_OK)
        return err;
    err = of_errno(fstat(fd, &st));
    if (err == GW_OK && !S_ISREG(st.st_mode))
        err = GW_DENIED;
    if (err == GW_OK)
        err = of_errno(ftruncate(fd, (off_t)j->attr.size));
    close(fd);
    return err;
}

static enum gw_err setstat_run(struct job *j)
{
    int fd;
    if (j->root->read_only)
        return GW_READ_ONLY;
    enum gw_err err = open_path(j, &fd);
    if (err != GW_OK)
        return err;
    if ((j->attr.set & FS_ATTR_SIZE) != 0)
        err = set_size(j);
    if (err == GW_OK)
        err = local_attr_set(fd, &j->attr);
    close(fd);
    return err;
}

struct op *local_names_setstat(struct fs *fs, const char *path, bool follow,
                               const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct job *j = job_new(fs, path, setstat_run);
    j->follow = follow;
    j->attr = *attr;
    return job_start(fs, j, done, arg);
}

static enum gw_err unlink_run(struct job *j)
{
    int dirfd;
    const char *name;
    enum gw_err err = parent_of(j, j->path, &dirfd, &name);
    if (err == GW_OK)
        err = of_errno(unlinkat(dirfd, name, (int)j->flags));
    close_fd(dirfd);
    return err == GW_EXISTS ? GW_NOT_EMPTY : err; /* POSIX lets rmdir() say either */
}

struct op *local_names_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return job_start(fs, job_new(fs, path, unlink_run), done, arg);
}

struct op *local_names_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    struct job *j = job_new(fs, path, unlink_run);
    j->flags = AT_REMOVEDIR;
    return job_start(fs, j, done, arg);
}

/* The process's own umask has had a say in mkdirat(): the mode that counts is set here. */
static enum gw_err dress_dir(const struct local_store *s, int dirfd, const char *name, mode_t mode)
{
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return gw_err_from_errno(errno);
    enum gw_err err = GW_OK;
    if (s->uid != 0 || s->gid != 0)
        err = of_errno(
            fchown(fd, s->uid == 0 ? (uid_t)-1 : s->uid, s->gid == 0 ? (gid_t)-1 : s->gid));
    if (err == GW_OK)
        err = of_errno(fchmod(fd, mode));
    close(fd);
    return err;
}

static enum gw_err mkdir_run(struct job *j)
{
    int dirfd;
    const char *name;
    if (strcmp(j->path, "/") == 0)
        return GW_EXISTS;
    enum gw_err err = parent_of(j, j->path, &dirfd, &name);
    bool asked = (j->attr.set & FS_ATTR_MODE) != 0;
    mode_t mode = local_attr_mode(asked ? j->attr.mode : 0777u, true) & ~j->root->store->umask;
    if (err == GW_OK)
        err = of_errno(mkdirat(dirfd, name, 0700));
    if (err == GW_OK)
        err = dress_dir(j->root->store, dirfd, name, mode);
    close_fd(dirfd);
    return err;
}

struct op *local_names_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr,
                             fs_done_fn *done, void *arg)
{
    struct job *j = job_new(fs, path, mkdir_run);
    if (attr != NULL)
        j->attr = *attr;
    return job_start(fs, j, done, arg);
}

struct pair {
    int a, b; /* folders */
    const char *from, *to;
};

static enum gw_err pair_open(struct job *j, struct pair *p)
{
    p->b = -1;
    enum gw_err err = parent_of(j, j->path, &p->a, &p->from);
    if (err == GW_OK)
        err = parent_of(j, j->to, &p->b, &p->to);
    return err;
}

static void pair_close(struct pair *p)
{
    close_fd(p->a);
    close_fd(p->b);
}

/* Where renameat2() cannot refuse to replace: a link can, and a folder never replaces a file. */
static enum gw_err rename_by_link(const struct pair *p)
{
    struct stat st;
    if (fstatat(p->a, p->from, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return gw_err_from_errno(errno);
    if (S_ISDIR(st.st_mode)) {
        if (fstatat(p->b, p->to, &st, AT_SYMLINK_NOFOLLOW) == 0)
            return GW_EXISTS;
        return of_errno(renameat(p->a, p->from, p->b, p->to));
    }
    enum gw_err err = of_errno(linkat(p->a, p->from, p->b, p->to, 0));
    return err == GW_OK ? of_errno(unlinkat(p->a, p->from, 0)) : err;
}

static enum gw_err rename_run(struct job *j)
{
    struct pair p;
    enum gw_err err = pair_open(j, &p);
    if (err == GW_OK) {
        bool over = (j->flags & FS_RENAME_OVERWRITE) != 0;
        int rc = over ? renameat(p.a, p.from, p.b, p.to)
                      : renameat2(p.a, p.from, p.b, p.to, RENAME_NOREPLACE);
        err = of_errno(rc);
        if (rc != 0 && errno == EXDEV) {
            j->res.text = TWO_DISKS;
            err = GW_UNSUPPORTED;
        } else if (over && err == GW_EXISTS) {
            err = GW_NOT_EMPTY;
        } else if (!over && (err == GW_BAD_ARG || err == GW_UNSUPPORTED)) {
            err = rename_by_link(&p);
        }
    }
    pair_close(&p);
    return err;
}

struct op *local_names_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                              fs_done_fn *done, void *arg)
{
    struct job *j = job_new(fs, from, rename_run);
    j->to = mem_strdup(to);
    j->flags = flags;
    return job_start(fs, j, done, arg);
}

static enum gw_err hardlink_run(struct job *j)
{
    struct pair p;
    enum gw_err err = pair_open(j, &p);
    if (err == GW_OK) {
        int rc = linkat(p.a, p.from, p.b, p.to, 0);
        err = of_errno(rc);
        if (rc != 0 && errno == EXDEV) {
            j->res.text = TWO_DISKS;
            err = GW_UNSUPPORTED;
        }
    }
    pair_close(&p);
    return err;
}

struct op *local_names_hardlink(struct fs *fs, const char *from, const char *to, fs_done_fn *done,
                                void *arg)
{
    struct job *j = job_new(fs, from, hardlink_run);
    j->to = mem_strdup(to);
    return job_start(fs, j, done, arg);
}

static enum gw_err readlink_run(struct job *j)
{
    char text[FS_PATH_MAX];
    int fd;
    j->follow = false;
    enum gw_err err = open_path(j, &fd);
    if (err != GW_OK)
        return err;
    ssize_t n = readlinkat(fd, "", text, sizeof text - 1);
    if (n < 0) {
        err = errno == ENOENT ? GW_BAD_ARG : gw_err_from_errno(errno); /* not a link */
    } else {
        text[n] = '\0';
        err = local_link_shown(j->root, text, &j->target);
    }
    close(fd);
    j->res.target = j->target;
    return err;
}

struct op *local_names_readlink(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return job_start(fs, job_new(fs, path, readlink_run), done, arg);
}

static enum gw_err symlink_run(struct job *j)
{
    int dirfd;
    const char *name;
    char *stored = NULL;
    if (j->root->no_links)
        return GW_DENIED;
    enum gw_err err = parent_of(j, j->path, &dirfd, &name);
    if (err == GW_OK)
        err = local_link_stored(j->path, j->target, &stored);
    if (err == GW_OK)
        err = of_errno(symlinkat(stored, dirfd, name));
    mem_free(stored);
    close_fd(dirfd);
    return err;
}

struct op *local_names_symlink(struct fs *fs, const char *target, const char *path,
                               fs_done_fn *done, void *arg)
{
    struct job *j = job_new(fs, path, symlink_run);
    j->target = mem_strdup(target);
    return job_start(fs, j, done, arg);
}

static enum gw_err statvfs_run(struct job *j)
{
    int fd;
    struct statvfs v;
    j->follow = true;
    enum gw_err err = open_path(j, &fd);
    if (err != GW_OK)
        return err;
    err = of_errno(fstatvfs(fd, &v));
    close(fd);
    j->space = (struct fs_space){
        .bsize = v.f_bsize,
        .frsize = v.f_frsize,
        .blocks = v.f_blocks,
        .bfree = v.f_bfree,
        .bavail = v.f_bavail,
        .files = v.f_files,
        .ffree = v.f_ffree,
        .favail = v.f_favail,
        .fsid = v.f_fsid,
        .namemax = v.f_namemax,
        .read_only = (v.f_flag & ST_RDONLY) != 0 || j->root->read_only,
        .nosuid = (v.f_flag & ST_NOSUID) != 0,
    };
    j->res.space = &j->space;
    return err;
}

struct op *local_names_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return job_start(fs, job_new(fs, path, statvfs_run), done, arg);
}
