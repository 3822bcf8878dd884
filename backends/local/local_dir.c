#include "backends/local/local_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "backends/local/local_attr.h"
#include "backends/local/local_file.h"
#include "backends/local/local_stage.h"
#include "gateway/base/mem.h"
#include "gateway/io/work.h"

#define BATCH_MAX 256u

struct local_dir {
    struct fs_dir base;
    unsigned refs; /* the owner's, and one of a batch under way */
    struct local_root *root;
    DIR *d;
};

struct job {
    struct local_dir *dir;
    fs_done_fn *done;
    void *arg;
    struct fs_res res;
    char *path;
    size_t want;
    struct fs_entry *entries;
    size_t n;
};

static void dir_unref(struct local_dir **dp)
{
    struct local_dir *d = *dp;
    *dp = NULL;
    if (d == NULL || --d->refs > 0)
        return;
    if (d->d != NULL)
        closedir(d->d);
    local_root_unref(&d->root);
    mem_free(d);
}

static void job_free(struct job *j)
{
    for (size_t i = 0; i < j->n; i++)
        mem_free((void *)(uintptr_t)j->entries[i].name);
    mem_free(j->entries);
    mem_free(j->path);
    dir_unref(&j->dir);
    mem_free(j);
}

static void job_orphan(void *job, bool ran)
{
    (void)ran;
    job_free(job);
}

static void open_run(void *job)
{
    struct job *j = job;
    int fd;
    j->res.err =
        local_root_open(j->dir->root, j->path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0, &fd);
    if (j->res.err != GW_OK)
        return;
    j->dir->d = fdopendir(fd);
    if (j->dir->d == NULL) {
        j->res.err = gw_err_from_errno(errno);
        close(fd);
    }
}

static void open_done(void *job)
{
    struct job *j = job;
    if (j->res.err == GW_OK) {
        j->res.dir = &j->dir->base;
        j->dir = NULL;
    }
    j->done(j->arg, &j->res);
    job_free(j);
}

struct op *local_dir_open(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    static const struct work_fns fns = {open_run, open_done, job_orphan};
    struct job *j = mem_zalloc(sizeof *j);
    j->done = done;
    j->arg = arg;
    j->path = mem_strdup(path);
    j->dir = mem_zalloc(sizeof *j->dir);
    j->dir->base.fs = fs;
    j->dir->refs = 1;
    j->dir->root = local_root_ref(((struct local_fs *)fs)->root);
    return work_start(fs->loop, &fns, j);
}

/* A name that is not the client's: of an upload under way, or of one that its gateway's end left
 * here, which is a chance to clean up. */
static bool is_hidden(const struct local_dir *d, const struct dirent *e)
{
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
        return true;
    if (!reserved_name(e->d_name))
        return false;
    if (e->d_type == DT_REG && !d->root->read_only)
        (void)local_stage_reap(dirfd(d->d), e->d_name);
    return true;
}

static void read_run(void *job)
{
    struct job *j = job;
    DIR *d = j->dir->d;
    while (j->n < j->want) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (e == NULL) {
            if (errno != 0 && j->n == 0)
                j->res.err = gw_err_from_errno(errno);
            break;
        }
        if (is_hidden(j->dir, e))
            continue;
        struct fs_entry *to = &j->entries[j->n];
        enum gw_err err = local_attr_get(dirfd(d), e->d_name, &to->attr);
        if (err == GW_NOT_FOUND)
            continue; /* removed while we looked */
        if (err != GW_OK)
            to->attr = (struct fs_attr){.kind = FS_KIND_UNKNOWN};
        to->name = mem_strdup(e->d_name);
        j->n++;
    }
    if (j->n == 0 && j->res.err == GW_OK)
        j->res.err = GW_EOF;
    j->res.entries = j->entries;
    j->res.nentries = j->n;
}

static void read_done(void *job)
{
    struct job *j = job;
    j->done(j->arg, &j->res);
    job_free(j);
}

struct op *local_dir_read(struct fs_dir *dir, size_t want, fs_done_fn *done, void *arg)
{
    static const struct work_fns fns = {read_run, read_done, job_orphan};
    struct job *j = mem_zalloc(sizeof *j);
    j->done = done;
    j->arg = arg;
    j->want = want == 0 || want > BATCH_MAX ? BATCH_MAX : want;
    j->entries = mem_array(j->want, sizeof *j->entries);
    j->dir = (struct local_dir *)dir;
    j->dir->refs++;
    return work_start(dir->fs->loop, &fns, j);
}

void local_dir_close(struct fs_dir *dir)
{
    struct local_dir *d = (struct local_dir *)dir;
    dir_unref(&d);
}
