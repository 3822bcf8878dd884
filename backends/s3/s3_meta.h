/* Times and attributes as S3 writes them, beyond HTTP's own. Pure functions. */
#ifndef BACKENDS_S3_S3_META_H
#define BACKENDS_S3_S3_META_H

#include "backends/remote_meta.h"

#define S3_META_MTIME     "x-amz-meta-mtime"
#define S3_META_MTIME_MAX 48u

/* "1763818678.123456789": seconds with an optional fraction, also negative (as rclone and s3fs
 * write it). False: not such a number; *s and *ns are untouched. */
bool s3_meta_mtime_parse(const char *text, int64_t *s, uint32_t *ns);
void s3_meta_mtime_format(int64_t s, uint32_t ns, char out[S3_META_MTIME_MAX]);

/* remote_meta_attr(), with the mtime of x-amz-meta-mtime where there is one. */
bool s3_meta_attr(const struct http_res *res, struct fs_attr *out);

/* The largest object. */
#define S3_OBJECT_MAX ((uint64_t)5 << 40)

/*
 * The size of part `number` (from 1) when the first is `base`: four times as much every fifth of
 * max_parts, and in the last fifth as much as 5 TiB takes, but at most 5 GiB. From 8 MiB on, the
 * first 300 GiB need no part above 128 MiB.
 */
uint64_t s3_meta_part_size(uint64_t base, uint32_t number, uint32_t max_parts);

#endif
