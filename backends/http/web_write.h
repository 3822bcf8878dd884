/* A file of an HTTP store that is written: nothing appears before a close that says OK. */
#ifndef BACKENDS_HTTP_WEB_WRITE_H
#define BACKENDS_HTTP_WEB_WRITE_H

#include "backends/http/web.h"

/* path: the store's. flags: as remote_open_refuse() lets them pass, with FS_WRITE. attr: may be
 * NULL; its size, where it is set, is how long the file will be.
 * Errors: those of remote_open_onto(), GW_NO_PATH, GW_NOT_DIR. */
struct op *web_write_open(struct web_view *v, const char *path, uint32_t flags,
                          const struct fs_attr *attr, fs_done_fn *done, void *arg);

#endif
