#include "gateway/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"

struct gw_span gw_span_of(const void *p, size_t n)
{
    return (struct gw_span){p, n};
}

struct gw_span gw_span_str(const char *s)
{
    return (struct gw_span){(const uint8_t *)s, strlen(s)};
}

bool gw_span_eq(struct gw_span s, const char *text)
{
    size_t n = strlen(text);
    return s.len == n && (n == 0 || memcmp(s.ptr, text, n) == 0);
}

bool gw_span_has_nul(struct gw_span s)
{
    return s.len > 0 && memchr(s.ptr, 0, s.len) != NULL;
}

void gw_buf_init(struct gw_buf *b, size_t max)
{
    *b = (struct gw_buf){.max = max};
}

void gw_buf_free(struct gw_buf *b)
{
    if (b == NULL)
        return;
    mem_free(b->data);
    *b = (struct gw_buf){.max = b->max};
}

void gw_buf_free_secret(struct gw_buf *b)
{
    if (b == NULL)
        return;
    mem_free_secret(b->data, b->cap);
    *b = (struct gw_buf){.max = b->max};
}

void gw_buf_reset(struct gw_buf *b)
{
    b->len = 0;
    b->failed = GW_OK;
}

struct gw_span gw_buf_span(const struct gw_buf *b)
{
    return (struct gw_span){b->data, b->len};
}

uint8_t *gw_buf_reserve(struct gw_buf *b, size_t n)
{
    if (b->failed != GW_OK)
        return NULL;
    if (n > b->max - b->len) {
        b->failed = GW_TOO_LARGE;
        return NULL;
    }
    if (n > b->cap - b->len) {
        size_t cap = b->cap < 128 ? 256 : b->cap * 2;
        if (cap < b->len + n)
            cap = b->len + n;
        if (cap > b->max)
            cap = b->max;
        uint8_t *p = mem_try_realloc(b->data, cap);
        if (p == NULL) {
            b->failed = GW_NO_MEMORY;
            return NULL;
        }
        b->data = p;
        b->cap = cap;
    }
    static uint8_t nothing[1];
    return b->data == NULL ? nothing : b->data + b->len;
}

void gw_buf_commit(struct gw_buf *b, size_t n)
{
    b->len += n;
}

