/*
 * What every section that speaks to an HTTP server has beside its URL: headers, how to show who we
 * are, TLS. Tables for OPT_OBJECT rows, and the header lines that come of it.
 */
#ifndef CONFIG_HTTP_CONF_H
#define CONFIG_HTTP_CONF_H

#include <stddef.h>

#include "config/option.h"

enum http_conf_auth_type {
    HTTP_CONF_AUTH_NONE,
    HTTP_CONF_AUTH_BEARER,
    HTTP_CONF_AUTH_BASIC,
    HTTP_CONF_AUTH_HEADER,
};

struct http_conf_auth {
    int type;
    char *token;           /* bearer */
    char *user, *password; /* basic */
    char *name, *value;    /* header */
};
extern const struct opt_spec http_conf_auth_table[];
/* The keys of its type and no others. member: struct http_conf_auth. */
enum gw_err http_conf_auth_check(const void *member, struct gw_errmsg *msg);

struct http_conf_tls {
    char *ca_file, *cert_file, *key_file, *server_name;
};
extern const struct opt_spec http_conf_tls_table[];
/* The rows of that table, for a table of `owner`, whose `member` is a struct http_conf_tls. */
#define HTTP_CONF_TLS_OPTIONS(owner, member)                                                       \
    {.key = "ca_file",                                                                             \
     .type = OPT_PATH,                                                                             \
     .offset = offsetof(owner, member.ca_file),                                                    \
     .help = "PEM file of the authorities that may have signed the server's certificate; without " \
             "it the system's."},                                                                  \
        {.key = "cert_file",                                                                       \
         .type = OPT_PATH,                                                                         \
         .offset = offsetof(owner, member.cert_file),                                              \
         .help = "PEM file of a client certificate."},                                             \
        {.key = "key_file",                                                                        \
         .type = OPT_PATH,                                                                         \
         .offset = offsetof(owner, member.key_file),                                               \
         .help = "PEM file of the client certificate's key, not encrypted; without it the key is " \
                 "in cert_file."},                                                                 \
    {                                                                                              \
        .key = "server_name", .type = OPT_STR, .offset = offsetof(owner, member.server_name),      \
        .min = 1, .max = 253,                                                                      \
        .help = "The name that the server's certificate must have; without it the URL's host."     \
    }

/* For an OPT_SECRETS row of headers: each value by http_conf_value_check() in the row, the names by
 * http_conf_headers_check(), whose *msg begins with the name. */
enum gw_err http_conf_value_check(const void *member, struct gw_errmsg *msg);
enum gw_err http_conf_headers_check(const struct opt_map *headers, struct gw_errmsg *msg);

/* "Name: value" of all headers and of auth. Gives *lines. */
size_t http_conf_lines(const struct opt_map *headers, const struct http_conf_auth *auth,
                       char ***lines);
void http_conf_lines_free(char ***lines, size_t n); /* wiped */

#endif
