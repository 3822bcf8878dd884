#include "auth/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the ones above first
#include <cmocka.h>

/* One step: at a time, something happens; what asking gives. */
enum act { ASK, ANSWER, FAIL, DROP };
struct step {
    uint64_t at_ms;
    enum act act;
    enum breaker_leave leave; /* ASK: what is expected; else what is given back */
    bool open;                /* afterwards */
};

static void run(const struct breaker_conf *conf, const struct step *steps, size_t n)
{
    struct breaker *b = breaker_ref(steps, "http[0]", conf);
    for (size_t i = 0; i < n; i++) {
        const struct step *s = &steps[i];
        if (s->act == ASK && breaker_ask(b, s->at_ms) != s->leave)
            fail_msg("step %zu: not asked as expected", i);
        if (s->act == ANSWER)
            breaker_answered(b, s->leave);
        else if (s->act == FAIL)
            breaker_failed(b, s->leave, s->at_ms, "connection refused");
        else if (s->act == DROP)
            breaker_dropped(b, s->leave);
        if (breaker_counts(b).open != s->open)
            fail_msg("step %zu: open is not %d", i, s->open);
    }
    breaker_unref(&b);
    assert_null(b);
}

#define RUN(conf, ...)                                                                             \
    do {                                                                                           \
        static const struct step steps_[] = {__VA_ARGS__};                                         \
        run((conf), steps_, sizeof steps_ / sizeof steps_[0]);                                     \
    } while (0)

static const struct breaker_conf two = {.faults = 2, .pause_s = 5};

static void test_opens_and_closes(void **state)
{
    (void)state;
    RUN(&two, {0, ASK, BREAKER_ASK, false}, {10, FAIL, BREAKER_ASK, false},
        {20, ASK, BREAKER_ASK, false}, {30, FAIL, BREAKER_ASK, true},
        {40, ASK, BREAKER_REFUSED, true}, {5029, ASK, BREAKER_REFUSED, true},
        /* one tries, the others wait for what comes of it */
        {5030, ASK, BREAKER_TRIAL, true}, {5031, ASK, BREAKER_REFUSED, true},
        {5040, FAIL, BREAKER_TRIAL, true}, {10039, ASK, BREAKER_REFUSED, true},
        {10040, ASK, BREAKER_TRIAL, true}, {10041, ANSWER, BREAKER_TRIAL, false},
        /* and counts from the beginning */
        {10042, ASK, BREAKER_ASK, false}, {10043, FAIL, BREAKER_ASK, false});
}

static void test_an_answer_between_starts_over(void **state)
{
    (void)state;
    RUN(&two, {0, ASK, BREAKER_ASK, false}, {0, FAIL, BREAKER_ASK, false},
        {0, ASK, BREAKER_ASK, false}, {0, ANSWER, BREAKER_ASK, false}, {0, ASK, BREAKER_ASK, false},
        {0, FAIL, BREAKER_ASK, false});
}

/* Questions from before it opened, and a trial whose client went away. */
static void test_late_ends(void **state)
{
    (void)state;
    RUN(&two, {0, ASK, BREAKER_ASK, false}, {0, FAIL, BREAKER_ASK, false},
        {0, FAIL, BREAKER_ASK, true}, {1, FAIL, BREAKER_ASK, true},
        {2, ANSWER, BREAKER_ASK, false});
    RUN(&two, {0, FAIL, BREAKER_ASK, false}, {0, FAIL, BREAKER_ASK, true},
        {5000, ASK, BREAKER_TRIAL, true}, {5001, DROP, BREAKER_TRIAL, true},
        {5002, ASK, BREAKER_TRIAL, true}, {5003, FAIL, BREAKER_ASK, true},
        {5004, ASK, BREAKER_REFUSED, true}, {5005, ANSWER, BREAKER_TRIAL, false});
}

static void test_never(void **state)
{
    (void)state;
    static const struct breaker_conf never = {.faults = 0, .pause_s = 5};
    RUN(&never, {0, ASK, BREAKER_ASK, false}, {0, FAIL, BREAKER_ASK, false},
        {0, ASK, BREAKER_ASK, false}, {0, FAIL, BREAKER_ASK, false}, {0, ASK, BREAKER_ASK, false});
}

static void test_one_for_all_loops(void **state)
{
    (void)state;
    static const int key = 0, other_key = 0;
    struct breaker *a = breaker_ref(&key, "http[0]", &two);
    struct breaker *b = breaker_ref(&key, "http[0]", &two);
    struct breaker *c = breaker_ref(&other_key, "http[1]", &two);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    for (int i = 0; i < 3; i++) {
        enum breaker_leave leave = breaker_ask(a, 0);
        if (leave != BREAKER_REFUSED)
            breaker_failed(a, leave, 0, "x");
    }
    struct breaker_counts counts = breaker_counts(b);
    assert_true(counts.open);
    assert_int_equal(counts.asked, 2);
    assert_int_equal(counts.faults, 2);
    assert_int_equal(counts.refused, 1);
    assert_int_equal(counts.opened, 1);
    assert_false(breaker_counts(c).open);
    breaker_unref(&a);
    assert_true(breaker_counts(b).open);
    breaker_unref(&b);
    b = breaker_ref(&key, "http[0]", &two);
    assert_false(breaker_counts(b).open);
    breaker_unref(&b);
    breaker_unref(&c);
    breaker_unref(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_and_closes),
        cmocka_unit_test(test_an_answer_between_starts_over),
        cmocka_unit_test(test_late_ends),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_one_for_all_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
