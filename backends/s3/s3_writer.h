/* The inside of an object that is being written: shared by s3_write.c, which takes the bytes in,
 * and s3_commit.c, which makes the object. */
#ifndef BACKENDS_S3_S3_WRITER_H
#define BACKENDS_S3_S3_WRITER_H

#include "backends/s3/s3.h"
#include "backends/s3/s3_upload.h"

struct s3_writer {
    struct remote_file file;
    struct part *first; /* part 1, full, while it is the only one: maybe one PutObject */
    struct s3_upload *upload;
    struct s3_object_headers headers; /* of PutObject */
};

/* remote_file_type.commit */
struct op *s3_commit_start(struct remote_file *f, fs_done_fn *done, void *arg);

#endif
