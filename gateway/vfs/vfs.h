/*
 * A session's tree: mounts, permissions by path, read-only mounts. Itself an fs that holds the
 * mounts' views.
 */
#ifndef GATEWAY_VFS_VFS_H
#define GATEWAY_VFS_VFS_H

#include "auth/identity.h"
#include "backends/backends.h"
#include "backends/fs.h"

struct vfs;

struct vfs_env {
    struct loop *loop;
    /* The backend of that name on this loop, or NULL. */
    struct backend *(*backend)(void *arg, const char *name);
    void *arg;
    const struct log_ctx *log; /* borrowed for the vfs's life */
};

/* Copies what it needs of id. Errors: GW_CONFIG: a mount on an unknown backend, no mount at all. */
enum gw_err vfs_new(const struct vfs_env *env, const struct identity *id, struct vfs **out,
                    struct gw_errmsg *msg);
void vfs_free(struct vfs **vp);

/*
 * The tree as an fs (owned by the vfs). Folders that only lead to a mount exist and list it; a
 * rename or hard link across mounts is GW_UNSUPPORTED with a text; what a mount point itself is
 * cannot be removed. Its caps are those that every mount has; vfs_caps() tells one path's.
 */
struct fs *vfs_fs(struct vfs *v);
uint32_t vfs_caps(struct vfs *v, const char *path);

/* May this session do `perms` (PERM_*, all of them) to `path`? GW_OK, GW_DENIED, or GW_READ_ONLY
 * where the mount is read-only and perms would change something. text (may be NULL): words for the
 * client. */
enum gw_err vfs_permitted(struct vfs *v, const char *path, uint32_t perms, const char **text);
const char *vfs_home(struct vfs *v); /* where relative paths start */

#endif
