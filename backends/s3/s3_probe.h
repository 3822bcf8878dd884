/* Does the store answer, and in words for an operator, if not why? */
#ifndef BACKENDS_S3_S3_PROBE_H
#define BACKENDS_S3_S3_PROBE_H

#include "backends/s3/s3.h"

/* Lists one key below the prefix. Nothing is written. */
struct op *s3_probe_start(struct s3_store *s, backend_done_fn *done, void *arg);

#endif
