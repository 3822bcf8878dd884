/* A file of an HTTP store that is written: nothing appears before a close that says OK. */
#ifndef BACKENDS_HTTP_WEB_WRITE_H
#define BACKENDS_HTTP_WEB_WRITE_H

#include "backends/http/web_file.h"

/* flags: FS_WRITE with FS_CREATE, FS_EXCL, FS_TRUNC in any combination. Without FS_TRUNC a file
 * that holds bytes is GW_UNSUPPORTED with a text. attr->size, where it is set, is how long the file
 * will be. Errors: GW_IS_DIR, GW_EXISTS, GW_NOT_FOUND, GW_NO_PATH, GW_NOT_DIR. */
struct op *web_write_open(struct web_view *v, const char *path, uint32_t flags,
                          const struct fs_attr *attr, fs_done_fn *done, void *arg);
enum gw_err web_write_now(struct web_file *f, uint64_t off, struct gw_span data);
struct op *web_write_start(struct web_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                           void *arg);
struct op *web_write_fstat(struct web_file *f, fs_done_fn *done, void *arg);
struct op *web_write_fsetstat(struct web_file *f, const struct fs_attr *attr, fs_done_fn *done,
                              void *arg);
struct op *web_write_close(struct web_file *f, fs_done_fn *done, void *arg);
void web_write_abort(struct web_file *f);
/* The whole content is to be that of the file at `path`: only while nothing was written. */
enum gw_err web_write_set_source(struct web_file *f, const char *path, uint64_t size);

#endif
