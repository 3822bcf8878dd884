#include "gateway/cmdline.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "config/nearest.h"
#include "gateway/cmd.h"

enum { OPTION_MAX = 64 };

int cmdline_fail(const char *word, int code, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "postern %s: ", word);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return code;
}

int cmdline_usage(const char *word, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "postern %s: ", word);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    const struct cmd *c = cmd_find(word);
    if (c != NULL)
        fprintf(stderr, "\nusage: postern %s%s%s", c->word, c->args[0] == '\0' ? "" : " ", c->args);
    fprintf(stderr, "\n`postern help%s%s` says more.\n", c == NULL ? "" : " ",
            c == NULL ? "" : c->word);
    return EX_USAGE;
}

static int unknown_option(const char *word, const char *given, const struct cmdline_opt *opts)
{
    struct nearest near = nearest_to(given);
    for (const struct cmdline_opt *o = opts; o->name != NULL; o++)
        nearest_try(&near, o->name);
    if (nearest_word(&near) != NULL)
        return cmdline_usage(word, "no such option: --%s; did you mean --%s?", given,
                             nearest_word(&near));
    return cmdline_usage(word, "no such option: --%s", given);
}

/* One --option at argv[*i]; *i moves on over a value of its own. */
static int parse_option(int argc, char **argv, int *i, const struct cmdline_opt *opts)
{
    char name[OPTION_MAX];
    const char *text = argv[*i] + 2;
    size_t len = strcspn(text, "=");
    const char *value = text[len] == '=' ? text + len + 1 : NULL;
    if (len >= sizeof name)
        len = sizeof name - 1;
    memcpy(name, text, len);
    name[len] = '\0';
    const struct cmdline_opt *o = opts;
    while (o->name != NULL && strcmp(o->name, name) != 0)
        o++;
    if (o->name == NULL)
        return unknown_option(argv[0], name, opts);
    if (o->flag != NULL) {
        if (value != NULL)
            return cmdline_usage(argv[0], "--%s takes no value", name);
        *o->flag = true;
        return EX_OK;
    }
    if (value == NULL && *i + 1 < argc)
        value = argv[++*i];
    if (value == NULL)
        return cmdline_usage(argv[0], "--%s needs a value", name);
    if (*o->value != NULL)
        return cmdline_usage(argv[0], "--%s is given twice", name);
    *o->value = value;
    return EX_OK;
}

int cmdline_parse(int argc, char **argv, const struct cmdline_opt *opts, const char **operand)
{
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (!only_operands && strcmp(arg, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
            char help[] = "help";
            char *words[] = {help, argv[0], NULL};
            (void)cmd_help(2, words);
            return CMDLINE_HELPED;
        } else if (!only_operands && strncmp(arg, "--", 2) == 0) {
            int code = parse_option(argc, argv, &i, opts);
            if (code != EX_OK)
                return code;
        } else if (!only_operands && arg[0] == '-' && arg[1] != '\0') {
            return cmdline_usage(argv[0], "no such option: %s", arg);
        } else if (operand == NULL || *operand != NULL) {
            return cmdline_usage(argv[0], "one argument too many: %s", arg);
        } else {
            *operand = arg;
        }
    }
    return EX_OK;
}
