/*
 * A store that misbehaves on command: an fs around another one. Calls are counted, and a rule makes
 * some of them fail, wait, or give less than they should. Without a rule a call goes straight
 * through; with one, its op can be cancelled at each of its steps like any other.
 */
#ifndef TESTS_SUPPORT_FAIL_FS_H
#define TESTS_SUPPORT_FAIL_FS_H

#include "backends/fs.h"

enum fail_fs_call {
    FAIL_FS_OPEN,
    FAIL_FS_READ, /* read_now counts here as well, and answers GW_BUSY where a rule applies */
    FAIL_FS_WRITE,
    FAIL_FS_FSYNC,
    FAIL_FS_FSTAT,
    FAIL_FS_FSETSTAT,
    FAIL_FS_CLOSE,
    FAIL_FS_STAT,
    FAIL_FS_SETSTAT,
    FAIL_FS_OPENDIR,
    FAIL_FS_READDIR,
    FAIL_FS_REMOVE,
    FAIL_FS_MKDIR,
    FAIL_FS_RMDIR,
    FAIL_FS_RENAME,
    FAIL_FS_READLINK,
    FAIL_FS_SYMLINK,
    FAIL_FS_HARDLINK,
    FAIL_FS_STATVFS,
    FAIL_FS_COPY,
    FAIL_FS_CALL_COUNT
};

enum fail_fs_how {
    FAIL_FS_BEFORE,  /* err instead of the call; a file that was to be closed is thrown away */
    FAIL_FS_AFTER,   /* the call is made, and err is said all the same: the answer was lost */
    FAIL_FS_DELAY,   /* the call is made after_ms later */
    FAIL_FS_HOLD,    /* the call is made at fail_fs_release() */
    FAIL_FS_TRUNCATE /* read, readdir: at most `keep` bytes or entries; write: that many, then err
                      */
};

struct fail_fs_rule {
    enum fail_fs_call call;
    enum fail_fs_how how;
    unsigned skip;  /* so many calls pass first */
    unsigned times; /* then it applies so often; 0 = from then on */
    enum gw_err err;
    const char *text; /* borrowed */
    uint64_t after_ms;
    size_t keep;
};

/* Takes inner. */
struct fs *fail_fs_new(struct fs *inner);
/* The newest rule of a call counts, and starts counting now. */
void fail_fs_set(struct fs *fs, const struct fail_fs_rule *rule);
void fail_fs_clear(struct fs *fs);
void fail_fs_release(struct fs *fs); /* on the next turn, in order */
/* false: read_now and write_now always say GW_BUSY, so that the other path is taken. */
void fail_fs_allow_now(struct fs *fs, bool allow);
unsigned fail_fs_calls(struct fs *fs, enum fail_fs_call call);
uint32_t fail_fs_last_flags(struct fs *fs); /* of the last open */
unsigned fail_fs_open_files(struct fs *fs); /* files and folders neither closed nor aborted */

#endif
