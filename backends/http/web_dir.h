/*
 * A folder of an HTTP store that is being listed: the server's answer is read as it comes and
 * handed out in batches; while a client takes its time, the answer waits. What a reserved name
 * hides is removed when it is old enough.
 */
#ifndef BACKENDS_HTTP_WEB_DIR_H
#define BACKENDS_HTTP_WEB_DIR_H

#include "backends/http/web.h"
#include "backends/remote_dir.h"

struct web_dir;

/* How a dialect lists. */
struct web_dir_type {
    /* Gives the source of the other calls; NULL = no memory. */
    void *(*open)(struct web_dir *d, struct web_view *v, const char *path);
    /* Asks for the listing, or its next page; on_body and done get `arg`. */
    struct op *(*start)(void *src, http_body_fn *on_body, remote_done_fn *done, void *arg);
    /* More of it: calls web_dir_add() for each entry, web_dir_fail() for what is no listing. */
    void (*feed)(void *src, struct gw_span part);
    /* The answer was a success and is over. True: there is another page. */
    bool (*end)(void *src, const struct remote_res *res);
    void (*free)(void *src);
};

/* By the store's dialect. */
struct op *web_dir_open(struct web_view *v, const char *path, fs_done_fn *done, void *arg);
struct op *web_dir_read(struct fs_dir *d, size_t want, fs_done_fn *done, void *arg);
void web_dir_close(struct fs_dir *d);

/* For feed() and end(). name: n bytes and a NUL; one that no path can have is not shown. False: it
 * has failed. */
bool web_dir_add(struct web_dir *d, const char *name, size_t n, const struct fs_attr *attr);
void web_dir_is_folder(struct web_dir *d); /* else it is one with its first entry */
void web_dir_fail(struct web_dir *d, enum gw_err err, const char *text); /* the first one sticks */

#endif
