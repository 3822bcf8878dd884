/*
 * AWS Signature Version 4 in an Authorization header. Pure functions: the clock is an argument.
 * Source: AWS "Authenticating Requests (AWS Signature Version 4)", S3 API reference.
 */
#ifndef BACKENDS_S3_S3_SIGN_H
#define BACKENDS_S3_S3_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"

#define S3_SIGN_UNSIGNED    "UNSIGNED-PAYLOAD"
#define S3_SIGN_HASH_MAX    65u /* 64 hex digits and a NUL */
#define S3_SIGN_TIME_MAX    17u /* "20130524T000000Z" and a NUL */
#define S3_SIGN_HEADERS_MAX 128u

struct s3_sign_key {
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token; /* NULL = none; its header is the caller's to add and sign */
};

/* A pair of the query: as it is, not encoded. value NULL = "". */
struct s3_param {
    const char *name;
    const char *value;
};

/* A header as it will be sent; name in any case. */
struct s3_sign_header {
    const char *name;
    const char *value;
};

struct s3_sign_req {
    const char *method;
    const char *path;  /* encoded, as it stands in the URL; begins with a slash */
    const char *query; /* canonical, as s3_sign_query() writes it; "" = none */
    const struct s3_sign_header *headers; /* every one is signed; at most S3_SIGN_HEADERS_MAX */
    size_t nheaders;
    const char *payload_hash; /* hex SHA-256, or S3_SIGN_UNSIGNED */
    const char *region;
    const char *service; /* "s3" */
    int64_t time_s;      /* Unix seconds */
};

/* The canonical query: encoded, sorted by name and then value. Both signed and sent. */
void s3_sign_query(const struct s3_param *params, size_t n, struct gw_buf *out);
/* "20130524T000000Z". False: a time outside the years 1970-9999. */
bool s3_sign_time(int64_t time_s, char out[S3_SIGN_TIME_MAX]);
/* Hex SHA-256 of the pieces, one after the other. */
bool s3_sign_hash(const struct gw_span *pieces, size_t n, char out[S3_SIGN_HASH_MAX]);
/*
 * The value of the Authorization header onto out.
 * Errors: GW_BAD_ARG (time, too many headers), GW_NO_MEMORY, GW_TOO_LARGE (out), GW_INTERNAL.
 */
enum gw_err s3_sign_authorization(const struct s3_sign_key *key, const struct s3_sign_req *req,
                                  struct gw_buf *out);

#endif
