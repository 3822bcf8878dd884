/*
 * A store whose operations wait until the test lets each go, fails it, or never does: for what an
 * engine does meanwhile, and for ends at every step. Wraps another backend's views. Its files are
 * never ready at once (read_now and write_now are busy) while `hold` is set.
 */
#ifndef TESTS_SUPPORT_HELD_H
#define TESTS_SUPPORT_HELD_H

#include "backends/backends.h"
#include "gateway/base/list.h"

struct held {
    bool hold;
    struct list waiting; /* in order of start */
    unsigned nwaiting;
    unsigned started;            /* operations so far, held or not */
    unsigned files;              /* open ones */
    unsigned aborted, committed; /* how files ended */
};

void held_init(struct held *h);
/* Takes a reference of inner. *h must outlive the backend and its views. */
struct backend *held_backend(struct held *h, struct backend *inner);
/* The i-th that waits: "open", "write" ... NULL = there are fewer. */
const char *held_name(const struct held *h, unsigned i);
void held_release(struct held *h, unsigned i);
void held_release_all(struct held *h);
void held_fail(struct held *h, unsigned i, enum gw_err err, const char *text);

#endif
