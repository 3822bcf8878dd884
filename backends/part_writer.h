/*
 * What a client writes, made into parts of a known size, one behind the other, with memory from the
 * budget. Writes may be a little out of order, as clients send them; truly random ones are refused,
 * for these stores take a file once, from begin to end. A write that finds no memory, or no lane
 * for another part, waits. One a file; the loop's thread only. Sizes in bytes.
 */
#ifndef BACKENDS_PART_WRITER_H
#define BACKENDS_PART_WRITER_H

#include "backends/fs.h"
#include "backends/part.h"

struct part_writer;

/* Why a write that seeks is refused. */
#define PART_WRITER_RANDOM                                                                         \
    "a new file is written from begin to end here; to write anywhere, open the file for reading "  \
    "and writing"

struct part_writer_type {
    uint64_t max_bytes; /* of a file */
    /* Of part `number` (from 1); 0 = there can be no such part. */
    uint64_t (*size)(void *arg, uint32_t number);
    /* May part `number` be begun? It is asked again after part_writer_wake(). Before it says yes or
     * lets a part wait for memory, every full part must be on its way: else its memory never comes
     * back. */
    bool (*ready)(void *arg, uint32_t number);
    /* A part is full, or the last. Takes it. */
    void (*full)(void *arg, struct part **pp);
};

struct part_writer_conf {
    const struct part_writer_type *type;
    void *arg; /* of the type's calls */
    struct loop *loop;
    struct budget *budget;
    bool hash; /* the parts' SHA-256 is wanted */
};

struct part_writer *part_writer_new(const struct part_writer_conf *conf);
void part_writer_free(struct part_writer **wp); /* NULL-safe; no write is under way */

/* fs_write_now() and fs_write(). */
enum gw_err part_writer_now(struct part_writer *w, uint64_t off, struct gw_span data);
struct op *part_writer_start(struct part_writer *w, uint64_t off, struct gw_span data,
                             fs_done_fn *done, void *arg);
bool part_writer_waits(const struct part_writer *w); /* a write is under way */
void part_writer_wake(struct part_writer *w);        /* a lane may be free */

/* The file cannot come about any more: every write gets this. The first one sticks. */
void part_writer_fail(struct part_writer *w, enum gw_err err, const char *text);
enum gw_err part_writer_err(const struct part_writer *w, const char **text);

uint32_t part_writer_begun(const struct part_writer *w); /* parts so far */
uint64_t part_writer_size(const struct part_writer *w);  /* of the file, if nothing followed */
/* At the end: gives the last part away. Where a byte is missing the writer has failed. */
void part_writer_seal(struct part_writer *w);

#endif
