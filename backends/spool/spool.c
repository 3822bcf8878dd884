#include "backends/spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local/local.h"
#include "gateway/base/mem.h"

#define FOLDER "spool"

struct spool {
    char *root;
    struct local_conf conf;
    struct backend *store; /* a disk store of our own: uploads that are never finished */
    struct fs *disk;
    struct spool_space *space;
    uint64_t max_bytes;
};

enum gw_err spool_check(const char *state_dir, struct gw_errmsg *msg)
{
    struct stat st;
    if (state_dir[0] != '/')
        return gw_err_set(msg, GW_CONFIG, "state_dir: %s: must be an absolute path", state_dir);
    if (stat(state_dir, &st) != 0)
        return gw_err_set(msg, GW_CONFIG, "state_dir: %s: %s", state_dir,
                          errno == ENOENT ? "no such folder: make it, owned by the gateway's user"
                                          : gw_err_text(gw_err_from_errno(errno)));
    if (!S_ISDIR(st.st_mode))
        return gw_err_set(msg, GW_CONFIG, "state_dir: %s: not a folder", state_dir);
    if (faccessat(AT_FDCWD, state_dir, W_OK | X_OK, AT_EACCESS) != 0)
        return gw_err_set(msg, GW_CONFIG, "state_dir: %s: the gateway's user may not write there",
                          state_dir);
    return GW_OK;
}

/* Ours alone, whoever made it. */
static enum gw_err make_folder(const char *path, struct gw_errmsg *msg)
{
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return gw_err_set(msg, GW_CONFIG, "state_dir: %s: cannot be made: %s", path,
                          gw_err_text(gw_err_from_errno(errno)));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool ours = fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && fchmod(fd, 0700) == 0;
    if (fd >= 0)
        close(fd);
    if (!ours)
        return gw_err_set(msg, GW_CONFIG,
                          "state_dir: %s: must be a folder that the gateway's user owns", path);
    return GW_OK;
}

static enum gw_err open_disk(struct spool *s, struct loop *l, struct gw_errmsg *msg)
{
    static char umask[] = "077";
    s->conf = (struct local_conf){.root = s->root, .umask = umask, .atomic_uploads = true};
    const struct backend_env env = {.loop = l};
    const struct opt_any any = {.kind = &local_kind.opt, .conf = &s->conf};
    const struct backend_view view = {.prefix = "", .no_links = true};
    enum gw_err err = backend_new(&env, FOLDER, &any, &s->store, msg);
    return err != GW_OK ? err : backend_view_new(s->store, &view, &s->disk);
}

enum gw_err spool_new(struct loop *l, const char *state_dir, uint64_t max_bytes,
                      struct spool_space *space, struct spool **out, struct gw_errmsg *msg)
{
    *out = NULL;
    enum gw_err err = spool_check(state_dir, msg);
    if (err != GW_OK)
        return err;
    struct spool *s = mem_zalloc(sizeof *s);
    s->root = mem_printf("%s/" FOLDER, state_dir);
    s->space = space;
    s->max_bytes = max_bytes;
    err = make_folder(s->root, msg);
    if (err == GW_OK)
        err = open_disk(s, l, msg);
    if (err != GW_OK)
        spool_free(&s);
    *out = s;
    return err;
}

void spool_free(struct spool **sp)
{
    struct spool *s = *sp;
    *sp = NULL;
    if (s == NULL)
        return;
    fs_free(&s->disk);
    backend_unref(&s->store);
    mem_free(s->root);
    mem_free(s);
}

struct op *spool_sweep(struct spool *s, backend_done_fn *done, void *arg)
{
    return backend_sweep(s->store, done, arg);
}

struct op *spool_open(struct spool *s, fs_done_fn *done, void *arg)
{
    static const struct fs_attr mode = {.set = FS_ATTR_MODE, .mode = 0600};
    return fs_open(s->disk, "/file", FS_READ | FS_WRITE | FS_CREATE | FS_TRUNC, &mode, done, arg);
}

bool spool_resize(struct spool *s, uint64_t *held, uint64_t from, uint64_t to)
{
    const uint64_t quarter = s->max_bytes / 4;
    if (to <= from) {
        *held -= from - to;
        __atomic_sub_fetch(&s->space->used, from - to, __ATOMIC_RELAXED);
        return true;
    }
    uint64_t more = to - from;
    if (more > s->max_bytes)
        return false;
    uint64_t max = *held + more <= quarter ? s->max_bytes : s->max_bytes - quarter;
    uint64_t used = __atomic_load_n(&s->space->used, __ATOMIC_RELAXED);
    do {
        if (more > max || used > max - more)
            return false;
    } while (!__atomic_compare_exchange_n(&s->space->used, &used, used + more, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    *held += more;
    return true;
}

uint64_t spool_max_bytes(const struct spool *s)
{
    return s->max_bytes;
}
