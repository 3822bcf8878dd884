/*
 * Objects written and read whole, in many sizes: against a real server where the environment names
 * one (tests/support/s3_lab.h), else against the stub; and each step of both cancelled.
 * POSTERN_TEST_S3_LARGEST_MIB: no larger ones than about that (100).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tests/support/mover.h"
#include "tests/support/s3_lab.h"
#include "tests/support/sync.h"

static int setup(void **state)
{
    *state = s3_lab_real(256 * S3_LAB_MIB);
    return *state != NULL ? 0 : s3_lab_setup(state);
}

static void round_trip(struct s3_lab *e, uint64_t size, size_t piece, bool shuffled)
{
    struct fs_file *f;
    uint64_t t0 = uv_hrtime();
    assert_int_equal(sync_open(e->fs, "/file", MOVER_NEW, &f), GW_OK);
    struct mover up = {.shuffled = shuffled};
    assert_int_equal(mover_run(&up, f, size, piece, 32), GW_OK);
    assert_int_equal(sync_close(&f), GW_OK);
    uint64_t t1 = uv_hrtime();
    assert_int_equal(sync_open(e->fs, "/file", FS_READ, &f), GW_OK);
    struct mover down = {.reading = true};
    assert_int_equal(mover_run(&down, f, size, piece, 32), GW_OK);
    assert_int_equal(down.bad, 0);
    uint8_t more;
    size_t n;
    assert_int_equal(sync_read(f, size, &more, 1, &n), GW_EOF);
    assert_int_equal(sync_close(&f), GW_OK);
    uint64_t t2 = uv_hrtime();
    if (getenv("POSTERN_TEST_VERBOSE") != NULL)
        print_message("%llu bytes: up %.1f ms, down %.1f ms; at once %u, %u\n",
                      (unsigned long long)size, (double)(t1 - t0) / 1e6, (double)(t2 - t1) / 1e6,
                      up.now, down.now);
}

static void test_sizes(void **state)
{
    struct s3_lab *e = *state;
    static const uint64_t sizes[] = {0,
                                     1,
                                     4096,
                                     65536,
                                     65537,
                                     131072,
                                     131073,
                                     8 * S3_LAB_MIB - 1,
                                     8 * S3_LAB_MIB,
                                     8 * S3_LAB_MIB + 1,
                                     16 * S3_LAB_MIB,
                                     20 * S3_LAB_MIB + 12345,
                                     100 * S3_LAB_MIB + 1};
    const char *text = getenv("POSTERN_TEST_S3_LARGEST_MIB");
    uint64_t largest = text == NULL ? 100 : strtoull(text, NULL, 10);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i] / S3_LAB_MIB <= largest)
            round_trip(e, sizes[i], 32768, false);
    round_trip(e, 20 * S3_LAB_MIB + 5, 261120, false);
    round_trip(e, 20 * S3_LAB_MIB + 5, 32768, true);
    round_trip(e, 3 * S3_LAB_MIB + 5, 1000, true);
}

/* An end after every number of turns: no callback after it, nothing left behind. */
static void test_cancel_everywhere(void **state)
{
    struct s3_lab *e = *state;
    bool finished = false;
    for (unsigned turns = 0; !finished; turns += 1 + turns / 8) {
        struct sync opened = {0}, closed = {0};
        static struct mover up;
        unsigned left = turns;
        up = (struct mover){0};
        opened.op = fs_open(e->fs, "/f", MOVER_NEW, NULL, sync_done, &opened);
        while (left > 0 && !opened.done && left-- > 0)
            loop_turn(e->loop);
        if (opened.done) {
            struct fs_file *f = opened.file;
            mover_start(&up, f, 3 * S3_LAB_MIB, 32768, 8);
            while (!mover_step(&up) && left > 0 && left-- > 0)
                loop_turn(e->loop);
            if (left == 0) {
                mover_cancel(&up);
                fs_abort(&f);
            } else {
                closed.op = fs_close(&f, sync_done, &closed);
                while (!closed.done && left > 0 && left-- > 0)
                    loop_turn(e->loop);
                finished = closed.done;
                op_cancel(&closed.op);
            }
        } else {
            op_cancel(&opened.op);
        }
        bool was = closed.done;
        for (int i = 0; i < 3; i++)
            loop_poll(e->loop);
        assert_int_equal(closed.done, was);
    }
    assert_true(sync_until(e->loop, s3_lab_no_uploads, e));
    finished = false;
    for (unsigned turns = 0; !finished; turns += 1 + turns / 8) {
        struct sync opened = {0};
        static struct mover down;
        unsigned left = turns;
        down = (struct mover){.reading = true};
        opened.op = fs_open(e->fs, "/f", FS_READ, NULL, sync_done, &opened);
        while (left > 0 && !opened.done && left-- > 0)
            loop_turn(e->loop);
        if (opened.done) {
            struct fs_file *f = opened.file;
            mover_start(&down, f, 3 * S3_LAB_MIB, 32768, 8);
            while (!mover_step(&down) && left > 0 && left-- > 0)
                loop_turn(e->loop);
            finished = left > 0;
            mover_cancel(&down);
            fs_abort(&f);
        } else {
            op_cancel(&opened.op);
        }
        for (int i = 0; i < 3; i++)
            loop_poll(e->loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sizes, setup, s3_lab_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_everywhere, s3_lab_setup, s3_lab_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
