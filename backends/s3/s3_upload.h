/*
 * A multipart upload: created with its first part, parts sent in parallel, completed or aborted.
 * While it lives it is in the store's journal (backends/s3/s3_journal.h), so that what a killed
 * process leaves behind is aborted at the next start. The loop's thread only.
 */
#ifndef BACKENDS_S3_S3_UPLOAD_H
#define BACKENDS_S3_S3_UPLOAD_H

#include "backends/part.h"
#include "backends/s3/s3.h"

struct s3_upload;

/* The headers of PutObject and CreateMultipartUpload: the content type by the key's extension, the
 * mtime that attr sets, the configuration's. Freed by s3_object_headers_free(). */
struct s3_object_headers {
    const char *v[S3_WRITE_HEADERS_MAX + 4];
    size_t n;
    struct gw_buf text;
};
void s3_object_headers_init(struct s3_object_headers *h, const struct s3_store *s, const char *key,
                            const struct fs_attr *attr);
void s3_object_headers_free(struct s3_object_headers *h);

/* A part was stored (its memory is back), or the upload failed. The last act may end the upload. */
typedef void s3_upload_fn(void *arg);

/* Borrows log while the upload is its owner's; what is left after that logs without. */
struct s3_upload *s3_upload_new(struct s3_store *s, const char *key, const struct fs_attr *attr,
                                const struct log_ctx *log, s3_upload_fn *moved, void *arg);
void s3_upload_add(struct s3_upload *u, struct part **pp); /* Takes *pp; in order */
size_t s3_upload_unsent(const struct s3_upload *u);        /* parts that are not stored yet */
/* What has failed, and its words; it sticks. */
enum gw_err s3_upload_err(const struct s3_upload *u, const char **text);
const struct fs_attr *s3_upload_attr(const struct s3_upload *u);

/*
 * All parts are stored: makes the object. Done with GW_OK only when the server has confirmed it; an
 * answer that was lost is looked for by HEAD. Takes the upload at the call. A cancel lets a request
 * that is on its way end and cleans up after it. etag: S3_ETAG_MAX bytes of the caller's, good
 * until done or a cancel, for the object's ETag with its quotes; "" = the server did not tell.
 * Errors: GW_EXISTS (exclusive), those of s3_client_start().
 */
#define S3_ETAG_MAX 256u
struct op *s3_upload_complete(struct s3_upload **up, bool exclusive, char etag[S3_ETAG_MAX],
                              fs_done_fn *done, void *arg);
/* Takes it; the abort at the server goes on alone and is repeated until nothing is left. */
void s3_upload_abort(struct s3_upload **up);

/* The ETag that S3 gives an object of parts that have these: the MD5 of their MD5s, "-" and their
 * number; "" when they are no MD5s. */
#define S3_UPLOAD_ETAG_MAX 48u
void s3_upload_etag(const char *const *etags, size_t n, char out[S3_UPLOAD_ETAG_MAX]);

#endif
