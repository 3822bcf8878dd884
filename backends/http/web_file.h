/* Open files of the kind `http`: sends each call to web_read.c or web_write.c, by what the file was
 * opened for. Rows of its fs_type. */
#ifndef BACKENDS_HTTP_WEB_FILE_H
#define BACKENDS_HTTP_WEB_FILE_H

#include "backends/http/web.h"

enum web_role { WEB_ROLE_READ, WEB_ROLE_WRITE };

/* The head of an open file. */
struct web_file {
    struct fs_file base;
    enum web_role role;
    struct web_view *view; /* outlives the file, but not what the file leaves behind */
    char *path;            /* the store's */
};

struct op *web_file_open(struct fs *fs, const char *path, uint32_t flags,
                         const struct fs_attr *attr, fs_done_fn *done, void *arg);
enum gw_err web_file_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n);
struct op *web_file_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg);
enum gw_err web_file_write_now(struct fs_file *f, uint64_t off, struct gw_span data);
struct op *web_file_write(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                          void *arg);
struct op *web_file_fsync(struct fs_file *f, fs_done_fn *done, void *arg);
struct op *web_file_fstat(struct fs_file *f, fs_done_fn *done, void *arg);
struct op *web_file_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done,
                             void *arg);
struct op *web_file_close(struct fs_file *f, fs_done_fn *done, void *arg);
void web_file_abort(struct fs_file *f);
struct op *web_file_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                         uint64_t to_off, fs_done_fn *done, void *arg);

#endif
