/*
 * An open file of a remote store: one that is read (backends/read_ahead.h), or a new one that is
 * written from begin to end (backends/part_writer.h). What an fs_type does with open files is here;
 * a store opens them (backends/remote_open.h) and commits what was written
 * (backends/remote_commit.h).
 */
#ifndef BACKENDS_REMOTE_FILE_H
#define BACKENDS_REMOTE_FILE_H

#include "backends/fs.h"
#include "backends/part_writer.h"
#include "backends/read_ahead.h"
#include "gateway/base/log.h"

struct remote_file;

/* `set` is of one that is read, the others of one that is written. */
struct remote_file_type {
    /* Times and modes by its name. GW_OK gives res->attr: those that the store keeps (NULL =
     * none), which is what FSTAT says from then on. */
    struct op *(*set)(struct remote_file *f, const struct fs_attr *attr, fs_done_fn *done,
                      void *arg);
    /* fs_close(). Takes f. */
    struct op *(*commit)(struct remote_file *f, fs_done_fn *done, void *arg);
    /* Throws away what one that was written has at the server, and what the store's own struct
     * holds beyond this head; not the struct. What goes on alone holds no view. */
    void (*drop)(struct remote_file *f);
};

/* The head of a store's own struct. */
struct remote_file {
    struct fs_file base; /* its view outlives it */
    const struct remote_file_type *type;
    char *name; /* the store's: a key, a path */
    const struct log_ctx *log;
    struct read_ahead *ahead;  /* of one that is read; else NULL */
    struct part_writer *parts; /* of one that is written; else NULL */
    /* Read: its own, as it was opened. Written: the time that the client wants it to have, if any.
     */
    struct fs_attr attr;

    /* Of one that is written. */
    bool exclusive; /* there must be no such file */
    bool strict;    /* what is not kept is refused */
    /* Instead of bytes: the file to copy, and its ETag as the server wrote it. */
    char *source, *source_etag;
    uint64_t source_size;
    /* Told when a part was stored. Set while it is being committed. */
    loop_fn *moved;
    void *moved_arg;
};

/* A zeroed struct of `size` bytes that begins with a remote_file. Copies name; borrows log. */
void *remote_file_new(size_t size, const struct remote_file_type *type, struct fs *fs,
                      const char *name, const struct log_ctx *log);
void remote_file_free(struct remote_file **fp); /* NULL-safe; no op of it is under way */

/* Remembers the time that attr (NULL = none) asks for. */
void remote_file_want(struct remote_file *f, const struct fs_attr *attr);
/* How large one that is written would be if nothing followed. */
uint64_t remote_file_size(const struct remote_file *f);
/* A part of one that is written was stored, or (err) none will be. */
void remote_file_moved(struct remote_file *f, enum gw_err err, const char *text);

/* Rows of a store's fs_type. */
enum gw_err remote_file_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len,
                                 size_t *n);
struct op *remote_file_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done,
                            void *arg);
enum gw_err remote_file_write_now(struct fs_file *f, uint64_t off, struct gw_span data);
struct op *remote_file_write(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                             void *arg);
struct op *remote_file_fsync(struct fs_file *f, fs_done_fn *done, void *arg);
struct op *remote_file_fstat(struct fs_file *f, fs_done_fn *done, void *arg);
/* Of one that is written, times are stored with it; mode and owner are ignored (strict: refused).
 * No size but the one that it has. */
struct op *remote_file_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done,
                                void *arg);
struct op *remote_file_close(struct fs_file *f, fs_done_fn *done, void *arg);
void remote_file_abort(struct fs_file *f);
/* A whole file only: the server copies it when `to` is closed, which is when it may appear. Before
 * it nothing may be written to `to`, and nothing after it. */
struct op *remote_file_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                            uint64_t to_off, fs_done_fn *done, void *arg);
#define REMOTE_FILE_ROWS                                                                           \
    .read_now = remote_file_read_now, .read = remote_file_read,                                    \
    .write_now = remote_file_write_now, .write = remote_file_write, .fsync = remote_file_fsync,    \
    .fstat = remote_file_fstat, .fsetstat = remote_file_fsetstat, .close = remote_file_close,      \
    .abort = remote_file_abort, .copy = remote_file_copy

#endif
