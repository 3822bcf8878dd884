/*
 * Files on a disk. The kernel holds the fence: every path is opened by openat2() below the view's
 * folder, so no name and no symbolic link leads out of it, whatever changes meanwhile.
 *
 * Uploads (atomic_uploads, the default): a file that is made or replaced is written beside the tree
 * and takes its name when it is closed. Until then the old file is the one that everybody reads,
 * and what is not closed leaves nothing. A file that is replaced keeps its mode and owner; it is a
 * new inode, so other hard links of the old one keep the old content. Opening an existing file for
 * writing without truncating it (resume, random writes, append) writes in place, as it must.
 *
 * Durability: a CLOSE that says OK has handed every byte to the kernel, and the name is there: that
 * survives the end of this process. `fsync` makes it survive the loss of power as well, at the
 * price of waiting for the disk at each close. It is off by default, as it is in OpenSSH.
 */
#ifndef BACKENDS_LOCAL_LOCAL_H
#define BACKENDS_LOCAL_LOCAL_H

#include "backends/backends.h"

struct local_conf {
    char *root;
    char *umask; /* octal */
    bool atomic_uploads, fsync;
    uint32_t uid, gid; /* 0 = the process's own */
};

extern const struct backend_kind local_kind;

#endif
