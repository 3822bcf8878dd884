/* Objects that are read: answers that are cut off, wrong, or of another object; what reads cost in
 * requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "gateway/base/mem.h"
#include "tests/support/mover.h"
#include "tests/support/s3_lab.h"
#include "tests/support/sync.h"

static void test_download_faults(void **state)
{
    static const struct {
        enum s3_stub_fault fault;
        unsigned skip, times;
        enum gw_err open, read;
    } rows[] = {
        {S3_STUB_NONE, 0, 0, GW_OK, GW_OK},
        {S3_STUB_TRUNCATE, 0, 2, GW_OK, GW_OK},
        {S3_STUB_TRUNCATE, 1, 3, GW_OK, GW_OK},
        {S3_STUB_SHORT, 0, 1, GW_OK, GW_OK},
        {S3_STUB_SHORT, 2, 2, GW_OK, GW_OK},
        {S3_STUB_SLOW_DOWN, 0, 2, GW_OK, GW_OK},
        {S3_STUB_SLOW_DOWN, 1, 2, GW_OK, GW_OK},
        {S3_STUB_DENIED, 0, 99, GW_DENIED, GW_OK},
        {S3_STUB_DENIED, 1, 99, GW_OK, GW_DENIED},
        {S3_STUB_NO_RANGE, 0, 1, GW_OK, GW_OK},
        {S3_STUB_NO_RANGE, 1, 99, GW_OK, GW_UPSTREAM},
        {S3_STUB_OTHER_RANGE, 0, 1, GW_UPSTREAM, GW_OK},
        {S3_STUB_OTHER_RANGE, 1, 1, GW_OK, GW_UPSTREAM},
        {S3_STUB_OTHER_ETAG, 1, 1, GW_OK, GW_CHANGED},
    };
    struct s3_lab *e = *state;
    size_t size = 5 * S3_LAB_MIB + 77;
    uint8_t *data = mem_alloc(size);
    mover_fill(data, 0, size);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fs_file *f;
        /* A name of its own: the last row's ranges may still be on their way. */
        char key[16];
        snprintf(key, sizeof key, "p/row%zu.", i);
        s3_stub_put(e->stub, key, data, size);
        s3_stub_fail(e->stub, rows[i].fault, "GET", key, rows[i].skip, rows[i].times);
        enum gw_err err = sync_open(e->fs, key + 1, FS_READ, &f);
        if (err != rows[i].open)
            print_error("row %zu: open: %s\n", i, gw_err_name(err));
        assert_int_equal(err, rows[i].open);
        if (err != GW_OK)
            continue;
        struct mover down = {.reading = true};
        err = mover_run(&down, f, size, 32768, 16);
        if (err != rows[i].read || down.bad > 0)
            print_error("row %zu: %s: %s, %llu wrong bytes\n", i, gw_err_name(err), down.text,
                        (unsigned long long)down.bad);
        assert_int_equal(err, rows[i].read);
        assert_int_equal(down.bad, 0);
        assert_int_equal(sync_close(&f), GW_OK);
    }
    mem_free(data);
}

/* The object is another one before the second range is asked for. */
static void test_changed(void **state)
{
    struct s3_lab *e = *state;
    struct fs_file *f;
    uint8_t *data = mem_zalloc(2 * S3_LAB_MIB), piece[100];
    size_t n;
    s3_stub_put(e->stub, "p/f", data, 2 * S3_LAB_MIB);
    assert_int_equal(sync_open(e->fs, "/f", FS_READ, &f), GW_OK);
    data[0] = 1;
    s3_stub_put(e->stub, "p/f", data, 2 * S3_LAB_MIB);
    assert_int_equal(sync_read(f, S3_LAB_MIB, piece, sizeof piece, &n), GW_CHANGED);
    assert_int_equal(sync_close(&f), GW_OK);
    mem_free(data);
}

static bool has_failed(void *arg)
{
    return s3_stub_failed(((struct s3_lab *)arg)->stub) > 0;
}

static void read_right(struct fs_file *f, uint64_t off, enum gw_err want)
{
    uint8_t piece[4096];
    size_t n;
    enum gw_err err = sync_read(f, off, piece, sizeof piece, &n);
    if (err != want)
        print_error("at %llu: %s\n", (unsigned long long)off, gw_err_name(err));
    assert_int_equal(err, want);
    for (size_t i = 0; err == GW_OK && i < n; i++)
        assert_int_equal(piece[i], mover_byte(off + i));
}