void gw_buf_consume(struct gw_buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

void gw_buf_put(struct gw_buf *b, const void *p, size_t n)
{
    uint8_t *to = gw_buf_reserve(b, n);
    if (to == NULL || n == 0)
        return;
    memcpy(to, p, n);
    b->len += n;
}

void gw_buf_put_text(struct gw_buf *b, const char *s)
{
    gw_buf_put(b, s, strlen(s));
}

void gw_buf_printf(struct gw_buf *b, const char *fmt, ...)
{
    char small[256];
    va_list ap;
    va_list again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    if (n < 0) {
        b->failed = b->failed != GW_OK ? b->failed : GW_INTERNAL;
    } else if ((size_t)n < sizeof small) {
        gw_buf_put(b, small, (size_t)n);
    } else if (b->failed == GW_OK && (size_t)n > b->max - b->len) {
        b->failed = GW_TOO_LARGE;
    } else if (b->failed == GW_OK) {
        /* Not into the buffer: the NUL may be what no longer fits. */
        char *large = mem_try_alloc((size_t)n + 1);
        if (large == NULL) {
            b->failed = GW_NO_MEMORY;
        } else {
            vsnprintf(large, (size_t)n + 1, fmt, again);
            gw_buf_put(b, large, (size_t)n);
            mem_free(large);
        }
    }
    va_end(again);
    va_end(ap);
}

const char *gw_buf_cstr(struct gw_buf *b)
{
    uint8_t *end = gw_buf_reserve(b, 1);
    if (end == NULL)
        return "";
    *end = 0;
    return (const char *)b->data;
}

void gw_buf_put_u8(struct gw_buf *b, uint8_t v)
{
    gw_buf_put(b, &v, 1);
}

void gw_buf_put_u16(struct gw_buf *b, uint16_t v)
{
    uint8_t x[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    gw_buf_put(b, x, sizeof x);
}

static void be32(uint8_t *to, uint32_t v)
{
    to[0] = (uint8_t)(v >> 24);
    to[1] = (uint8_t)(v >> 16);
    to[2] = (uint8_t)(v >> 8);
    to[3] = (uint8_t)v;
}

void gw_buf_put_u32(struct gw_buf *b, uint32_t v)
{
    uint8_t x[4];
    be32(x, v);
    gw_buf_put(b, x, sizeof x);
}

void gw_buf_put_u64(struct gw_buf *b, uint64_t v)
{
    uint8_t x[8];
    be32(x, (uint32_t)(v >> 32));
    be32(x + 4, (uint32_t)v);
    gw_buf_put(b, x, sizeof x);
}

void gw_buf_put_str(struct gw_buf *b, const void *p, size_t n)
{
    if (n > UINT32_MAX) {
        b->failed = GW_TOO_LARGE;
        return;
    }
    gw_buf_put_u32(b, (uint32_t)n);
    gw_buf_put(b, p, n);
}

void gw_buf_put_cstr(struct gw_buf *b, const char *s)
{
    gw_buf_put_str(b, s, strlen(s));
}

size_t gw_buf_begin_len(struct gw_buf *b)
{
    size_t mark = b->len;
    gw_buf_put_u32(b, 0);
    return mark;
}

void gw_buf_end_len(struct gw_buf *b, size_t mark)
{
    if (b->failed == GW_OK)
        be32(b->data + mark, (uint32_t)(b->len - mark - 4));
}

void gw_buf_set_u32(struct gw_buf *b, size_t at, uint32_t v)
{
    if (b->failed == GW_OK && at + 4 <= b->len)
        be32(b->data + at, v);
}

struct gw_rd gw_rd_of(struct gw_span s)
{
    return (struct gw_rd){.pos = s.ptr, .end = s.len == 0 ? s.ptr : s.ptr + s.len};
}

size_t gw_rd_left(const struct gw_rd *r)
{
    return r->pos == NULL ? 0 : (size_t)(r->end - r->pos);
}

struct gw_span gw_rd_bytes(struct gw_rd *r, size_t n)
{
    if (r->failed || n > gw_rd_left(r)) {
        r->failed = true;
        return (struct gw_span){NULL, 0};
    }
    struct gw_span s = {r->pos, n};
    if (n > 0)
        r->pos += n;
    return s;
}

uint8_t gw_rd_u8(struct gw_rd *r)
{
    struct gw_span s = gw_rd_bytes(r, 1);
    return r->failed ? 0 : s.ptr[0];
}

uint16_t gw_rd_u16(struct gw_rd *r)
{
    struct gw_span s = gw_rd_bytes(r, 2);
    return r->failed ? 0 : (uint16_t)((unsigned)s.ptr[0] << 8 | s.ptr[1]);
}

uint32_t gw_rd_u32(struct gw_rd *r)
{
    struct gw_span s = gw_rd_bytes(r, 4);
    if (r->failed)
        return 0;
    return (uint32_t)s.ptr[0] << 24 | (uint32_t)s.ptr[1] << 16 | (uint32_t)s.ptr[2] << 8 | s.ptr[3];
}

uint64_t gw_rd_u64(struct gw_rd *r)
{
    uint64_t hi = gw_rd_u32(r);
    uint64_t lo = gw_rd_u32(r);
    return r->failed ? 0 : hi << 32 | lo;
}

struct gw_span gw_rd_str(struct gw_rd *r, size_t max)
{
    uint32_t n = gw_rd_u32(r);
    if (n > max)
        r->failed = true;
    return gw_rd_bytes(r, n);
}

bool gw_rd_done(const struct gw_rd *r)
{
    return !r->failed && gw_rd_left(r) == 0;
}
