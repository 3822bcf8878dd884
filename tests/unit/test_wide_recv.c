/* The program under test is the test itself: it calls recv(), poll(), send() and close() as libssh
 * does. */
#include "gateway/ssh/wide_recv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/mem.h"

#if defined(POSTERN_SANITIZED)
int main(void)
{
    return 0; /* the sanitizers define the same names: nothing is ever attached */
}
#else

#define READ 4096 /* what libssh asks for */

struct pair {
    int fd, peer;
    struct wide_recv w;
};

/* A byte of the stream, by its place. */
static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static void open_pair(struct pair *p, bool attached)
{
    int fds[2], room = 1 << 20;
    memset(p, 0, sizeof *p);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    p->fd = fds[0];
    p->peer = fds[1];
    assert_int_equal(setsockopt(p->peer, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
    if (attached)
        wide_recv_attach(&p->w, p->fd);
}

static void close_pair(struct pair *p)
{
    close(p->fd);
    if (p->peer >= 0)
        close(p->peer);
    assert_false(p->w.on);
    assert_null(p->w.buf);
}

static void send_stream(struct pair *p, size_t from, size_t n)
{
    static uint8_t all[256 * 1024];
    assert_true(n <= sizeof all);
    for (size_t i = 0; i < n; i++)
        all[i] = byte_at(from + i);
    assert_int_equal(send(p->peer, all, n, 0), n);
}

/* Reads n bytes at most, which must be the stream's from `from` on. */
static ssize_t read_stream(int fd, size_t from, size_t n, int flags)
{
    static uint8_t to[256 * 1024];
    ssize_t got = recv(fd, to, n, flags);
    for (ssize_t i = 0; i < got; i++)
        assert_int_equal(to[i], byte_at(from + (size_t)i));
    return got;
}

static short poll_one(int fd, short events, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = events, .revents = 0x55};
    int rc = poll(&p, 1, timeout_ms);
    assert_int_equal(rc, p.revents != 0);
    return p.revents;
}

static size_t in_kernel(int fd)
{
    int n = 0;
    assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
    return (size_t)n;
}

/* Polls and reads once; then, if there was enough, something is staged. */
static void stage(struct pair *p, size_t n)
{
    send_stream(p, 0, n);
    assert_int_equal(poll_one(p->fd, POLLIN, 0), POLLIN);
    assert_int_equal(read_stream(p->fd, 0, READ, 0), READ);
    assert_false(wide_recv_staged(&p->w));
    assert_int_equal(read_stream(p->fd, READ, READ, 0), READ);
    assert_true(wide_recv_staged(&p->w));
    assert_int_equal(in_kernel(p->fd), 0);
}

/* Whatever comes, and in whatever pieces it is read, the bytes are the same, and poll() agrees. */
static void test_streams(void **state)
{
    static const struct {
        size_t sent, piece;
        bool attached, polled;
    } rows[] = {
        {100000, READ, true, true},   {100000, READ, false, true},
        {200000, READ, true, true},   {200000, READ, true, false},
        {200000, 1000, true, true},   {READ, READ, true, true},
        {READ + 1, READ, true, true}, {2 * READ, READ, true, true},
        {10, READ, true, true},       {READ + WIDE_RECV_BYTES, READ, true, true},
        {200000, 65536, true, true},  {200000, 65535, true, true},
        {200000, 100000, true, true}, {READ + WIDE_RECV_BYTES + 1, READ, true, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pair p;
        size_t got = 0;
        open_pair(&p, rows[i].attached);
        send_stream(&p, 0, rows[i].sent);
        while (got < rows[i].sent) {
            if (rows[i].polled)
                assert_int_equal(poll_one(p.fd, POLLIN, 0), POLLIN);
            size_t staged = p.w.len - p.w.pos, want = rows[i].sent - got;
            want = want < rows[i].piece ? want : rows[i].piece;
            want = staged > 0 && staged < want ? staged : want;
            ssize_t n = read_stream(p.fd, got, rows[i].piece, 0);
            assert_int_equal(n, want);
            got += (size_t)n;
            assert_int_equal(p.w.buf != NULL, wide_recv_staged(&p.w));
            if (!rows[i].attached || !rows[i].polled)
                assert_false(wide_recv_staged(&p.w));
        }
        assert_int_equal(poll_one(p.fd, POLLIN, 0), 0);
        assert_int_equal(read_stream(p.fd, got, rows[i].piece, 0), -1);
        assert_int_equal(errno, EAGAIN);
        assert_null(p.w.buf);
        close_pair(&p);
    }
}

/* Small requests never cost a buffer: only a read that came back full is followed by a wide one. */
static void test_small(void **state)
{
    struct pair p;
    (void)state;
    open_pair(&p, true);
    stage(&p, 3 * READ);
    assert_int_equal(read_stream(p.fd, 2 * READ, READ, 0), READ);
    send_stream(&p, 0, 100);
    assert_int_equal(read_stream(p.fd, 0, READ, 0), 100); /* a wide one that was in vain */
    mem_fail_after(1);
    send_stream(&p, 0, 100);
    assert_int_equal(read_stream(p.fd, 0, READ, 0), 100);
    assert_null(mem_try_alloc(1)); /* nothing was asked for until here */
    close_pair(&p);
}

static void test_no_memory(void **state)
{
    struct pair p;
    (void)state;
    open_pair(&p, true);
    send_stream(&p, 0, 3 * READ);
    assert_int_equal(poll_one(p.fd, POLLIN, 0), POLLIN);
    assert_int_equal(read_stream(p.fd, 0, READ, 0), READ);
    mem_fail_after(1);
    assert_int_equal(read_stream(p.fd, READ, READ, 0), READ);
    mem_fail_after(0);
    assert_int_equal(in_kernel(p.fd), READ);
    assert_int_equal(read_stream(p.fd, 2 * READ, READ, 0), READ);
    close_pair(&p);
}

/* What came before the end is read before the end is told. */
static void test_end(void **state)
{
    struct pair p;
    (void)state;
    open_pair(&p, true);
    stage(&p, 3 * READ);
    close(p.peer);
    p.peer = -1;
    assert_int_equal(poll_one(p.fd, POLLIN, 0), POLLIN);
    assert_int_equal(read_stream(p.fd, 2 * READ, READ, 0), READ);
    assert_true(poll_one(p.fd, POLLIN, 0) & POLLHUP);
    assert_int_equal(read_stream(p.fd, 0, READ, 0), 0);
    assert_null(p.w.buf);
    close_pair(&p);
}

/* The same for an error: closing with unread bytes makes a reset of it. */
static void test_error(void **state)
{
    struct pair p;
    (void)state;
    open_pair(&p, true);
    stage(&p, 3 * READ);
    assert_int_equal(send(p.fd, "x", 1, 0), 1);
    close(p.peer);
    p.peer = -1;
    assert_int_equal(poll_one(p.fd, POLLIN, 0), POLLIN);
    assert_int_equal(read_stream(p.fd, 2 * READ, READ, 0), READ);
    assert_int_equal(read_stream(p.fd, 0, READ, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    assert_null(p.w.buf);
    close_pair(&p);
}

static void test_poll(void **state)
{
    static const struct {
        short asked, want;
        bool clogged; /* nothing can be sent */
    } rows[] = {
        {POLLIN, POLLIN, false},
        {POLLIN | POLLOUT, POLLIN | POLLOUT, false},
        {POLLIN | POLLOUT, POLLIN, true},
        {POLLOUT, POLLOUT, false},
        {POLLOUT, 0, true},
        {0, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pair p;
        open_pair(&p, true);
        stage(&p, 3 * READ);
        while (rows[i].clogged && send(p.fd, "filler", 6, 0) > 0)
            ;
        int timeout_ms = rows[i].asked & POLLIN ? -1 : 0; /* it must not wait */
        assert_int_equal(poll_one(p.fd, rows[i].asked, timeout_ms), rows[i].want);
        close_pair(&p);
    }
}

/* A yes of the kernel to "can I send" holds while something is staged, until something is sent by
 * send(); and it counts for nothing where what is sent might go another way. */
static void test_writable(void **state)
{
    static const struct {
        bool sends, sent_since, want;
    } rows[] = {{true, false, true}, {true, true, false}, {false, false, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pair p;
        open_pair(&p, true);
        if (rows[i].sends)
            assert_int_equal(send(p.fd, "x", 1, 0), 1);
        stage(&p, 3 * READ);
        assert_int_equal(poll_one(p.fd, POLLIN | POLLOUT, -1), POLLIN | POLLOUT);
        while (write(p.fd, "filler", 6) > 0) /* what is written is not seen */
            ;
        if (rows[i].sent_since)
            assert_int_equal(send(p.fd, "x", 1, 0), -1);
        short want = rows[i].want ? POLLIN | POLLOUT : POLLIN;
        assert_int_equal(poll_one(p.fd, POLLIN | POLLOUT, -1), want);
        assert_int_equal(poll_one(p.fd, POLLIN | POLLOUT, -1), want);
        assert_int_equal(read_stream(p.fd, 2 * READ, READ, 0), READ);
        assert_int_equal(poll_one(p.fd, POLLIN | POLLOUT, 0), 0);
        send_stream(&p, 3 * READ, 1);
        assert_int_equal(poll_one(p.fd, POLLIN | POLLOUT, 0), POLLIN);
        close_pair(&p);
    }
}

static void test_poll_several(void **state)
{
    struct pair a, b;
    (void)state;
    open_pair(&a, true);
    open_pair(&b, false);
    stage(&a, 3 * READ);
    struct pollfd fds[] = {
        {.fd = b.fd, .events = POLLIN}, {.fd = a.fd, .events = POLLIN}, {.fd = -1}};
    assert_int_equal(poll(fds, 3, -1), 1);
    assert_int_equal(fds[0].revents, 0);
    assert_int_equal(fds[1].revents, POLLIN);
    send_stream(&b, 0, 1);
    assert_int_equal(poll(fds, 3, -1), 2);
    assert_int_equal(fds[0].revents, POLLIN);
    assert_int_equal(read_stream(a.fd, 2 * READ, READ, 0), READ);
    assert_int_equal(poll(fds, 3, -1), 1);
    assert_int_equal(fds[1].revents, 0);
    assert_int_equal(poll(&fds[1], 1, 1), 0); /* the time is the kernel's to keep */
    close_pair(&a);
    close_pair(&b);
}

static void test_flags(void **state)
{
    struct pair p;
    (void)state;
    open_pair(&p, true);
    stage(&p, 4 * READ);
    assert_int_equal(read_stream(p.fd, 2 * READ, READ, MSG_PEEK), READ);
    assert_int_equal(read_stream(p.fd, 2 * READ, READ, MSG_DONTWAIT), READ);
    assert_int_equal(read_stream(p.fd, 3 * READ, 0, 0), 0);
    assert_int_equal(read_stream(p.fd, 3 * READ, READ, MSG_PEEK), READ);
    assert_int_equal(read_stream(p.fd, 3 * READ, READ, 0), READ);
    send_stream(&p, 0, READ);
    assert_int_equal(read_stream(p.fd, 0, READ, MSG_PEEK), READ);
    assert_int_equal(in_kernel(p.fd), READ);
    assert_int_equal(read_stream(p.fd, 0, READ, 0), READ);
    close_pair(&p);
}

/* The number of a closed descriptor is another's at once: he reads what is his own. */
static void test_reuse(void **state)
{
    static const bool attached[] = {false, true};
    (void)state;
    for (size_t i = 0; i < sizeof attached / sizeof attached[0]; i++) {
        struct pair old, next;
        open_pair(&old, true);
        stage(&old, 3 * READ);
        open_pair(&next, false);
        assert_int_equal(close(old.fd), 0);
        assert_false(old.w.on);
        assert_null(old.w.buf);
        assert_int_equal(dup(next.fd), old.fd);
        if (attached[i])
            wide_recv_attach(&next.w, old.fd);
        assert_int_equal(poll_one(old.fd, POLLIN, 0), 0);
        assert_int_equal(read_stream(old.fd, 0, READ, 0), -1);
        assert_int_equal(errno, EAGAIN);
        send_stream(&next, 0, 10);
        assert_int_equal(poll_one(old.fd, POLLIN, 0), POLLIN);
        assert_int_equal(read_stream(old.fd, 0, READ, 0), 10);
        wide_recv_detach(&old.w); /* late and again: the number is not its own any more */
        assert_int_equal(next.w.on, attached[i]);
        close(old.fd);
        assert_false(next.w.on);
        close(old.peer);
        close_pair(&next);
    }
}

static void test_detach(void **state)
{
    struct pair p;
    (void)state;
    open_pair(&p, true);
    stage(&p, 3 * READ);
    wide_recv_detach(&p.w);
    wide_recv_detach(&p.w);
    assert_null(p.w.buf);
    assert_int_equal(poll_one(p.fd, POLLIN, 0), 0);
    send_stream(&p, 0, 3 * READ);
    assert_int_equal(poll_one(p.fd, POLLIN, 0), POLLIN);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(read_stream(p.fd, i * READ, READ, 0), READ);
    close_pair(&p);
}

static void test_beyond_table(void **state)
{
    static const int fds[] = {-1, 65536, 1 << 30};
    (void)state;
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        struct wide_recv w = {0};
        uint8_t byte;
        wide_recv_attach(&w, fds[i]);
        assert_false(w.on);
        assert_int_equal(recv(fds[i], &byte, 1, 0), -1);
        assert_int_equal(errno, EBADF);
        assert_int_equal(close(fds[i]), -1);
        assert_int_equal(errno, EBADF);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),      cmocka_unit_test(test_small),
        cmocka_unit_test(test_no_memory),    cmocka_unit_test(test_end),
        cmocka_unit_test(test_error),        cmocka_unit_test(test_poll),
        cmocka_unit_test(test_poll_several), cmocka_unit_test(test_flags),
        cmocka_unit_test(test_reuse),        cmocka_unit_test(test_detach),
        cmocka_unit_test(test_beyond_table), cmocka_unit_test(test_writable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
