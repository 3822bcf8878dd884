/*
 * What a user stores, as the whole process sees it: bytes and files, counted once and kept while
 * any session of that user runs. A small table under one lock, because sessions of one user may
 * live on several loops: nothing waits while it is held.
 *
 * Any thread, but a waiter belongs to its loop.
 */
#ifndef GATEWAY_VFS_USAGE_H
#define GATEWAY_VFS_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/io/loop.h"
#include "gateway/io/op.h"

struct usage; /* one user's */

struct usage_sum {
    int64_t bytes, files;
};

/* The one of `key` (copied), a reference: of who the user is and what is counted. */
struct usage *usage_open(const char *key);
/* The last one forgets what was counted. NULL-safe. */
void usage_close(struct usage **up);

/*
 * By who looks at the sum or changes what is stored. Is it counted? KNOWN, and nobody counts before
 * usage_leave(), which has to follow; or MINE: the caller counts, and ends that by usage_counted()
 * or usage_uncounted(); or OTHERS: somebody else does, usage_wait() tells of the end.
 */
enum usage_state { USAGE_KNOWN, USAGE_MINE, USAGE_OTHERS };
enum usage_state usage_enter(struct usage *u);
void usage_leave(struct usage *u);
bool usage_is_known(struct usage *u);
void usage_counted(struct usage *u, struct usage_sum sum, uint64_t now_ms);
/* The count failed or was given up; why: words for whom it is refused to (copied), or NULL. */
void usage_uncounted(struct usage *u, const char *why);
/*
 * It is counted, and maybe too high: shall the caller count anew, before it refuses anything? True:
 * as MINE above, from usage_wait_quiet() on. Not more often than every USAGE_RECOUNT_MS, nor for
 * more than a tenth of the time. A count that fails leaves what was known.
 */
#define USAGE_RECOUNT_MS 10000u
bool usage_recount(struct usage *u, uint64_t now_ms);
/* fn(arg) on l when all who have entered have left. */
struct op *usage_wait_quiet(struct usage *u, struct loop *l, loop_fn *fn, void *arg);
/* Something was cancelled that may run on: not to be counted just now. */
void usage_doubt(struct usage *u, uint64_t now_ms);
/* How often it has been counted anew. */
uint64_t usage_generation(struct usage *u);
/* Of the last count, if it failed: copied to text, or "". */
void usage_why(struct usage *u, char *text, size_t size);
/* fn(arg) on l when the count that is under way has ended, well or not: usage_enter() again. */
struct op *usage_wait(struct usage *u, struct loop *l, loop_fn *fn, void *arg);

/* Adds `more` if neither sum gets over `most` (0 = no limit) by it; what shrinks always fits. */
bool usage_charge(struct usage *u, struct usage_sum more, struct usage_sum most);
/* The same without a question: what was charged and did not come about, what was removed. */
void usage_adjust(struct usage *u, struct usage_sum by);
struct usage_sum usage_now(struct usage *u);
/* Both for what no count finds: uploads that are not there before they are closed. */
bool usage_reserve(struct usage *u, struct usage_sum more, struct usage_sum most);
void usage_unreserve(struct usage *u, struct usage_sum by);
/* So much of what is reserved is stored now, or may be. */
void usage_stored(struct usage *u, struct usage_sum by);
/* How often a file came, went or changed its size. Equal at two times: nothing did between. */
uint64_t usage_changes(struct usage *u);
void usage_changed(struct usage *u);

/*
 * What is at a name can be given back once only, however many at a time replace it, remove it or
 * cut it. Who is about to holds the name; whose hold is not good gives nothing back: what is then
 * counted too much, the next count puts right. Nobody waits.
 */
enum usage_hold_for {
    USAGE_HOLD_CHANGE, /* until an operation on the name has ended */
    USAGE_HOLD_OPEN,   /* while a file is open that is changed in place, under whatever name */
    USAGE_HOLD_MOVE,   /* while the name, and all below it, are on the way elsewhere; never good */
};
struct usage_hold;
struct usage_hold *usage_hold_new(struct usage *u, const char *path, enum usage_hold_for what);
/* Is it still good? One of a CHANGE ends to be when its name is moved. NULL is not. */
bool usage_hold_good(const struct usage_hold *h);
/* Has nobody else held what this OPEN holds since it is held? */
bool usage_hold_alone(const struct usage_hold *h);
void usage_hold_free(struct usage *u, struct usage_hold **hp); /* NULL-safe */
/* There are links, so one file may have several names: from now on only one hold is good at a time.
 */
void usage_has_links(struct usage *u);

#endif
