/* What the tests of the kind `http` share: a store of either dialect on the stub, what a client
 * does with it, and rows of bad days. Sizes in bytes. */
#ifndef TESTS_SUPPORT_WEBKIT_H
#define TESTS_SUPPORT_WEBKIT_H

#include "backends/http/web.h"
#include "tests/support/web_stub.h"

#define WEBKIT_BIG (3 * ((size_t)1 << 20) + 77)

struct webkit {
    struct web_stub *stub;
    struct loop *loop;
    struct budget *budget;
    struct web_conf conf;
    struct backend *backend;
    struct fs *fs;
    bool httpfs;
    struct spool *spool; /* of a store that is opened from then on; NULL = none */
    uint8_t *big;        /* WEBKIT_BIG bytes */
};

/* For cmocka: *state becomes a struct webkit *. */
int webkit_setup_dav(void **state);
int webkit_setup_httpfs(void **state);
int webkit_teardown(void **state);
/* The store itself, once more with another atomic_uploads. */
void webkit_open(struct webkit *e, bool atomic);
void webkit_close(struct webkit *e);

/* What a client does, with "/f", "/big" or "/". */
typedef enum gw_err webkit_fn(struct webkit *e);
webkit_fn webkit_list, webkit_get, webkit_put, webkit_stat, webkit_remove, webkit_mkdir,
    webkit_rename, webkit_chmod, webkit_utime, webkit_space;
webkit_fn webkit_read_big; /* all of it, compared with e->big */
webkit_fn webkit_write_big, webkit_write_small;
/* The words that come with the error of a stat; FS_TEXT_MAX bytes. */
void webkit_words(struct webkit *e, char *text);
/* A listing of 100,000 entries, by the request with this word: the first of them are here while the
 * server still writes. False, printed: not so, or not all come. */
bool webkit_many(struct webkit *e, const char *word);
/* Until one file is left: what was staged is removed when its upload has ended already. */
bool webkit_until_clean(struct webkit *e);

/* Rows of bad days: each gives how many are wrong. */

/* The server answers `status` to two requests with this word, after `skip`. Wrong, printed: not as
 * the row says, or "/f" is not whole, or something of a reserved name stays. */
struct webkit_status_row {
    const char *word;
    webkit_fn *act;
    unsigned status, skip;
    enum gw_err err;
    unsigned requests; /* with this word: 2 = it was tried again */
};
unsigned webkit_statuses(struct webkit *e, const struct webkit_status_row *rows, size_t n);

/* One fault in an upload of "/big". Wrong, printed: not as the row says, or neither the old file
 * nor the new one is there, whole, as `err` says. */
struct webkit_upload_row {
    webkit_fn *act;
    enum web_stub_fault fault;
    const char *word;
    unsigned value;
    enum gw_err err;
    enum gw_err or_err; /* as well: a reset may be quicker than the answer */
};
unsigned webkit_uploads(struct webkit *e, const struct webkit_upload_row *rows, size_t n);

/* One fault in the requests with `word`, by which "/big" is read. Wrong, printed: not as the row
 * says. */
struct webkit_read_row {
    enum web_stub_fault fault;
    unsigned skip, times;
    enum gw_err err, or_err;
};
unsigned webkit_reads(struct webkit *e, const char *word, const struct webkit_read_row *rows,
                      size_t n);
/* What a read says of "/big" that was replaced since it was opened. */
enum gw_err webkit_read_replaced(struct webkit *e);

#endif
