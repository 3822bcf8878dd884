/*
 * Bytes: a span that is borrowed, a writer with a mandatory maximum, a bounded reader.
 * Integers are big-endian and strings carry a uint32 length (RFC 4251 section 5).
 * A writer's and a reader's first fault sticks: put or read on, and test once at the end.
 */
#ifndef GATEWAY_BASE_BUF_H
#define GATEWAY_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/err.h"

struct gw_span {
    const uint8_t *ptr;
    size_t len;
};

struct gw_span gw_span_of(const void *p, size_t n);
struct gw_span gw_span_str(const char *s); /* without its NUL */
bool gw_span_eq(struct gw_span s, const char *text);
bool gw_span_has_nul(struct gw_span s);

/* Writer. failed: GW_TOO_LARGE past max, GW_NO_MEMORY; the content then is what fitted. */
struct gw_buf {
    uint8_t *data;
    size_t len, cap, max;
    enum gw_err failed;
};

void gw_buf_init(struct gw_buf *b, size_t max);
void gw_buf_free(struct gw_buf *b);        /* NULL-safe, and usable again after gw_buf_init() */
void gw_buf_free_secret(struct gw_buf *b); /* wiped first */
void gw_buf_reset(struct gw_buf *b);       /* len 0, no fault; keeps the memory */
struct gw_span gw_buf_span(const struct gw_buf *b);
/* Room for n bytes at the end, not yet counted; NULL and `failed` if there is none. */
uint8_t *gw_buf_reserve(struct gw_buf *b, size_t n);
void gw_buf_commit(struct gw_buf *b, size_t n);  /* counts n of the reserved bytes */
void gw_buf_consume(struct gw_buf *b, size_t n); /* drops n bytes from the front (moves the rest) */

void gw_buf_put(struct gw_buf *b, const void *p, size_t n);
void gw_buf_put_text(struct gw_buf *b, const char *s); /* raw, no length, no NUL */
void gw_buf_printf(struct gw_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The content as a C string (adds a NUL that is not counted); "" after a fault. */
const char *gw_buf_cstr(struct gw_buf *b);
void gw_buf_put_u8(struct gw_buf *b, uint8_t v);
void gw_buf_put_u16(struct gw_buf *b, uint16_t v);
void gw_buf_put_u32(struct gw_buf *b, uint32_t v);
void gw_buf_put_u64(struct gw_buf *b, uint64_t v);
void gw_buf_put_str(struct gw_buf *b, const void *p, size_t n); /* uint32 length + bytes */
void gw_buf_put_cstr(struct gw_buf *b, const char *s);          /* the same of a C string */
/* A uint32 length that is filled in later: mark = begin(), put..., end(mark). */
size_t gw_buf_begin_len(struct gw_buf *b);
void gw_buf_end_len(struct gw_buf *b, size_t mark);
void gw_buf_set_u32(struct gw_buf *b, size_t at, uint32_t v);

/* Reader. A short read sets `failed` and yields 0 or an empty span. */
struct gw_rd {
    const uint8_t *pos, *end;
    bool failed;
};

struct gw_rd gw_rd_of(struct gw_span s);
uint8_t gw_rd_u8(struct gw_rd *r);
uint16_t gw_rd_u16(struct gw_rd *r);
uint32_t gw_rd_u32(struct gw_rd *r);
uint64_t gw_rd_u64(struct gw_rd *r);
struct gw_span gw_rd_bytes(struct gw_rd *r, size_t n);
struct gw_span gw_rd_str(struct gw_rd *r, size_t max); /* longer than max: failed */
size_t gw_rd_left(const struct gw_rd *r);
bool gw_rd_done(const struct gw_rd *r); /* no fault, and nothing left */

#endif
