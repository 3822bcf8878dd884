/*
 * The signature of a request to a verifier: two headers by which it knows that postern asks, now.
 *     X-Postern-Timestamp: 1790000000
 *     X-Postern-Signature: sha256=<hex of HMAC-SHA256(secret, timestamp "." body)>
 * Where there is no body the path with its query is signed instead. Source: RFC 2104.
 */
#ifndef AUTH_HTTP_SIGN_H
#define AUTH_HTTP_SIGN_H

#include <stdint.h>

#include "gateway/base/buf.h"

struct http_sign {
    char timestamp[48], signature[96]; /* whole header lines */
};

/* at_s: Unix seconds. Errors: GW_INTERNAL where the library cannot. */
enum gw_err http_sign(const char *secret, int64_t at_s, struct gw_span body, const char *path,
                      struct http_sign *out);

#endif
