#include "backends/local/local_write.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "backends/local/local_handle.h"
#include "gateway/base/mem.h"
#include "gateway/io/work.h"

#define BATCH_BYTES                                                                                \
    (512u * 1024u) /* what one trip to the pool takes along, if it is not one write */
#define BATCH_IOV  64
#define OFFSET_MAX ((uint64_t)INT64_MAX)

/* A write that waits, is under way, or has been done and not told yet. */
struct write {
    struct op op;
    struct list node;
    struct local_handle *h;
    fs_done_fn *done; /* NULL = cancelled while under way */
    void *arg;
    uint64_t off;
    size_t len;
    enum gw_err err;
    bool is_running;
    uint8_t data[];
};

/* Those that one trip takes, in the order in which they came. */
struct batch {
    struct local_handle *h;
    struct list writes;
};

static struct write *write_of(struct list *node)
{
    return LIST_ENTRY(node, struct write, node);
}

static void write_cancel(struct op *op)
{
    struct write *w = (struct write *)op;
    w->done = NULL;
    if (w->is_running)
        return; /* its bytes are being read */
    list_remove(&w->node);
    mem_free(w);
}

static const struct op_type write_type = {"local_write", write_cancel};

static enum gw_err write_all(int fd, struct iovec *iov, int n, uint64_t off)
{
    while (n > 0) {
        ssize_t put = pwritev(fd, iov, n, (off_t)off);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return gw_err_from_errno(errno);
        if (put == 0)
            return GW_IO;
        off += (uint64_t)put;
        for (; n > 0 && (size_t)put >= iov->iov_len; n--)
            put -= (ssize_t)iov++->iov_len;
        if (n > 0) {
            iov->iov_base = (uint8_t *)iov->iov_base + put;
            iov->iov_len -= (size_t)put;
        }
    }
    return GW_OK;
}

/* From `first` on as many as follow each other in the file: one call. Gives the first that is not
 * of it. */
static struct list *write_run(struct batch *b, struct list *first)
{
    struct iovec iov[BATCH_IOV];
    const bool append = (b->h->flags & FS_APPEND) != 0;
    const uint64_t off = write_of(first)->off;
    uint64_t end = off;
    int n = 0;
    struct list *it = first;
    for (; it != &b->writes && n < BATCH_IOV; it = it->next) {
        struct write *w = write_of(it);
        if (w->off != end && !append)
            break;
        iov[n++] = (struct iovec){.iov_base = w->data, .iov_len = w->len};
        end = w->off + w->len;
    }
    enum gw_err err = write_all(b->h->fd, iov, n, off);
    for (struct list *done = first; done != it; done = done->next)
        write_of(done)->err = err;
    return it;
}

static void batch_run(void *job)
{
    struct batch *b = job;
    for (struct list *it = b->writes.next; it != &b->writes;)
        it = write_run(b, it);
}

static void batch_start(struct local_handle *h);

static void batch_done(void *job)
{
    struct batch *b = job;
    struct local_handle *h = b->h;
    LIST_EACH(it, &b->writes)
    {
        write_of(it)->is_running = false; /* from here on a cancel takes it out */
        if (write_of(it)->err != GW_OK)
            h->failed = write_of(it)->err;
    }
    h->is_writing = false;
    if (!list_empty(&h->queue))
        batch_start(h);
    while (!list_empty(&b->writes)) {
        struct write *w = write_of(list_first(&b->writes));
        fs_done_fn *done = w->done;
        void *arg = w->arg;
        const struct fs_res res = {.err = w->err};
        list_remove(&w->node);
        mem_free(w);
        if (done != NULL)
            done(arg, &res);
    }
    local_handle_unref(&b->h);
    mem_free(b);
}

static void batch_orphan(void *job, bool ran)
{
    (void)ran; /* its writes are cancelled one by one, the trip never is */
    batch_done(job);
}

static void batch_start(struct local_handle *h)
{
    static const struct work_fns fns = {batch_run, batch_done, batch_orphan};
    struct batch *b = mem_zalloc(sizeof *b);
    size_t bytes = 0;
    b->h = local_handle_ref(h);
    list_init(&b->writes);
    while (!list_empty(&h->queue)) {
        struct write *w = write_of(list_first(&h->queue));
        if (bytes > 0 && bytes + w->len > BATCH_BYTES)
            break;
        bytes += w->len;
        w->is_running = true;
        list_remove(&w->node);
        list_push(&b->writes, &w->node);
    }
    h->is_writing = true;
    (void)work_start(h->loop, &fns, b);
}

static bool may_write(const struct local_handle *h)
{
    return (h->flags & (FS_WRITE | FS_APPEND)) != 0;
}

enum gw_err local_write_now(struct fs_file *f, uint64_t off, struct gw_span data)
{
    struct local_handle *h = (struct local_handle *)f;
    if (h->no_nowait_write || h->is_writing || (h->flags & FS_APPEND) != 0 || !may_write(h) ||
        data.len == 0 || off > OFFSET_MAX - data.len)
        return GW_BUSY; /* the other way decides */
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data.ptr, .iov_len = data.len};
    ssize_t n = pwritev2(h->fd, &iov, 1, (off_t)off, RWF_NOWAIT);
    if (n == (ssize_t)data.len) {
        h->wrote = true;
        return GW_OK;
    }
    if (n < 0 && errno != EAGAIN)
        h->no_nowait_write = true;
    return GW_BUSY; /* writing it once more, whole, does no harm */
}

struct op *local_write_start(struct fs_file *f, uint64_t off, struct gw_span data, fs_done_fn *done,
                             void *arg)
{
    struct local_handle *h = (struct local_handle *)f;
    if (!may_write(h))
        return fs_fail(h->loop, GW_DENIED, NULL, done, arg);
    if (off > OFFSET_MAX - data.len)
        return fs_fail(h->loop, GW_TOO_LARGE, NULL, done, arg);
    if (data.len == 0)
        return fs_fail(h->loop, GW_OK, NULL, done, arg);
    struct write *w = mem_try_alloc(sizeof *w + data.len);
    if (w == NULL) {
        h->failed = GW_NO_MEMORY; /* these bytes are lost: the file must not appear without them */
        return fs_fail(h->loop, GW_NO_MEMORY, NULL, done, arg);
    }
    *w = (struct write){
        .op.type = &write_type, .h = h, .done = done, .arg = arg, .off = off, .len = data.len};
    memcpy(w->data, data.ptr, data.len);
    h->wrote = true;
    list_push(&h->queue, &w->node);
    if (!h->is_writing)
        batch_start(h);
    return &w->op;
}
