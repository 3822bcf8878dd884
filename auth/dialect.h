/*
 * What a verifier in another process is asked, and what its answer means, whatever carries the two:
 * pure functions, no socket and no thread. A transport (http, program) makes one dialect of its
 * configuration and does for every check:
 *
 *     struct dialect_ask ask = {.part = 0};
 *     struct dialect_verdict v;
 *     do {
 *         if (!dialect_ask(d, req, &ask, &v)) break;      nothing is sent, v is the answer
 *         ... send ask, get an answer ...
 *         dialect_answer(d, req, &ask, &got, &v);
 *     } while (v.more);                                   one more question belongs to this check
 *     struct auth_res res = dialect_res(&v);
 *     done(arg, &res);
 *     dialect_verdict_free(&v); dialect_ask_free(&ask);
 *
 * Whatever is not understood is AUTH_FAULT, or AUTH_REJECT where a field would restrict the user;
 * `why` names it. It is never AUTH_ACCEPT.
 */
#ifndef AUTH_DIALECT_H
#define AUTH_DIALECT_H

#include "auth/dialect_conf.h"
#include "auth/verifier.h"

enum dialect_transport { DIALECT_HTTP, DIALECT_PROGRAM };

#define DIALECT_ANSWER_MAX_BYTES                                                                   \
    (256u * 1024u) /* a transport reads no more, and reports a FAULT                               \
                    */

struct dialect; /* immutable: any thread */

struct dialect_args {
    const struct dialect_conf *conf; /* borrowed for the dialect's life */
    enum dialect_transport transport;
    bool has_target;     /* the verifier has a `url` or a `command` of its own */
    const char *url;     /* DIALECT_HTTP: that one, for URLs derived from it; borrowed */
    const json_t *users; /* the identity that an answer is laid over; may be NULL; borrowed */
    const struct opt_map *backends; /* the configuration's; may be NULL; borrowed */
};
/* Checks the keys against each other. Errors: GW_CONFIG with *msg ("home_base: ..."). */
enum gw_err dialect_new(const struct dialect_args *args, struct dialect **out,
                        struct gw_errmsg *msg);
void dialect_free(struct dialect **dp);
const char *dialect_name(const struct dialect *d);
/* Its questions carry an "id" that answers may repeat, and are one line each way: a program may be
 * kept running for many of them. */
bool dialect_has_ids(const struct dialect *d);

/* Where a question goes. */
enum dialect_target {
    DIALECT_TARGET_MAIN, /* the verifier's url or command */
    /* keyboard_interactive_url. As a program: keyboard_interactive_command, which runs for as long
     * as the login does. Without a state in the request it is started, otherwise the one that asked
     * goes on; each answer of dialect_answer() is one line of it, `body` goes to its stdin. */
    DIALECT_TARGET_DIALOG,
};

/* One question; owned, wiped on free. Zero before the first. */
struct dialect_ask {
    enum dialect_target target;
    const char *method; /* DIALECT_HTTP; static or the configuration's */
    char *url;          /* NULL = the target's own */
    char **headers;     /* DIALECT_HTTP: "Name: value" */
    size_t nheaders;
    char **env; /* DIALECT_PROGRAM: "NAME=value", beside what is configured */
    size_t nenv;
    struct gw_buf body; /* or stdin */
    const char *id;     /* dialect_has_ids(): what `body` carries */
    /* private to the dialect, and kept from one question of a check to the next */
    unsigned part; /* which of them: 0 = the first */
    char id_text[33];
};
void dialect_ask_free(struct dialect_ask *ask); /* zero again, ready for the next check */

struct dialect_got {
    unsigned status; /* HTTP status, or exit code; a dialog's line: 0 */
    struct gw_span body;
};

/* Owned; wiped on free. */
struct dialect_verdict {
    enum auth_verdict verdict;
    bool more; /* not over: dialect_ask() again, with the same ask */
    struct identity *id;
    char *instruction;
    struct auth_prompt *prompts;
    size_t nprompts;
    char *state;
    bool has_cache_s; /* as in struct auth_res */
    uint32_t cache_s;
    struct gw_errmsg why; /* for the log */
};
void dialect_verdict_free(struct dialect_verdict *v);
/* Takes v->id; borrows the rest of *v. */
struct auth_res dialect_res(struct dialect_verdict *v);

/*
 * Fills *ask (whatever was in it is freed, but for what the dialect carries on). False: *v is the
 * answer without a question: AUTH_NEXT for a method that this dialect does not have, AUTH_REJECT
 * for what cannot be put into words there (a name that is not UTF-8). Always fills *v.
 */
bool dialect_ask(const struct dialect *d, const struct auth_req *req, struct dialect_ask *ask,
                 struct dialect_verdict *v);
void dialect_answer(const struct dialect *d, const struct auth_req *req, struct dialect_ask *ask,
                    const struct dialect_got *got, struct dialect_verdict *v);

#endif
