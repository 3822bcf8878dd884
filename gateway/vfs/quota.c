#include "gateway/vfs/quota_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"
#include "gateway/vfs/count.h"

/* How long a new count waits for what changes files: a store may hang, and all of the user waits.
 */
#define QUIET_MS 2000u

/* ---- counting ---- */

/* For the client, who may be the one to mend it. */
static const char *uncounted_text(enum gw_err err, const char *where, char text[FS_TEXT_MAX])
{
    static const char stem[] = "quota: what is stored could not be counted";
    if (err == GW_DENIED && where != NULL)
        snprintf(text, FS_TEXT_MAX,
                 "%s: the folder %.100s%s must be readable (chmod 700), or be removed", stem, where,
                 strlen(where) > 100 ? "..." : "");
    else if (err == GW_TOO_LARGE)
        snprintf(text, FS_TEXT_MAX, "%s: there are too many folders", stem);
    else
        snprintf(text, FS_TEXT_MAX, "%s just now: try again", stem);
    return text;
}

static uint64_t now_ms(const struct quota *q)
{
    return loop_now_ms(q->fs.loop);
}

static void counted(void *arg, enum gw_err err, const char *text, const struct count_sum *found)
{
    struct quota *q = arg;
    const struct usage_sum sum = found->sum;
    const bool again = q->again;
    q->count = NULL;
    q->again = false;
    if (found->links)
        usage_has_links(q->usage);
    if (found->foreign > 0)
        LOG_EVENT(LOG_LVL_WARN, q->log, "quota_not_counted", log_u64("folders", found->foreign),
                  log_str("first", found->first_foreign),
                  log_str("reason", "not ours, and not to be read"));
    if (err == GW_OK) {
        LOG_EVENT(LOG_LVL_INFO, q->log, again ? "quota_recounted" : "quota_counted",
                  log_u64("bytes", (uint64_t)sum.bytes), log_u64("files", (uint64_t)sum.files));
        usage_counted(q->usage, sum, now_ms(q));
        return;
    }
    LOG_EVENT(LOG_LVL_ERROR, q->log, "quota_unknown", log_str("error", gw_err_name(err)),
              log_str("path", found->where), log_str("reason", text));
    char why[FS_TEXT_MAX];
    usage_uncounted(q->usage, uncounted_text(err, found->where, why));
}

static void begin_count(void *arg)
{
    struct quota *q = arg;
    op_cancel(&q->patience);
    q->count = count_start(q->v, counted, q);
}

enum usage_state quota_enter(struct quota *q)
{
    if (q->usage == NULL)
        return USAGE_KNOWN;
    enum usage_state state = usage_enter(q->usage);
    if (state != USAGE_MINE)
        return state;
    begin_count(q);
    return USAGE_OTHERS;
}

void quota_leave(struct quota *q)
{
    if (q->usage != NULL)
        usage_leave(q->usage);
}

/* Something of the user's does not end, and others wait for it: the last count holds. */
static void not_quiet(void *arg)
{
    struct quota *q = arg;
    q->patience = NULL;
    q->again = false;
    op_cancel(&q->count);
    usage_uncounted(q->usage, NULL);
}

bool quota_recount(struct quota *q)
{
    if (q->usage == NULL)
        return false;
    if (usage_recount(q->usage, now_ms(q))) {
        q->again = true;
        q->count = usage_wait_quiet(q->usage, q->fs.loop, begin_count, q);
        q->patience = deadline_start(q->fs.loop, QUIET_MS, not_quiet, q);
        return true;
    }
    return !usage_is_known(q->usage); /* somebody else does */
}

struct op *quota_wait(struct quota *q, loop_fn *fn, void *arg)
{
    return usage_wait(q->usage, q->fs.loop, fn, arg);
}

void quota_doubt(struct quota *q)
{
    if (q->usage != NULL)
        usage_doubt(q->usage, now_ms(q));
}

/* ---- limits ---- */

enum gw_err quota_fits(const struct quota *q, uint64_t size)
{
    return q->max_file > 0 && size > q->max_file ? GW_TOO_LARGE : GW_OK;
}

enum gw_err quota_charge(struct quota *q, struct usage_sum more)
{
    if (q->usage == NULL || usage_charge(q->usage, more, q->most))
        return GW_OK;
    return GW_QUOTA;
}

void quota_give_back(struct quota *q, struct usage_sum *charged)
{
    if (q->usage != NULL && (charged->bytes != 0 || charged->files != 0))
        usage_adjust(q->usage, (struct usage_sum){-charged->bytes, -charged->files});
    *charged = (struct usage_sum){0, 0};
}

enum gw_err quota_reserve(struct quota *q, struct usage_sum more)
{
    if (q->usage == NULL || usage_reserve(q->usage, more, q->most))
        return GW_OK;
    return GW_QUOTA;
}

void quota_unreserve(struct quota *q, struct usage_sum *reserved)
{
    if (q->usage != NULL)
        usage_unreserve(q->usage, *reserved);
    *reserved = (struct usage_sum){0, 0};
}

void quota_stored(struct quota *q, struct usage_sum *reserved)
{
    if (q->usage != NULL)
        usage_stored(q->usage, *reserved);
    *reserved = (struct usage_sum){0, 0};
}

void quota_settle(struct quota *q, struct usage_sum by)
{
    if (q->usage == NULL)
        return;
    usage_adjust(q->usage, by);
    usage_changed(q->usage);
}

