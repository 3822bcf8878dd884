/*
 * The tree of a user with a quota, over a store in memory: for tests of what is counted. What does
 * not go as it must fails the test that runs.
 */
#ifndef TESTS_SUPPORT_QUOTAKIT_H
#define TESTS_SUPPORT_QUOTAKIT_H

#include "backends/backends.h"
#include "gateway/vfs/usage.h"
#include "gateway/vfs/vfs.h"

/* A store whose views fail on command. */
struct faulty {
    struct backend base;
    struct backend *store;
    struct fs *view; /* the last one */
};

struct quotakit {
    struct loop *loop;
    struct backend *store;
    struct faulty faulty; /* "faulty": the same */
    struct fs *raw;       /* the whole store, past all limits */
    struct vfs *v;
    struct fs *fs; /* with limits */
};

/* A test's setup and teardown: *state is a kit, not begun yet. */
int quotakit_setup(void **state);
int quotakit_teardown(void **state);

/* The tree of the user alice with these limits, on "m" or "faulty"; "/ro" is read-only, and shows
 * the folder `ro` of "m". A test that begins again frees f->fs and f->v first. */
void quotakit_begin_on(struct quotakit *f, const char *backend, struct identity_limits limits);
void quotakit_begin(struct quotakit *f, struct identity_limits limits); /* on "m" */

/* A file of n bytes (fewer than 256): past all limits, and as the user. */
void quotakit_put_raw(struct quotakit *f, const char *path, size_t n);
enum gw_err quotakit_put(struct quotakit *f, const char *path, size_t n);
void quotakit_set_size(struct fs_file *file, uint64_t size, enum gw_err want);

/* What the user is told that is used; -1 = has no limit. */
struct usage_sum quotakit_used(struct quotakit *f);
/* Bytes on "faulty" as they are counted just now: nothing is refused, so nothing counted anew. */
int64_t quotakit_counted(void);
/* Exactly so many bytes fit. */
void quotakit_assert_left(struct quotakit *f, size_t bytes);

#endif
