/*
 * The multipart uploads that are under way, on disk, so that the next start knows what a killed
 * process left behind in a bucket that others use too. One small file an upload in
 * STATE_DIR/s3-uploads, made and removed by the thread pool; without a state folder nothing
 * happens. Before S3 has told an upload's id there is a note of its key: what was begun for it, and
 * nobody knows of, has no part. Every process ("run") locks a file of its own there while it lives:
 * the uploads of a run that holds its lock are nobody else's business.
 */
#ifndef BACKENDS_S3_S3_JOURNAL_H
#define BACKENDS_S3_S3_JOURNAL_H

#include "backends/s3/s3.h"

/* An upload of this key will be asked for. done(arg) when the note is written, or cannot be
 * (logged); it is never cancelled. The caller frees what is returned. NULL: there is no state
 * folder, and done() is not called. */
char *s3_journal_note(const struct s3_store *s, const char *key, loop_fn *done, void *arg);
/* The answer to what the note is of. upload_id: NULL = none was begun. keep: the note stays for the
 * next start, for there may be another one. */
void s3_journal_answer(const struct s3_store *s, const char *note, bool keep, const char *key,
                       const char *upload_id, loop_fn *done, void *arg);
void s3_journal_remove(const struct s3_store *s, const char *key, const char *upload_id);

/* An upload, or a note. */
struct s3_journal_entry {
    char *file, *key, *upload_id; /* upload_id: "" = a note */
    int64_t written_s;            /* Unix time, by our clock */
    bool over;                    /* the sweep's: to be forgotten */
};

/*
 * What dead runs left of this store and bucket. Blocks: on the pool. *out is freed by
 * s3_journal_free().
 */
void s3_journal_left(const char *state_dir, const char *store_name, const char *bucket,
                     struct s3_journal_entry **out, size_t *n);
/*
 * What living runs store there, this one included, for s3_journal_has(). Blocks. What was noted
 * before the call and has not ended when it returns is among it. *out is freed by
 * s3_journal_free(). False: it cannot be known.
 */
bool s3_journal_living(const char *state_dir, const char *store_name, const char *bucket,
                       struct s3_journal_entry **out, size_t *n);
/* Is one of this key among what s3_journal_living() gave? */
bool s3_journal_has(const struct s3_journal_entry *sorted, size_t n, const char *key);
void s3_journal_forget(
    const struct s3_journal_entry *e); /* it is ended: removes its file; blocks */
/* Removes the locks of dead runs that left nothing (any more). Blocks. */
void s3_journal_tidy(const char *state_dir);
void s3_journal_free(struct s3_journal_entry **ep, size_t n);

#endif
