/* Objects that are written, on bad days and on good ones: what is stored, what is refused, what is
 * left at the server (tests/support/s3_stub.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "tests/support/mover.h"
#include "tests/support/s3_lab.h"
#include "tests/support/sync.h"

static void test_upload_faults(void **state)
{
    static const struct {
        enum s3_stub_fault fault;
        const char *method, *part;
        unsigned skip, times;
        uint64_t size;
        uint32_t flags;
        enum gw_err err;
        size_t left; /* uploads that nobody can know of */
    } rows[] = {
        {S3_STUB_SLOW_DOWN, "PUT", "", 0, 2, 1000, 0, GW_OK, 0},
        {S3_STUB_SLOW_DOWN, "PUT", "", 0, 99, 1000, 0, GW_UPSTREAM, 0},
        {S3_STUB_DENIED, "PUT", "", 0, 99, 1000, 0, GW_DENIED, 0},
        {S3_STUB_CUT_BODY, "PUT", "", 0, 1, 200000, 0, GW_OK, 0},
        {S3_STUB_CUT_BODY, "PUT", "", 0, 99, 200000, 0, GW_IO, 0},
        {S3_STUB_LOSE_ANSWER, "PUT", "", 0, 1, 1000, 0, GW_OK, 0},
        {S3_STUB_LOSE_ANSWER, "PUT", "", 0, 99, 1000, 0, GW_OK, 0},
        {S3_STUB_LOSE_ANSWER, "PUT", "", 0, 1, 1000, FS_EXCL, GW_OK, 0},
        {S3_STUB_IMPLEMENTED, "PUT", "", 0, 1, 1000, FS_EXCL, GW_OK, 0},
        {S3_STUB_SLOW_DOWN, "PUT", "partNumber=2", 0, 2, 3 * S3_LAB_MIB, 0, GW_OK, 0},
        {S3_STUB_DENIED, "PUT", "partNumber=2", 0, 99, 3 * S3_LAB_MIB, 0, GW_DENIED, 0},
        {S3_STUB_CUT_BODY, "PUT", "partNumber=2", 0, 2, 3 * S3_LAB_MIB, 0, GW_OK, 0},
        {S3_STUB_CUT_BODY, "PUT", "partNumber=2", 0, 99, 3 * S3_LAB_MIB, 0, GW_IO, 0},
        {S3_STUB_LOSE_ANSWER, "PUT", "partNumber=1", 0, 1, 3 * S3_LAB_MIB + 1, 0, GW_OK, 0},
        {S3_STUB_DENIED, "POST", "uploads", 0, 99, 3 * S3_LAB_MIB, 0, GW_DENIED, 0},
        {S3_STUB_LOSE_ANSWER, "POST", "uploads", 0, 1, 3 * S3_LAB_MIB, 0, GW_OK, 1},
        {S3_STUB_LOSE_ANSWER, "POST", "uploadId", 0, 1, 3 * S3_LAB_MIB, 0, GW_OK, 0},
        {S3_STUB_LOSE_ANSWER, "POST", "uploadId", 0, 99, 3 * S3_LAB_MIB, 0, GW_OK, 0},
        {S3_STUB_LOSE_ANSWER, "POST", "uploadId", 0, 1, 3 * S3_LAB_MIB, FS_EXCL, GW_OK, 0},
        {S3_STUB_ERROR_IN_200, "POST", "uploadId", 0, 1, 3 * S3_LAB_MIB, 0, GW_OK, 0},
        {S3_STUB_ERROR_IN_200, "POST", "uploadId", 0, 99, 3 * S3_LAB_MIB, 0, GW_UPSTREAM, 0},
        {S3_STUB_DENIED, "POST", "uploadId", 0, 99, 3 * S3_LAB_MIB, 0, GW_DENIED, 0},
    };
    struct s3_lab *e = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[32], key[32];
        snprintf(path, sizeof path, "/f%zu.txt", i);
        snprintf(key, sizeof key, "p/f%zu.txt", i);
        s3_stub_fail(e->stub, rows[i].fault, rows[i].method, rows[i].part, rows[i].skip,
                     rows[i].times);
        struct sync closed;
        enum gw_err err =
            mover_upload(e->fs, path, MOVER_NEW | rows[i].flags, rows[i].size, &closed);
        if (err != rows[i].err)
            print_error("row %zu: %s: %s\n", i, gw_err_name(err), closed.text);
        assert_int_equal(err, rows[i].err);
        int64_t want = err == GW_OK ? (int64_t)rows[i].size : -1;
        assert_int_equal(s3_stub_object(e->stub, key, NULL), want);
        if (s3_stub_failed(e->stub) == 0)
            fail_msg("row %zu: the fault never came", i);
        s3_stub_fail(e->stub, S3_STUB_NONE, "", "", 0, 0);
        if (rows[i].left == 0)
            assert_true(sync_until(e->loop, s3_lab_no_uploads, e));
        assert_int_equal(s3_stub_uploads(e->stub), rows[i].left);
        if (rows[i].left > 0) { /* the sweep's business */
            char text[FS_TEXT_MAX];
            s3_stub_age(e->stub, 48 * 3600);
            assert_int_equal(sync_sweep(e->backend, text), GW_OK);
            assert_int_equal(s3_stub_uploads(e->stub), 0);
        }
    }
}

