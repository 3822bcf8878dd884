#undef _FORTIFY_SOURCE /* its inline recv() and poll() are in the way of ours */
#include "gateway/ssh/wide_recv.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/mem.h"

bool wide_recv_staged(const struct wide_recv *w)
{
    return w->pos < w->len;
}

#if defined(POSTERN_SANITIZED)

void wide_recv_attach(struct wide_recv *w, int fd)
{
    (void)w, (void)fd;
}

void wide_recv_detach(struct wide_recv *w)
{
    (void)w;
}

#else

#define TABLE_MAX 65536

/* By descriptor. Any thread looks; an entry is used by the thread of its owner only. */
static _Atomic(struct wide_recv *) table[TABLE_MAX];

static struct wide_recv *find(int fd)
{
    return fd >= 0 && fd < TABLE_MAX ? atomic_load(&table[fd]) : NULL;
}

static void drop_buffer(struct wide_recv *w)
{
    mem_free(w->buf);
    w->buf = NULL;
    w->pos = w->len = 0;
}

void wide_recv_attach(struct wide_recv *w, int fd)
{
    if (fd < 0 || fd >= TABLE_MAX)
        return;
    *w = (struct wide_recv){.fd = fd, .on = true};
    atomic_store(&table[fd], w);
}

void wide_recv_detach(struct wide_recv *w)
{
    if (w->on)
        atomic_store(&table[w->fd], NULL);
    w->on = false;
    drop_buffer(w);
}

static ssize_t take(struct wide_recv *w, void *to, size_t n, int flags)
{
    size_t left = w->len - w->pos;
    n = n < left ? n : left;
    memcpy(to, w->buf + w->pos, n);
    if (flags & MSG_PEEK)
        return (ssize_t)n;
    w->pos += n;
    if (w->pos == w->len)
        drop_buffer(w);
    return (ssize_t)n;
}

ssize_t recv(int fd, void *to, size_t n, int flags)
{
    struct wide_recv *w = find(fd);
    if (w != NULL && wide_recv_staged(w))
        return take(w, to, n, flags);
    if (w == NULL || flags != 0 || n == 0)
        return recvfrom(fd, to, n, flags, NULL, NULL);
    size_t ask = n;
    if (w->full && w->polled && n < WIDE_RECV_BYTES)
        w->buf = mem_try_alloc(WIDE_RECV_BYTES);
    if (w->buf != NULL)
        ask = WIDE_RECV_BYTES;
    ssize_t got = recvfrom(fd, w->buf != NULL ? w->buf : to, ask, 0, NULL, NULL);
    /* Half a wide read is many small ones all the same. */
    w->full = got >= (ssize_t)n;
    if (w->buf == NULL)
        return got;
    if (got <= 0) {
        int error = errno;
        drop_buffer(w);
        errno = error;
        return got;
    }
    w->len = (size_t)got;
    return take(w, to, n, 0);
}

ssize_t send(int fd, const void *from, size_t n, int flags)
{
    struct wide_recv *w = find(fd);
    if (w != NULL) {
        w->sends = true;
        w->writable = false;
    }
    return sendto(fd, from, n, flags, NULL, 0);
}

/* What poll() has to say where the kernel need not be asked. */
static short known(const struct pollfd *p)
{
    const struct wide_recv *w = find(p->fd);
    if (w == NULL || !wide_recv_staged(w) || (p->events & POLLIN) == 0)
        return 0;
    return (short)(p->events & (w->writable ? POLLIN | POLLOUT : POLLIN));
}

static void learn(const struct pollfd *p)
{
    struct wide_recv *w = find(p->fd);
    if (w != NULL && (p->events & POLLOUT) != 0)
        w->writable = w->sends && (p->revents & POLLOUT) != 0;
}

int poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
    struct timespec t = {.tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * 1000000L};
    bool staged = false, ask = false;
    for (nfds_t i = 0; i < nfds; i++) {
        struct wide_recv *w = find(fds[i].fd);
        if (w != NULL)
            w->polled = true;
        fds[i].revents = 0;
        short now = known(&fds[i]);
        staged |= now != 0;
        ask |= now == 0 || (fds[i].events & ~now) != 0;
    }
    ask |= !staged; /* nothing to ask about is a time to wait */
    if (staged)
        t = (struct timespec){0};
    int ready = ask ? ppoll(fds, nfds, timeout < 0 && !staged ? NULL : &t, NULL) : 0;
    for (nfds_t i = 0; ready >= 0 && i < nfds; i++) {
        if (ask)
            learn(&fds[i]);
        short now = known(&fds[i]);
        ready += now != 0 && fds[i].revents == 0;
        fds[i].revents |= now;
    }
    return ready;
}

int close(int fd)
{
    struct wide_recv *w = find(fd);
    if (w != NULL)
        wide_recv_detach(w);
    return (int)syscall(SYS_close, fd);
}

#endif
