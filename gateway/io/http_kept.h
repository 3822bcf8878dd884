/*
 * Kept connections. Bytes behind the end of an answer (a Content-Length that is too small, an
 * answer that was smuggled into another) are the answer to nothing, and libcurl before 8.0 takes
 * them for the one to its next request, which may be another user's. Newer ones look before they
 * use a connection again.
 */
#ifndef GATEWAY_IO_HTTP_KEPT_H
#define GATEWAY_IO_HTTP_KEPT_H

#include "gateway/io/http_op.h"

/* libcurl wants nothing more of the socket for now: ends the connection if something stands there
 * though no answer is awaited. Plain HTTP/1.1 only: TLS has bytes of its own. */
void http_kept_look(CURL *easy, curl_socket_t fd);
/* Of a request that went well: a line in the log if that was so. */
void http_kept_tell(struct http_op *o);

#endif
