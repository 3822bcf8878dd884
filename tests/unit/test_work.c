#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "gateway/base/mem.h"
#include "gateway/io/work.h"

static struct loop *loop;
static unsigned dones, orphans_ran, orphans_not;
static atomic_uint runs;
static sem_t hold; /* jobs that wait run until it is posted */
static atomic_uint waiting;

struct job {
    bool waits;
    unsigned ran;
};

static void run(void *arg)
{
    struct job *j = arg;
    if (j->waits) {
        atomic_fetch_add(&waiting, 1);
        while (sem_wait(&hold) != 0)
            ;
    }
    j->ran++; /* the pool thread's alone, until done or orphan */
    atomic_fetch_add(&runs, 1);
}

static void done(void *arg)
{
    struct job *j = arg;
    assert_int_equal(j->ran, 1);
    dones++;
    mem_free(j);
}

static void orphan(void *arg, bool ran)
{
    struct job *j = arg;
    assert_int_equal(j->ran, ran);
    orphans_ran += ran;
    orphans_not += !ran;
    mem_free(j);
}

static const struct work_fns fns = {run, done, orphan};

static struct op *start(bool waits)
{
    struct job *j = mem_zalloc(sizeof *j);
    j->waits = waits;
    return work_start(loop, &fns, j);
}

static int setup(void **state)
{
    (void)state;
    dones = orphans_ran = orphans_not = 0;
    atomic_store(&runs, 0);
    atomic_store(&waiting, 0);
    assert_int_equal(sem_init(&hold, 0, 0), 0);
    assert_int_equal(loop_new(&loop), GW_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(&loop);
    sem_destroy(&hold);
    return 0;
}

static void test_done(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        (void)start(false);
    assert_int_equal(dones, 0);
    while (dones < 50)
        loop_turn(loop);
    assert_int_equal(atomic_load(&runs), 50);
}

/* All threads busy, then more jobs: cancelled before they run, they are orphans that did not. */
static void test_cancel_before_it_runs(void **state)
{
    (void)state;
    unsigned threads = work_threads();
    struct op *queued[10];
    for (unsigned i = 0; i < threads; i++)
        (void)start(true);
    while (atomic_load(&waiting) < threads)
        loop_poll(loop);
    for (int i = 0; i < 10; i++)
        queued[i] = start(false);
    for (int i = 0; i < 10; i++)
        op_cancel(&queued[i]);
    for (unsigned i = 0; i < threads; i++)
        sem_post(&hold);
    while (dones < threads || orphans_not < 10)
        loop_turn(loop);
    assert_int_equal(orphans_ran, 0);
    assert_int_equal(atomic_load(&runs), threads);
}

/* Cancelled while it runs, and after it ran but before its turn on the loop. */
static void test_cancel_while_it_runs(void **state)
{
    (void)state;
    struct op *running = start(true);
    while (atomic_load(&waiting) == 0)
        loop_poll(loop);
    op_cancel(&running);
    assert_int_equal(orphans_ran + orphans_not, 0); /* not within the cancel */
    sem_post(&hold);
    while (orphans_ran == 0)
        loop_turn(loop);

    struct op *finished = start(false);
    while (atomic_load(&runs) < 2)
        ;
    op_cancel(&finished);
    while (orphans_ran < 2)
        loop_turn(loop);
    assert_int_equal(dones, 0);
}

/* loop_free() waits for orphans: they still need the loop. */
static void test_free_waits(void **state)
{
    (void)state;
    struct op *running = start(true);
    while (atomic_load(&waiting) == 0)
        loop_poll(loop);
    op_cancel(&running);
    sem_post(&hold);
    loop_free(&loop);
    assert_int_equal(orphans_ran, 1);
    assert_int_equal(loop_new(&loop), GW_OK);
}

int main(void)
{
    setenv("UV_THREADPOOL_SIZE", "3", 1);
    if (work_threads() != 3)
        return 1;
    work_set_threads(7); /* who set the variable wins */
    if (work_threads() != 3)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_before_it_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_while_it_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_waits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
