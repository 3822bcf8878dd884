/*
 * A command of the configuration, ready to be started: a program that exists, its arguments, and
 * the whole environment that it gets.
 */
#ifndef AUTH_PROGRAM_CMD_H
#define AUTH_PROGRAM_CMD_H

#include "config/option.h"

struct program_cmd {
    char **argv; /* ends in NULL; argv[0] is a path */
    char **env;  /* ends in NULL */
};

/*
 * words: the program and its arguments. A program without a "/" is looked for in the gateway's own
 * PATH, now. env: names and values (OPT_SECRETS). key: the configuration's, for *msg.
 * Errors: GW_CONFIG with *msg ("command: ..."): nothing there, no file, not executable.
 */
enum gw_err program_cmd_new(const char *key, const struct opt_strs *words,
                            const struct opt_map *env, struct program_cmd *out,
                            struct gw_errmsg *msg);
void program_cmd_free(struct program_cmd *cmd); /* wiped; zero is fine */
/* Is it still there? Errors: as above. */
enum gw_err program_cmd_check(const char *key, const struct program_cmd *cmd,
                              struct gw_errmsg *msg);

/* Its environment with `more` ("NAME=value") behind it. Gives the array, borrows the strings. */
const char **program_cmd_env(const struct program_cmd *cmd, char *const *more, size_t nmore);
/* argv as child_start() takes it. */
const char *const *program_cmd_argv(const struct program_cmd *cmd);

#endif
