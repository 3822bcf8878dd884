/* The keys of `auth`. */
#include <stddef.h>

#include "config/settings.h"
#include "config/settings_check.h"

#define AT(type, member) .offset = offsetof(struct type, member)

enum { DAY_S = 24 * 60 * 60 };

static const char *const method_names[] = {"publickey", "password", "keyboard-interactive", NULL};

static const struct opt_spec prompt_table[] = {
    {.key = "text",
     .type = OPT_STR,
     AT(settings_prompt, text),
     .min = 1,
     .max = 255,
     .flags = OPT_REQUIRED,
     .help = "What the person is asked, with the blank behind it: \"Code: \"."},
    {.key = "echo",
     .type = OPT_BOOL,
     AT(settings_prompt, echo),
     .dflt = "false",
     .help = "Show what is typed."},
    {.key = NULL},
};

static const struct opt_spec keyboard_interactive_table[] = {
    {.key = "instruction",
     .type = OPT_STR,
     AT(settings_keyboard_interactive, instruction),
     .min = 1,
     .max = 1024,
     .help = "Stands above the questions, also above a verifier's that come without one."},
    {.key = "prompts",
     .type = OPT_LIST,
     AT(settings_keyboard_interactive, prompts),
     .max = 16,
     .sub = prompt_table,
     .size = sizeof(struct settings_prompt),
     .help = "Asked before any verifier, which gets the answers with its first request. None: the "
             "verifiers ask."},
    {.key = NULL},
};

static const struct opt_spec throttle_table[] = {
    {.key = "failures",
     .type = OPT_U32,
     AT(settings_throttle, failures),
     .dflt = "0",
     .max = 100000,
     .help = "Failed logins of one user from one source until that user is refused from there. "
             "0 = never. A source is an IPv4 address or an IPv6 /64."},
    {.key = "source_failures",
     .type = OPT_U32,
     AT(settings_throttle, source_failures),
     .dflt = "0",
     .max = 1000000,
     .help = "Failed logins from one source, in whatever names, until its connections are refused. "
             "0 = four times `failures`."},
    {.key = "window_s",
     .type = OPT_U32,
     AT(settings_throttle, window_s),
     .dflt = "600",
     .min = 1,
     .max = DAY_S,
     .help = "Failures count together for so long, from the first one on."},
    {.key = "ban_s",
     .type = OPT_U32,
     AT(settings_throttle, ban_s),
     .dflt = "600",
     .min = 1,
     .max = 30 * DAY_S,
     .help = "How long a ban lasts."},
    {.key = "exempt",
     .type = OPT_STRS,
     AT(settings_throttle, exempt),
     .max = 1000,
     .check = settings_check_block,
     .help = "Addresses and CIDRs that are never banned: load balancers, your own network."},
    {.key = NULL},
};

const struct opt_spec settings_auth_table[] = {
    {.key = "methods",
     .type = OPT_STRS,
     AT(settings_auth, methods),
     .dflt = "[\"publickey\", \"password\"]",
     .min = 1,
     .max = 8,
     .names = method_names,
     .help = "Ways to log in that are offered. An identity may allow fewer of them."},
    {.key = "max_attempts",
     .type = OPT_U32,
     AT(settings_auth, max_attempts),
     .dflt = "6",
     .min = 1,
     .max = 100,
     .help = "Failed attempts until the connection is closed."},
    {.key = "failure_delay_ms",
     .type = OPT_U32,
     AT(settings_auth, failure_delay_ms),
     .dflt = "1000",
     .max = 60000,
     .help = "A refusal is sent no sooner than this after its attempt."},
    {.key = "verifiers",
     .type = OPT_KIND_LIST,
     AT(settings_auth, verifiers),
     .min = 1,
     .max = 32,
     .slot = OPT_SLOT_VERIFIER,
     .flags = OPT_REQUIRED,
     .help = "Who decides about a login. Asked in turn, until one knows the user."},
    {.key = "keyboard_interactive",
     .type = OPT_OBJECT,
     AT(settings_auth, keyboard_interactive),
     .sub = keyboard_interactive_table,
     .help = "Questions to the person, for the method keyboard-interactive."},
    {.key = "throttle",
     .type = OPT_OBJECT,
     AT(settings_auth, throttle),
     .sub = throttle_table,
     .help = "Bans for who fails often. Behind a load balancer that hides the clients' addresses "
             "leave it off, or exempt the balancer."},
    {.key = NULL},
};