static bool one_upload(void *arg)
{
    const struct s3_lab *e = arg;
    return s3_stub_uploads(e->stub) == 1;
}

/* The abort of an upload that is thrown away: refused, lost, or answered with OK and not done. It
 * is over when the server says that there is no such upload. */
static void test_aborts_are_repeated(void **state)
{
    static const struct {
        enum s3_stub_fault fault;
        unsigned times;
    } rows[] = {
        {S3_STUB_NONE, 0},        {S3_STUB_SLOW_DOWN, 6},    {S3_STUB_LOSE_REQUEST, 6},
        {S3_STUB_LOSE_ANSWER, 1}, {S3_STUB_ERROR_IN_200, 2},
    };
    struct s3_lab *e = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fs_file *f;
        struct mover up = {0};
        assert_int_equal(sync_open(e->fs, "/thrown", MOVER_NEW, &f), GW_OK);
        assert_int_equal(mover_run(&up, f, 3 * S3_LAB_MIB, 32768, 8), GW_OK);
        assert_true(sync_until(e->loop, one_upload, e));
        s3_stub_fail(e->stub, rows[i].fault, "DELETE", "uploadId", 0, rows[i].times);
        fs_abort(&f);
        assert_true(sync_until(e->loop, s3_lab_no_uploads, e));
        assert_int_equal(s3_stub_failed(e->stub), rows[i].times);
        s3_stub_fail(e->stub, S3_STUB_NONE, "", "", 0, 0);
        assert_int_equal(s3_stub_object(e->stub, "p/thrown", NULL), -1);
    }
}

/* 1 MiB each, ten at most: the ladder begins with the third. */
static void test_parts_grow_or_do_not(void **state)
{
    static const struct {
        bool equal;
        uint64_t mib;
        enum gw_err err;
        unsigned puts;
    } rows[] = {{false, 5, GW_OK, 3},
                {true, 5, GW_OK, 5},
                {true, 10, GW_OK, 10},
                {false, 12, GW_OK, 5},
                {true, 11, GW_TOO_LARGE, 10}};
    struct s3_lab *e = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sync closed;
        e->conf.max_parts = 10;
        e->conf.equal_parts = rows[i].equal;
        unsigned before = s3_stub_requests(e->stub, "PUT");
        enum gw_err err =
            mover_upload(e->fs, "/grown", MOVER_NEW, rows[i].mib * S3_LAB_MIB, &closed);
        assert_int_equal(err, rows[i].err);
        if (err == GW_OK)
            assert_int_equal(s3_stub_requests(e->stub, "PUT") - before, rows[i].puts);
    }
    assert_true(sync_until(e->loop, s3_lab_no_uploads, e));
}

/* What is there already looks like what could not be stored: as long, of as many parts. */
static void test_old_content_is_no_success(void **state)
{
    static const struct {
        enum s3_stub_fault fault;
        unsigned times;
        enum gw_err err;
    } rows[] = {
        {S3_STUB_LOSE_REQUEST, 99, GW_IO}, {S3_STUB_SLOW_DOWN, 99, GW_UPSTREAM},
        {S3_STUB_LOSE_REQUEST, 1, GW_OK},  {S3_STUB_LOSE_ANSWER, 1, GW_OK},
        {S3_STUB_LOSE_ANSWER, 99, GW_OK},
    };
    struct s3_lab *e = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[32];
        struct sync closed;
        snprintf(path, sizeof path, "/old%zu", i);
        s3_stub_encrypt(e->stub, true);
        assert_int_equal(mover_upload(e->fs, path, MOVER_NEW, 3 * S3_LAB_MIB, &closed), GW_OK);
        s3_stub_fail(e->stub, rows[i].fault, "POST", "uploadId", 0, rows[i].times);
        enum gw_err err = mover_upload(e->fs, path, MOVER_NEW, 3 * S3_LAB_MIB, &closed);
        if (err != rows[i].err)
            print_error("row %zu: %s: %s\n", i, gw_err_name(err), closed.text);
        assert_int_equal(err, rows[i].err);
        s3_stub_fail(e->stub, S3_STUB_NONE, "", "", 0, 0);
        assert_true(sync_until(e->loop, s3_lab_no_uploads, e));
    }
    s3_stub_encrypt(e->stub, false);
}

