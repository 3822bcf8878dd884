/*
 * What every section that speaks to an HTTP server has beside its URL: headers, how to show who we
 * are, TLS. Tables for OPT_OBJECT rows, and the header lines that come of it.
 */
#ifndef CONFIG_HTTP_CONF_H
#define CONFIG_HTTP_CONF_H

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

/* For an OPT_SECRETS row of headers: each value by http_conf_value_check() in the row, the names by
 * http_conf_headers_check(), whose *msg begins with the name. */
enum gw_err http_conf_value_check(const void *member, struct gw_errmsg *msg);
enum gw_err http_conf_headers_check(const struct opt_map *headers, struct gw_errmsg *msg);

/* "Name: value" of all headers and of auth. Gives *lines. */
size_t http_conf_lines(const struct opt_map *headers, const struct http_conf_auth *auth,
                       char ***lines);
void http_conf_lines_free(char ***lines, size_t n); /* wiped */

#endif
