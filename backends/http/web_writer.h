/* The inside of a file that is being written: shared by web_write.c, which takes the bytes in, and
 * web_commit.c, which gives it its name. */
#ifndef BACKENDS_HTTP_WEB_WRITER_H
#define BACKENDS_HTTP_WEB_WRITER_H

#include "backends/http/web_body.h"
#include "backends/http/web_write.h"
#include "backends/part_writer.h"

struct web_writer {
    struct web_file file;
    struct web_access *access;
    const struct log_ctx *log;
    bool exclusive, existed; /* existed: a file had the name at open */
    bool has_mtime;
    int64_t mtime_s;
    uint32_t mtime_ns;
    int64_t length; /* as it was said at open; -1 = not known */
    char *stage;    /* where the bytes go: a reserved name beside path, or path itself */
    bool staged;    /* something may be there */
    struct part_writer *parts;
    struct web_body *body;

    /* Instead of bytes: the file to copy. */
    char *source;
    uint64_t source_size;

    /* Set while it is being committed. */
    void (*moved)(void *arg);
    void *moved_arg;
};

struct web_writer *web_writer_of(struct web_file *f);
uint64_t web_writer_size(const struct web_writer *w);
/* Starts the PUT of what there is: `bytes` -1 = of a length that is not known. */
void web_writer_put(struct web_writer *w, int64_t bytes);
/* Removes what is staged and frees w; the removal goes on alone. */
void web_writer_free(struct web_writer *w);

#endif
