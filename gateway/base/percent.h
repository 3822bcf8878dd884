/* Percent-encoding. Source: RFC 3986 section 2. */
#ifndef GATEWAY_BASE_PERCENT_H
#define GATEWAY_BASE_PERCENT_H

#include "gateway/base/buf.h"

/* All but A-Z a-z 0-9 - . _ ~ and, with keep_slash, the slash. */
void percent_encode(struct gw_span raw, bool keep_slash, struct gw_buf *out);
/* False: a '%' without two hex digits, or out is full. A '+' is a '+'. */
bool percent_decode(struct gw_span text, struct gw_buf *out);

#endif
