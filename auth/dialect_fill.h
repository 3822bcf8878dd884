/*
 * ${variables} of a configured question, each escaped by where it stands, so that no name and no
 * password can be more than a value there.
 */
#ifndef AUTH_DIALECT_FILL_H
#define AUTH_DIALECT_FILL_H

#include "auth/dialect.h"

enum {
    DIALECT_FILL_USER,
    DIALECT_FILL_PASSWORD,
    DIALECT_FILL_BASIC,       /* base64 of user:password, as behind "Authorization: Basic " */
    DIALECT_FILL_PUBLIC_KEY,  /* "ssh-ed25519 AAAA..." */
    DIALECT_FILL_FINGERPRINT, /* "SHA256:..." */
    DIALECT_FILL_METHOD,
    DIALECT_FILL_CLIENT_ADDRESS,
    DIALECT_FILL_CLIENT_PORT,
    DIALECT_FILL_SERVER_ADDRESS,
    DIALECT_FILL_SERVER_PORT,
    DIALECT_FILL_STEP,     /* of keyboard-interactive; "" in other methods, as what follows */
    DIALECT_FILL_STATE,    /* "" in step 1 */
    DIALECT_FILL_ANSWER_1, /* to 16 */
    DIALECT_FILL_COUNT = DIALECT_FILL_ANSWER_1 + AUTH_PROMPTS_MAX
};
_Static_assert(DIALECT_FILL_COUNT <= 32, "a bit each");
/* Those that prove something. */
#define DIALECT_FILL_PASSWORDS (1u << DIALECT_FILL_PASSWORD | 1u << DIALECT_FILL_BASIC)
#define DIALECT_FILL_KEYS      (1u << DIALECT_FILL_PUBLIC_KEY | 1u << DIALECT_FILL_FINGERPRINT)
#define DIALECT_FILL_ANSWERS   (((1u << AUTH_PROMPTS_MAX) - 1) << DIALECT_FILL_ANSWER_1)

enum dialect_fill_where {
    DIALECT_FILL_JSON,   /* inside a string of a JSON text */
    DIALECT_FILL_FORM,   /* application/x-www-form-urlencoded */
    DIALECT_FILL_URL,    /* behind the host: path segments and the query */
    DIALECT_FILL_HEADER, /* a value: what would end the line is refused */
};

struct dialect_fill {
    char *values[DIALECT_FILL_COUNT]; /* wiped on close */
};

/* False after AUTH_REJECT: a login that is not UTF-8. */
bool dialect_fill_open(struct dialect_fill *f, const struct auth_req *req,
                       struct dialect_verdict *v);
void dialect_fill_close(struct dialect_fill *f);

/* Which variables a text has: 1u << each; NULL has none. */
unsigned dialect_fill_used(const char *text);
/* Appends `text`, filled in. False after AUTH_REJECT: a value cannot stand there. */
bool dialect_fill(const struct dialect_fill *f, const char *text, enum dialect_fill_where where,
                  struct gw_buf *out, struct dialect_verdict *v);
/*
 * Is `text` a template at all: only variables that there are, in a URL none in front of the path,
 * in JSON all inside of strings. Errors: GW_CONFIG with "name: ...".
 */
enum gw_err dialect_fill_check(const char *text, enum dialect_fill_where where, const char *name,
                               struct gw_errmsg *msg);

#endif
