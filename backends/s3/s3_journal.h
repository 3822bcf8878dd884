/*
 * The multipart uploads that this process has under way, on disk, so that the next start knows what
 * a killed process left behind: an upload of ours in a bucket that other gateways use too. A file
 * of the state folder for each store; without a state folder all of this does nothing. The file is
 * written by the thread pool, a line an event:
 *     "+ UPLOAD-ID KEY" and "- UPLOAD-ID KEY", both percent-encoded.
 */
#ifndef BACKENDS_S3_S3_JOURNAL_H
#define BACKENDS_S3_S3_JOURNAL_H

#include "backends/s3/s3.h"

void s3_journal_add(struct s3_store *s, const char *key, const char *upload_id);
void s3_journal_remove(struct s3_store *s, const char *key, const char *upload_id);

/* An upload of an earlier life that was not ended. */
struct s3_journal_entry {
    char *key, *upload_id;
};

/*
 * What the files of earlier lives hold. Moves the file aside first, so that other loops may go on
 * to add; s3_journal_forget() removes what was moved aside, once its uploads are ended.
 * Blocking: for the start, on the pool. Gives entries; freed by s3_journal_free().
 */
enum gw_err s3_journal_take(const char *state_dir, const char *store_name,
                            struct s3_journal_entry **out, size_t *n);
void s3_journal_forget(const char *state_dir, const char *store_name);
void s3_journal_free(struct s3_journal_entry **ep, size_t n);

#endif
