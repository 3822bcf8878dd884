/* Open files of a store on a disk: what is seen of an upload, and when; bytes in and out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "tests/support/local_lab.h"
#include "tests/support/sync.h"

#define UPLOAD (FS_WRITE | FS_CREATE | FS_TRUNC)

/* Nothing is seen of an upload before its close, and nothing ever of one that is thrown away. */
static void test_upload_appears_at_close(void **state)
{
    struct local_lab *f = *state;
    struct fs_file *file;
    char text[64];
    assert_int_equal(sync_put(f->fs, "/a", "old"), GW_OK);
    assert_int_equal(chmod(local_lab_disk(f, "/root/a"), 0640), 0);
    assert_int_equal(sync_open(f->fs, "/a", UPLOAD, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "new content", 11), GW_OK);
    assert_int_equal(sync_get(f->fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "old");
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_get(f->fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "new content");
    struct fs_attr attr;
    assert_int_equal(sync_stat(f->fs, "/a", true, &attr), GW_OK);
    assert_int_equal(attr.mode, 0640); /* the old file's */

    assert_int_equal(sync_open(f->fs, "/a", UPLOAD, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "lost", 4), GW_OK);
    fs_abort(&file);
    assert_int_equal(sync_open(f->fs, "/b", UPLOAD, &file), GW_OK);
    fs_abort(&file);
    assert_int_equal(sync_list(f->fs, "/", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "a");
    assert_int_equal(sync_get(f->fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "new content");
}

static void test_two_uploads_of_one_name(void **state)
{
    struct local_lab *f = *state;
    struct fs_file *a;
    struct fs_file *b;
    char text[64];
    assert_int_equal(sync_open(f->fs, "/x", UPLOAD, &a), GW_OK);
    assert_int_equal(sync_open(f->fs, "/x", UPLOAD, &b), GW_OK);
    assert_int_equal(sync_write(a, 0, "first", 5), GW_OK);
    assert_int_equal(sync_write(b, 0, "second", 6), GW_OK);
    assert_int_equal(sync_close(&b), GW_OK);
    assert_int_equal(sync_close(&a), GW_OK);
    assert_int_equal(sync_get(f->fs, "/x", text, sizeof text), GW_OK);
    assert_string_equal(text, "first"); /* the last close wins, whole */

    assert_int_equal(sync_open(f->fs, "/y", UPLOAD | FS_EXCL, &a), GW_OK);
    assert_int_equal(sync_open(f->fs, "/y", UPLOAD | FS_EXCL, &b), GW_OK);
    assert_int_equal(sync_write(a, 0, "first", 5), GW_OK);
    assert_int_equal(sync_close(&a), GW_OK);
    assert_int_equal(sync_close(&b), GW_EXISTS);
    assert_int_equal(sync_get(f->fs, "/y", text, sizeof text), GW_OK);
    assert_string_equal(text, "first");
    assert_int_equal(sync_open(f->fs, "/y", UPLOAD | FS_EXCL, &b), GW_EXISTS);
    assert_int_equal(sync_list(f->fs, "/", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "x y");
}

static void test_write_in_place(void **state)
{
    struct local_lab *f = *state;
    struct fs_file *file;
    char text[64];
    size_t n;
    assert_int_equal(sync_put(f->fs, "/a", "0123456789"), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_READ | FS_WRITE, &file), GW_OK);
    assert_int_equal(sync_write(file, 4, "xx", 2), GW_OK);
    assert_int_equal(sync_read(file, 3, text, 4, &n), GW_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(text, "3xx6", 4);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_WRITE | FS_APPEND, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "end", 3), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_WRITE | FS_CREATE, &file), GW_OK); /* resume */
    assert_int_equal(sync_write(file, 13, "!", 1), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_get(f->fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "0123xx6789end!");
    assert_int_equal(sync_open(f->fs, "/a", FS_READ, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "x", 1), GW_DENIED);
    assert_int_equal(sync_close(&file), GW_OK);
}

/* Many writes at once, out of order, go along in few trips and land where they belong. */
static void test_pipelined_writes(void **state)
{
    enum { N = 200, SIZE = 32768 };
    struct local_lab *f = *state;
    struct fs_file *file;
    static struct sync s[N];
    static uint8_t block[SIZE];
    memset(s, 0, sizeof s);
    assert_int_equal(sync_open(f->fs, "/big", UPLOAD, &file), GW_OK);
    for (size_t i = 0; i < N; i++) {
        size_t k = i % 7 == 3 && i + 1 < N ? i + 1 : i % 7 == 4 ? i - 1 : i; /* some swapped */
        memset(block, (int)k, sizeof block);
        s[i].op = fs_write(file, k * SIZE, gw_span_of(block, SIZE), sync_done, &s[i]);
    }
    for (size_t i = 0; i < N; i++)
        assert_int_equal(sync_wait(f->loop, &s[i]), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(f->fs, "/big", FS_READ, &file), GW_OK);
    for (size_t i = 0; i < N; i++) {
        size_t n;
        assert_int_equal(sync_read(file, i * SIZE, block, SIZE, &n), GW_OK);
        assert_int_equal(n, SIZE);
        assert_int_equal(block[0], (uint8_t)i);
        assert_int_equal(block[SIZE - 1], (uint8_t)i);
    }
    assert_int_equal(sync_close(&file), GW_OK);
}

static void test_read_now(void **state)
{
    struct local_lab *f = *state;
    struct fs_file *file;
    uint8_t to[16];
    size_t n;
    assert_int_equal(sync_put(f->fs, "/a", "0123456789"), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_READ, &file), GW_OK);
    enum gw_err err = fs_read_now(file, 8, to, sizeof to, &n);
    assert_true(err == GW_OK || err == GW_BUSY); /* not every file system can tell */
    if (err == GW_OK) {
        assert_int_equal(n, 2);
        assert_int_equal(fs_read_now(file, 10, to, sizeof to, &n), GW_EOF);
    }
    assert_int_equal(sync_read(file, 8, to, sizeof to, &n), GW_OK);
    assert_int_equal(n, 2);
    assert_int_equal(sync_read(file, 10, to, sizeof to, &n), GW_EOF);
    static const uint64_t far[] = {INT64_MAX - 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        err = fs_read_now(file, far[i], to, sizeof to, &n);
        assert_true(err == GW_EOF || err == GW_BUSY);
        assert_int_equal(sync_read(file, far[i], to, sizeof to, &n), GW_EOF);
    }
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(f->fs, "/b", UPLOAD, &file), GW_OK);
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++)
        assert_int_equal(sync_write(file, far[i], "xx", 2), GW_TOO_LARGE);
    assert_int_equal(sync_close(&file), GW_OK);
    struct fs_attr attr;
    assert_int_equal(sync_stat(f->fs, "/b", true, &attr), GW_OK);
    assert_int_equal(attr.size, 0);
}

