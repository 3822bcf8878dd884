/* What killed gateways left in the bucket. */
#ifndef BACKENDS_S3_S3_SWEEP_H
#define BACKENDS_S3_S3_SWEEP_H

#include "backends/s3/s3.h"

/* Aborts stale multipart uploads below the store's prefix. NULL = nothing to do. */
struct op *s3_sweep_start(struct s3_store *s, backend_done_fn *done, void *arg);

#endif
