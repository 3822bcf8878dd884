/* The inside of an object that is being written: shared by s3_write.c, which takes the bytes in,
 * and s3_commit.c, which makes the object. */
#ifndef BACKENDS_S3_S3_WRITER_H
#define BACKENDS_S3_S3_WRITER_H

#include "backends/s3/s3.h"
#include "backends/s3/s3_upload.h"
#include "gateway/base/list.h"

struct writer {
    struct s3_file file;
    struct s3_store *store;
    const struct log_ctx *log;
    bool exclusive;
    struct s3_object_meta meta;

    struct s3_part *cur;   /* takes bytes; NULL between two */
    struct s3_part *first; /* part 1, full, while it is the only one: maybe one PutObject */
    struct s3_upload *upload;
    uint32_t nparts;   /* begun so far */
    uint64_t next_off; /* where the next part begins */

    struct list waiting; /* writes that no memory or no lane is there for, in order of arrival */
    struct op *budget;   /* memory for the next part, or for the rest of the first */
    size_t budget_asked, budget_granted;
    struct op *turn;
    enum gw_err err; /* sticks: the object cannot come about any more */
    char text[FS_TEXT_MAX];

    /* Instead of bytes: the object to copy. */
    char *source_key, *source_etag;
    uint64_t source_size;

    /* Set while it is being committed: told when a part was stored. */
    void (*moved)(void *arg);
    void *moved_arg;
};

struct writer *s3_writer_of(struct s3_file *f);
void s3_writer_fail(struct writer *w, enum gw_err err, const char *text);
/* Aborts what there is at the server and frees w. */
void s3_writer_free(struct writer *w);
/* Seals the last part (holes: the writer has failed) and sends it, if it is a multipart upload. */
void s3_writer_seal_last(struct writer *w);

#endif
