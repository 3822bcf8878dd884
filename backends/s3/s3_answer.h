/* What an HTTP answer of S3 means: an error, words for a client, and whether asking again helps. */
#ifndef BACKENDS_S3_S3_ANSWER_H
#define BACKENDS_S3_S3_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/remote.h"

/* Of the request, as far as it changes the meaning. */
struct s3_answer_ctx {
    bool has_key;       /* a bare 404 is about the key, not the bucket */
    bool if_none_match; /* 412: the name exists */
    bool error_in_200;  /* a 200 may carry an <Error> */
    int64_t now_s;      /* ours: to see a clock that is off where there is no body (HEAD) */
};

/* body: of the answer, as far as it was collected. */
void s3_answer_read(const struct s3_answer_ctx *ctx, const struct http_res *res,
                    struct gw_span body, struct remote_answer *out);

#endif
