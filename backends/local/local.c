#include "backends/local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends/local/local_dir.h"
#include "backends/local/local_file.h"
#include "backends/local/local_names.h"
#include "backends/local/local_now.h"
#include "backends/local/local_stage.h"
#include "backends/local/local_write.h"
#include "gateway/base/mem.h"
#include "gateway/io/work.h"

struct local_backend {
    struct backend base;
    struct local_store *store;
};

static void local_fs_free(struct fs *fs)
{
    struct local_fs *l = (struct local_fs *)fs;
    local_root_unref(&l->root);
    backend_unref(&l->backend);
    mem_free(l);
}

static const struct fs_type local_type = {
    .name = "local",
    .open = local_file_open,
    .read_now = local_file_read_now,
    .read = local_file_read,
    .write_now = local_write_now,
    .write = local_write_start,
    .fsync = local_file_fsync,
    .fstat_now = local_now_fstat,
    .fstat = local_file_fstat,
    .fsetstat = local_file_fsetstat,
    .close = local_file_close,
    .abort = local_file_abort,
    .stat_now = local_now_stat,
    .stat = local_names_stat,
    .setstat = local_names_setstat,
    .opendir = local_dir_open,
    .readdir = local_dir_read,
    .closedir = local_dir_close,
    .remove = local_names_remove,
    .mkdir = local_names_mkdir,
    .rmdir = local_names_rmdir,
    .rename = local_names_rename,
    .readlink = local_names_readlink,
    .symlink = local_names_symlink,
    .hardlink = local_names_hardlink,
    .statvfs = local_names_statvfs,
    .copy = local_file_copy,
    .free = local_fs_free,
};

static enum gw_err local_view(struct backend *b, const struct backend_view *args, struct fs **out)
{
    if (reserved_path(args->prefix))
        return GW_DENIED;
    struct local_fs *l = mem_zalloc(sizeof *l);
    l->base.type = &local_type;
    l->base.loop = b->env.loop;
    l->base.caps = FS_CAP_RANDOM_WRITE | FS_CAP_HARDLINK | FS_CAP_STATVFS | FS_CAP_COPY |
                   FS_CAP_FSYNC | FS_CAP_OWNER;
    if (!args->no_links)
        l->base.caps |= FS_CAP_SYMLINK;
    if (args->read_only)
        l->base.caps |= FS_CAP_READ_ONLY;
    if (!((struct local_backend *)b)->store->atomic)
        l->base.caps |= FS_CAP_IN_PLACE;
    l->backend = backend_ref(b);
    l->root = local_root_new(((struct local_backend *)b)->store, args);
    *out = &l->base;
    return GW_OK;
}

/* A trip to the pool for the store as a whole. */
struct job {
    void (*run)(struct job *j);
    struct loop *loop;
    struct local_store *store;
    backend_done_fn *done;
    void *arg;
    enum gw_err err;
    char text[128];
};

static void job_free(struct job *j)
{
    local_root_store_unref(&j->store);
    mem_free(j);
}

static void job_run(void *job)
{
    struct job *j = job;
    j->run(j);
}

static void job_done(void *job)
{
    struct job *j = job;
    j->done(j->arg, j->err, j->text);
    job_free(j);
}

static void job_orphan(void *job, bool ran)
{
    (void)ran;
    job_free(job);
}

static struct op *job_start(struct backend *b, void (*run)(struct job *j), backend_done_fn *done,
                            void *arg)
{
    static const struct work_fns fns = {job_run, job_done, job_orphan};
    struct job *j = mem_zalloc(sizeof *j);
    j->run = run;
    j->store = local_root_store_ref(((struct local_backend *)b)->store);
    j->done = done;
    j->arg = arg;
    return work_start(b->env.loop, &fns, j);
}

static void probe_run(struct job *j)
{
    if (faccessat(j->store->fd, ".", R_OK | X_OK, AT_EACCESS) != 0) {
        j->err = gw_err_from_errno(errno);
        snprintf(j->text, sizeof j->text, "root cannot be read: %s", gw_err_text(j->err));
        return;
    }
    bool writable = faccessat(j->store->fd, ".", W_OK, AT_EACCESS) == 0;
    snprintf(j->text, sizeof j->text, "root is %s", writable ? "writable" : "readable only");
}

