/* A result that is known already, given on the next turn: what a start owes its caller when there
 * is nothing to wait for. */
#ifndef BACKENDS_S3_S3_LATER_H
#define BACKENDS_S3_S3_LATER_H

#include "backends/fs.h"

/* Copies attr (may be NULL). */
struct op *s3_later_ok(struct loop *l, const struct fs_attr *attr, fs_done_fn *done, void *arg);

#endif
