#include "tests/support/local_lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "gateway/base/mem.h"

static void die(const char *what)
{
    fprintf(stderr, "local_lab: %s\n", what);
    abort();
}

int local_lab_setup(void **state)
{
    struct local_lab *f = mem_zalloc(sizeof *f);
    storekit_folder(f->top);
    int n = snprintf(f->root, sizeof f->root, "%s/root", f->top);
    if (n >= (int)sizeof f->root || mkdir(f->root, 0755) != 0 || loop_new(&f->loop) != GW_OK)
        die("no set-up");
    f->store = storekit_local(f->loop, f->root, true);
    f->fs = storekit_view(f->store, "");
    *state = f;
    return 0;
}

int local_lab_teardown(void **state)
{
    struct local_lab *f = *state;
    fs_free(&f->fs);
    backend_unref(&f->store);
    loop_free(&f->loop);
    storekit_folder_remove(f->top);
    mem_free(f);
    return 0;
}

const char *local_lab_disk(const struct local_lab *f, const char *path)
{
    static char out[PATH_MAX * 2];
    snprintf(out, sizeof out, "%s%s", f->top, path);
    return out;
}

void local_lab_put(const struct local_lab *f, const char *path, const char *text)
{
    FILE *out = fopen(local_lab_disk(f, path), "w");
    if (out == NULL || fputs(text, out) < 0 || fclose(out) != 0)
        die(path);
}

bool local_lab_has(const struct local_lab *f, const char *path)
{
    struct stat st;
    return lstat(local_lab_disk(f, path), &st) == 0;
}
