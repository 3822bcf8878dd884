/*
 * Bytes of one open file into another, a chunk at a time, through the gateway: where no store can
 * do it by itself. One chunk is in memory; the slower side sets the pace.
 */
#ifndef BACKENDS_FS_PIPE_H
#define BACKENDS_FS_PIPE_H

#include "backends/fs.h"

struct fs_pipe {
    struct fs_file *from, *to; /* of any two stores of one loop */
    uint64_t off, to_off;
    uint64_t len; /* 0 = to the end */
};

/*
 * res->bytes says how many came over, also with an error; fewer than len where `from` ends.
 * Borrows: both files until done or the cancel.
 */
struct op *fs_pipe_start(const struct fs_pipe *pipe, fs_done_fn *done, void *arg);

#endif
