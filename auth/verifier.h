/*
 * One authority that may know a user. Follows gateway/io/op.h. A new kind is a new file and a row
 * in auth.c.
 */
#ifndef AUTH_VERIFIER_H
#define AUTH_VERIFIER_H

#include "auth/breaker.h"
#include "auth/identity.h"
#include "config/option.h"
#include "gateway/base/buf.h"
#include "gateway/base/log.h"
#include "gateway/io/loop.h"
#include "gateway/io/op.h"

enum auth_method { AUTH_PASSWORD, AUTH_PUBLICKEY, AUTH_KEYBOARD_INTERACTIVE, AUTH_METHOD_COUNT };
extern const char *const auth_method_names[AUTH_METHOD_COUNT]; /* RFC 4252, RFC 4256 */
int auth_method_of(const char *name, size_t len);              /* enum auth_method, or -1 */
unsigned auth_method_mask(char *const *names, size_t n); /* 1 << method; others are left out */

enum auth_verdict {
    AUTH_ACCEPT,
    AUTH_REJECT, /* known and wrong: stop */
    AUTH_NEXT,   /* does not know this user: ask the next */
    AUTH_ASK,    /* keyboard-interactive: ask the client `prompts`, come back with the answers */
    AUTH_FAULT,  /* could not find out: never lets anybody in */
};

struct auth_prompt {
    const char *text;
    bool echo;
};
#define AUTH_PROMPTS_MAX 16u /* in one AUTH_ASK */
/* What asks for a password by keyboard-interactive, whoever asks: a name that nobody knows must be
 * asked in the same words. */
extern const struct auth_prompt auth_password_prompt;

/* One attempt. auth_check() copies it; a verifier borrows that copy until its done ran or it was
 * cancelled, and copies only what an orphan of it needs. */
struct auth_req {
    enum auth_method method;
    const char *user;
    const char *password; /* AUTH_PASSWORD */
    /* AUTH_PUBLICKEY: the key's wire blob (RFC 4253 section 6.6). signed = false is the query
     * (PK_OK?); true comes only after libssh has verified the signature. */
    struct {
        const char *algorithm; /* "ssh-ed25519" */
        struct gw_span blob;
        const char *fingerprint; /* "SHA256:..." */
        bool is_signed;
    } key;
    struct {
        unsigned step; /* from 1 */
        /* NULL in step 1, unless auth.keyboard_interactive has prompts: then their answers. */
        const char *const *answers;
        size_t nanswers;
        const char *state; /* what AUTH_ASK gave; NULL in step 1 */
    } kbdint;
    const char *const *methods_done; /* steps of this login that have succeeded */
    size_t nmethods_done;
    const char *const *keys_done; /* fingerprints of the keys that succeeded in them */
    size_t nkeys_done;
    const char *client_address; /* numeric */
    uint16_t client_port;
    const char *client_version; /* "SSH-2.0-OpenSSH_9.2" */
    const char *server_address;
    uint16_t server_port;
    unsigned attempt;          /* from 1 */
    const struct log_ctx *log; /* borrowed for the life of the op, never copied */
};

/* A deep copy; its password, answers and state are wiped on free. */
struct auth_req *auth_req_copy(const struct auth_req *req);
void auth_req_free(struct auth_req **reqp);
/* Of a copy: the state becomes a copy of `state` (may be NULL). */
void auth_req_set_state(struct auth_req *copy, const char *state);
/* The password; or the answer, where exactly one was given; NULL. */
const char *auth_req_secret(const struct auth_req *req);

/* What one verifier of the chain said. */
struct auth_said {
    const char *verifier;
    enum auth_verdict verdict;
    char *why; /* may be NULL */
};

