/*
 * Which ETag of a key became which by a copy of ours of the object onto itself: whoever has the
 * object open by the one may read on by the other, the bytes are the same. One table for the loops
 * of the process; bounded, the oldest leaves.
 */
#ifndef BACKENDS_S3_S3_SAME_H
#define BACKENDS_S3_S3_SAME_H

#define S3_SAME_ETAG_MAX 256u

struct s3_same; /* a copy that is under way */

enum s3_same_answer {
    S3_SAME_NO,   /* nothing of ours is known */
    S3_SAME_SOON, /* a copy of it is under way */
    S3_SAME_YES,
};

/* name: of the key, beyond its store. etag: what the server holds the source against
 * (copy-source-if-match), or nobody knows which bytes are copied. Ends with s3_same_end(). */
struct s3_same *s3_same_begin(const char *name, const char *etag);
/* NULL-safe. etag: the copy's, which the answer to the copy has named; NULL = there may be none. */
void s3_same_end(struct s3_same **sp, const char *etag);
/* YES gives the newest ETag in out. */
enum s3_same_answer s3_same_find(const char *name, const char *etag, char out[S3_SAME_ETAG_MAX]);

#endif
