/* Uploads that share little memory: who waits, who goes on, in which order the answers come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "tests/support/mover.h"
#include "tests/support/s3_lab.h"
#include "tests/support/sync.h"

/* A store with little memory onto the same stub. */
static struct s3_lab *small_lab(struct s3_stub *stub, size_t budget)
{
    struct s3_lab *small = mem_zalloc(sizeof *small);
    s3_lab_conf(small, stub);
    s3_lab_open(small, "p", NULL, budget);
    return small;
}

/* A session that opens many files, begins each and then sits still does not stop the others. */
static void test_one_session_takes_all_memory(void **state)
{
    enum { FILES = 100, BEGUN = 512 * 1024 };
    struct s3_lab *e = *state;
    struct fs *hog;
    struct fs_file *begun[FILES];
    struct sync waiting = {0}, closed;
    size_t n = 0;
    struct s3_lab *small = small_lab(e->stub, 16 * S3_LAB_MIB);
    const struct backend_view view = {.prefix = "hog"};
    assert_int_equal(backend_view_new(small->backend, &view, &hog), GW_OK);
    uint8_t *data = mem_zalloc(BEGUN);
    const struct gw_span half = gw_span_of(data, BEGUN);
    enum gw_err err = GW_OK;
    while (n < FILES && err == GW_OK) {
        char path[32];
        snprintf(path, sizeof path, "/%zu", n);
        assert_int_equal(sync_open(hog, path, MOVER_NEW, &begun[n]), GW_OK);
        err = fs_write_now(begun[n++], 0, half);
    }
    assert_int_equal(err, GW_BUSY);
    waiting.op = fs_write(begun[n - 1], 0, half, sync_done, &waiting);
    assert_int_equal(mover_upload(small->fs, "/mine", MOVER_NEW, 3 * S3_LAB_MIB + 7, &closed),
                     GW_OK);
    assert_false(waiting.done);
    op_cancel(&waiting.op);
    while (n > 0)
        fs_abort(&begun[--n]);
    mem_free(data);
    fs_free(&hog);
    s3_lab_free(&small);
}

/* Writes that waited for memory are answered before those that come when it is there. */
static void test_writes_are_answered_in_order(void **state)
{
    enum { PIECE = 128 * 1024 };
    struct s3_lab *e = *state;
    struct fs_file *f;
    struct sync ops[3] = {{0}};
    struct s3_lab *small = small_lab(e->stub, 16 * S3_LAB_MIB);
    uint8_t *data = mem_zalloc(PIECE);
    const struct gw_span piece = gw_span_of(data, PIECE);
    assert_int_equal(sync_open(small->fs, "/order", MOVER_NEW, &f), GW_OK);
    assert_true(budget_take(small->budget, 12 * S3_LAB_MIB)); /* all that there is for parts */
    uint64_t off = 0;
    while (fs_write_now(f, off, piece) == GW_OK)
        off += PIECE;
    for (uint64_t i = 0; i < 3; i++)
        ops[i].op = fs_write(f, off + i * PIECE, piece, sync_done, &ops[i]);
    budget_give(small->budget, 12 * S3_LAB_MIB);
    assert_int_equal(sync_wait(small->loop, &ops[0]), GW_OK);
    assert_false(ops[2].done);
    assert_int_equal(fs_write_now(f, off + UINT64_C(3) * PIECE, piece), GW_BUSY);
    assert_int_equal(sync_wait(small->loop, &ops[2]), GW_OK);
    assert_true(ops[1].done);
    assert_int_equal(fs_write_now(f, off + UINT64_C(3) * PIECE, piece), GW_OK);
    assert_int_equal(sync_close(&f), GW_OK);
    mem_free(data);
    s3_lab_free(&small);
}

/* Many uploads at once in little memory: all end, and none of them ever holds more than its share.
 */
static void test_many_uploads(void **state)
{
    struct s3_lab *e = *state;
    struct s3_lab *small = small_lab(e->stub, 8 * S3_LAB_MIB);
    enum { N = 50 };
    static struct mover up[N];
    struct fs_file *f[N];
    memset(up, 0, sizeof up);
    for (int i = 0; i < N; i++) {
        char path[16];
        snprintf(path, sizeof path, "/m%d", i);
        assert_int_equal(sync_open(small->fs, path, MOVER_NEW, &f[i]), GW_OK);
        mover_start(&up[i], f[i], i % 5 == 0 ? 4000 : 3 * S3_LAB_MIB + (uint64_t)i, 32768, 8);
    }
    for (bool busy = true; busy;) {
        busy = false;
        for (int i = 0; i < N; i++) {
            busy |= !mover_step(&up[i]);
            assert_int_equal(up[i].err, GW_OK);
        }
        assert_in_range(budget_used(small->budget), 0, 8 * S3_LAB_MIB);
        bool turned = false;
        for (int i = 0; i < N; i++) /* who is ready closes: a full pool needs that */
            if (f[i] != NULL && up[i].busy == 0 && up[i].next * up[i].piece >= up[i].size) {
                assert_int_equal(sync_close(&f[i]), GW_OK);
                turned = true; /* what was under way may have ended in it */
            }
        if (busy && !turned)
            loop_turn(small->loop);
    }
    for (int i = 0; i < N; i++) {
        char key[16];
        snprintf(key, sizeof key, "p/m%d", i);
        assert_null(f[i]);
        assert_int_equal(s3_stub_object(e->stub, key, NULL), up[i].size);
    }
    s3_lab_free(&small);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, s3_lab_setup, s3_lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_one_session_takes_all_memory),
        ROW(test_writes_are_answered_in_order),
        ROW(test_many_uploads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
