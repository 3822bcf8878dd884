/* Begins a multipart upload in a way that can be cancelled: what then still begins is ended at
 * once. */
#ifndef BACKENDS_S3_S3_INITIATE_H
#define BACKENDS_S3_S3_INITIATE_H

#include "backends/s3/s3.h"

/* upload_id is NULL with an error. Both are valid during the callback. */
typedef void s3_initiate_fn(void *arg, enum gw_err err, const char *text, const char *upload_id);

/* headers: "name: value". The upload is in the journal when done is called. Copies everything. */
struct op *s3_initiate_start(struct s3_store *s, const char *key, const char *const *headers,
                             size_t nheaders, s3_initiate_fn *done, void *arg);

#endif
