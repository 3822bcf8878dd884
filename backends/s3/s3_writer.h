/* The inside of an object that is being written: shared by s3_write.c, which takes the bytes in,
 * and s3_commit.c, which makes the object. */
#ifndef BACKENDS_S3_S3_WRITER_H
#define BACKENDS_S3_S3_WRITER_H

#include "backends/part_writer.h"
#include "backends/s3/s3.h"
#include "backends/s3/s3_upload.h"

struct writer {
    struct s3_file file;
    struct s3_store *store;
    const struct log_ctx *log;
    bool exclusive;
    struct s3_object_meta meta;

    struct part_writer *parts;
    struct part *first; /* part 1, full, while it is the only one: maybe one PutObject */
    struct s3_upload *upload;

    /* Instead of bytes: the object to copy. */
    char *source_key, *source_etag;
    uint64_t source_size;

    /* Set while it is being committed: told when a part was stored. */
    void (*moved)(void *arg);
    void *moved_arg;
};

struct writer *s3_writer_of(struct s3_file *f);
/* Aborts what there is at the server and frees w. */
void s3_writer_free(struct writer *w);

#endif
