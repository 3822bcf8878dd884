#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/io/deadline.h"

static struct loop *loop;
static unsigned fired;
static struct op *op;

static int setup(void **state)
{
    (void)state;
    fired = 0;
    assert_int_equal(loop_new(&loop), GW_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(&loop);
    return 0;
}

static void fire(void *arg)
{
    (void)arg;
    op = NULL;
    fired++;
}

static void test_fires_once(void **state)
{
    (void)state;
    static const uint64_t rows[] = {0, 1, 5, 30};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fired = 0;
        uv_update_time(loop_uv(loop));
        uint64_t from = loop_now_ms(loop);
        op = deadline_start(loop, rows[i], fire, NULL);
        assert_int_equal(fired, 0);
        while (fired == 0)
            loop_turn(loop);
        assert_true(loop_now_ms(loop) - from >= rows[i]);
        loop_poll(loop);
        assert_int_equal(fired, 1);
    }
}

static void test_cancel(void **state)
{
    (void)state;
    op = deadline_start(loop, 1, fire, NULL);
    struct op *other = deadline_start(loop, 3, fire, NULL);
    struct op *never = deadline_start(loop, UINT64_MAX, fire, NULL);
    op_cancel(&op);
    assert_null(op);
    while (fired == 0)
        loop_turn(loop);
    assert_int_equal(fired, 1);
    (void)other;
    op_cancel(&never); /* or loop_free() would wait for it */
}

static void stop(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

static void again(void *arg)
{
    if (++fired < 100000)
        op = deadline_start(loop, 0, again, arg);
    else
        op = NULL;
}

/* Deadlines of 0 that start each other leave the loop its turns. */
static void test_zero_does_not_hold_the_loop(void **state)
{
    (void)state;
    op = deadline_start(loop, 0, again, NULL);
    deadline_start(loop, 20, stop, NULL);
    loop_run(loop);
    assert_true(fired > 0 && fired < 100000);
    op_cancel(&op);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fires_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_zero_does_not_hold_the_loop, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
