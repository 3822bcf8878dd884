/* The inside of a file that is being written: shared by web_write.c, which takes the bytes in, and
 * web_commit.c, which gives it its name. */
#ifndef BACKENDS_HTTP_WEB_WRITER_H
#define BACKENDS_HTTP_WEB_WRITER_H

#include "backends/http/web_body.h"

struct web_writer {
    struct remote_file file;
    bool existed;      /* a file had the name at open ... */
    uint64_t old_size; /* ... and was so large */
    int64_t length;    /* as it was said at open; -1 = not known */
    char *stage;       /* where the bytes go: a reserved name beside the file's, or its own */
    bool staged;       /* something may be there */
    struct web_body *body;
};

/* Starts the PUT of what there is: `bytes` -1 = of a length that is not known. */
void web_writer_put(struct web_writer *w, int64_t bytes);
/* The bytes go to the file's own name. */
bool web_writer_in_place(const struct web_writer *w);

/* remote_file_type.commit */
struct op *web_commit_start(struct remote_file *f, fs_done_fn *done, void *arg);

#endif
