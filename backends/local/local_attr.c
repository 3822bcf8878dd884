#include "backends/local/local_attr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452 /* Linux 6.6; the same number on every architecture */
#endif

#define PROC_FD_MAX 32

static enum fs_kind kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return FS_KIND_REG;
    case S_IFDIR:
        return FS_KIND_DIR;
    case S_IFLNK:
        return FS_KIND_LINK;
    case S_IFSOCK:
        return FS_KIND_SOCKET;
    case S_IFCHR:
        return FS_KIND_CHAR;
    case S_IFBLK:
        return FS_KIND_BLOCK;
    case S_IFIFO:
        return FS_KIND_FIFO;
    default:
        return FS_KIND_UNKNOWN;
    }
}

static enum gw_err get(int dirfd, const char *name, int how, struct fs_attr *out)
{
    struct statx st;
    if (statx(dirfd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | how,
              STATX_BASIC_STATS | STATX_BTIME, &st) != 0)
        return gw_err_from_errno(errno);
    *out = (struct fs_attr){
        .set = FS_ATTR_SIZE | FS_ATTR_OWNER | FS_ATTR_MODE | FS_ATTR_ATIME | FS_ATTR_MTIME |
               FS_ATTR_CTIME | FS_ATTR_NLINK | FS_ATTR_ALLOC,
        .kind = kind_of(st.stx_mode),
        .mode = st.stx_mode & 07777u,
        .uid = st.stx_uid,
        .gid = st.stx_gid,
        .nlink = st.stx_nlink,
        .size = st.stx_size,
        .alloc = st.stx_blocks * 512,
        .atime_s = st.stx_atime.tv_sec,
        .atime_ns = st.stx_atime.tv_nsec,
        .mtime_s = st.stx_mtime.tv_sec,
        .mtime_ns = st.stx_mtime.tv_nsec,
        .ctime_s = st.stx_ctime.tv_sec,
        .ctime_ns = st.stx_ctime.tv_nsec,
    };
    if ((st.stx_mask & STATX_BTIME) != 0) {
        out->set |= FS_ATTR_BTIME;
        out->btime_s = st.stx_btime.tv_sec;
        out->btime_ns = st.stx_btime.tv_nsec;
    }
    return GW_OK;
}

enum gw_err local_attr_get(int dirfd, const char *name, struct fs_attr *out)
{
    return get(dirfd, name, 0, out);
}

enum gw_err local_attr_get_held(int fd, struct fs_attr *out)
{
    return get(fd, "", AT_STATX_DONT_SYNC, out);
}

mode_t local_attr_mode(uint32_t mode, bool is_dir)
{
    return (mode_t)mode & (is_dir ? 03777u : 0777u);
}

static void proc_path(char to[PROC_FD_MAX], int fd)
{
    snprintf(to, PROC_FD_MAX, "/proc/self/fd/%d", fd);
}

/* fchmod() refuses O_PATH; what takes it is newer than some kernels we run on. */
static int chmod_any(int fd, mode_t mode)
{
    if (fchmod(fd, mode) == 0)
        return 0;
    if (errno != EBADF)
        return -1;
    if (syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != ENOSYS && errno != EPERM && errno != EINVAL)
        return -1;
    char path[PROC_FD_MAX];
    proc_path(path, fd);
    return chmod(path, mode);
}

static int utimens_any(int fd, const struct timespec ts[2])
{
    if (futimens(fd, ts) == 0)
        return 0;
    if (errno != EBADF)
        return -1;
    if (utimensat(fd, "", ts, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != EINVAL)
        return -1;
    char path[PROC_FD_MAX];
    proc_path(path, fd);
    return utimensat(AT_FDCWD, path, ts, 0);
}

enum gw_err local_attr_set(int fd, const struct fs_attr *a)
{
    struct stat st = {0};
    if ((a->set & (FS_ATTR_OWNER | FS_ATTR_MODE)) != 0 && fstat(fd, &st) != 0)
        return gw_err_from_errno(errno);
    /* Clients send the owner back as they read it: only a change needs the right to do it. */
    if ((a->set & FS_ATTR_OWNER) != 0 && (a->uid != st.st_uid || a->gid != st.st_gid) &&
        fchownat(fd, "", a->uid, a->gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
        return gw_err_from_errno(errno);
    if ((a->set & FS_ATTR_MODE) != 0) {
        if (S_ISLNK(st.st_mode))
            return GW_UNSUPPORTED;
        if (chmod_any(fd, local_attr_mode(a->mode, S_ISDIR(st.st_mode))) != 0)
            return gw_err_from_errno(errno);
    }
    if ((a->set & (FS_ATTR_ATIME | FS_ATTR_MTIME)) != 0) {
        const struct timespec ts[2] = {
            {.tv_sec = a->atime_s,
             .tv_nsec = (a->set & FS_ATTR_ATIME) != 0 ? (long)a->atime_ns : UTIME_OMIT},
            {.tv_sec = a->mtime_s,
             .tv_nsec = (a->set & FS_ATTR_MTIME) != 0 ? (long)a->mtime_ns : UTIME_OMIT},
        };
        if (utimens_any(fd, ts) != 0)
            return gw_err_from_errno(errno);
    }
    return GW_OK;
}

enum gw_err local_attr_set_file(int fd, const struct fs_attr *a)
{
    if ((a->set & FS_ATTR_SIZE) != 0) {
        if (a->size > INT64_MAX)
            return GW_TOO_LARGE;
        if (ftruncate(fd, (off_t)a->size) != 0)
            return gw_err_from_errno(errno);
    }
    return local_attr_set(fd, a);
}
