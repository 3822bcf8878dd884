/*
 * The bytes of one part of an upload while they come in: chunks that are allocated as they fill, in
 * any order, and the SHA-256 of what is there without a hole. Sizes in bytes.
 *
 * The memory is the budget's. A part begins with S3_PART_FIRST of it, so that a small file takes
 * little, and is then given its full size at once: who holds that can always finish the part, send
 * it and give it back, which is what the budget's rule asks for.
 */
#ifndef BACKENDS_S3_S3_PART_H
#define BACKENDS_S3_S3_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/s3/s3_sign.h"
#include "gateway/base/buf.h"
#include "gateway/io/budget.h"

#define S3_PART_FIRST ((size_t)64 * 1024)
#define S3_OBJECT_MAX ((uint64_t)5 << 40)

struct s3_part;

/*
 * The size of part `number` (from 1) when the first is `base`: four times as much every fifth of
 * max_parts, and in the last fifth as much as 5 TiB takes, but at most 5 GiB. From 8 MiB on, the
 * first 300 GiB need no part above 128 MiB.
 */
uint64_t s3_part_size(uint64_t base, uint32_t number, uint32_t max_parts);

/* `size`: when it is full. `reserved`: what was taken from b, which the part gives back. */
struct s3_part *s3_part_new(struct budget *b, uint32_t number, uint64_t off, size_t size,
                            size_t reserved, bool hash);
void s3_part_free(struct s3_part **pp); /* NULL-safe */
/* More was taken: instead of what it had, which is given back. */
void s3_part_grow(struct s3_part *p, size_t reserved);
size_t s3_part_reserved(const struct s3_part *p);
/* Frees the bytes and their budget; number, offset and length stay. */
void s3_part_drop(struct s3_part *p);

/*
 * data is to stand at `at` from the part's begin; at + len <= s3_part_reserved().
 * Errors: GW_NO_MEMORY, GW_UNSUPPORTED (more holes than are kept track of).
 */
enum gw_err s3_part_put(struct s3_part *p, size_t at, struct gw_span data);

uint32_t s3_part_number(const struct s3_part *p);
uint64_t s3_part_off(const struct s3_part *p);
size_t s3_part_full(const struct s3_part *p);   /* its size when full */
size_t s3_part_filled(const struct s3_part *p); /* from its begin without a hole */
size_t s3_part_end(const struct s3_part *p);    /* the last byte that was put + 1 */

/* The filled bytes as pieces of a request's body; valid until a put, drop or free. */
const struct gw_span *s3_part_body(struct s3_part *p, size_t *n);
/* Hex SHA-256 of the filled bytes; NULL when it is not known (a byte was written twice). */
const char *s3_part_hash(struct s3_part *p);

/* The part's ETag as the server gave it; NULL before. */
bool s3_part_set_etag(struct s3_part *p, const char *etag); /* false: not a usable one */
const char *s3_part_etag(const struct s3_part *p);

#endif
