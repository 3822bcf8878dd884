/* A dialect from the JSON of its configuration, requests, and answers as rows of data. */
#ifndef TESTS_SUPPORT_DIALECTKIT_H
#define TESTS_SUPPORT_DIALECTKIT_H

#include "auth/dialect.h"

struct dialectkit {
    struct dialect *d; /* NULL: the configuration was refused, `problem` says why */
    struct gw_errmsg problem;
    /* private */
    struct dialect_conf conf;
    json_t *users;
    struct dialect_ask ask;
};

/* config: {"dialect": ..., ...}; users: JSON or NULL. The target is "http://127.0.0.1/auth". Of the
 * backends "d" is all of the bucket "whole", "p" a part of "part", "t1" and "t2" are "twice". */
void dialectkit_open(struct dialectkit *k, enum dialect_transport t, const char *config,
                     const char *users);
void dialectkit_close(struct dialectkit *k);

/* alice from 203.0.113.9; the key is AUTHKIT_ED25519 (borrowed for the program's life). */
struct auth_req dialectkit_password(const char *password);
struct auth_req dialectkit_key(bool is_signed);
struct auth_req dialectkit_answers(unsigned step, const char *const *answers, size_t n,
                                   const char *state);

/* Asks; the question stays in k->ask. Fails the test where nothing is sent. */
const struct dialect_ask *dialectkit_ask(struct dialectkit *k, const struct auth_req *req);
/* Nothing is asked, this is the verdict at once; `why` must stand in it (NULL = anything). */
void dialectkit_unasked(struct dialectkit *k, const struct auth_req *req, enum auth_verdict verdict,
                        const char *why);
/* Of a question: its body, which must be JSON (json_decref); one of its headers, of its variables;
 * NULL = it has none of that name. */
json_t *dialectkit_body(const struct dialect_ask *ask);
const char *dialectkit_header(const struct dialect_ask *ask, const char *name);
const char *dialectkit_env(const struct dialect_ask *ask, const char *name);
/* Answers the question that was asked last. Free the verdict. */
struct dialect_verdict dialectkit_answer(struct dialectkit *k, const struct auth_req *req,
                                         unsigned status, const char *body);

struct dialectkit_row {
    unsigned status;
    const char *body;
    enum auth_verdict verdict;
    const char *why; /* must stand in it; NULL = nothing is said */
};
/* Asks and answers each row anew. */
void dialectkit_rows(struct dialectkit *k, const struct auth_req *req,
                     const struct dialectkit_row *rows, size_t n);
#define DIALECTKIT_ROWS(k, req, rows) dialectkit_rows(k, req, rows, sizeof rows / sizeof rows[0])

#endif
