/*
 * Options as tables. One row feeds the reader, the range check, the defaults, `postern config
 * --print`, the JSON Schema and docs/configuration.md.
 *
 * A table describes a plain struct: each row names a JSON key and the member that holds it. Every
 * problem of a file is reported at once, each with its JSON path, the value, what is allowed and
 * the nearest known key. In any string ${NAME} and ${NAME:-default} take environment variables ($${
 * is a literal ${); ${user} is left for later. A number or true/false may be written as a string
 * that holds a variable. A secret is a string, {"env": "NAME"} or {"file": "path"}.
 */
#ifndef CONFIG_OPTION_H
#define CONFIG_OPTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

enum opt_type {             /* the member's C type */
                OPT_BOOL,   /* bool */
                OPT_U32,    /* uint32_t, min..max */
                OPT_U64,    /* uint64_t, min..max */
                OPT_STR,    /* char *, NULL where absent; length min..max bytes when max > 0 */
                OPT_PATH,   /* char *: a file or folder, relative to the working folder */
                OPT_SECRET, /* char *: wiped on free, masked when shown */
                OPT_ENUM,   /* int: index into names */
                OPT_STRS,   /* struct opt_strs; each one of names, where names is set */
                OPT_OBJECT, /* the struct of `sub`, embedded */
                OPT_LIST,   /* struct opt_list of sub's structs */
                OPT_MAP,    /* struct opt_map: any key to sub's struct */
                OPT_KIND, /* struct opt_any: an object whose "type" picks one of the reader's kinds
                           */
                OPT_KIND_LIST, /* struct opt_list of struct opt_any */
                OPT_KIND_MAP,  /* struct opt_map of struct opt_any */
                OPT_SECRETS,   /* struct opt_map of char *: any name to a secret */
                OPT_JSON,      /* json_t *: as it stands (the identity of `users`) */
};

enum {
    /* Absent is a problem. An OPT_OBJECT that is absent is then read as {}, so that the required
     * keys in it are named; without the flag it just takes its defaults. */
    OPT_REQUIRED = 1u << 0,
    /* A key of the design that this version does not have: refused with a text that says so. Only
     * key, flags and help of the row count. */
    OPT_LATER = 1u << 1,
};

struct opt_strs {
    char **v;
    size_t n;
};
struct opt_list {
    void *v; /* n structs, one behind the other */
    size_t n;
};
struct opt_map {
    char **names;
    void *v; /* n structs, in the order of names */
    size_t n;
};
/* One way to configure a thing that has several: a backend, a verifier. */
struct opt_kind {
    const char *name; /* the value of "type" */
    const char *help;
    const struct opt_spec *tab;
    size_t size;
};
struct opt_any {
    const struct opt_kind *kind;
    void *conf; /* kind->size bytes */
};

struct opt_spec {
    const char *key; /* NULL ends a table */
    enum opt_type type;
    size_t offset;
    const char *dflt; /* JSON text; NULL = absent (0, NULL, empty) */
    /* Numbers: the range. OPT_STR, OPT_PATH, OPT_SECRET: bytes. OPT_STRS, OPT_SECRETS, lists and
     * maps: how many. max 0 = no bound of its own. */
    uint64_t min, max;
    const char *const *names; /* NULL-terminated: OPT_ENUM, OPT_STRS */
    const struct opt_spec *sub;
    size_t size;   /* of sub's struct: OPT_LIST, OPT_MAP */
    unsigned slot; /* OPT_KIND*: which of opt_reader.kinds */
    unsigned flags;
    const char *help; /* one or two sentences, in plain words; units where the key has none */
    /* More than a range: fills *msg with words that follow the value ("is not a CIDR") and returns
     * GW_CONFIG. `member` points at the value; of OPT_STRS, OPT_LIST, OPT_MAP and OPT_SECRETS at
     * each element in turn (char *const *, the struct). Runs only where the value had no problem.
     * NULL = none. */
    enum gw_err (*check)(const void *member, struct gw_errmsg *msg);
    /* OPT_JSON: members, at any depth, whose strings are masked when shown ("*": all); a "type"
     * among them is not. NULL-terminated. */
    const char *const *secret_keys;
    const char *const *later; /* OPT_ENUM, OPT_STRS: names of the design that come later */
};

enum { OPT_SLOT_BACKEND, OPT_SLOT_VERIFIER, OPT_SLOT_COUNT };

struct opt_kinds {
    const struct opt_kind *v;
    size_t n;
    const char *const *later; /* names of the design that come later, NULL-terminated; or NULL */
};

/* What a reading needs from outside, and what it found: problems, one a line, "listen[0].port:
 * 70000 is ...". The caller initialises problems; nproblems counts also what did not fit. */
struct opt_reader {
    struct opt_kinds kinds[OPT_SLOT_COUNT];
    struct gw_buf problems;
    size_t nproblems;
    /* Strings are as they stand, and a secret is a string: for what comes from elsewhere than the
     * operator's own file. */
    bool literal;
    bool no_memory; /* something is missing because memory was out */
};

/*
 * Fills *out (the table's struct, zeroed by the caller) with defaults and obj's values. `path`
 * leads every problem ("" at the top). obj NULL = defaults only, nothing is required.
 * After a problem *out is still safe to free.
 */
void options_read(struct opt_reader *r, const struct opt_spec *tab, json_t *obj, const char *path,
                  void *out);
void options_problem(struct opt_reader *r, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Everything that the struct owns, not the struct; it is zero again then. */
void options_free(const struct opt_spec *tab, void *out);
/* The effective values; secrets as "********". Gives a new reference; NULL when memory is out. */
json_t *options_print(const struct opt_spec *tab, const void *in);
/* JSON Schema (draft 2020-12) of the table. kinds: OPT_SLOT_COUNT of them. Gives a new reference;
 * NULL when memory is out. */
json_t *options_schema(const struct opt_spec *tab, const struct opt_kinds *kinds);
/* The reference in Markdown, a section for each object of the table. */
void options_markdown(const struct opt_spec *tab, const struct opt_kinds *kinds,
                      struct gw_buf *out);

#endif
