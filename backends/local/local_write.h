/*
 * Writing into open files of the local store: on the pool, what comes while one trip is under way
 * taken along by the next. A write is done when the kernel has it. Rows of the store's fs_type.
 */
#ifndef BACKENDS_LOCAL_LOCAL_WRITE_H
#define BACKENDS_LOCAL_LOCAL_WRITE_H

#include "backends/fs.h"

/* Where the file system can say in advance that it need not wait (RWF_NOWAIT). */
enum gw_err local_write_now(struct fs_file *f, uint64_t off, struct gw_span data);
struct op *local_write_start(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                             void *arg);

#endif
