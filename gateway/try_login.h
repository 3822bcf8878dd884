/*
 * One login through the verifiers as a client would go about it, without a client: `postern try`.
 * Keys first, then the password, then questions; after a step that succeeded, what must follow it.
 */
#ifndef GATEWAY_TRY_LOGIN_H
#define GATEWAY_TRY_LOGIN_H

#include "auth/auth.h"
#include "gateway/key_line.h"

struct try_login {
    /* From the caller. */
    struct loop *loop;
    struct auth *auth;
    unsigned offered; /* 1 << enum auth_method, as auth.methods has them */
    const char *user, *address;
    const struct key_line *keys;
    size_t nkeys;
    char *password; /* NULL = none given; mem_free_secret_str() */
    bool answers;   /* keyboard-interactive: questions are answered */
    bool person;    /* somebody is there to be asked for what was not given */

    /* What came of it. */
    enum auth_verdict verdict; /* of the last step */
    struct identity *id;       /* of an ACCEPT; next_methods = more steps are needed */
    char *why, *verifier;      /* may be NULL */
    unsigned methods;          /* auth_res.methods */
    const char *done[IDENTITY_STEPS_MAX];
    size_t ndone;
    json_t *steps; /* every question put to the chain, and who answered what */

    /* Private. */
    struct op *op;
    bool *key_tried;
    bool password_tried, talked;
    const char *keys_done[IDENTITY_STEPS_MAX];
    size_t nkeys_done;
    struct auth_prompt prompts[AUTH_PROMPTS_MAX]; /* texts are owned */
    size_t nprompts;
    char *instruction, *state;
};

/* "accept", "reject", ... */
extern const char *const try_login_verdicts[];

/* Blocks. GW_OK also for a login that is refused; or what failed in reading an answer, *msg.
 * Nothing was tried: *t->steps is empty. */
enum gw_err try_login_run(struct try_login *t, struct gw_errmsg *msg);
void try_login_free(struct try_login *t); /* what came of it, and the password */

#endif
