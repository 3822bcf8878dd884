/*
 * One verifier as the chain asks it: within its timeout_ms in all, again after a fault (`retries`),
 * and not at all while it is down (`breaker`). Follows gateway/io/op.h.
 */
#ifndef AUTH_GUARD_H
#define AUTH_GUARD_H

#include "auth/breaker.h"
#include "auth/verifier.h"

struct guard;

/* Rows for kinds that ask somebody over there. */
extern const struct opt_spec guard_breaker_table[];
#define GUARD_OPTIONS                                                                              \
    {.key = "retries",                                                                             \
     .type = OPT_U32,                                                                              \
     .offset = offsetof(struct verifier_common, retries),                                          \
     .dflt = "1",                                                                                  \
     .max = 10,                                                                                    \
     .help = "How often a question that had no answer is asked again, within timeout_ms."},        \
    {                                                                                              \
        .key = "breaker", .type = OPT_OBJECT, .offset = offsetof(struct verifier_common, breaker), \
        .sub = guard_breaker_table, .help = "When to leave a verifier alone that does not answer." \
    }

/* Takes v; borrows common, which is one verifier's in every loop. name: for answers and the log. */
struct guard *guard_new(struct loop *l, struct verifier *v, const struct verifier_common *common,
                        const char *name);
void guard_free(struct guard **gp); /* no op of it is under way */

const char *guard_name(const struct guard *g);
const struct verifier_common *guard_common(const struct guard *g);
struct breaker_counts guard_counts(const struct guard *g);

/* What the verifier answers. Errors: AUTH_FAULT also where it gave no answer in time, or was not
 * asked. Borrows: *req until done runs or the op is cancelled. */
struct op *guard_ask(struct guard *g, const struct auth_req *req, auth_done_fn *done, void *arg);
/* Nobody will come back with this state (verifier.h). */
void guard_forget(struct guard *g, const char *state);
/* Is it alive? Asked once, whatever the breaker says. */
struct op *guard_probe(struct guard *g, auth_done_fn *done, void *arg);

#endif
