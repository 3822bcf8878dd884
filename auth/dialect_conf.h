/*
 * The keys of the dialects, which stand beside those of the transport in a verifier's own object.
 * Whether a key belongs to the dialect that is chosen is dialect_new()'s matter.
 */
#ifndef AUTH_DIALECT_CONF_H
#define AUTH_DIALECT_CONF_H

#include <stddef.h>

#include "config/option.h"

struct dialect_request {
    int method; /* GET, POST, PUT */
    char *url;
    json_t *headers;
    char *body; /* secret */
};
struct dialect_conf {
    int name; /* index into dialect_names */
    char *home_base, *backend;
    bool allow_stores;
    json_t *roles, *buckets;
    char *server_id;
    int form; /* index into dialect_form_names */
    char *keyboard_interactive_url;
    struct opt_strs keyboard_interactive_command;
    struct dialect_request request;
    json_t *accept_when, *reject_when, *ask_when, *ask, *identity;
};
extern const char *const dialect_names[], *const dialect_form_names[];
extern const struct opt_spec dialect_request_table[];

/* Rows for a verifier whose struct `of` has the struct dialect_conf `member`. */
#define DIALECT_OPTIONS(of, member)                                                                \
    {.key = "dialect",                                                                             \
     .type = OPT_ENUM,                                                                             \
     .offset = offsetof(of, member.name),                                                          \
     .dflt = "\"postern\"",                                                                        \
     .names = dialect_names,                                                                       \
     .help = "Whose questions and answers are spoken: docs/authentication.md shows each."},        \
        {.key = "home_base",                                                                       \
         .type = OPT_STR,                                                                          \
         .offset = offsetof(of, member.home_base),                                                 \
         .min = 1,                                                                                 \
         .max = 4095,                                                                              \
         .help = "sftpgo, rclone: the folder on the other machine that is the root of `backend`. " \
                 "A home outside of it is refused."},                                              \
        {.key = "backend",                                                                         \
         .type = OPT_STR,                                                                          \
         .offset = offsetof(of, member.backend),                                                   \
         .min = 1,                                                                                 \
         .max = 64,                                                                                \
         .help = "sftpgo, rclone: the backend that holds what is below `home_base` there."},       \
        {.key = "allow_stores",                                                                    \
         .type = OPT_BOOL,                                                                         \
         .offset = offsetof(of, member.allow_stores),                                              \
         .dflt = "false",                                                                          \
         .help = "An answer may bring a store of its own (bucket, endpoint and keys) that no "     \
                 "backend here describes."},                                                       \
        {.key = "roles",                                                                           \
         .type = OPT_JSON,                                                                         \
         .offset = offsetof(of, member.roles),                                                     \
         .help = "aws-transfer: {role ARN: name of a credential set, or \"\" for the backend's "   \
                 "own}. A role that is not here is refused."},                                     \
        {.key = "buckets",                                                                         \
         .type = OPT_JSON,                                                                         \
         .offset = offsetof(of, member.buckets),                                                   \
         .help = "aws-transfer: {bucket: name of the backend that is this bucket}, beside the s3 " \
                 "backends that are a bucket without a prefix. Any other is refused."},            \
        {.key = "server_id",                                                                       \
         .type = OPT_STR,                                                                          \
         .offset = offsetof(of, member.server_id),                                                 \
         .min = 1,                                                                                 \
         .max = 255,                                                                               \
         .help = "aws-transfer: the serverId that the handler is told. None: \"postern\"."},       \
        {.key = "form",                                                                            \
         .type = OPT_ENUM,                                                                         \
         .offset = offsetof(of, member.form),                                                      \
         .dflt = "\"api-gateway\"",                                                                \
         .names = dialect_form_names,                                                              \
         .help = "aws-transfer: api-gateway asks by GET as the REST template does, json posts "    \
                 "what a Lambda function is given."},                                              \
        {.key = "keyboard_interactive_url",                                                        \
         .type = OPT_STR,                                                                          \
         .offset = offsetof(of, member.keyboard_interactive_url),                                  \
         .min = 1,                                                                                 \
         .max = 4095,                                                                              \
         .help = "sftpgo over http: the keyboard-interactive hook. `url` is the external auth "    \
                 "hook."},                                                                         \
        {.key = "keyboard_interactive_command",                                                    \
         .type = OPT_STRS,                                                                         \
         .offset = offsetof(of, member.keyboard_interactive_command),                              \
         .max = 64,                                                                                \
         .help = "sftpgo as a program: the keyboard-interactive hook and its arguments. "          \
                 "`command` is the external auth hook."},                                          \
        {.key = "request",                                                                         \
         .type = OPT_OBJECT,                                                                       \
         .offset = offsetof(of, member.request),                                                   \
         .sub = dialect_request_table,                                                             \
         .help = "template: what is asked. ${user}, ${password} and the like are escaped by "      \
                 "where they stand."},                                                             \
        {.key = "accept_when",                                                                     \
         .type = OPT_JSON,                                                                         \
         .offset = offsetof(of, member.accept_when),                                               \
         .help =                                                                                   \
             "template: {\"status\", \"pointer\", \"equals\"}, all of which must hold for the "    \
             "user to be let in."},                                                                \
        {.key = "reject_when",                                                                     \
         .type = OPT_JSON,                                                                         \
         .offset = offsetof(of, member.reject_when),                                               \
         .help = "template: the same for a user who is refused; wins over accept_when. An answer " \
                 "that is neither is a fault."},                                                   \
        {.key = "ask_when",                                                                        \
         .type = OPT_JSON,                                                                         \
         .offset = offsetof(of, member.ask_when),                                                  \
         .help = "template: the same for an answer that asks the user something more, by "         \
                 "keyboard-interactive; wins over accept_when."},                                  \
        {.key = "ask",                                                                             \
         .type = OPT_JSON,                                                                         \
         .offset = offsetof(of, member.ask),                                                       \
         .help = "template: what is asked then: {\"prompts\", \"text\", \"echo\", "                \
                 "\"instruction\", \"state\"}, JSON pointers into the answer."},                   \
    {                                                                                              \
        .key = "identity", .type = OPT_JSON, .offset = offsetof(of, member.identity),              \
        .help = "template: {field of the identity: JSON pointer into the answer}."                 \
    }

#endif
