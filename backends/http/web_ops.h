/* What the kind `http` does to names. Rows of its fs_type. */
#ifndef BACKENDS_HTTP_WEB_OPS_H
#define BACKENDS_HTTP_WEB_OPS_H

#include "backends/http/web.h"

struct op *web_ops_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done, void *arg);
struct op *web_ops_setstat(struct fs *fs, const char *path, bool follow, const struct fs_attr *attr,
                           fs_done_fn *done, void *arg);
/* Never a folder: DELETE would take all that is in it. */
struct op *web_ops_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
struct op *web_ops_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr,
                         fs_done_fn *done, void *arg);
/* Only one that a listing shows empty, right before. */
struct op *web_ops_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
/* Never onto a folder: it would be replaced with all that is in it. */
struct op *web_ops_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                          fs_done_fn *done, void *arg);
struct op *web_ops_opendir(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
struct op *web_ops_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg);

/* dialect->look() through the cache; path is the store's. The folder of the view's prefix is made
 * where it is not there, as on a disk. */
struct op *web_ops_look(struct web_view *v, const char *path, fs_done_fn *done, void *arg);
/* A path that holds a reserved name: nothing has it, nothing may get it. NULL = it holds none. */
struct op *web_ops_refuse_reserved(struct fs *fs, const char *path, enum gw_err err,
                                   fs_done_fn *done, void *arg);
/* attr->set through dialect->set(), as `setstat` says where the server keeps no such thing. GW_OK
 * gives res->attr: what it keeps; NULL = nothing of it. */
struct op *web_ops_set(struct web_view *v, const char *path, const struct fs_attr *attr,
                       fs_done_fn *done, void *arg);

#endif
