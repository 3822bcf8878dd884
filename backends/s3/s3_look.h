/*
 * What is there at a key: an object, a folder (its marker, or anything below it), nothing. Asks for
 * both at once; where both exist the folder wins.
 */
#ifndef BACKENDS_S3_S3_LOOK_H
#define BACKENDS_S3_S3_LOOK_H

#include "backends/s3/s3.h"

enum s3_look_what { S3_LOOK_ANY, S3_LOOK_FOLDER };

struct s3_look_res {
    enum gw_err err; /* GW_OK also where nothing is there */
    const char *text;
    enum fs_kind kind; /* FS_KIND_UNKNOWN = nothing, FS_KIND_REG, FS_KIND_DIR */
    struct fs_attr attr;
    bool marker; /* folder: it has one */
    bool filled; /* folder: it holds something besides its marker */
};
typedef void s3_look_done_fn(void *arg, const struct s3_look_res *res);

/* key as s3_view_key() gives it; the view's own root ("" or "x/") is always a folder. */
struct op *s3_look_start(struct s3_store *s, const char *key, enum s3_look_what what,
                         const struct log_ctx *log, s3_look_done_fn *done, void *arg);
/* What the keys of a folder begin with: key and a slash, or the root's key itself.
 * out may be key. Errors: GW_BAD_NAME: too long, no such folder can exist. */
enum gw_err s3_look_prefix(const char *key, char out[S3_KEY_MAX + 2]);

#endif