/* The object is copied onto itself in parts, and so has another ETag. Readers wait until it is
 * known whether the one that they meet is the copy's. */
static void test_time_is_set(void **state)
{
    struct s3_lab *e = *state;
    struct fs_file *one, *two, *three;
    struct fs_attr time = {.set = FS_ATTR_MTIME, .mtime_s = 1};
    uint8_t *data = mem_alloc(12 * S3_LAB_MIB);
    mover_fill(data, 0, 12 * S3_LAB_MIB);
    s3_stub_put(e->stub, "p/f", data, 12 * S3_LAB_MIB);
    mem_free(data);
    assert_int_equal(sync_open(e->fs, "/f", FS_READ, &one), GW_OK);
    assert_int_equal(sync_open(e->fs, "/f", FS_READ, &two), GW_OK);

    e->conf.copy_part_mb = 5;
    s3_stub_fail(e->stub, S3_STUB_SLOW_DOWN, "HEAD", NULL, 2, 1); /* the look at the copy */
    struct sync set = {0};
    set.op = fs_setstat(e->fs, "/f", true, &time, sync_done, &set);
    assert_true(sync_until(e->loop, has_failed, e));
    assert_false(set.done);
    read_right(one, 9 * S3_LAB_MIB, GW_OK);
    assert_true(set.done);
    assert_int_equal(set.err, GW_OK);

    e->conf.copy_part_mb = 3;
    time.mtime_s = 2;
    assert_int_equal(sync_setstat(e->fs, "/f", true, &time), GW_OK);
    read_right(two, 9 * S3_LAB_MIB, GW_OK); /* twice another */
    time.mtime_s = 3;
    e->conf.copy_part_mb = 4;
    assert_int_equal(sync_open(e->fs, "/f", FS_READ, &three), GW_OK);
    s3_stub_fail(e->stub, S3_STUB_OVERTAKEN, "POST", "uploadId", 0, 1);
    (void)sync_setstat(e->fs, "/f", true, &time);
    read_right(one, 5 * S3_LAB_MIB, GW_CHANGED);
    read_right(two, 5 * S3_LAB_MIB, GW_CHANGED);
    read_right(three, 5 * S3_LAB_MIB, GW_CHANGED);
    assert_int_equal(sync_close(&one), GW_OK);
    assert_int_equal(sync_close(&two), GW_OK);
    assert_int_equal(sync_close(&three), GW_OK);
}

/* What small files and single reads cost in requests. */
static void test_requests(void **state)
{
    struct s3_lab *e = *state;
    char text[8192];
    struct sync closed;
    unsigned before = s3_stub_requests(e->stub, NULL);
    assert_int_equal(mover_upload(e->fs, "/small", MOVER_NEW, 4096, &closed), GW_OK);
    assert_in_range(s3_stub_requests(e->stub, NULL) - before, 1, 2);
    before = s3_stub_requests(e->stub, NULL);
    assert_int_equal(sync_get(e->fs, "/small", text, sizeof text), GW_OK);
    assert_in_range(s3_stub_requests(e->stub, NULL) - before, 1, 1);

    assert_int_equal(mover_upload(e->fs, "/large", MOVER_NEW, 20 * S3_LAB_MIB, &closed), GW_OK);
    struct fs_file *f;
    assert_int_equal(sync_open(e->fs, "/large", FS_READ, &f), GW_OK);
    before = s3_stub_requests(e->stub, NULL);
    static const uint64_t offs[] = {7 * S3_LAB_MIB,  19 * S3_LAB_MIB, 3 * S3_LAB_MIB,
                                    11 * S3_LAB_MIB, 2 * S3_LAB_MIB,  15 * S3_LAB_MIB};
    for (size_t i = 0; i < 6; i++) {
        uint8_t piece[4096];
        size_t n;
        assert_int_equal(sync_read(f, offs[i], piece, sizeof piece, &n), GW_OK);
        assert_int_equal(n, sizeof piece);
        for (size_t j = 0; j < n; j++)
            assert_int_equal(piece[j], mover_byte(offs[i] + j));
    }
    assert_int_equal(s3_stub_requests(e->stub, NULL) - before, 6);
    assert_int_equal(sync_close(&f), GW_OK);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, s3_lab_setup, s3_lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_download_faults),
        ROW(test_changed),
        ROW(test_time_is_set),
        ROW(test_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