/* Valid during the callback. */
struct auth_res {
    enum auth_verdict verdict;
    struct identity *id;  /* AUTH_ACCEPT: Gives. id->next_methods not empty = one step of several */
    const char *why;      /* for the log, never for the client; may be NULL */
    bool down;            /* AUTH_FAULT: nobody answered; a nonsensical answer is not that */
    const char *verifier; /* which one answered */
    bool cached;          /* it did so earlier */
    bool has_cache_s;     /* AUTH_ACCEPT: the answer says itself how long it may be kept: */
    uint32_t cache_s;     /* no longer than this; 0 = not at all */
    const char *instruction;
    const struct auth_prompt *prompts; /* AUTH_ASK */
    size_t nprompts;
    const char *state;
    /* For whom has a password, by whatever method: a hash was computed for this answer; or else one
     * of the hashes that this verifier's users have, so that the chain can spend the same time on a
     * refusal (and ask for a password before it, where the verifier asks those it knows). NULL =
     * this verifier hashes nothing. */
    bool hashed;
    const char *decoy;
    /* Of the chain. AUTH_REJECT of a key that is right but not its turn: the methods of this step
     * (1 << enum auth_method), for the client to go on with. */
    unsigned methods;
    /* Of the chain: everybody that was asked, in turn. */
    const struct auth_said *said;
    size_t nsaid;
};
typedef void auth_done_fn(void *arg, struct auth_res *res);

/* Borrowed for the verifier's life. */
struct verifier_env {
    struct loop *loop;
    struct passwd_queue *passwd;    /* the loop's waiting line of hashes */
    const json_t *users;            /* the identity that an answer is laid over; may be NULL */
    const struct opt_map *backends; /* the configuration's, struct opt_any; may be NULL */
};

/* What every kind's own configuration begins with; the chain minds it. */
struct verifier_common {
    struct opt_strs methods; /* asked for these only; none = for all */
    uint32_t timeout_ms;
    uint32_t cache_s;            /* 0 = no cache */
    uint32_t retries;            /* GUARD_OPTIONS; 0 for kinds without them */
    struct breaker_conf breaker; /* the same */
};
extern const char *const auth_method_list[]; /* auth_method_names, NULL-terminated */
#define VERIFIER_COMMON_OPTIONS                                                                    \
    {.key = "methods",                                                                             \
     .type = OPT_STRS,                                                                             \
     .offset = offsetof(struct verifier_common, methods),                                          \
     .names = auth_method_list,                                                                    \
     .help = "Ask this verifier for these methods only. None: for all."},                          \
        {.key = "cache_s",                                                                         \
         .type = OPT_U32,                                                                          \
         .offset = offsetof(struct verifier_common, cache_s),                                      \
         .dflt = "0",                                                                              \
         .max = 86400,                                                                             \
         .help =                                                                                   \
             "For so long whoever was let in is not asked about again, with the same password "    \
             "or key from the same address. 0 = always ask."},                                     \
    {                                                                                              \
        .key = "timeout_ms", .type = OPT_U32,                                                      \
        .offset = offsetof(struct verifier_common, timeout_ms), .dflt = "5000", .min = 10,         \
        .max = 600000,                                                                             \
        .help = "How long an answer may take. None in time is a fault: nobody gets in."            \
    }

struct verifier;
struct verifier_type {
    const char *name;
    struct op *(*verify)(struct verifier *v, const struct auth_req *req, auth_done_fn *done,
                         void *arg);
    /* Is it alive? done with AUTH_ACCEPT or AUTH_FAULT and why. NULL = always alive. */
    struct op *(*probe)(struct verifier *v, auth_done_fn *done, void *arg);
    void (*free)(struct verifier *v); /* no op of it is under way */
    /* Nobody will come back with this state of an AUTH_ASK; one that is not known any more is fine.
     * NULL = it holds nothing for one. */
    void (*forget)(struct verifier *v, const char *state);
};
struct verifier {
    const struct verifier_type *type;
};

/* One row of the table of kinds in auth.c. opt's struct begins with a struct verifier_common. */
struct verifier_kind {
    struct opt_kind opt;
    enum gw_err (*make)(const struct verifier_env *env, const void *conf, struct verifier **out,
                        struct gw_errmsg *msg);
};

#endif
