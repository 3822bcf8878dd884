/* The inside of a remote file's read-ahead: shared by read_ahead.c, which serves reads and knows
 * what to ask for, and read_ahead_block.c, which gets it. */
#ifndef BACKENDS_READ_AHEAD_IMPL_H
#define BACKENDS_READ_AHEAD_IMPL_H

#include "backends/read_ahead.h"
#include "gateway/base/list.h"

/* One ranged GET and what it brought. */
struct read_ahead_block {
    struct list node; /* in reader->blocks, by offset; never overlapping */
    struct read_ahead *reader;
    uint64_t off;
    size_t len, have, served;
    uint8_t *data;
    size_t room; /* of data: len may have become less */
    size_t budget;
    struct op *step; /* the GET, or the pause before the next one */
    unsigned tries;  /* since the last byte */
    bool surplus;    /* complete, and its GET is paused before what nobody asked for */
    uint64_t touched;
};

struct read_ahead {
    struct read_ahead_conf conf;
    struct first_op *opening; /* while the first GET is under way */
    struct fs_attr attr;
    char etag[READ_AHEAD_ETAG_MAX]; /* with its quotes; "" = the server gave none */
    bool known;                     /* attr and etag are those of the first answer */
    struct list blocks, waiting;
    uint64_t next;   /* where a reader in order reads on */
    size_t ahead;    /* size of the next read-ahead block; 0 = reads at random */
    uint64_t clock;  /* counts reads: for `touched` */
    unsigned holds;  /* no GET is begun while there is one */
    enum gw_err err; /* sticks: no read can succeed any more */
    char text[FS_TEXT_MAX];
    struct op *turn;   /* serves what waits */
    struct op *budget; /* a demand that waits for memory */
    size_t budget_bytes;
    uint64_t demand_off;
    struct op *idle;
    uint64_t idle_clock;
};

/* A turn, to serve what waits. */
void read_ahead_wake(struct read_ahead *r);
/* No read can succeed any more; the first one sticks. */
void read_ahead_fail(struct read_ahead *r, enum gw_err err, const char *text);
/* The first GET has ended, before it said what the file is or behind its last byte. */
void read_ahead_opened(struct read_ahead *r, const struct remote_res *res);

/* A block of len bytes whose memory is taken already; its GET starts at once. NULL: no memory. */
struct read_ahead_block *read_ahead_block_new(struct read_ahead *r, uint64_t off, size_t len,
                                              size_t budget);
/* What has bytes to come: ends its GET; begins it again. */
void read_ahead_block_stop(struct read_ahead_block *b);
void read_ahead_block_go_on(struct read_ahead_block *b);
void read_ahead_block_free(struct read_ahead_block *b);

#endif
