/*
 * The bytes of a remote file that is open for reading: ranged GETs with read-ahead, each held to
 * the same ETag, so that no reader ever gets mixed bytes. Blocks come from the budget. A GET that
 * is cut off goes on by range. One a file; the loop's thread only. Sizes in bytes.
 */
#ifndef BACKENDS_READ_AHEAD_H
#define BACKENDS_READ_AHEAD_H

#include "backends/remote.h"
#include "gateway/io/budget.h"

/* The first GET, at open: a small file costs this one request. */
#define READ_AHEAD_FIRST ((size_t)128 * 1024)

#define READ_AHEAD_ETAG_MAX 256u

struct read_ahead;

struct read_ahead_range {
    uint64_t off;
    size_t len;
    const char *etag; /* strong, with its quotes: for If-Match; NULL = none */
};

enum read_ahead_same {
    READ_AHEAD_OTHER,
    READ_AHEAD_SOON, /* not known yet: it is asked again */
    READ_AHEAD_SAME,
};

struct read_ahead_type {
    const char *name; /* in words for a client: "S3" */
    /* A GET of the range; on_head, on_body and done get `arg`. */
    struct op *(*get)(void *src, const struct read_ahead_range *range, http_head_fn *on_head,
                      http_body_fn *on_body, remote_done_fn *done, void *arg);
    /* The whole file's attributes from the first answer. False: no usable size. */
    bool (*attr)(void *src, const struct http_res *res, struct fs_attr *out);
    /* NULL, or: the file has another ETag than this one. Are these the same bytes? Then its new
     * ETag is in out; no reader may get mixed bytes by it. */
    enum read_ahead_same (*same)(void *src, const char *etag, char out[READ_AHEAD_ETAG_MAX]);
    bool starts_at_offset; /* an answer without a range begins where it was asked to, too */
};

struct read_ahead_conf {
    const struct read_ahead_type *type;
    void *src; /* of the type's calls */
    struct loop *loop;
    struct budget *budget;
    unsigned concurrency; /* GETs at once */
};

struct read_ahead *read_ahead_new(const struct read_ahead_conf *conf);
void read_ahead_free(struct read_ahead **rp); /* NULL-safe; no op of it is under way */

/* Before any read: gets the first len bytes (1 to BUDGET_SMALL) and with them attributes and ETag.
 * done: as remote_start()'s. */
struct op *read_ahead_first(struct read_ahead *r, size_t len, remote_done_fn *done, void *arg);
/* Or what is known from elsewhere (etag NULL = none). False: not a usable ETag. */
bool read_ahead_know(struct read_ahead *r, const struct fs_attr *attr, const char *etag);

const struct fs_attr *read_ahead_attr(const struct read_ahead *r);
const char *read_ahead_etag(const struct read_ahead *r); /* as the server wrote it; "" = none */

/* No GET is under way between the two, because the file is made another with the same bytes: those
 * that were are ended, and begin again from where they were. etag: the new one; "" = the old one.
 */
void read_ahead_hold(struct read_ahead *r);
void read_ahead_go_on(struct read_ahead *r, const char *etag);

/* fs_read_now() and fs_read(). */
enum gw_err read_ahead_now(struct read_ahead *r, uint64_t off, uint8_t *to, size_t len, size_t *n);
struct op *read_ahead_start(struct read_ahead *r, uint64_t off, size_t len, fs_done_fn *done,
                            void *arg);

#endif
