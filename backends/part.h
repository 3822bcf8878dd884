/*
 * The bytes of one part of an upload while they come in: chunks that are allocated as they fill, in
 * any order, and the SHA-256 of what is there without a hole. Sizes in bytes.
 *
 * The memory is the budget's. A part begins with PART_FIRST of it, so that a small file takes
 * little, and is then given its full size at once: who holds that can always finish the part, send
 * it and give it back, which is what the budget's rule asks for.
 */
#ifndef BACKENDS_PART_H
#define BACKENDS_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/io/budget.h"

#define PART_FIRST ((size_t)64 * 1024)

struct part;

/* `size`: when it is full. `reserved`: what was taken from b, which the part gives back. */
struct part *part_new(struct budget *b, uint32_t number, uint64_t off, size_t size, size_t reserved,
                      bool hash);
void part_free(struct part **pp); /* NULL-safe */
/* More was taken: instead of what it had, which is given back. */
void part_grow(struct part *p, size_t reserved);
size_t part_reserved(const struct part *p);
/* Frees the bytes and their budget; number, offset and length stay. */
void part_drop(struct part *p);

/*
 * data is to stand at `at` from the part's begin; at + len <= part_reserved().
 * Errors: GW_NO_MEMORY, GW_UNSUPPORTED (more holes than are kept track of).
 */
enum gw_err part_put(struct part *p, size_t at, struct gw_span data);

uint32_t part_number(const struct part *p);
uint64_t part_off(const struct part *p);
size_t part_full(const struct part *p);   /* its size when full */
size_t part_filled(const struct part *p); /* from its begin without a hole */
size_t part_end(const struct part *p);    /* the last byte that was put + 1 */

/* The filled bytes as pieces of a request's body; valid until a put, drop or free. */
const struct gw_span *part_body(struct part *p, size_t *n);
/* Hex SHA-256 of the filled bytes; NULL when it is not known (a byte was written twice). */
const char *part_hash(struct part *p);

/* The part's ETag as the server gave it; NULL before. */
bool part_set_etag(struct part *p, const char *etag); /* false: not a usable one */
const char *part_etag(const struct part *p);

#endif
