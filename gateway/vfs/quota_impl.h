/* What the files of a quota share: quota.c (the limits), quota_file.c (open files),
 * quota_grow.c (how they grow), quota_path.c (names), quota_call.c (what both wait for). Nobody
 * else includes it. */
#ifndef GATEWAY_VFS_QUOTA_IMPL_H
#define GATEWAY_VFS_QUOTA_IMPL_H

#include "gateway/vfs/quota.h"
#include "gateway/vfs/usage.h"

struct quota {
    struct fs fs;
    struct fs *inner; /* v's */
    struct vfs *v;
    const struct log_ctx *log;
    uint64_t max_file;     /* 0 = no limit */
    struct usage *usage;   /* NULL = nothing is counted */
    struct usage_sum most; /* 0 = no limit */
    struct op *count;      /* ours, under way */
    bool again;            /* that one is a recount */
    struct op *patience;   /* until it begins */
};

/* ---- quota.c ---- */

/* KNOWN, and quota_leave() has to follow; or OTHERS: a count is under way, maybe ours. */
enum usage_state quota_enter(struct quota *q);
void quota_leave(struct quota *q);
/*
 * Before a refusal, by who has left again. True: it is being counted anew, maybe for less, so wait
 * by quota_wait() and try once more.
 */
bool quota_recount(struct quota *q);
struct op *quota_wait(struct quota *q, loop_fn *fn, void *arg);
/* Something was cancelled that may come about all the same. */
void quota_doubt(struct quota *q);
enum gw_err quota_fits(const struct quota *q, uint64_t size);     /* GW_TOO_LARGE */
enum gw_err quota_charge(struct quota *q, struct usage_sum more); /* GW_QUOTA */
void quota_give_back(struct quota *q, struct usage_sum *charged);
/* The same for an upload that is not there before it is closed; and it is, or may be. */
enum gw_err quota_reserve(struct quota *q, struct usage_sum more);
void quota_unreserve(struct quota *q, struct usage_sum *reserved);
void quota_stored(struct quota *q, struct usage_sum *reserved);
/* What came about, beyond what was charged. */
void quota_settle(struct quota *q, struct usage_sum by);
void quota_let_go(struct quota *q, struct usage_hold **hp);
/* Words for the client; NULL for other errors. */
const char *quota_text(const struct quota *q, enum gw_err err, char text[FS_TEXT_MAX]);

/* ---- quota_call.c ---- */

/* What is under a name. */
struct quota_seen {
    bool is_file;  /* anything that is no folder */
    int64_t size;  /* of a regular file; else 0 */
    int64_t freed; /* when it goes: nothing where it has other names, or is given back already */
};
void quota_saw(struct quota_seen *seen, const struct fs_attr *attr);

/*
 * One operation on names: waits until the usage is known, looks at what is under `look` (NULL =
 * does not), then acts. act starts the inner operation into c->step with quota_call_done, or
 * refuses by quota_call_refuse(). `charged` is given back when the operation fails, `on_ok` settled
 * when it succeeds; what on_ok takes off is so only while `hold` is good. An operation that is
 * cancelled when it runs may have come about: what was charged for it stays. A refusal for want of
 * room comes after a new count only, where one may be made: then all of it is tried once more.
 */
struct quota_call {
    struct op op;
    struct quota *q;
    struct op *step;
    void (*act)(struct quota_call *c);
    /* Changes what the caller is told; NULL = nothing. */
    void (*tell)(struct quota_call *c, struct fs_res *res);
    void (*drop)(struct quota_call *c); /* frees what of `data` nobody took; NULL = nothing */
    fs_done_fn *done;
    void *arg;
    const char *look;
    bool holds; /* the name to look at, from before the look on */
    enum usage_hold_for hold_for;
    struct usage_hold *hold, *move;
    bool follow, waited, acts, inside, again;
    bool changes;  /* what is stored, when it succeeds */
    bool reserves; /* what is charged */
    char *path[2];
    uint32_t flags;
    struct fs_attr attr;
    void *data;
    struct quota_seen seen;
    struct usage_sum charged, on_ok;
    enum gw_err err;
    char text[FS_TEXT_MAX];
};

/* Copies the paths (NULL = none); the rest is the caller's to set before quota_call_start(). */
struct quota_call *quota_call_new(struct quota *q, const char *path, const char *second,
                                  fs_done_fn *done, void *arg);
struct op *quota_call_start(struct quota_call *c);
void quota_call_done(void *arg, const struct fs_res *res);
/* Answers on the next turn; in words of quota_text() where text is NULL. */
void quota_call_refuse(struct quota_call *c, enum gw_err err, const char *text);

/* ---- quota_file.c and quota_grow.c: open files ---- */

/* One that is written knows how large it will be, and what of that the usage has been charged. */
struct quota_file {
    struct fs_file base;
    struct fs_file *inner;
    struct quota *q;
    bool writes;
    bool append;
    bool in_place;            /* what is written is there at once, and stays if this is aborted */
    bool reserves;            /* no count finds what is charged, or may not */
    bool cut;                 /* it was made shorter */
    bool unsure;              /* a write failed: how large it is now is not known */
    char *path;               /* of one that writes */
    struct quota_seen old;    /* what its close replaces */
    uint64_t size;            /* once all that was taken is written */
    struct usage_sum charged; /* beyond `old` */
    struct usage_hold *hold;  /* of the path, while this may change it in place */
    uint64_t apart;           /* of an append: bytes before it that are not in `size` */
    uint64_t changes;         /* usage_changes() when `old` was seen */
    uint64_t generation;      /* of the count that `old` and `charged` go with */
};
/* By who has entered, before a size is looked at: a file that changes in place has been counted. */
void quota_file_rebase(struct quota_file *f);

/* ---- quota_file.c, quota_grow.c and quota_path.c: rows of the type ---- */

struct op *quota_file_open(struct fs *fs, const char *path, uint32_t flags,
                           const struct fs_attr *attr, fs_done_fn *done, void *arg);
enum gw_err quota_file_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len,
                                size_t *n);
struct op *quota_file_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done,
                           void *arg);
enum gw_err quota_file_write_now(struct fs_file *f, uint64_t off, struct gw_span data);
struct op *quota_file_write(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                            void *arg);
struct op *quota_file_fsync(struct fs_file *f, fs_done_fn *done, void *arg);
enum gw_err quota_file_fstat_now(struct fs_file *f, struct fs_attr *attr);
struct op *quota_file_fstat(struct fs_file *f, fs_done_fn *done, void *arg);
struct op *quota_file_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done,
                               void *arg);
struct op *quota_file_close(struct fs_file *f, fs_done_fn *done, void *arg);
void quota_file_abort(struct fs_file *f);
struct op *quota_file_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                           uint64_t to_off, fs_done_fn *done, void *arg);
struct op *quota_path_setstat(struct fs *fs, const char *path, bool follow,
                              const struct fs_attr *attr, fs_done_fn *done, void *arg);
struct op *quota_path_remove(struct fs *fs, const char *path, fs_done_fn *done, void *arg);
struct op *quota_path_rename(struct fs *fs, const char *from, const char *to, uint32_t flags,
                             fs_done_fn *done, void *arg);
struct op *quota_path_symlink(struct fs *fs, const char *target, const char *path, fs_done_fn *done,
                              void *arg);
struct op *quota_path_hardlink(struct fs *fs, const char *from, const char *to, fs_done_fn *done,
                               void *arg);
struct op *quota_path_statvfs(struct fs *fs, const char *path, fs_done_fn *done, void *arg);

#endif
