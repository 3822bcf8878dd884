#include "backends/local/local_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backends/local/local_attr.h"
#include "backends/local/local_handle.h"
#include "backends/local/local_now.h"
#include "gateway/base/mem.h"
#include "gateway/io/work.h"

#define READ_MAX   (1024u * 1024u)
#define COPY_SLICE (64u << 20) /* of a copy: then the pool's thread serves others */
#define OFFSET_MAX ((uint64_t)INT64_MAX)

/* One trip to the pool for an open file; `run` says what for. */
struct job {
    void (*run)(struct job *j);
    struct local_handle *h;
    fs_done_fn *done;
    void *arg;
    struct fs_res res;
    struct fs_attr attr;
    char *path;
    uint8_t *data;
    uint64_t off;
    size_t len;
};

static void job_free(struct job *j)
{
    local_handle_unref(&j->h);
    mem_free(j->path);
    mem_free(j->data);
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
    j->done(j->arg, &j->res);
    job_free(j);
}

static void job_orphan(void *job, bool ran)
{
    (void)ran; /* the handle's last reference undoes what was made */
    job_free(job);
}

static const struct work_fns job_fns = {job_run, job_done, job_orphan};

/* Takes the reference h. */
static struct op *job_start(struct job *j, struct local_handle *h, fs_done_fn *done, void *arg)
{
    j->h = h;
    j->done = done;
    j->arg = arg;
    return work_start(h->loop, &job_fns, j);
}

static struct job *job_new(void (*run)(struct job *j))
{
    struct job *j = mem_zalloc(sizeof *j);
    j->run = run;
    return j;
}

static struct local_handle *handle_of(struct fs_file *f)
{
    return (struct local_handle *)f;
}

static void open_run(struct job *j)
{
    j->res.err = local_handle_open(j->h, j->path, &j->attr, &j->res.text);
    if (j->res.err == GW_OK && (j->h->flags & FS_READ) != 0)
        (void)posix_fadvise(j->h->fd, 0, 0, POSIX_FADV_RANDOM);
    j->h->is_prompt = j->res.err == GW_OK && local_now_is_prompt(j->h->fd);
}

static void open_done(void *job)
{
    struct job *j = job;
    if (j->res.err == GW_OK) {
        j->res.file = &j->h->base;
        j->h = NULL; /* the job's reference is the opener's now */
    }
    job_done(j);
}

static const struct work_fns open_fns = {job_run, open_done, job_orphan};

struct op *local_file_open(struct fs *fs, const char *path, uint32_t flags,
                           const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct local_handle *h = mem_zalloc(sizeof *h);
    h->base.fs = fs;
    h->refs = 1;
    h->loop = fs->loop;
    h->root = local_root_ref(((struct local_fs *)fs)->root);
    h->fd = -1;
    h->flags = flags;
    list_init(&h->queue);
    struct job *j = job_new(open_run);
    j->path = mem_strdup(path);
    if (attr != NULL)
        j->attr = *attr;
    j->h = h;
    j->done = done;
    j->arg = arg;
    return work_start(fs->loop, &open_fns, j);
}

static ssize_t read_nowait(struct local_handle *h, uint64_t off, uint8_t *to, size_t len)
{
    const struct iovec iov = {.iov_base = to, .iov_len = len};
    ssize_t n;
    do
        n = preadv2(h->fd, &iov, 1, (off_t)off, RWF_NOWAIT);
    while (n < 0 && errno == EINTR);
    return n;
}

static void ahead_run(struct job *j)
{
    (void)posix_fadvise(j->h->fd, (off_t)j->off, (off_t)j->len, POSIX_FADV_WILLNEED);
}

static void ahead_done(void *arg, const struct fs_res *res)
{
    struct local_handle *h = arg; /* the job has a reference */
    (void)res;
    h->ahead.asking = false;
}

/* Nobody waits for it; it ends with the pool's trip. */
static void read_ahead(struct local_handle *h, uint64_t off, size_t len, bool waits)
{
    uint64_t from;
    if (!local_ahead_due(&h->ahead, off, len, waits, &from))
        return;
    struct job *j = job_new(ahead_run);
    j->off = from;
    j->len = LOCAL_AHEAD_BYTES;
    (void)job_start(j, local_handle_ref(h), ahead_done, h);
}

