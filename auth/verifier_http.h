/*
 * The verifier `http`: asks an HTTP server, in any of the dialects (auth/dialect.h). Transport
 * only: connections, TLS, who we are, the bounds of an answer. No redirect is followed. Time,
 * repetition and the breaker are the guard's (auth/guard.h).
 */
#ifndef AUTH_VERIFIER_HTTP_H
#define AUTH_VERIFIER_HTTP_H

#include "auth/verifier.h"

extern const struct verifier_kind verifier_http_kind;

#endif
