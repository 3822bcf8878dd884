/*
 * Programs that are kept running and answer many questions: one JSON object a line each way, told
 * apart by the "id" in it, in any order. They are started when they are needed: the first for the
 * first question, another when all that run are busy.
 *
 * A worker that dies, answers what it was not asked, answers twice, says what is no answer, or
 * nothing at all for silence_ms while it owes an answer, is ended; what it owed fails, and the next
 * question starts another one. If workers end without ever having answered, the pauses between
 * starts grow, and what is asked meanwhile fails at once. One loop's thread.
 */
#ifndef AUTH_PROGRAM_POOL_H
#define AUTH_PROGRAM_POOL_H

#include "auth/program_cmd.h"
#include "gateway/io/proc.h"

#define PROGRAM_POOL_ANSWER_MAX_BYTES (256u * 1024u)
#define PROGRAM_POOL_OWED_MAX         32u /* questions that one worker has at a time */

struct program_pool;

struct program_pool_conf {
    const struct program_cmd *cmd; /* borrowed for the pool's life */
    unsigned workers;              /* at most */
    uint32_t silence_ms;
};

struct program_pool *program_pool_new(struct loop *l, const struct program_pool_conf *conf);
void program_pool_free(struct program_pool **pp);          /* no op of it is under way */
unsigned program_pool_count(const struct program_pool *p); /* workers that run */

/*
 * line: with or without a "\n"; its "id" is `id`, no question's before it. Copies both.
 * done gets the line that answers it, as the output of a program that ended well. Errors: those of
 * proc_start(); GW_BUSY also for a worker that was just started in vain too often.
 */
struct op *program_pool_ask(struct program_pool *p, const char *id, struct gw_span line,
                            proc_done_fn *done, void *arg);

#endif
