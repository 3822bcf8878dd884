/* STAT and SETSTAT by path. */
#ifndef BACKENDS_S3_S3_STAT_H
#define BACKENDS_S3_S3_STAT_H

#include "backends/read_ahead.h"
#include "backends/s3/s3.h"

/* From the cache where a listing has just primed it. The root exists without asking. */
struct op *s3_stat_start(struct s3_view *v, const char *path, fs_done_fn *done, void *arg);
/*
 * mtime is written into the object's metadata, which is a copy onto itself; of a folder it is
 * ignored. Mode and owner are accepted and ignored, or GW_UNSUPPORTED where setstat is strict. A
 * size other than the object's is GW_UNSUPPORTED.
 */
struct op *s3_stat_set(struct s3_view *v, const char *path, const struct fs_attr *attr,
                       fs_done_fn *done, void *arg);
/* The same of what is open for reading, by its key: it is left alone if it is no longer that one
 * (GW_CHANGED), and the reader follows the copy. GW_OK gives res->attr: what is kept; NULL =
 * nothing of it. Borrows: reader until done or a cancel. */
struct op *s3_stat_set_open(struct s3_view *v, const char *key, struct read_ahead *reader,
                            const struct fs_attr *attr, fs_done_fn *done, void *arg);

#endif
