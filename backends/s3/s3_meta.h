/* Times and attributes as S3 writes them. Pure functions. */
#ifndef BACKENDS_S3_S3_META_H
#define BACKENDS_S3_S3_META_H

#include "backends/fs.h"
#include "gateway/io/http.h"

#define S3_META_MTIME     "x-amz-meta-mtime"
#define S3_META_MTIME_MAX 48u

/* "1763818678.123456789": seconds with an optional fraction, also negative (as rclone and s3fs
 * write it). False: not such a number; *s and *ns are untouched. */
bool s3_meta_mtime_parse(const char *text, int64_t *s, uint32_t *ns);
void s3_meta_mtime_format(int64_t s, uint32_t ns, char out[S3_META_MTIME_MAX]);

/* "Sun, 22 Nov 2026 13:57:59 GMT" (RFC 9110 section 5.6.7, the first form). */
bool s3_meta_http_date(const char *text, int64_t *s);
/* "2026-11-22T13:57:59.000Z" (ISO 8601 as in S3's XML). */
bool s3_meta_iso_date(const char *text, int64_t *s);

/* A file's attributes from the answer to HEAD or GET: size (of the whole object, also of a ranged
 * answer), mtime from x-amz-meta-mtime, else Last-Modified. False: no usable size. */
bool s3_meta_attr(const struct http_res *res, struct fs_attr *out);
/* The attributes of a file and of a folder when only these are known. mtime_s 0 = not known. */
void s3_meta_attr_file(uint64_t size, int64_t mtime_s, struct fs_attr *out);
void s3_meta_attr_dir(int64_t mtime_s, struct fs_attr *out);

#endif
