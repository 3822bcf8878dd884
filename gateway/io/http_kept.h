/*
 * Kept connections. What a server sends beyond its answer (a Content-Length that is too small, an
 * answer that was smuggled into another), at once or while the connection is idle, is the answer to
 * nothing, and libcurl would take it for the one to its next request, which may be another user's.
 * libcurl 8.0 and later look at the socket before they use it again, none at what TLS has
 * decrypted. HTTP/1.1 only: a connection of HTTP/2 may say something at any time.
 */
#ifndef GATEWAY_IO_HTTP_KEPT_H
#define GATEWAY_IO_HTTP_KEPT_H

#include "gateway/io/http_op.h"

/* libcurl wants nothing more of the socket for now; `easy` was its last request. */
void http_kept_idle(struct http_client *hc, CURL *easy, curl_socket_t fd);
/* The socket is in use again. */
void http_kept_busy(struct http_client *hc, curl_socket_t fd);
/* CURLOPT_CLOSESOCKETFUNCTION, with the client. */
int http_kept_close(void *arg, curl_socket_t fd);
/* Before a request is sent, from our port to the server's address. False: something stands there
 * already, the request needs another connection. In the log, unless the server has ended it. */
bool http_kept_fit(struct http_op *o, int from_port, const char *server, int port);

#endif
