/*
 * Which server a configured URL means: http, https, and http over a Unix socket, which is written
 * "http+unix://SOCKET:PATH", as in "http+unix:///run/id.sock:/login". Text only: nothing is looked
 * up.
 */
#ifndef GATEWAY_IO_HTTP_URL_H
#define GATEWAY_IO_HTTP_URL_H

#include <stdbool.h>

#include "gateway/base/err.h"

struct http_url {
    bool tls;
    char *unix_socket; /* NULL = TCP */
    char *url;         /* for struct http_req */
    const char *path;  /* in url: path and query, "/" at least */
};

/*
 * Errors: GW_CONFIG with words that follow the value in *msg (may be NULL): no such scheme, no
 * host, a user or password in it, a fragment, bytes that must be percent-encoded. *out then is
 * empty.
 */
enum gw_err http_url_parse(const char *text, struct http_url *out, struct gw_errmsg *msg);
void http_url_free(struct http_url *u); /* empty again */

/* For a row of an option table. member: char *const *. */
enum gw_err http_url_check(const void *member, struct gw_errmsg *msg);

#endif
