/* Stores and folders for tests. What cannot be had ends the program. */
#ifndef TESTS_SUPPORT_STOREKIT_H
#define TESTS_SUPPORT_STOREKIT_H

#include <limits.h>

#include "backends/backends.h"

/* A new folder below TMPDIR, and its end with all that is in it. */
void storekit_folder(char path[PATH_MAX]);
void storekit_folder_remove(const char *path);

/* conf: borrowed by a kind that says so. */
struct backend *storekit_new(struct loop *l, const char *name, const struct backend_kind *kind,
                             const void *conf);
struct backend *storekit_memory(struct loop *l, const char *name, uint32_t max_mb);
/* atomic: uploads are; else what is written is made durable by fsync. */
struct backend *storekit_local(struct loop *l, const char *root, bool atomic);
struct fs *storekit_view(struct backend *b, const char *prefix);

#endif
