/*
 * A file that lies in the spool while it is open. Its rows of the layer's fs_type; how it gets
 * there and from there into the store is in spool_load.c and spool_store.c.
 */
#ifndef BACKENDS_SPOOL_SPOOL_FILE_H
#define BACKENDS_SPOOL_SPOOL_FILE_H

#include "backends/spool/spool.h"

struct spool_fs {
    struct fs base;
    struct fs *inner;
    struct spool *spool; /* NULL = none */
    uint64_t held;       /* bytes of it, by all files of this view */
};

struct spool_file {
    struct fs_file base; /* of the spool_fs */
    char *path;
    uint32_t flags;        /* as it was opened */
    struct fs_file *disk;  /* its bytes */
    uint64_t size;         /* once all writes under way are done; that much of the space is taken */
    bool changed;          /* the store has something else */
    struct fs_attr shown;  /* what the store says of it, or would */
    struct fs_attr create; /* what OPEN asked for */
    struct fs_attr asked;  /* what FSETSTAT asked for, but sizes */
    enum gw_err failed;    /* sticks: what is in the spool must not be stored */
    char text[FS_TEXT_MAX];
};

/* attr may be NULL. No bytes yet, no disk. */
struct spool_file *spool_file_new(struct spool_fs *fs, const char *path, uint32_t flags,
                                  const struct fs_attr *attr);
/* NULL-safe. Gives its space back. */
void spool_file_free(struct spool_file **fp);
/* Takes or gives back the space for `size` bytes. False: f has failed, f->text says why. */
bool spool_file_resize(struct spool_file *f, uint64_t size);
void spool_file_fail(struct spool_file *f, enum gw_err err, const char *text);
/* The words for what the spool's disk said; NULL = those of err. */
const char *spool_file_text(enum gw_err err);

enum gw_err spool_file_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len,
                                size_t *n);
struct op *spool_file_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done,
                           void *arg);
enum gw_err spool_file_write_now(struct fs_file *f, uint64_t off, struct gw_span data);
struct op *spool_file_write(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                            void *arg);
struct op *spool_file_fsync(struct fs_file *f, fs_done_fn *done, void *arg);
struct op *spool_file_fstat(struct fs_file *f, fs_done_fn *done, void *arg);
struct op *spool_file_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done,
                               void *arg);
void spool_file_abort(struct fs_file *f);

/* Opens one: looks at what the store has, and fetches it unless it is to be cut. */
struct op *spool_load_start(struct spool_fs *fs, const char *path, uint32_t flags,
                            const struct fs_attr *attr, fs_done_fn *done, void *arg);
/* Closes one: into the store, if it has changed. */
struct op *spool_store_start(struct fs_file *f, fs_done_fn *done, void *arg);

#endif
