/* Times and attributes as HTTP writes them. Pure functions. */
#ifndef BACKENDS_REMOTE_META_H
#define BACKENDS_REMOTE_META_H

#include "backends/fs.h"
#include "gateway/io/http.h"

/* "Sun, 22 Nov 2026 13:57:59 GMT" (RFC 9110 section 5.6.7, the first form). */
bool remote_meta_http_date(const char *text, int64_t *s);
/* Decimal digits and nothing else. */
bool remote_meta_number(const char *text, uint64_t *out);

/* A file's attributes from the answer to HEAD or GET: size (of the whole, also of a ranged answer)
 * and Last-Modified. False: no usable size. */
bool remote_meta_attr(const struct http_res *res, struct fs_attr *out);
/* The attributes of a file and of a folder when only these are known. mtime_s 0 = not known. */
void remote_meta_attr_file(uint64_t size, int64_t mtime_s, struct fs_attr *out);
void remote_meta_attr_dir(int64_t mtime_s, struct fs_attr *out);

#endif
