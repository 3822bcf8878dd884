/*
 * The chain of verifiers of one loop: asks each in turn, closes the door when in doubt.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "auth/verifier.h"
#include "config/settings.h"

struct auth;

/* The kinds for settings_load(). */
const struct opt_kinds *auth_kinds(void);

/* Borrows s for its life. Errors: GW_CONFIG with *msg, the first problem. */
enum gw_err auth_new(struct loop *l, struct settings *s, struct auth **out, struct gw_errmsg *msg);
/* The same, and all problems: a line each that begins with where the configuration has it. */
enum gw_err auth_try(struct loop *l, struct settings *s, struct auth **out,
                     struct gw_buf *problems);
void auth_free(struct auth **ap); /* no check is under way */
/* A verifier that no configuration made (tests, plugins), behind the others. Takes v; borrows
 * common. */
void auth_add(struct auth *a, struct verifier *v, const struct verifier_common *common,
              const char *name);

/*
 * ACCEPT (what judge.h asks of an identity holds), REJECT, ASK or FAULT; never NEXT: when the whole
 * chain says so, the user is unknown = REJECT. An unknown user and a wrong password take the same
 * time, and are asked the same by keyboard-interactive.
 * After ASK (at most AUTH_PROMPTS_MAX prompts, for AUTH_KEYBOARD_INTERACTIVE only) the next request
 * carries the answers, res->state and the next step.
 */
struct op *auth_check(struct auth *a, const struct auth_req *req, auth_done_fn *done, void *arg);
/* The client has left, or begun something else: its answers to the question with this state (NULL
 * is fine, and one that was answered) will not come. */
void auth_forget(struct auth *a, const char *state);
size_t auth_count(const struct auth *a);
/* What the i-th verifier was asked, over all loops. */
struct breaker_counts auth_counts(const struct auth *a, size_t i);
/* Is the i-th alive? ACCEPT or FAULT; res->verifier names it. */
struct op *auth_probe(struct auth *a, size_t i, auth_done_fn *done, void *arg);

/* Is a numeric address inside one of the entries (CIDR or plain address)? Malformed entries match
 * nothing. */
bool auth_address_in(const char *address, char *const *list, size_t n);

#endif
