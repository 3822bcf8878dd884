/*
 * The multipart uploads that are under way, on disk, so that the next start knows what a killed
 * process left behind in a bucket that others use too. One small file an upload in
 * STATE_DIR/s3-uploads, made and removed by the thread pool; without a state folder nothing
 * happens. Every process ("run") locks a file of its own there while it lives: the uploads of a run
 * that holds its lock are nobody else's business.
 */
#ifndef BACKENDS_S3_S3_JOURNAL_H
#define BACKENDS_S3_S3_JOURNAL_H

#include "backends/s3/s3.h"

void s3_journal_add(const struct s3_store *s, const char *key, const char *upload_id);
void s3_journal_remove(const struct s3_store *s, const char *key, const char *upload_id);

/* An upload of a run that is no more. */
struct s3_journal_entry {
    char *file, *key, *upload_id;
};

/*
 * What dead runs left of this store and bucket. Blocks: on the pool. *out is freed by
 * s3_journal_free().
 */
void s3_journal_left(const char *state_dir, const char *store_name, const char *bucket,
                     struct s3_journal_entry **out, size_t *n);
void s3_journal_forget(
    const struct s3_journal_entry *e); /* it is ended: removes its file; blocks */
/* Removes the locks of dead runs that left nothing (any more). Blocks. */
void s3_journal_tidy(const char *state_dir);
void s3_journal_free(struct s3_journal_entry **ep, size_t n);

#endif
