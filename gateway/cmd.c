#include "gateway/cmd.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/identity.h"
#include "backends/backends.h"
#include "config/nearest.h"
#include "config/wiped_json.h"
#include "gateway/cmdline.h"
#include "gateway/ssh/host_keys.h"

#define CONFIG_HERE   "postern.json"
#define CONFIG_SYSTEM "/etc/postern/postern.json"
#define CONFIG_HELP   "Without --config, ./" CONFIG_HERE " is read, then " CONFIG_SYSTEM ".\n"

static const struct cmd words[] = {
    {"serve", cmd_serve, "[--config FILE]", "run the gateway in the foreground",
     "Logs as the configuration says (to stderr by default). TERM and INT let transfers finish "
     "within timeouts.drain_s,\na second one ends at once; HUP reads the configuration "
     "anew.\n" CONFIG_HELP},
    {"check", cmd_check, "[--config FILE] [--probe]", "find every mistake in the configuration",
     "Reads the file, the host keys and what the verifiers need, and names all problems at once.\n"
     "--probe also asks each store and each verifier whether it answers.\n" CONFIG_HELP},
    {"config", cmd_config, "--print | --schema | --markdown [--config FILE]",
     "show the settings in force, or what may be set",
     "--print     the settings, defaults included and secrets masked, as JSON\n"
     "--schema    JSON Schema (draft 2020-12) of the configuration file\n"
     "--markdown  the reference of every key\n" CONFIG_HELP},
    {"try", cmd_try,
     "--user NAME [--key FILE.pub] [--password-stdin] [--keyboard-interactive] [--address IP] "
     "[--config FILE]",
     "run one login through the verifiers",
     "Prints as JSON what they decide, which one and why, the identity that it gives and where its "
     "mounts lead; `steps` has every question on the way, and what each verifier said to it.\n"
     "As a client would: keys first (--key: each line of the file), then the password, then "
     "questions and answers\n(--keyboard-interactive: on the terminal, or lines of stdin); after a "
     "step that succeeded, what must follow it.\nWhat is missing is asked for where stdin is a "
     "terminal.\nExit 0 accepted, 77 refused, 69 a verifier could not find "
     "out.\n" CONFIG_HELP},
    {"keygen", cmd_keygen, "FILE [--type ed25519|ecdsa|rsa]", "make a host key",
     "Writes a private key that only its owner can read, never over an existing file; prints its "
     "fingerprint and its\npublic line. Name the file in ssh.host_keys.\n"},
    {"passwd", cmd_passwd, "", "hash a password for a user file",
     "Asks for it twice on a terminal, else reads one line from stdin; prints a yescrypt hash for "
     "\"password\" in a\nuser file.\n"},
    {"version", cmd_version, "", "build, libraries and algorithms on offer", ""},
    {"help", cmd_help, "[WORD]", "this overview, or more about one word", ""},
};
#define NWORDS (sizeof words / sizeof words[0])

const struct cmd *cmd_find(const char *word)
{
    for (size_t i = 0; i < NWORDS; i++)
        if (strcmp(words[i].word, word) == 0)
            return &words[i];
    return NULL;
}

static void overview(FILE *to)
{
    fputs(
        "postern: an SFTP gateway onto S3, HTTP stores and disks\n\nusage: postern WORD [...]\n\n",
        to);
    for (size_t i = 0; i < NWORDS; i++)
        fprintf(to, "  postern %-8s %s\n", words[i].word, words[i].what);
    fputs("\n`postern help WORD` says more about one. Begin with `postern keygen`, write "
          "a\n" CONFIG_HERE ", let `postern check` read it, then `postern serve`.\n",
          to);
}

static int unknown_word(const char *word)
{
    struct nearest near = nearest_to(word);
    for (size_t i = 0; i < NWORDS; i++)
        nearest_try(&near, words[i].word);
    if (nearest_word(&near) != NULL)
        fprintf(stderr, "postern: no such command: %s; did you mean `postern %s`?\n", word,
                nearest_word(&near));
    else
        fprintf(stderr, "postern: no such command: %s\n", word);
    fputs("usage: postern WORD [...]; `postern help` lists the words\n", stderr);
    return EX_USAGE;
}

