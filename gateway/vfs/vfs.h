/*
 * A session's tree: mounts, permissions by path, read-only mounts. Itself an fs that holds the
 * mounts' views. A call is mapped to one mount and handed to its view with the same done and arg:
 * a file or folder that is open belongs to the store, and costs nothing here.
 *
 * restrict_to_home: the mount that holds the home folder is mounted there, from that folder on, and
 * mounts that are not below it do not exist. The store itself then keeps the fence.
 * Where permissions differ by path, symbolic links are neither followed nor made: a link would be a
 * second name for what another path's permissions guard.
 */
#ifndef GATEWAY_VFS_VFS_H
#define GATEWAY_VFS_VFS_H

#include "auth/identity.h"
#include "backends/backends.h"
#include "backends/fs.h"
#include "backends/stores.h"

struct vfs;

struct vfs_env {
    struct loop *loop;
    /* The backend of that name on this loop, or NULL. */
    struct backend *(*backend)(void *arg, const char *name);
    void *arg;
    struct stores *stores;     /* for mounts with a store of their own; NULL = there are none */
    const struct log_ctx *log; /* borrowed for the vfs's life */
};

/* Copies what it needs of id. Errors: GW_CONFIG: a mount on an unknown backend, a store that cannot
 * be made or does not have what the identity asks of it, a malformed path, two mounts on one path,
 * no mount at all. */
enum gw_err vfs_new(const struct vfs_env *env, const struct identity *id, struct vfs **out,
                    struct gw_errmsg *msg);
void vfs_free(struct vfs **vp);

/*
 * The tree as an fs (owned by the vfs). Folders that only lead to a mount exist and list it; a
 * rename or hard link across mounts is GW_UNSUPPORTED with a text; a mount point, and a folder
 * above one, cannot be removed or renamed. Its caps are those that every mount has; vfs_caps()
 * tells one path's.
 */
struct fs *vfs_fs(struct vfs *v);
uint32_t vfs_caps(struct vfs *v, const char *path);

/* May this session do `perms` (PERM_*, all of them) to `path`? GW_OK, GW_DENIED, or GW_READ_ONLY
 * where the mount is read-only and perms would change something. text (may be NULL): words for the
 * client. */
enum gw_err vfs_permitted(struct vfs *v, const char *path, uint32_t perms, const char **text);
/* Does it lie on a read-only mount? Does it lead to a mount below it? */
bool vfs_is_read_only(struct vfs *v, const char *path);
bool vfs_leads_to_mount(struct vfs *v, const char *path);
const char *vfs_home(struct vfs *v); /* where relative paths start */

#endif
