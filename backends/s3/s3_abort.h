/* Ends a multipart upload at the server: one abort may not be enough while parts are under way, so
 * it is repeated until the server does not know the upload any more. */
#ifndef BACKENDS_S3_S3_ABORT_H
#define BACKENDS_S3_S3_ABORT_H

#include "backends/s3/s3.h"

/* gone: the server says so. Otherwise it stays in the journal, and the next start tries again. */
typedef void s3_abort_fn(void *arg, bool gone);

/* done may be NULL. An orphan by nature: holds a reference to the store, and op_cancel() only keeps
 * done from being called. Copies key and upload_id. */
struct op *s3_abort_start(struct s3_store *s, const char *key, const char *upload_id,
                          s3_abort_fn *done, void *arg);

#endif