enum gw_err local_file_read_now(struct fs_file *f, uint64_t off, uint8_t *to, size_t len, size_t *n)
{
    struct local_handle *h = handle_of(f);
    *n = 0;
    if (h->no_nowait_read)
        return GW_BUSY;
    if (off > OFFSET_MAX - len)
        return GW_EOF;
    ssize_t got = read_nowait(h, off, to, len);
    if (got < 0 && errno == EOPNOTSUPP) {
        h->no_nowait_read = true; /* the pool reads, and the kernel ahead of it */
        (void)posix_fadvise(h->fd, 0, 0, POSIX_FADV_NORMAL);
        return GW_BUSY;
    }
    if (got < 0 && errno != EAGAIN)
        return gw_err_from_errno(errno);
    read_ahead(h, off, len, got < 0);
    if (got < 0)
        return GW_BUSY;
    if (got == 0)
        return len == 0 ? GW_OK : GW_EOF;
    /* Short: the end of the file, or of what is cached. Some clients take the one for the other. */
    if ((size_t)got < len && read_nowait(h, off + (uint64_t)got, to + got, len - (size_t)got) != 0)
        return GW_BUSY;
    *n = (size_t)got;
    return GW_OK;
}

static void read_run(struct job *j)
{
    size_t n = 0;
    while (n < j->len) {
        ssize_t got = pread(j->h->fd, j->data + n, j->len - n, (off_t)(j->off + n));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && n == 0)
            j->res.err = gw_err_from_errno(errno);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    if (n == 0 && j->res.err == GW_OK && j->len > 0)
        j->res.err = GW_EOF;
    j->res.data = gw_span_of(j->data, n);
}

struct op *local_file_read(struct fs_file *f, uint64_t off, size_t len, fs_done_fn *done, void *arg)
{
    if (len > READ_MAX)
        len = READ_MAX;
    if (off > OFFSET_MAX - len)
        return fs_fail(f->fs->loop, GW_EOF, NULL, done, arg);
    uint8_t *data = mem_try_alloc(len);
    if (data == NULL)
        return fs_fail(f->fs->loop, GW_NO_MEMORY, NULL, done, arg);
    struct job *j = job_new(read_run);
    j->data = data;
    j->off = off;
    j->len = len;
    return job_start(j, local_handle_ref(handle_of(f)), done, arg);
}

static void fsync_run(struct job *j)
{
    if (fsync(j->h->fd) != 0)
        j->res.err = gw_err_from_errno(errno);
}

struct op *local_file_fsync(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return job_start(job_new(fsync_run), local_handle_ref(handle_of(f)), done, arg);
}

static void fstat_run(struct job *j)
{
    j->res.err = local_attr_get(j->h->fd, "", &j->attr);
    j->res.attr = &j->attr;
}

struct op *local_file_fstat(struct fs_file *f, fs_done_fn *done, void *arg)
{
    return job_start(job_new(fstat_run), local_handle_ref(handle_of(f)), done, arg);
}

static void fsetstat_run(struct job *j)
{
    j->res.err = local_attr_set_file(j->h->fd, &j->attr);
}

struct op *local_file_fsetstat(struct fs_file *f, const struct fs_attr *attr, fs_done_fn *done,
                               void *arg)
{
    struct local_handle *h = handle_of(f);
    if (h->root->read_only)
        return fs_fail(h->loop, GW_READ_ONLY, NULL, done, arg);
    if ((attr->set & (FS_ATTR_ATIME | FS_ATTR_MTIME)) != 0) {
        h->times = *attr;
        h->times.set &= FS_ATTR_ATIME | FS_ATTR_MTIME;
        h->wrote = false;
    }
    struct job *j = job_new(fsetstat_run);
    j->attr = *attr;
    return job_start(j, local_handle_ref(h), done, arg);
}

static void close_run(struct job *j)
{
    j->res.err = local_handle_commit(j->h);
}

struct op *local_file_close(struct fs_file *f, fs_done_fn *done, void *arg)
{
    struct local_handle *h = handle_of(f);
    if (h->is_staged || (h->flags & (FS_WRITE | FS_APPEND | FS_TRUNC)) != 0)
        return job_start(job_new(close_run), h, done, arg);
    struct loop *l = h->loop;
    local_handle_unref(&h);
    return fs_fail(l, GW_OK, NULL, done, arg); /* nothing to commit: only say so */
}

void local_file_abort(struct fs_file *f)
{
    struct local_handle *h = handle_of(f);
    local_handle_unref(&h);
}

/* A copy: one slice a trip, so that a large one neither holds a thread nor outlives its cancel. */
struct copy {
    struct op op;
    struct op *slice;
    struct local_handle *from, *to;
    fs_done_fn *done;
    void *arg;
    uint64_t off, to_off, copied;
    uint64_t left; /* UINT64_MAX = to the end */
};