static struct op *local_probe(struct backend *b, backend_done_fn *done, void *arg)
{
    return job_start(b, probe_run, done, arg);
}

static void sweep_run(struct job *j)
{
    snprintf(j->text, sizeof j->text, "%u unfinished uploads removed", local_stage_sweep(j->store));
}

static struct op *local_sweep(struct backend *b, backend_done_fn *done, void *arg)
{
    return job_start(b, sweep_run, done, arg);
}

static void local_free(struct backend *b)
{
    struct local_backend *lb = (struct local_backend *)b;
    local_root_store_unref(&lb->store);
    mem_free(lb);
}

static const char *local_folder(const struct backend *b)
{
    return ((const struct local_backend *)b)->store->path;
}

static const struct backend_type local_backend_type = {
    .view = local_view,
    .probe = local_probe,
    .sweep = local_sweep,
    .free = local_free,
    .folder = local_folder,
};

static enum gw_err local_make(const struct backend_env *env, const void *conf, struct backend **out,
                              struct gw_errmsg *msg)
{
    (void)env;
    struct local_store *store = NULL;
    enum gw_err err = local_root_store(conf, &store, msg);
    if (err != GW_OK)
        return err;
    struct local_backend *lb = mem_zalloc(sizeof *lb);
    lb->base.type = &local_backend_type;
    lb->store = store;
    *out = &lb->base;
    return GW_OK;
}

static enum gw_err check_umask(const void *member, struct gw_errmsg *msg)
{
    const char *text = *(char *const *)member;
    size_t n = text == NULL ? 0 : strlen(text);
    if (n == 0 || n > 4 || strspn(text, "01234567") != n || (n == 4 && text[0] != '0'))
        return gw_err_set(msg, GW_CONFIG, "\"%s\" is not an octal umask like \"022\"",
                          text == NULL ? "" : text);
    return GW_OK;
}

static const struct opt_spec local_options[] = {
    {.key = "root",
     .type = OPT_PATH,
     .offset = offsetof(struct local_conf, root),
     .flags = OPT_REQUIRED,
     .help = "The folder whose files are served. Nothing outside of it can be reached; it must "
             "exist."},
    {.key = "umask",
     .type = OPT_STR,
     .offset = offsetof(struct local_conf, umask),
     .dflt = "\"022\"",
     .check = check_umask,
     .help = "Permission bits, in octal, that new files and folders never get."},
    {.key = "atomic_uploads",
     .type = OPT_BOOL,
     .offset = offsetof(struct local_conf, atomic_uploads),
     .dflt = "true",
     .help = "An upload takes its name when it is closed, whole, and one that is cut off leaves "
             "nothing. Without it a file grows in its place, as it does with OpenSSH."},
    {.key = "fsync",
     .type = OPT_BOOL,
     .offset = offsetof(struct local_conf, fsync),
     .dflt = "false",
     .help = "A close waits until the disk has the file. Without it a finished upload survives the "
             "end of the gateway, but perhaps not the loss of power in the next seconds, as with "
             "OpenSSH."},
    {.key = "uid",
     .type = OPT_U32,
     .offset = offsetof(struct local_conf, uid),
     .dflt = "0",
     .max = UINT32_MAX - 1,
     .help = "User id that owns new files and folders, for a gateway that runs as root. 0: the "
             "gateway's own."},
    {.key = "gid",
     .type = OPT_U32,
     .offset = offsetof(struct local_conf, gid),
     .dflt = "0",
     .max = UINT32_MAX - 1,
     .help = "Group id of new files and folders. 0: the gateway's own."},
    {.key = NULL},
};

const struct backend_kind local_kind = {
    .opt = {.name = "local",
            .help = "A folder on a disk.",
            .tab = local_options,
            .size = sizeof(struct local_conf)},
    .make = local_make,
};
