#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/io/core.h"

#define US 1000u
#define MS 1000000u

/* Each row a time of its own, later than what the rows before have left in the places. */
static uint64_t later(void)
{
    static uint64_t now_ns = 1000u * MS;
    return now_ns += 1000u * MS;
}

static void test_who_is_alone_keeps_the_core(void **state)
{
    (void)state;
    struct core_place a;
    core_place_take(&a);
    uint64_t t = later();
    assert_false(core_gives_way(&a, t, true));
    for (uint64_t ns = 0; ns < 20u * MS; ns += 10u * US)
        assert_false(core_gives_way(&a, t + ns, false));
}

static void test_gives_way_to_one_that_woke(void **state)
{
    (void)state;
    struct core_place a, b;
    core_place_take(&a);
    core_place_take(&b);
    uint64_t t = later();
    assert_false(core_gives_way(&a, t, true));
    assert_false(core_gives_way(&b, t + 10u * US, true));
    assert_false(core_gives_way(&a, t + 20u * US, false)); /* has not worked for long */
    assert_true(core_gives_way(&a, t + 60u * US, false));
    assert_false(core_gives_way(&a, t + 70u * US, false)); /* it has just done so */
    assert_true(core_gives_way(&a, t + 120u * US, false));
    assert_false(core_gives_way(&a, t + 200u * US, true)); /* waiting is giving way */
    assert_false(core_gives_way(&a, t + 15u * MS, false)); /* the other has long been asleep */
}

/* Two that always have something to do go on taking turns. */
static void test_two_that_never_wait(void **state)
{
    (void)state;
    struct core_place a, b;
    core_place_take(&a);
    core_place_take(&b);
    uint64_t t = later();
    (void)core_gives_way(&a, t, true);
    (void)core_gives_way(&b, t, true);
    unsigned ways = 0;
    for (uint64_t ns = 100u * US; ns <= 50u * MS; ns += 100u * US)
        ways += core_gives_way(&a, t + ns, false) + core_gives_way(&b, t + ns, false);
    assert_int_equal(ways, 1000);
}

/* It waits now and then itself, as who answers many short requests does. */
static void test_gives_way_though_it_woke_last(void **state)
{
    (void)state;
    struct core_place a, b;
    core_place_take(&a);
    core_place_take(&b);
    uint64_t t = later();
    (void)core_gives_way(&b, t, true);
    (void)core_gives_way(&a, t + 1u * MS, true);
    assert_true(core_gives_way(&a, t + 2u * MS, false));
}

static void test_places_are_enough_for_any_number(void **state)
{
    (void)state;
    struct core_place p[40];
    uint64_t t = later();
    for (unsigned i = 0; i < 40; i++) {
        core_place_take(&p[i]);
        (void)core_gives_way(&p[i], t, true);
    }
    for (unsigned i = 0; i < 40; i++)
        assert_true(core_gives_way(&p[i], t + 1u * MS, false));
}

struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static uint64_t slice_ns(int32_t *nice)
{
    struct attributes a = {.size = sizeof a};
    assert_int_equal(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0u), 0);
    *nice = a.nice;
    return a.runtime;
}

static void *slice_of_this(void *arg)
{
    int32_t nice;
    *(uint64_t *)arg = slice_ns(&nice);
    return NULL;
}

/* In a thread of its own: the rest of this program keeps what it has. */
static void *shorten(void *arg)
{
    uint64_t *ns = arg;
    int32_t before, after;
    ns[0] = slice_ns(&before);
    core_short_slices();
    ns[1] = slice_ns(&after);
    assert_int_equal(before, after);
    pthread_t child;
    assert_int_equal(pthread_create(&child, NULL, slice_of_this, &ns[2]), 0);
    pthread_join(child, NULL);
    return NULL;
}

static void test_slices(void **state)
{
    (void)state;
    pthread_t t;
    uint64_t ns[3] = {0};
    assert_int_equal(pthread_create(&t, NULL, shorten, ns), 0);
    pthread_join(t, NULL);
    if (ns[0] == 0)
        skip(); /* this kernel has no slices of its own for each thread */
    assert_int_equal(ns[1], 100u * US);
    assert_true(ns[1] < ns[0]);
    int32_t nice;
    (void)slice_ns(&nice);
    if (nice >= 0)
        assert_int_equal(ns[2], ns[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_alone_keeps_the_core),
        cmocka_unit_test(test_gives_way_to_one_that_woke),
        cmocka_unit_test(test_two_that_never_wait),
        cmocka_unit_test(test_gives_way_though_it_woke_last),
        cmocka_unit_test(test_places_are_enough_for_any_number),
        cmocka_unit_test(test_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
