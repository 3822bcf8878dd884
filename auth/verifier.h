/*
 * One authority that may know a user. Follows gateway/io/op.h. A new kind is a new file and a row
 * in auth.c.
 */
#ifndef AUTH_VERIFIER_H
#define AUTH_VERIFIER_H

#include "auth/identity.h"
#include "config/option.h"
#include "gateway/base/buf.h"
#include "gateway/base/log.h"
#include "gateway/io/loop.h"
#include "gateway/io/op.h"

enum auth_method { AUTH_PASSWORD, AUTH_PUBLICKEY, AUTH_KEYBOARD_INTERACTIVE, AUTH_METHOD_COUNT };
extern const char *const auth_method_names[AUTH_METHOD_COUNT]; /* RFC 4252, RFC 4256 */

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

/* Everything is borrowed until the start returned: a verifier copies what it needs later. */
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
        unsigned step;              /* from 1 */
        const char *const *answers; /* NULL in step 1 */
        size_t nanswers;
        const char *state; /* what AUTH_ASK gave; NULL in step 1 */
    } kbdint;
    const char *const *methods_done; /* steps of this login that have succeeded */
    size_t nmethods_done;
    const char *client_address; /* numeric */
    uint16_t client_port;
    const char *client_version; /* "SSH-2.0-OpenSSH_9.2" */
    const char *server_address;
    uint16_t server_port;
    unsigned attempt; /* from 1 */
    const struct log_ctx *log;
};

/* Valid during the callback. */
struct auth_res {
    enum auth_verdict verdict;
    struct identity *id;  /* AUTH_ACCEPT: Gives. id->next_methods not empty = one step of several */
    const char *why;      /* for the log, never for the client; may be NULL */
    const char *verifier; /* which one answered */
    const char *instruction;
    const struct auth_prompt *prompts; /* AUTH_ASK */
    size_t nprompts;
    const char *state;
};
typedef void auth_done_fn(void *arg, struct auth_res *res);

struct verifier_env {
    struct loop *loop;
    const json_t
        *users; /* the identity that an answer is laid over; borrowed for the verifier's life */
};

struct verifier;
struct verifier_type {
    const char *name;
    struct op *(*verify)(struct verifier *v, const struct auth_req *req, auth_done_fn *done,
                         void *arg);
    /* Is it alive? done with AUTH_ACCEPT or AUTH_FAULT and why. NULL = always alive. */
    struct op *(*probe)(struct verifier *v, auth_done_fn *done, void *arg);
    void (*free)(struct verifier *v); /* no op of it is under way */
};
struct verifier {
    const struct verifier_type *type;
};

/* One row of the table of kinds in auth.c. */
struct verifier_kind {
    struct opt_kind opt;
    enum gw_err (*make)(const struct verifier_env *env, const void *conf, struct verifier **out,
                        struct gw_errmsg *msg);
};

#endif