static void test_order_of_writes(void **state)
{
    struct s3_lab *e = *state;
    struct fs_file *f;
    /* a hole at the end */
    assert_int_equal(sync_open(e->fs, "/hole", MOVER_NEW, &f), GW_OK);
    assert_int_equal(mover_write(f, 0, 1000), GW_OK);
    assert_int_equal(mover_write(f, 2000, 1000), GW_OK);
    assert_int_equal(sync_close(&f), GW_BAD_ARG);
    assert_int_equal(s3_stub_object(e->stub, "p/hole", NULL), -1);
    /* filled from behind, and written twice */
    assert_int_equal(sync_open(e->fs, "/back", MOVER_NEW, &f), GW_OK);
    for (uint64_t i = 20; i-- > 0;)
        assert_int_equal(mover_write(f, i * 1000, 1000), GW_OK);
    assert_int_equal(mover_write(f, 500, 5000), GW_OK);
    assert_int_equal(sync_close(&f), GW_OK);
    const uint8_t *data;
    assert_int_equal(s3_stub_object(e->stub, "p/back", &data), 20000);
    for (size_t i = 0; i < 20000; i++)
        assert_int_equal(data[i], mover_byte(i));
    /* back to what was sent */
    assert_int_equal(sync_open(e->fs, "/again", MOVER_NEW, &f), GW_OK);
    for (uint64_t i = 0; i < 2 * S3_LAB_MIB; i += 65536)
        assert_int_equal(mover_write(f, i, 65536), GW_OK);
    assert_int_equal(mover_write(f, 0, 10), GW_UNSUPPORTED);
    fs_abort(&f);
    /* far ahead */
    assert_int_equal(sync_open(e->fs, "/far", MOVER_NEW, &f), GW_OK);
    assert_int_equal(mover_write(f, (uint64_t)1 << 40, 10), GW_UNSUPPORTED);
    assert_int_equal(mover_write(f, UINT64_MAX - 5, 10), GW_TOO_LARGE);
    assert_int_equal(sync_close(&f), GW_OK);
    assert_int_equal(s3_stub_object(e->stub, "p/far", NULL), 0);
    assert_true(sync_until(e->loop, s3_lab_no_uploads, e));
}

static enum gw_err set_on(struct fs_file *f, struct loop *l, const struct fs_attr *a)
{
    struct sync s = {0};
    s.op = fs_fsetstat(f, a, sync_done, &s);
    return sync_wait(l, &s);
}

static void test_attributes(void **state)
{
    struct s3_lab *e = *state;
    struct fs_file *f;
    struct fs_attr mtime = {.set = FS_ATTR_MTIME, .mtime_s = 1234567890};
    struct fs_attr size = {.set = FS_ATTR_SIZE, .size = 1000};
    struct fs_attr mode = {.set = FS_ATTR_MODE, .mode = 0600};
    for (int large = 0; large < 2; large++) {
        uint64_t n = large ? 3 * S3_LAB_MIB : 1000;
        assert_int_equal(sync_open(e->fs, "/f", MOVER_NEW, &f), GW_OK);
        for (uint64_t i = 0; i < n; i += 1000)
            assert_int_equal(mover_write(f, i, n - i < 1000 ? (size_t)(n - i) : 1000), GW_OK);
        size.size = n;
        assert_int_equal(set_on(f, e->loop, &size), GW_OK);
        size.size = 5;
        assert_int_equal(set_on(f, e->loop, &size), GW_UNSUPPORTED);
        assert_int_equal(set_on(f, e->loop, &mode), GW_OK);
        assert_int_equal(set_on(f, e->loop, &mtime), GW_OK);
        struct sync s = {0};
        s.op = fs_fstat(f, sync_done, &s);
        assert_int_equal(sync_wait(e->loop, &s), GW_OK);
        assert_int_equal(s.attr.size, n);
        assert_int_equal(s.attr.mtime_s, 1234567890);
        assert_int_equal(sync_close(&f), GW_OK);
        assert_string_equal(s3_stub_mtime(e->stub, "p/f"), "1234567890");
        assert_int_equal(s3_stub_object(e->stub, "p/f", NULL), n);
    }
}

/* Whoever stores another object right behind a completion keeps it as it is: the time of the upload
 * is not written to it. */