/* Times that a client sets on an upload count, also when it goes on writing. */
static void test_fsetstat_before_close(void **state)
{
    struct local_lab *f = *state;
    struct fs_file *file;
    assert_int_equal(sync_open(f->fs, "/a", UPLOAD, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "one", 3), GW_OK);
    const struct fs_attr attr = {
        .set = FS_ATTR_MTIME | FS_ATTR_MODE, .mtime_s = 1234567890, .mode = 0600};
    struct sync s = {.done = false};
    s.op = fs_fsetstat(file, &attr, sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    assert_int_equal(sync_write(file, 3, "two", 3), GW_OK);
    s = (struct sync){.done = false};
    s.op = fs_fstat(file, sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    assert_int_equal(s.attr.size, 6);
    s = (struct sync){.done = false};
    s.op = fs_fsync(file, sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    struct fs_attr now;
    assert_int_equal(sync_stat(f->fs, "/a", true, &now), GW_OK);
    assert_int_equal(now.mtime_s, 1234567890);
    assert_int_equal(now.mode, 0600);
}

static void test_copy(void **state)
{
    struct local_lab *f = *state;
    struct fs_file *from;
    struct fs_file *to;
    char text[64];
    static const struct {
        uint64_t off, len, to_off;
        const char *want;
    } rows[] = {{0, 0, 0, "0123456789"}, {2, 3, 0, "234"}, {8, 100, 0, "89"}, {10, 0, 0, ""}};
    assert_int_equal(sync_put(f->fs, "/a", "0123456789"), GW_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(sync_open(f->fs, "/a", FS_READ, &from), GW_OK);
        assert_int_equal(sync_open(f->fs, "/b", UPLOAD, &to), GW_OK);
        struct sync s = {.done = false};
        s.op = fs_copy(from, rows[i].off, rows[i].len, to, rows[i].to_off, sync_done, &s);
        assert_int_equal(sync_wait(f->loop, &s), GW_OK);
        assert_int_equal(s.bytes, strlen(rows[i].want));
        assert_int_equal(sync_close(&from), GW_OK);
        assert_int_equal(sync_close(&to), GW_OK);
        assert_int_equal(sync_get(f->fs, "/b", text, sizeof text), GW_OK);
        assert_string_equal(text, rows[i].want);
    }
}

/* ---- the kernel's part, in the place of libc's ---- */

static struct {
    bool no_nowait;  /* a file system that does not know RWF_NOWAIT */
    int last_advice; /* for a whole file */
} kernel;

ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
    if (kernel.no_nowait && (flags & RWF_NOWAIT)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return syscall(SYS_preadv2, fd, iov, n, off, 0, flags);
}

int posix_fadvise(int fd, off_t off, off_t len, int advice)
{
    (void)fd;
    if (off == 0 && len == 0)
        kernel.last_advice = advice;
    return 0;
}

/* Where the pool reads, the kernel reads ahead of it: also after a copy. */
static void test_advice_after_copy(void **state)
{
    struct local_lab *f = *state;
    uint8_t byte;
    size_t n;
    assert_int_equal(sync_put(f->fs, "/a", "0123456789"), GW_OK);
    for (unsigned pool = 0; pool < 2; pool++) {
        struct fs_file *from, *to;
        struct sync s = {.done = false};
        kernel.no_nowait = pool > 0;
        assert_int_equal(sync_open(f->fs, "/a", FS_READ, &from), GW_OK);
        assert_int_equal(kernel.last_advice, POSIX_FADV_RANDOM);
        assert_int_equal(sync_read(from, 0, &byte, 1, &n), GW_OK);
        const enum gw_err now = fs_read_now(from, 0, &byte, 1, &n);
        assert_int_equal(now, pool ? GW_BUSY : GW_OK);
        assert_int_equal(sync_open(f->fs, "/b", UPLOAD, &to), GW_OK);
        s.op = fs_copy(from, 0, 0, to, 0, sync_done, &s);
        assert_int_equal(sync_wait(f->loop, &s), GW_OK);
        assert_int_equal(kernel.last_advice, pool ? POSIX_FADV_NORMAL : POSIX_FADV_RANDOM);
        fs_abort(&to);
        fs_abort(&from);
    }
    kernel.no_nowait = false;
}

/* A write that was lost makes the close fail, and nothing appears. */
static void test_lost_write(void **state)
{
    struct local_lab *f = *state;
    struct fs_file *file;
    char block[128] = {0};
    assert_int_equal(sync_put(f->fs, "/a", "old"), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", UPLOAD, &file), GW_OK);
    mem_fail_after(1);
    assert_int_equal(sync_write(file, 0, block, sizeof block), GW_NO_MEMORY);
    mem_fail_after(0);
    assert_int_equal(sync_write(file, 0, block, sizeof block), GW_OK);
    assert_int_equal(sync_close(&file), GW_NO_MEMORY);
    assert_int_equal(sync_get(f->fs, "/a", block, sizeof block), GW_OK);
    assert_string_equal(block, "old");
    assert_int_equal(sync_open(f->fs, "/a", FS_READ, &file), GW_OK);
    mem_fail_after(1);
    size_t n;
    assert_int_equal(sync_read(file, 0, block, sizeof block, &n), GW_NO_MEMORY);
    mem_fail_after(0);
    assert_int_equal(sync_close(&file), GW_OK);
}

/* Without atomic uploads a file grows in its place. */
static void test_plain_uploads(void **state)
{
    struct local_lab *f = *state;
    struct backend *b = storekit_local(f->loop, f->root, false);
    struct fs *fs = storekit_view(b, "");
    struct fs_file *file;
    struct fs_attr attr;
    char text[64];
    assert_int_equal(sync_open(fs, "/a", UPLOAD, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "abc", 3), GW_OK);
    assert_int_equal(sync_stat(fs, "/a", true, &attr), GW_OK);
    assert_int_equal(attr.size, 3);
    assert_int_equal(attr.mode, 0644);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(fs, "/a", UPLOAD | FS_EXCL, &file), GW_EXISTS);
    assert_int_equal(sync_open(fs, "/b", FS_WRITE | FS_TRUNC, &file), GW_NOT_FOUND);
    assert_int_equal(sync_open(fs, "/b", UPLOAD | FS_EXCL, &file), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_put(fs, "/a", "x"), GW_OK);
    assert_int_equal(sync_get(fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "x");
    fs_free(&fs);
    backend_unref(&b);
}

int main(void)
{
#define ROW(t) cmocka_unit_test_setup_teardown(t, local_lab_setup, local_lab_teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_upload_appears_at_close),
        ROW(test_two_uploads_of_one_name),
        ROW(test_write_in_place),
        ROW(test_pipelined_writes),
        ROW(test_read_now),
        ROW(test_fsetstat_before_close),
        ROW(test_copy),
        ROW(test_advice_after_copy),
        ROW(test_lost_write),
        ROW(test_plain_uploads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
