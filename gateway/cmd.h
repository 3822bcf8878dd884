/*
 * The words of the command line, and what several of them share. A word's function gets its own
 * arguments (argv[0] is the word) and returns the process's exit code, as sysexits.h has them:
 * 64 wrong usage, 69 something is not to be had, 77 a login was refused, 78 bad configuration.
 */
#ifndef GATEWAY_CMD_H
#define GATEWAY_CMD_H

#include "auth/identity.h"
#include "config/settings.h"

struct cmd {
    const char *word;
    int (*run)(int argc, char **argv);
    const char *args; /* for the usage line */
    const char *what; /* one line for `postern help` */
    const char *more; /* the rest, for `postern help WORD` */
};

const struct cmd *cmd_find(const char *word); /* NULL = no such word */
/* Finds the word, runs it, and turns what cannot be written into an error. */
int cmd_main(int argc, char **argv);

int cmd_serve(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_try(int argc, char **argv);
int cmd_keygen(int argc, char **argv);
int cmd_passwd(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

/* For words that serve or ask verifiers: a peer or a program that goes away is no end of ours
 * (SIGPIPE), and one that we start can be waited for, whatever we inherited (SIGCHLD). */
void cmd_init_signals(void);

/* For words whose only option is --config FILE. *config is the file to read, never NULL after
 * EX_OK: ./postern.json or /etc/postern/postern.json where the option is absent. */
int cmd_config_option(int argc, char **argv, const char **config);
/* The default file where `given` is NULL. EX_OK, or EX_CONFIG and a message where there is none. */
int cmd_config_path(const char *given, const char **config);
#define CMD_PROBLEMS_MAX (256u * 1024u) /* bytes of text */
/* settings_read(), and the names of algorithms as well. */
enum gw_err cmd_read_settings(const char *config, struct settings **out, struct gw_buf *problems);
/* EX_OK and *out; or EX_CONFIG, and every problem is on stderr. */
int cmd_load_settings(const char *config, struct settings **out);
/* What only shows when it is made (host keys, stores, verifiers, files): a line each, in *problems.
 */
void cmd_check_by_making(struct settings *s, struct gw_buf *problems);
/* Would a login with this identity get its tree? GW_OK also where that cannot be told here, as a
 * store cannot be made; else *msg says what is wrong. */
enum gw_err cmd_check_tree(struct settings *s, const struct identity *id, struct gw_errmsg *msg);
/* The kinds that this build has: OPT_SLOT_COUNT of them. */
const struct opt_kinds *cmd_kinds(void);
/* "FILE: 3 problems" and the lines of *problems, on stderr. */
void cmd_print_problems(const char *config, struct gw_buf *problems);

#endif