static void test_late_mtime_of_another(void **state)
{
    struct s3_lab *e = *state;
    struct fs_file *f;
    struct fs_attr mtime = {.set = FS_ATTR_MTIME, .mtime_s = 1234567890};
    assert_int_equal(sync_open(e->fs, "/f", MOVER_NEW, &f), GW_OK);
    for (uint64_t i = 0; i < 3 * S3_LAB_MIB; i += S3_LAB_MIB / 8)
        assert_int_equal(mover_write(f, i, S3_LAB_MIB / 8), GW_OK);
    assert_int_equal(set_on(f, e->loop, &mtime), GW_OK);
    s3_stub_fail(e->stub, S3_STUB_OVERTAKEN, "POST", "uploadId", 0, 1);
    assert_int_equal(sync_close(&f), GW_OK);
    assert_int_equal(s3_stub_failed(e->stub), 1);
    assert_int_equal(s3_stub_object(e->stub, "p/f", NULL), 5);
    assert_string_equal(s3_stub_mtime(e->stub, "p/f"), "");
}

static void test_open_flags(void **state)
{
    struct s3_lab *e = *state;
    static const struct {
        const char *path;
        uint32_t flags;
        enum gw_err err;
    } rows[] = {
        {"/none", FS_WRITE, GW_NOT_FOUND},
        {"/none", FS_WRITE | FS_TRUNC, GW_NOT_FOUND},
        {"/none", FS_READ, GW_NOT_FOUND},
        {"/none", FS_WRITE | FS_CREATE, GW_OK},
        {"/full", FS_WRITE | FS_CREATE, GW_UNSUPPORTED},
        {"/full", FS_WRITE, GW_UNSUPPORTED},
        {"/full", FS_WRITE | FS_READ, GW_UNSUPPORTED},
        {"/full", FS_WRITE | FS_APPEND, GW_UNSUPPORTED},
        {"/full", FS_WRITE | FS_TRUNC, GW_OK},
        {"/full", FS_WRITE | FS_CREATE | FS_EXCL, GW_EXISTS},
        {"/empty", FS_WRITE | FS_CREATE, GW_OK},
        {"/empty", FS_WRITE | FS_CREATE | FS_EXCL | FS_TRUNC, GW_EXISTS},
        {"/dir", MOVER_NEW, GW_IS_DIR},
        {"/dir", FS_READ, GW_IS_DIR},
        {"/", MOVER_NEW, GW_IS_DIR},
        {"/", FS_READ, GW_IS_DIR},
    };
    s3_stub_put(e->stub, "p/full", "x", 1);
    s3_stub_put(e->stub, "p/empty", "", 0);
    s3_stub_put(e->stub, "p/dir/x", "x", 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fs_file *f = NULL;
        enum gw_err err = sync_open(e->fs, rows[i].path, rows[i].flags, &f);
        if (err != rows[i].err)
            print_error("row %zu: %s\n", i, gw_err_name(err));
        assert_int_equal(err, rows[i].err);
        if (err == GW_OK)
            fs_abort(&f);
    }
    /* somebody else is quicker: the condition, and the HEAD where the server knows none */
    for (int large = 0; large < 2; large++) {
        struct fs_file *f;
        char path[16], key[16];
        snprintf(path, sizeof path, "/q%d", large);
        snprintf(key, sizeof key, "p/q%d", large);
        if (large)
            s3_stub_fail(e->stub, S3_STUB_NO_CONDITION, "POST", "uploadId", 0, 9);
        assert_int_equal(sync_open(e->fs, path, FS_WRITE | FS_CREATE | FS_EXCL, &f), GW_OK);
        for (uint64_t i = 0; i < (large ? 40 : 1); i++)
            assert_int_equal(mover_write(f, i * 65536, 65536), GW_OK);
        s3_stub_put(e->stub, key, "theirs", 6);
        assert_int_equal(sync_close(&f), GW_EXISTS);
        assert_int_equal(s3_stub_object(e->stub, key, NULL), 6);
    }
    /* with the very same bytes: a lock file has but one owner */
    struct fs_file *one, *two;
    assert_int_equal(sync_open(e->fs, "/lock", FS_WRITE | FS_CREATE | FS_EXCL, &one), GW_OK);
    assert_int_equal(sync_open(e->fs, "/lock", FS_WRITE | FS_CREATE | FS_EXCL, &two), GW_OK);
    assert_int_equal(sync_close(&one), GW_OK);
    assert_int_equal(sync_close(&two), GW_EXISTS);
    assert_true(sync_until(e->loop, s3_lab_no_uploads, e));
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, s3_lab_setup, s3_lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_upload_faults),         ROW(test_aborts_are_repeated),
        ROW(test_parts_grow_or_do_not),  ROW(test_old_content_is_no_success),
        ROW(test_order_of_writes),       ROW(test_attributes),
        ROW(test_late_mtime_of_another), ROW(test_open_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
