/*
 * For auth/dialect*.c only: a dialect from the inside, and what several of them need.
 */
#ifndef AUTH_DIALECT_IMPL_H
#define AUTH_DIALECT_IMPL_H

#include "auth/dialect.h"

/* The keys that a dialect has of its own; any other one that is set is a mistake. */
enum {
    DIALECT_KEY_HOME = 1u << 0, /* home_base, backend */
    DIALECT_KEY_STORES = 1u << 1,
    DIALECT_KEY_AWS = 1u << 2, /* roles, buckets, server_id, form */
    DIALECT_KEY_DIALOG = 1u << 3,
    DIALECT_KEY_TEMPLATE = 1u << 4, /* request, *_when, ask, identity */
};

struct dialect_type {
    const char *name;
    unsigned transports; /* 1u << enum dialect_transport */
    unsigned methods;    /* 1u << enum auth_method */
    unsigned keys;
    bool has_ids;
    bool target_optional;
    bool exit_codes; /* `answer` has words for other exit codes than 0 */
    /* Looks at the configuration; NULL = there is nothing to look at. */
    enum gw_err (*open)(struct dialect *d, struct gw_errmsg *msg);
    /* As dialect_ask() and dialect_answer(); *v is zero, and AUTH_FAULT. */
    bool (*ask)(const struct dialect *d, const struct auth_req *req, struct dialect_ask *ask,
                struct dialect_verdict *v);
    void (*answer)(const struct dialect *d, const struct auth_req *req, struct dialect_ask *ask,
                   const struct dialect_got *got, struct dialect_verdict *v);
};

struct dialect {
    const struct dialect_type *type;
    const struct dialect_conf *conf;
    enum dialect_transport transport;
    bool has_target;
    const char *url; /* may be NULL */
    const json_t *users;
    const struct opt_map *backends; /* may be NULL */
    json_t *buckets;                /* aws-transfer: {bucket: backend}; owned */
    char host[65];                  /* this machine's name */
};

extern const struct dialect_type dialect_postern, dialect_sftpgo, dialect_aws, dialect_rclone,
    dialect_template;

/* Bytes of a question: a password of 64 KiB, six for each byte as JSON may need, and the rest. */
#define DIALECT_BODY_MAX_BYTES (512u * 1024u)

/* The verdict and why; false, for a caller's return. */
bool dialect_say(struct dialect_verdict *v, enum auth_verdict verdict, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The answer's value; NULL after AUTH_FAULT: empty, no JSON, cut off, a key twice. Gives a new
 * reference. */
json_t *dialect_json(const struct dialect_got *got, struct dialect_verdict *v);
/* The same, of what must be an object. */
json_t *dialect_object(const struct dialect_got *got, struct dialect_verdict *v);
/* `obj` as one line. False after AUTH_REJECT when it is not whole: a string was not UTF-8, or it is
 * too large. Takes obj (NULL is fine). */
bool dialect_body(struct dialect_ask *ask, json_t *obj, struct dialect_verdict *v);
void dialect_header(struct dialect_ask *ask, char *line); /* takes line */
void dialect_make_id(struct dialect_ask *ask);            /* random, into id_text */
void dialect_env(struct dialect_ask *ask, const char *name, const char *value);
/* "ssh-ed25519 AAAA...", as in authorized_keys; gives. NULL: the key is none. */
char *dialect_key_line(const struct auth_req *req);
char *dialect_base64(struct gw_span bytes); /* gives */
/* Is it one of the configuration's? */
enum gw_err dialect_open_backend(const struct dialect *d, const char *key, const char *name,
                                 struct gw_errmsg *msg);
/* home_base and backend go together. */
enum gw_err dialect_open_home(struct dialect *d, struct gw_errmsg *msg);

/* How a public key is decided. */
enum dialect_keys {
    DIALECT_KEYS_DECIDED,  /* the answer says yes; keys in it must hold the one that was offered */
    DIALECT_KEYS_COMPARED, /* only by being among the answer's keys */
};
/* Let in as `over` says, laid over `users`; or AUTH_REJECT with what is wrong with it. Borrows
 * over. */
void dialect_accept(const struct dialect *d, const struct auth_req *req, const json_t *over,
                    enum dialect_keys keys, struct dialect_verdict *v);

#endif
