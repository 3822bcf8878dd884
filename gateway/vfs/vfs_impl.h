/* The inside of a user's tree: shared by vfs.c, which makes it and knows what lies where, and
 * vfs_fs.c, which is the fs that a session sees. */
#ifndef GATEWAY_VFS_VFS_IMPL_H
#define GATEWAY_VFS_VFS_IMPL_H

#include "gateway/vfs/vfs.h"

/* Why nothing can be put into such a folder. */
#define VFS_LEADS       "this folder only leads to others: nothing can be put here"
#define VFS_NOT_GRANTED "the user's permissions do not include that here"

struct vfs_mount {
    char *path;
    char *prefix;
    bool read_only;
    struct backend *backend;
    struct fs *view; /* NULL = not made yet */
};

struct vfs_perm {
    char *path;
    uint32_t perms;
};

struct vfs {
    struct fs base;
    const struct log_ctx *log;
    char *user, *home;
    struct identity_credentials keys;       /* what credentials shows */
    struct backend_credentials credentials; /* of the mounts whose store takes them */
    bool has_credentials;
    struct vfs_mount *mounts; /* sorted by path */
    size_t nmounts;
    struct vfs_perm *perms;
    size_t nperms;
    bool perms_differ;
    bool caps_known;
};

/* A path of the tree, mapped. */
struct vfs_spot {
    struct vfs_mount *mount; /* NULL = on no mount */
    struct fs *view;
    const char *path; /* inside the view; a pointer into the caller's */
    bool leads;       /* there is a mount below it: it is a folder, always */
};

/* Errors: GW_NOT_FOUND where no mount is, and none below. */
enum gw_err vfs_find(struct vfs *v, const char *path, struct vfs_spot *at);
/* Removing or renaming it would take a mount, or a folder with permissions of its own, along. */
bool vfs_is_fixed(struct vfs *v, const char *path);
uint32_t vfs_perms_of(const struct vfs *v, const char *path);

/* vfs_fs.c */
extern const struct fs_type vfs_fs_type;

#endif
