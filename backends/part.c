#include "backends/part.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"

#define CHUNK_MIN    ((size_t)64 * 1024)
#define CHUNK_MAX    ((size_t)4 * 1024 * 1024)
#define CHUNKS       128u /* a part is made of about so many */
#define EXTENTS_MAX  256u
#define ETAG_MAX     200u
#define HASH_HEX_MAX 65u

/* What was put behind a hole. */
struct extent {
    size_t from, to;
};

struct part {
    struct budget *budget;
    size_t reserved;
    uint32_t number;
    uint64_t off;
    size_t size, filled;
    size_t chunk_size, nchunks;
    uint8_t **chunks;
    size_t first_cap; /* of chunk 0, which grows */
    struct gw_span *body;
    struct extent
        *extents; /* EXTENTS_MAX of them once needed: sorted, apart, all behind `filled` */
    size_t nextents;
    EVP_MD_CTX *md; /* NULL = not wanted, or spoilt */
    size_t hashed;
    char hash[HASH_HEX_MAX];
    char *etag;
};

struct part *part_new(struct budget *b, uint32_t number, uint64_t off, size_t size, size_t reserved,
                      bool hash)
{
    struct part *p = mem_zalloc(sizeof *p);
    p->budget = b;
    p->reserved = reserved;
    p->number = number;
    p->off = off;
    p->size = size;
    p->chunk_size = CHUNK_MIN;
    while (p->chunk_size < CHUNK_MAX && p->chunk_size < size / CHUNKS)
        p->chunk_size *= 2;
    p->nchunks = (size + p->chunk_size - 1) / p->chunk_size;
    p->chunks = mem_array(p->nchunks, sizeof *p->chunks);
    if (hash)
        p->md = EVP_MD_CTX_new();
    if (p->md != NULL && EVP_DigestInit_ex(p->md, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(p->md);
        p->md = NULL;
    }
    return p;
}

void part_drop(struct part *p)
{
    for (size_t i = 0; p->chunks != NULL && i < p->nchunks; i++)
        mem_free(p->chunks[i]);
    mem_free(p->chunks);
    p->chunks = NULL;
    mem_free(p->body);
    p->body = NULL;
    mem_free(p->extents);
    p->extents = NULL;
    p->nextents = 0;
    EVP_MD_CTX_free(p->md);
    p->md = NULL;
    if (p->reserved > 0)
        budget_give(p->budget, p->reserved);
    p->reserved = 0;
}

void part_free(struct part **pp)
{
    struct part *p = *pp;
    *pp = NULL;
    if (p == NULL)
        return;
    part_drop(p);
    mem_free(p->etag);
    mem_free(p);
}

void part_grow(struct part *p, size_t reserved)
{
    if (p->reserved > 0)
        budget_give(p->budget, p->reserved);
    p->reserved = reserved;
}

size_t part_reserved(const struct part *p)
{
    return p->reserved;
}

/* The chunk that holds `at`, with room up to `end` of it; NULL when there is no memory. The first
 * one grows by doubling: most files are small. */
static uint8_t *chunk_for(struct part *p, size_t i, size_t end)
{
    if (i > 0 || p->first_cap == p->chunk_size) {
        if (p->chunks[i] == NULL)
            p->chunks[i] = mem_try_alloc(p->chunk_size);
        return p->chunks[i];
    }
    size_t cap = p->first_cap > 0 ? p->first_cap : 4096;
    while (cap < end)
        cap *= 2;
    if (cap > p->chunk_size)
        cap = p->chunk_size;
    if (cap > p->first_cap) {
        uint8_t *grown = mem_try_realloc(p->chunks[0], cap);
        if (grown == NULL)
            return NULL;
        p->chunks[0] = grown;
        p->first_cap = cap;
    }
    return p->chunks[0];
}

static enum gw_err copy_in(struct part *p, size_t at, struct gw_span data)
{
    while (data.len > 0) {
        size_t i = at / p->chunk_size, in = at % p->chunk_size;
        size_t n = p->chunk_size - in < data.len ? p->chunk_size - in : data.len;
        uint8_t *chunk = chunk_for(p, i, in + n);
        if (chunk == NULL)
            return GW_NO_MEMORY;
        memcpy(chunk + in, data.ptr, n);
        at += n;
        data.ptr += n;
        data.len -= n;
    }
    return GW_OK;
}

/* Notes [from, to) behind the hole and joins what touches. False: too many pieces. */
static bool note_extent(struct part *p, size_t from, size_t to)
{
    if (p->extents == NULL)
        p->extents = mem_array(EXTENTS_MAX, sizeof *p->extents);
    size_t i = 0;
    while (i < p->nextents && p->extents[i].to < from)
        i++;
    size_t j = i;
    while (j < p->nextents && p->extents[j].from <= to) {
        if (p->extents[j].from < from)
            from = p->extents[j].from;
        if (p->extents[j].to > to)
            to = p->extents[j].to;
        j++;
    }
    if (i == j && p->nextents == EXTENTS_MAX)
        return false;
    memmove(&p->extents[i + 1], &p->extents[j], (p->nextents - j) * sizeof p->extents[0]);
    p->nextents = p->nextents - (j - i) + 1;
    p->extents[i] = (struct extent){from, to};
    return true;
}

static void hash_filled(struct part *p)
{
    while (p->md != NULL && p->hashed < p->filled) {
        size_t i = p->hashed / p->chunk_size, in = p->hashed % p->chunk_size;
        size_t n = p->chunk_size - in;
        if (n > p->filled - p->hashed)
            n = p->filled - p->hashed;
        if (EVP_DigestUpdate(p->md, p->chunks[i] + in, n) != 1) {
            EVP_MD_CTX_free(p->md);
            p->md = NULL;
        }
        p->hashed += n;
    }
}

enum gw_err part_put(struct part *p, size_t at, struct gw_span data)
{
    size_t end = at + data.len;
    assert(end <= p->reserved && end <= p->size && p->chunks != NULL);
    if (at < p->hashed && p->md != NULL) { /* written twice: the client library hashes it anew */
        EVP_MD_CTX_free(p->md);
        p->md = NULL;
    }
    if (at > p->filled && !note_extent(p, at, end))
        return GW_UNSUPPORTED;
    enum gw_err err = copy_in(p, at, data);
    if (err != GW_OK)
        return err;
    if (at <= p->filled && end > p->filled)
        p->filled = end;
    while (p->nextents > 0 && p->extents[0].from <= p->filled) {
        if (p->extents[0].to > p->filled)
            p->filled = p->extents[0].to;
        memmove(&p->extents[0], &p->extents[1], --p->nextents * sizeof p->extents[0]);
    }
    hash_filled(p);
    return GW_OK;
}

uint32_t part_number(const struct part *p)
{
    return p->number;
}

uint64_t part_off(const struct part *p)
{
    return p->off;
}

size_t part_full(const struct part *p)
{
    return p->size;
}

size_t part_filled(const struct part *p)
{
    return p->filled;
}

size_t part_end(const struct part *p)
{
    return p->nextents > 0 ? p->extents[p->nextents - 1].to : p->filled;
}

const struct gw_span *part_body(struct part *p, size_t *n)
{
    size_t count = (p->filled + p->chunk_size - 1) / p->chunk_size;
    mem_free(p->body);
    p->body = mem_array(count, sizeof *p->body);
    for (size_t i = 0; i < count; i++) {
        size_t left = p->filled - i * p->chunk_size;
        p->body[i] = gw_span_of(p->chunks[i], left < p->chunk_size ? left : p->chunk_size);
    }
    *n = count;
    return p->body;
}

const char *part_hash(struct part *p)
{
    if (p->hash[0] != '\0')
        return p->hash;
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (p->md == NULL || p->hashed != p->filled || EVP_DigestFinal_ex(p->md, sum, &len) != 1)
        return NULL;
    for (unsigned i = 0; i < len && 2 * i + 2 < sizeof p->hash; i++)
        snprintf(p->hash + (size_t)2 * i, 3, "%02x", sum[i]);
    return p->hash;
}

bool part_set_etag(struct part *p, const char *etag)
{
    if (etag == NULL || etag[0] == '\0' || strlen(etag) > ETAG_MAX ||
        etag[strcspn(etag, "<>&\r\n")] != '\0')
        return false;
    mem_free(p->etag);
    p->etag = mem_strdup(etag);
    return true;
}

const char *part_etag(const struct part *p)
{
    return p->etag;
}