struct slice {
    struct copy *copy;              /* of the loop's thread; NULL = cancelled */
    struct local_handle *from, *to; /* a reference each */
    uint64_t off, to_off, len, copied;
    enum gw_err err;
};

static ssize_t copy_some(const struct slice *s, uint8_t *buf, size_t cap)
{
    loff_t in = (loff_t)(s->off + s->copied);
    loff_t out = (loff_t)(s->to_off + s->copied);
    size_t n = (size_t)(s->len - s->copied);
    if (buf == NULL)
        return copy_file_range(s->from->fd, &in, s->to->fd, &out, n, 0);
    ssize_t got = pread(s->from->fd, buf, n < cap ? n : cap, in);
    if (got <= 0)
        return got;
    struct iovec iov = {.iov_base = buf, .iov_len = (size_t)got};
    return pwritev(s->to->fd, &iov, 1, out);
}

static void slice_run(void *job)
{
    enum { CAP = 256 * 1024 };
    struct slice *s = job;
    uint8_t *buf = NULL; /* set once the kernel would not copy by itself */
    (void)posix_fadvise(s->from->fd, 0, 0, POSIX_FADV_NORMAL);
    while (s->copied < s->len) {
        ssize_t n = copy_some(s, buf, CAP);
        if (n > 0) {
            s->copied += (uint64_t)n;
            continue;
        }
        if (n == 0)
            break;
        bool cannot = errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS || errno == EBADF;
        if (cannot && buf == NULL) {
            buf = mem_alloc(CAP);
        } else if (errno != EINTR) {
            s->err = gw_err_from_errno(errno);
            break;
        }
    }
    mem_free(buf);
}

/* On the loop: whether it reads from it as well is known there only. */
static void slice_free(struct slice *s)
{
    if (!s->from->no_nowait_read)
        (void)posix_fadvise(s->from->fd, 0, 0, POSIX_FADV_RANDOM);
    local_handle_unref(&s->from);
    local_handle_unref(&s->to);
    mem_free(s);
}

static void slice_orphan(void *job, bool ran)
{
    (void)ran;
    slice_free(job);
}

static void copy_free(struct copy *c)
{
    local_handle_unref(&c->from);
    local_handle_unref(&c->to);
    mem_free(c);
}

static void copy_next(struct copy *c);

static void slice_done(void *job)
{
    struct slice *s = job;
    struct copy *c = s->copy;
    c->slice = NULL;
    c->copied += s->copied;
    c->off += s->copied;
    c->to_off += s->copied;
    if (c->left != UINT64_MAX)
        c->left -= s->copied;
    bool more = s->err == GW_OK && s->copied == s->len && c->left > 0;
    struct fs_res res = {.err = s->err, .bytes = c->copied};
    if (s->err != GW_OK)
        c->to->failed = s->err;
    slice_free(s);
    if (more) {
        copy_next(c);
        return;
    }
    c->done(c->arg, &res);
    copy_free(c);
}

static void copy_next(struct copy *c)
{
    static const struct work_fns fns = {slice_run, slice_done, slice_orphan};
    struct slice *s = mem_zalloc(sizeof *s);
    *s = (struct slice){
        .copy = c,
        .from = local_handle_ref(c->from),
        .to = local_handle_ref(c->to),
        .off = c->off,
        .to_off = c->to_off,
        .len = c->left < COPY_SLICE ? c->left : COPY_SLICE,
    };
    c->slice = work_start(c->from->loop, &fns, s);
}

static void copy_cancel(struct op *op)
{
    struct copy *c = (struct copy *)op;
    op_cancel(&c->slice);
    copy_free(c);
}

static const struct op_type copy_type = {"local_copy", copy_cancel};

struct op *local_file_copy(struct fs_file *from, uint64_t off, uint64_t len, struct fs_file *to,
                           uint64_t to_off, fs_done_fn *done, void *arg)
{
    struct local_handle *a = handle_of(from);
    struct local_handle *b = handle_of(to);
    if (a == b || off > OFFSET_MAX || to_off > OFFSET_MAX || len > OFFSET_MAX - off ||
        len > OFFSET_MAX - to_off)
        return fs_fail(a->loop, GW_BAD_ARG, NULL, done, arg);
    struct copy *c = mem_zalloc(sizeof *c);
    *c = (struct copy){
        .op.type = &copy_type,
        .from = local_handle_ref(a),
        .to = local_handle_ref(b),
        .done = done,
        .arg = arg,
        .off = off,
        .to_off = to_off,
        .left = len == 0 ? UINT64_MAX : len,
    };
    b->wrote = true;
    copy_next(c);
    return &c->op;
}
