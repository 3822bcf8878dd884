#include "tests/support/storekit.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "backends/local/local.h"
#include "backends/memory.h"

static void die(const char *what, const char *why)
{
    fprintf(stderr, "storekit: %s: %s\n", what, why);
    abort();
}

void storekit_folder(char path[PATH_MAX])
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(path, PATH_MAX, "%s/postern-test-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (n < 0 || n >= (int)PATH_MAX || mkdtemp(path) == NULL)
        die("no folder", path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
    (void)st;
    (void)type;
    (void)w;
    return remove(path);
}

void storekit_folder_remove(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        die("cannot be removed", path);
}

struct backend *storekit_new(struct loop *l, const char *name, const struct backend_kind *kind,
                             const void *conf)
{
    const struct opt_any any = {.kind = &kind->opt, .conf = (void *)(uintptr_t)conf};
    const struct backend_env env = {.loop = l};
    struct backend *b = NULL;
    struct gw_errmsg msg = {""};
    if (backend_new(&env, name, &any, &b, &msg) != GW_OK)
        die(name, msg.text);
    return b;
}

struct backend *storekit_memory(struct loop *l, const char *name, uint32_t max_mb)
{
    const struct memory_conf conf = {.max_mb = max_mb};
    return storekit_new(l, name, &memory_kind, &conf);
}

struct backend *storekit_local(struct loop *l, const char *root, bool atomic)
{
    char bits[] = "022";
    const struct local_conf conf = {
        .root = (char *)(uintptr_t)root, .umask = bits, .atomic_uploads = atomic, .fsync = !atomic};
    return storekit_new(l, "disk", &local_kind, &conf);
}

struct fs *storekit_view(struct backend *b, const char *prefix)
{
    const struct backend_view args = {.prefix = prefix};
    struct fs *fs = NULL;
    enum gw_err err = backend_view_new(b, &args, &fs);
    if (err != GW_OK)
        die(prefix, gw_err_text(err));
    return fs;
}
