/*
 * Attributes without the pool: what the kernel holds in memory is asked for on the loop. A name is
 * looked up by openat2(RESOLVE_CACHED), which gives up where it would have to wait, and its
 * attributes come out of the inode. Whoever is not sure goes to the pool:
 *   - file systems that are not known to hold all of it. On a network or on FUSE either step may
 *     ask somebody else; an overlay is as slow as its layers, which it does not tell; ZFS takes
 *     locks that it holds while it writes.
 *   - symbolic links: one name could be 40 targets of 4 KiB each, all of them walked in one turn.
 *   - what is mounted below a view: it may be any file system.
 *   - all that is asked beyond LOCAL_NOW_MAX times in a turn: who asks for thousands at once waits
 *     for the pool, as the limit of requests in flight has it, and the others do not wait for him.
 */
#ifndef BACKENDS_LOCAL_LOCAL_NOW_H
#define BACKENDS_LOCAL_LOCAL_NOW_H

#include "backends/fs.h"

#define LOCAL_NOW_MAX      64u  /* answers of one store in a turn of its loop */
#define LOCAL_NOW_PATH_MAX 512u /* bytes of a name: each component is looked up */

/* Of a store; zeroed at first. */
struct local_now_turn {
    uint64_t number;
    unsigned asked;
};

/* Is it one whose inodes answer from memory? magic: of statfs(2). */
bool local_now_knows(uint64_t magic);
/* Does fd lie on such a one? May block: on the pool. */
bool local_now_is_prompt(int fd);

/* Rows of the store's fs_type. */
enum gw_err local_now_stat(struct fs *fs, const char *path, bool follow, struct fs_attr *attr);
enum gw_err local_now_fstat(struct fs_file *f, struct fs_attr *attr);

#endif
