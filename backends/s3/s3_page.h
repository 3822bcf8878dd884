/*
 * What one page of a listing means as names of a folder. Pure: no request, no clock.
 *
 * Keys that no path can name ("a//b", ".", "..", a NUL, bytes that are not UTF-8) are left out and
 * counted. Where both "d" and "d/" exist the folder wins, also when the two stand on different
 * pages: keys come sorted, so a file is held back only while the page ends inside the keys that
 * begin with its name.
 */
#ifndef BACKENDS_S3_S3_PAGE_H
#define BACKENDS_S3_S3_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/s3/s3_xml.h"
#include "gateway/base/buf.h"

struct s3_page_entry {
    size_t name; /* offset into names */
    uint64_t size;
    int64_t time_s; /* 0 = not known */
    bool dir;
};

struct s3_page {
    struct gw_buf names; /* each NUL-terminated */
    struct s3_page_entry *v;
    size_t n, cap;
    struct gw_buf last; /* the greatest name seen, folders with their slash */
    size_t hidden;
    char hidden_name[64]; /* the first of them */
    bool any;             /* a key or prefix came, be it a hidden one or the marker */
};

void s3_page_init(struct s3_page *p);
void s3_page_free(struct s3_page *p);
/* One item of the answer; prefix_len bytes of its key are the folder's. False: out of memory. */
bool s3_page_add(struct s3_page *p, const struct s3_xml_item *item, size_t prefix_len);
/* The page is complete: drops files that are folders too, moves those that may turn out to be to
 * `next` when more pages follow. */
void s3_page_settle(struct s3_page *p, bool more, struct s3_page *next);
const char *s3_page_name(const struct s3_page *p, const struct s3_page_entry *e);
size_t s3_page_bytes(const struct s3_page *p); /* of memory */
#endif
