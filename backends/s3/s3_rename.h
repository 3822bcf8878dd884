/* RENAME of a file or a folder: copies on the server, then deletes. */
#ifndef BACKENDS_S3_S3_RENAME_H
#define BACKENDS_S3_S3_RENAME_H

#include "backends/s3/s3.h"

/*
 * A folder's objects are all copied and their sizes checked before the first is deleted; at most
 * rename_max_objects of them. When it fails half-way nothing is lost, the text says what is left,
 * and the same rename again goes on: it is accepted onto a folder that holds nothing but copies
 * (same size and ETag) of the source's objects, or all of them.
 * Errors: GW_NOT_FOUND, GW_EXISTS (without FS_RENAME_OVERWRITE), GW_IS_DIR, GW_NOT_DIR,
 * GW_NOT_EMPTY, GW_BAD_ARG (into itself), GW_TOO_LARGE (too many objects), GW_BAD_NAME.
 */
struct op *s3_rename_start(struct s3_view *v, const char *from, const char *to, uint32_t flags,
                           fs_done_fn *done, void *arg);

#endif