int cmd_help(int argc, char **argv)
{
    if (argc < 2) {
        overview(stdout);
        return EX_OK;
    }
    const struct cmd *c = cmd_find(argv[1]);
    if (c == NULL)
        return unknown_word(argv[1]);
    printf("usage: postern %s%s%s\n\n%c%s.\n%s", c->word, c->args[0] == '\0' ? "" : " ", c->args,
           c->what[0] - 'a' + 'A', c->what + 1, c->more);
    return EX_OK;
}

int cmd_main(int argc, char **argv)
{
    wiped_json_init();
    if (argc < 2) {
        overview(stderr);
        return EX_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        word = "version";
    const struct cmd *c = cmd_find(word);
    if (c == NULL)
        return unknown_word(word);
    int code = c->run(argc - 1, argv + 1);
    if (code == CMDLINE_HELPED)
        code = EX_OK;
    /* A full disk behind a redirection must not look like success. */
    if (code == EX_OK && (fflush(stdout) != 0 || ferror(stdout)))
        return cmdline_fail(word, EX_IOERR, "the output could not be written");
    return code;
}

int cmd_config_path(const char *given, const char **config)
{
    if (given == NULL && access(CONFIG_HERE, F_OK) == 0)
        given = CONFIG_HERE;
    else if (given == NULL && access(CONFIG_SYSTEM, F_OK) == 0)
        given = CONFIG_SYSTEM;
    *config = given;
    if (given != NULL)
        return EX_OK;
    fputs("postern: no configuration: neither ./" CONFIG_HERE " nor " CONFIG_SYSTEM
          " exists; name one with --config FILE\n",
          stderr);
    return EX_CONFIG;
}

int cmd_config_option(int argc, char **argv, const char **config)
{
    const char *given = NULL;
    const struct cmdline_opt opts[] = {{"config", &given, NULL}, {NULL, NULL, NULL}};
    int code = cmdline_parse(argc, argv, opts, NULL);
    return code != EX_OK ? code : cmd_config_path(given, config);
}

const struct opt_kinds *cmd_kinds(void)
{
    static struct opt_kinds kinds[OPT_SLOT_COUNT]; /* the main thread's alone */
    kinds[OPT_SLOT_BACKEND] = *backend_kinds();
    kinds[OPT_SLOT_VERIFIER] = *auth_kinds();
    return kinds;
}

void cmd_print_problems(const char *config, struct gw_buf *problems)
{
    const char *text = gw_buf_cstr(problems);
    size_t lines = 0;
    for (const char *nl = strchr(text, '\n'); nl != NULL; nl = strchr(nl + 1, '\n'))
        lines++;
    fprintf(stderr, "postern: %s: %zu problem%s\n", config, lines, lines == 1 ? "" : "s");
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        fprintf(stderr, "  %.*s\n", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

void cmd_init_signals(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
}

/* What a verifier's answer is laid over: an identity as well. */
static void check_users(const struct settings *s, struct gw_buf *problems)
{
    struct identity *id = NULL;
    struct gw_errmsg msg = {""};
    if (s->users == NULL)
        return;
    if (identity_from_json("user", s->users, NULL, 0, &id, &msg) != GW_OK) {
        gw_buf_printf(problems, "users.%s\n", msg.text);
        return;
    }
    for (size_t i = 0; i < id->nmounts; i++) {
        bool known = id->mounts[i].backend == NULL;
        for (size_t j = 0; j < s->backends.n && !known; j++)
            known = strcmp(s->backends.names[j], id->mounts[i].backend) == 0;
        if (!known)
            gw_buf_printf(problems, "users.mounts[%zu].backend: \"%s\" is none of `backends`\n", i,
                          id->mounts[i].backend);
    }
    identity_free(&id);
}

enum gw_err cmd_read_settings(const char *config, struct settings **out, struct gw_buf *problems)
{
    enum gw_err err = settings_read(config, NULL, cmd_kinds(), out, problems);
    size_t before = problems->len;
    if (*out != NULL) {
        host_keys_check_algorithms(*out, problems);
        check_users(*out, problems);
    }
    return problems->len > before && err == GW_OK ? GW_CONFIG : err;
}

int cmd_load_settings(const char *config, struct settings **out)
{
    struct gw_buf problems;
    gw_buf_init(&problems, CMD_PROBLEMS_MAX);
    enum gw_err err = cmd_read_settings(config, out, &problems);
    if (err != GW_OK) {
        cmd_print_problems(config, &problems);
        settings_unref(out);
    }
    gw_buf_free(&problems);
    return err == GW_OK ? EX_OK : EX_CONFIG;
}
