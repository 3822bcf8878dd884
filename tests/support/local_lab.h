/* A store of the kind `local` for tests, in a folder of its own: "/root" of it is the store, the
 * rest is outside. */
#ifndef TESTS_SUPPORT_LOCAL_LAB_H
#define TESTS_SUPPORT_LOCAL_LAB_H

#include "tests/support/storekit.h"

struct local_lab {
    char top[PATH_MAX];
    char root[PATH_MAX];
    struct loop *loop;
    struct backend *store;
    struct fs *fs;
};

/* A test's setup and teardown: *state is the lab. */
int local_lab_setup(void **state);
int local_lab_teardown(void **state);

/* On the disk, past the store; `path` is below top, what is given is good until the next call. */
const char *local_lab_disk(const struct local_lab *f, const char *path);
void local_lab_put(const struct local_lab *f, const char *path, const char *text);
bool local_lab_has(const struct local_lab *f, const char *path);

#endif