void quota_let_go(struct quota *q, struct usage_hold **hp)
{
    if (*hp != NULL)
        usage_hold_free(q->usage, hp);
}

const char *quota_text(const struct quota *q, enum gw_err err, char text[FS_TEXT_MAX])
{
    if (err == GW_TOO_LARGE) {
        snprintf(text, FS_TEXT_MAX, "larger than the %" PRIu64 " bytes that a file may have here",
                 q->max_file);
        return text;
    }
    if (err != GW_QUOTA)
        return NULL;
    struct usage_sum now = usage_now(q->usage);
    int n = snprintf(text, FS_TEXT_MAX, "quota: ");
    if (q->most.bytes > 0)
        n += snprintf(text + n, FS_TEXT_MAX - (size_t)n, "%" PRId64 " of %" PRId64 " bytes%s",
                      now.bytes, q->most.bytes, q->most.files > 0 ? " and " : "");
    if (q->most.files > 0)
        n += snprintf(text + n, FS_TEXT_MAX - (size_t)n, "%" PRId64 " of %" PRId64 " files",
                      now.files, q->most.files);
    snprintf(text + n, FS_TEXT_MAX - (size_t)n, " are used");
    return text;
}

/* ---- what needs no more than to be handed on ---- */

static struct quota *of(struct fs *fs)
{
    return (struct quota *)fs;
}

static enum gw_err quota_stat_now(struct fs *fs, const char *path, bool follow,
                                  struct fs_attr *attr)
{
    return fs_stat_now(of(fs)->inner, path, follow, attr);
}

static struct op *quota_stat(struct fs *fs, const char *path, bool follow, fs_done_fn *done,
                             void *arg)
{
    return fs_stat(of(fs)->inner, path, follow, done, arg);
}

/* A folder that is open belongs to the tree. */
static struct op *quota_opendir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return fs_opendir(of(fs)->inner, path, done, arg);
}

static struct op *quota_mkdir(struct fs *fs, const char *path, const struct fs_attr *attr,
                              fs_done_fn *done, void *arg)
{
    return fs_mkdir(of(fs)->inner, path, attr, done, arg);
}

static struct op *quota_rmdir(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return fs_rmdir(of(fs)->inner, path, done, arg);
}

static struct op *quota_readlink(struct fs *fs, const char *path, fs_done_fn *done, void *arg)
{
    return fs_readlink(of(fs)->inner, path, done, arg);
}

static void quota_free(struct fs *fs)
{
    struct quota *q = of(fs);
    op_cancel(&q->patience);
    if (q->count != NULL) {
        op_cancel(&q->count);
        usage_uncounted(q->usage, NULL); /* who waits counts */
    }
    usage_close(&q->usage);
    mem_free(q);
}

static const struct fs_type quota_type = {
    .name = "quota",
    .open = quota_file_open,
    .read_now = quota_file_read_now,
    .read = quota_file_read,
    .write_now = quota_file_write_now,
    .write = quota_file_write,
    .fsync = quota_file_fsync,
    .fstat_now = quota_file_fstat_now,
    .fstat = quota_file_fstat,
    .fsetstat = quota_file_fsetstat,
    .close = quota_file_close,
    .abort = quota_file_abort,
    .copy = quota_file_copy,
    .stat_now = quota_stat_now,
    .stat = quota_stat,
    .setstat = quota_path_setstat,
    .opendir = quota_opendir,
    .remove = quota_path_remove,
    .mkdir = quota_mkdir,
    .rmdir = quota_rmdir,
    .rename = quota_path_rename,
    .readlink = quota_readlink,
    .symlink = quota_path_symlink,
    .hardlink = quota_path_hardlink,
    .statvfs = quota_path_statvfs,
    .free = quota_free,
};

/* Who it is, and what is counted for them. */
static char *key_of(const struct identity *id)
{
    struct gw_buf b;
    gw_buf_init(&b, SIZE_MAX / 2);
    gw_buf_put_text(&b, id->user);
    for (size_t i = 0; i < id->nmounts; i++) {
        const struct identity_mount *m = &id->mounts[i];
        if (!m->read_only)
            gw_buf_printf(&b, "\n%s\n%s\n%s", m->path, m->backend == NULL ? "" : m->backend,
                          m->prefix);
    }
    char *key = mem_strdup(gw_buf_cstr(&b));
    gw_buf_free(&b);
    return key;
}

struct fs *quota_new(struct vfs *v, const struct identity *id, const struct log_ctx *log)
{
    const struct identity_limits *l = &id->limits;
    bool counts = l->quota_bytes > 0 || l->quota_files > 0;
    if (!counts && l->max_file_bytes == 0)
        return NULL;
    struct quota *q = mem_zalloc(sizeof *q);
    q->inner = vfs_fs(v);
    q->fs.type = &quota_type;
    q->fs.loop = q->inner->loop;
    q->fs.caps = q->inner->caps;
    q->v = v;
    q->log = log;
    q->max_file = l->max_file_bytes;
    q->most = (struct usage_sum){(int64_t)l->quota_bytes, (int64_t)l->quota_files};
    if (counts) {
        char *key = key_of(id);
        q->usage = usage_open(key);
        mem_free(key);
        if (quota_enter(q) == USAGE_KNOWN)
            quota_leave(q);
    }
    return &q->fs;
}
