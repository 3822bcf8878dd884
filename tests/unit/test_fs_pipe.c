/* Bytes of one file into another: whole, in part, past the end, cut off, cancelled at every turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/fs_pipe.h"
#include "gateway/base/mem.h"
#include "tests/support/fail_fs.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { SIZE = 600 * 1024 };

struct fixture {
    struct loop *loop;
    struct backend *store;
    struct fs *fs; /* fail_fs around memory */
    struct fs_file *from, *to;
};

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 31 + i / 251);
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    assert_int_equal(loop_new(&f->loop), GW_OK);
    f->store = storekit_memory(f->loop, "store", 16);
    f->fs = fail_fs_new(storekit_view(f->store, ""));
    uint8_t *data = mem_alloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = pattern(i);
    assert_int_equal(sync_open(f->fs, "/from", FS_WRITE | FS_CREATE, &f->from), GW_OK);
    assert_int_equal(sync_write(f->from, 0, data, SIZE), GW_OK);
    assert_int_equal(sync_close(&f->from), GW_OK);
    mem_free(data);
    assert_int_equal(sync_open(f->fs, "/from", FS_READ, &f->from), GW_OK);
    assert_int_equal(sync_open(f->fs, "/to", FS_READ | FS_WRITE | FS_CREATE | FS_TRUNC, &f->to),
                     GW_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fs_abort(&f->from);
    fs_abort(&f->to);
    fs_free(&f->fs);
    backend_unref(&f->store);
    loop_free(&f->loop);
    mem_free(f);
    return 0;
}

static void expect_bytes(struct fs_file *f, uint64_t off, size_t first, size_t len)
{
    uint8_t buf[4096];
    for (size_t at = 0; at < len;) {
        size_t n = 0;
        size_t want = len - at < sizeof buf ? len - at : sizeof buf;
        assert_int_equal(sync_read(f, off + at, buf, want, &n), GW_OK);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(buf[i], pattern(first + at + i));
        at += n;
    }
}

static void test_ranges(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint64_t off, to_off, len, moved;
    } rows[] = {
        {0, 0, 0, SIZE},
        {0, 7, 0, SIZE},
        {1000, 0, 0, SIZE - 1000},
        {1000, 50, 300 * 1024, 300 * 1024},
        {0, 0, 256 * 1024, 256 * 1024},
        {0, 0, 1, 1},
        {SIZE - 5, 0, 100, 5},
        {SIZE, 0, 0, 0},
        {SIZE + 1, 0, 9, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sync s = {.done = false};
        const struct fs_pipe pipe = {.from = f->from,
                                     .to = f->to,
                                     .off = rows[i].off,
                                     .to_off = rows[i].to_off,
                                     .len = rows[i].len};
        s.op = fs_pipe_start(&pipe, sync_done, &s);
        assert_false(s.done);
        assert_int_equal(sync_wait(f->loop, &s), GW_OK);
        assert_int_equal(s.bytes, rows[i].moved);
        expect_bytes(f->to, rows[i].to_off, (size_t)rows[i].off, (size_t)rows[i].moved);
    }
}

static struct {
    uint64_t bytes;
    bool done;
    enum gw_err err;
} told;

static void tell(void *arg, const struct fs_res *res)
{
    (void)arg;
    told.bytes = res->bytes;
    told.err = res->err;
    told.done = true;
}

static bool is_told(void *arg)
{
    (void)arg;
    return told.done;
}

/* The count is of what was written, also when it ends in an error. */
static void test_failures(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum fail_fs_call call;
        unsigned skip;
        uint64_t moved;
    } rows[] = {
        {FAIL_FS_READ, 0, 0},
        {FAIL_FS_READ, 1, 256 * 1024},
        {FAIL_FS_WRITE, 0, 0},
        {FAIL_FS_WRITE, 2, 512 * 1024},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct fs_pipe pipe = {.from = f->from, .to = f->to};
        told.done = false;
        fail_fs_set(f->fs, &(struct fail_fs_rule){.call = rows[i].call,
                                                  .how = FAIL_FS_BEFORE,
                                                  .skip = rows[i].skip,
                                                  .err = GW_IO});
        (void)fs_pipe_start(&pipe, tell, NULL);
        assert_true(sync_until(f->loop, is_told, NULL));
        assert_int_equal(told.err, GW_IO);
        assert_int_equal(told.bytes, rows[i].moved);
        fail_fs_clear(f->fs);
    }
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    bool was_done = false;
    for (unsigned turns = 0; !was_done; turns++) {
        const struct fs_pipe pipe = {.from = f->from, .to = f->to};
        struct sync s = {.done = false};
        s.op = fs_pipe_start(&pipe, sync_done, &s);
        for (unsigned i = 0; i < turns; i++)
            loop_poll(f->loop);
        was_done = s.done;
        op_cancel(&s.op);
        for (unsigned i = 0; i < 20; i++)
            loop_poll(f->loop);
        assert_int_equal(s.done, was_done);
        assert_true(turns < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
