/*
 * The arguments of one command word: --name VALUE, --name=VALUE, --flag, and one thing without a
 * dash. What is wrong is said on stderr, with what to do.
 */
#ifndef GATEWAY_CMDLINE_H
#define GATEWAY_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>

/* --help was asked for and given: a word returns it as it is, cmd_main() ends well with it. */
#define CMDLINE_HELPED (-1)

struct cmdline_opt {
    const char *name;   /* without its dashes; NULL ends a table */
    const char **value; /* takes a value; or */
    bool *flag;         /* takes none */
};

/* operand: where the thing without a dash goes; NULL = there is none.
 * EX_OK; EX_USAGE after a message; CMDLINE_HELPED. */
int cmdline_parse(int argc, char **argv, const struct cmdline_opt *opts, const char **operand);
/* "postern WORD: ..." and where to read more, on stderr. Returns EX_USAGE. */
int cmdline_usage(const char *word, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "postern WORD: ..." on stderr. Returns code. */
int cmdline_fail(const char *word, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
