/* A server-side copy of one object, of any size: CopyObject, or UploadPartCopy above
 * copy_part_mb (5 GiB is S3's own limit). */
#ifndef BACKENDS_S3_S3_COPY_H
#define BACKENDS_S3_S3_COPY_H

#include "backends/s3/s3.h"

struct s3_copy_args {
    const char *from, *to; /* keys; may be the same (metadata rewritten) */
    const char *etag;      /* the source must have this ETag; NULL = whatever HEAD finds */
    bool known;            /* size and etag are the source's: it is not asked for them */
    uint64_t size;
    bool exclusive; /* `to` must not exist: GW_EXISTS */
    bool no_verify; /* the caller looks at the copy itself */
    bool set_mtime; /* else the source's metadata is kept as it is */
    int64_t mtime_s;
    uint32_t mtime_ns;
    /* NULL, or where the copy's ETag goes before done is called: as HEAD tells it, "" where that
     * may be of another object. */
    char *made;
    const struct log_ctx *log;
};

#define S3_COPY_ETAG_MAX 256u

/*
 * Done with GW_OK once the copy is there and has the source's size (HEAD after it). Copies args.
 * Borrows: args->made (S3_COPY_ETAG_MAX bytes) until done or a cancel.
 * attr in the result: the new object's. A cancel aborts an unfinished multipart upload.
 * Errors: GW_NOT_FOUND (no source), GW_CHANGED (other ETag), those of s3_client_start().
 */
struct op *s3_copy_start(struct s3_store *s, const struct s3_copy_args *args, fs_done_fn *done,
                         void *arg);

#endif
