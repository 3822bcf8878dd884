#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "gateway/io/deadline.h"
#include "gateway/io/gate.h"

static struct loop *loop;
static struct gate *gate;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(loop_new(&loop), GW_OK);
    gate = gate_new(2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(&loop);
    gate_free(&gate);
    gate_free(&gate);
    return 0;
}

struct pass {
    struct op *op;
    unsigned order;
};
static unsigned passed;

static void enter(void *arg)
{
    struct pass *p = arg;
    p->op = NULL;
    p->order = ++passed;
}

static void spin(void)
{
    for (int i = 0; i < 5; i++)
        loop_poll(loop);
}

static void test_order(void **state)
{
    (void)state;
    struct pass p[5] = {{.order = 0}};
    passed = 0;
    for (int i = 0; i < 5; i++)
        p[i].op = gate_wait(loop, gate, enter, &p[i]);
    assert_int_equal(passed, 0);
    spin();
    assert_int_equal(passed, 2);
    gate_give(gate);
    spin();
    assert_int_equal(passed, 3);
    gate_give(gate);
    gate_give(gate);
    spin();
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(p[i].order, i + 1);
    gate_give(gate);
    gate_give(gate);
}

/* Cancelled in the line, and between the grant and the call: the place goes to the next. */
static void test_cancel(void **state)
{
    (void)state;
    struct pass p[5] = {{.order = 0}};
    passed = 0;
    for (int i = 0; i < 5; i++)
        p[i].op = gate_wait(loop, gate, enter, &p[i]);
    op_cancel(&p[3].op); /* waits */
    op_cancel(&p[0].op); /* granted */
    spin();
    assert_int_equal(passed, 2);
    assert_int_equal(p[0].order, 0);
    assert_int_equal(p[1].order + p[2].order, 3);
    op_cancel(&p[4].op);
    gate_give(gate);
    gate_give(gate);
    spin();
    assert_int_equal(passed, 2);
}

enum { LOOPS = 4, ROUNDS = 200 };
static atomic_uint inside, most;

struct runner {
    struct loop *loop;
    unsigned rounds;
};

static void leave(void *arg);

static void inside_now(void *arg)
{
    struct runner *r = arg;
    unsigned now = atomic_fetch_add(&inside, 1) + 1;
    unsigned seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
        ;
    loop_defer(r->loop, leave, r);
}

static void leave(void *arg)
{
    struct runner *r = arg;
    atomic_fetch_sub(&inside, 1);
    gate_give(gate);
    /* Every third one is asked for and given up. */
    if (r->rounds % 3 == 0) {
        struct op *op = gate_wait(r->loop, gate, inside_now, r);
        op_cancel(&op);
    }
    if (++r->rounds < ROUNDS)
        (void)gate_wait(r->loop, gate, inside_now, r);
    else
        loop_stop(r->loop);
}

static void *runner(void *arg)
{
    struct runner *r = arg;
    (void)gate_wait(r->loop, gate, inside_now, r);
    loop_run(r->loop);
    return NULL;
}

static void test_many_loops(void **state)
{
    (void)state;
    struct runner r[LOOPS];
    pthread_t t[LOOPS];
    atomic_store(&most, 0);
    for (int i = 0; i < LOOPS; i++) {
        r[i].rounds = 0;
        assert_int_equal(loop_new(&r[i].loop), GW_OK);
        pthread_create(&t[i], NULL, runner, &r[i]);
    }
    for (int i = 0; i < LOOPS; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(r[i].rounds, ROUNDS);
        loop_free(&r[i].loop);
    }
    assert_true(atomic_load(&most) >= 1 && atomic_load(&most) <= 2);
    assert_int_equal(atomic_load(&inside), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_loops, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
