/* A file of an HTTP store that is open for reading: a look at what it is, then ranged GETs with
 * read-ahead (backends/read_ahead.h). */
#ifndef BACKENDS_HTTP_WEB_READ_H
#define BACKENDS_HTTP_WEB_READ_H

#include "backends/http/web_file.h"

/* src of the dialect's read_ahead_type. */
struct web_reader {
    struct web_file file;
    const struct log_ctx *log;
    struct fs_attr seen; /* before the first GET */
    struct read_ahead *ahead;
};

/* Errors: GW_IS_DIR where path is a folder. */
struct op *web_read_open(struct web_view *v, const char *path, fs_done_fn *done, void *arg);
enum gw_err web_read_now(struct web_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n);
struct op *web_read_start(struct web_file *f, uint64_t off, size_t len, fs_done_fn *done,
                          void *arg);
struct op *web_read_fstat(struct web_file *f, fs_done_fn *done, void *arg);
struct op *web_read_close(struct web_file *f, fs_done_fn *done, void *arg);
void web_read_abort(struct web_file *f);
uint64_t web_read_size(const struct web_file *f);

#endif
