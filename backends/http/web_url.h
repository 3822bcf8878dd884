/*
 * Where an HTTP store is, and whether a path that its server names is one of ours. Pure functions.
 */
#ifndef BACKENDS_HTTP_WEB_URL_H
#define BACKENDS_HTTP_WEB_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

struct web_url {
    char *origin;      /* "https://host:port", as it was written */
    char *unix_socket; /* NULL = TCP */
    char *path;        /* encoded, as it was written, without a slash at its end: "" or "/a%20b" */
    char *root;        /* the same decoded */
};

/* Errors: GW_CONFIG with words that follow the value: those of http_url_parse(); a query; a path
 * that is not normal. */
enum gw_err web_url_parse(const char *text, struct web_url *out, struct gw_errmsg *msg);
void web_url_free(struct web_url *u); /* empty again */
/* For the row of the option table. member: char *const *. */
enum gw_err web_url_check(const void *member, struct gw_errmsg *msg);

/* Where a Location leads: the path and query behind the same origin (a pointer into location); NULL
 * = elsewhere. The case of letters and a default port do not count (RFC 6454). */
const char *web_url_within(const struct web_url *u, const char *location);

enum web_href {
    WEB_HREF_SELF,    /* the folder itself */
    WEB_HREF_CHILD,   /* something in it: name is set */
    WEB_HREF_FOREIGN, /* neither */
};

/*
 * What `href` of a listing of `folder` (decoded, absolute, "" = the root) is: an absolute path or
 * URL of any host, encoded in any way, with or without a slash at its end. name has the decoded
 * name then, which may still be no good name (a slash, a NUL, not UTF-8).
 */
enum web_href web_url_match(const char *folder, const char *href, struct gw_buf *name);

#endif
