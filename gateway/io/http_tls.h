/* Are the files of a TLS setting what they should be? libcurl says it with the first request only.
 */
#ifndef GATEWAY_IO_HTTP_TLS_H
#define GATEWAY_IO_HTTP_TLS_H

#include "gateway/io/http.h"

/* Reads them, which blocks: at the start. Errors: GW_CONFIG, *msg begins with the member's name:
 * a file that cannot be read, that holds no certificate or no key, a key that is encrypted or
 * belongs to another certificate. */
enum gw_err http_tls_check(const struct http_tls *tls, struct gw_errmsg *msg);

#endif
