/*
 * Something that was started and will finish. The rules, for every *_start() that gives a struct op
 * *:
 *   - done(arg, ...) never runs before the start returned; a start that fails calls back on a later
 * turn.
 *   - done runs once. Its first line nulls the owner's op pointer; its last act may destroy the
 * owner.
 *   - op_cancel(&p): done never runs, p is NULL, and the caller may free all that it lent. The op
 * owns what it needs beyond that; work that runs already (on the pool, on a server) becomes an
 * orphan that finishes alone and releases what it made.
 *   - all of it happens on the thread of the loop that the op was started on.
 */
#ifndef GATEWAY_IO_OP_H
#define GATEWAY_IO_OP_H

struct op;

struct op_type {
    const char *name;
    /* Frees the op, or turns it into an orphan. Called once at most, and never after done. */
    void (*cancel)(struct op *op);
};

struct op {
    const struct op_type *type;
};

void op_cancel(struct op **opp); /* NULL-safe */

#endif
