/*
 * Somebody else's text inside a URL or a form.
 * Source: RFC 3986 sections 2.1, 2.3 and 3.3.
 */
#ifndef AUTH_DIALECT_URL_H
#define AUTH_DIALECT_URL_H

#include <stdbool.h>

#include "gateway/base/buf.h"

#define DIALECT_URL_MAX_BYTES 16384u

/* Everything but letters, digits, "-", ".", "_" and "~" becomes %XX: safe in a path segment, in a
 * query and in a form's body. */
void dialect_url_escape(struct gw_buf *b, const char *s);
/* The same, as a segment of a path. False: "", "." and "..", which no escape keeps from being more
 * than a name. */
bool dialect_url_segment(struct gw_buf *b, const char *s);

#endif
