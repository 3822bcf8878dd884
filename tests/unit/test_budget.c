#include "gateway/io/budget.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
// cmocka wants the four above first
#include <cmocka.h>

#define MIB ((size_t)1 << 20)

struct waiting {
    struct op *op;
    unsigned fired;
};

static void fired(void *arg)
{
    struct waiting *w = arg;
    w->op = NULL;
    w->fired++;
}

static void test_classes(void **state)
{
    (void)state;
    struct budget *b = budget_new(16 * MIB);
    /* small: a quarter */
    for (int i = 0; i < 16; i++)
        assert_true(budget_take(b, BUDGET_SMALL));
    assert_false(budget_take(b, 1));
    /* large: three quarters */
    assert_true(budget_take(b, 8 * MIB));
    assert_true(budget_take(b, 4 * MIB));
    assert_false(budget_take(b, 1 * MIB));
    assert_int_equal(budget_used(b), 16 * MIB);
    for (int i = 0; i < 16; i++)
        budget_give(b, BUDGET_SMALL);
    assert_false(budget_take(b, 1 * MIB)); /* a quarter stays for the small */
    assert_true(budget_take(b, 1024));
    budget_give(b, 1024);
    budget_give(b, 8 * MIB);
    budget_give(b, 4 * MIB);
    assert_int_equal(budget_used(b), 0);
    budget_free(&b);
}

static void test_order_and_cancel(void **state)
{
    (void)state;
    struct loop *l;
    assert_int_equal(loop_new(&l), GW_OK);
    struct budget *b = budget_new(8 * MIB);
    assert_true(budget_take(b, 7 * MIB));
    struct waiting w[4] = {{0}};
    for (int i = 0; i < 4; i++)
        w[i].op = budget_wait(l, b, 3 * MIB, fired, &w[i]);
    loop_poll(l);
    assert_int_equal(w[0].fired, 0);
    assert_false(budget_take(b, 300 * 1024)); /* no overtaking */
    op_cancel(&w[1].op);
    budget_give(b, 7 * MIB); /* grants 0 and 2, not 3 */
    op_cancel(&w[2].op);     /* granted already, not yet told: goes to 3 */
    for (int i = 0; i < 3; i++)
        loop_poll(l);
    assert_int_equal(w[0].fired, 1);
    assert_int_equal(w[1].fired, 0);
    assert_int_equal(w[2].fired, 0);
    assert_int_equal(w[3].fired, 1);
    assert_int_equal(budget_used(b), 6 * MIB);
    budget_give(b, 3 * MIB);
    budget_give(b, 3 * MIB);
    loop_free(&l);
    budget_free(&b);
}

static void test_larger_than_all(void **state)
{
    (void)state;
    struct loop *l;
    assert_int_equal(loop_new(&l), GW_OK);
    struct budget *b = budget_new(4 * MIB);
    assert_true(budget_take(b, 1 * MIB));
    struct waiting w = {0};
    w.op = budget_wait(l, b, 64 * MIB, fired, &w);
    loop_poll(l);
    assert_int_equal(w.fired, 0);
    budget_give(b, 1 * MIB);
    loop_poll(l);
    assert_int_equal(w.fired, 1);
    assert_true(budget_take(b, 4096)); /* the small go on beside it */
    budget_give(b, 4096);
    budget_give(b, 64 * MIB);
    loop_free(&l);
    budget_free(&b);
}

/* Threads that take, wait and cancel on loops of their own: for the thread sanitizer. */
struct racer {
    struct budget *b;
    struct loop *l;
    struct op *op;
    unsigned left;
    bool held;
};

static void racer_next(void *arg)
{
    struct racer *r = arg;
    r->op = NULL;
    if (r->held)
        budget_give(r->b, MIB);
    r->held = false;
    while (r->left > 0) {
        r->left--;
        if (r->left % 3 == 0) {
            r->op = budget_wait(r->l, r->b, MIB, racer_next, r);
            op_cancel(&r->op);
        } else if (r->left % 7 == 0 && budget_take(r->b, MIB)) {
            budget_give(r->b, MIB);
        } else {
            r->held = true;
            r->op = budget_wait(r->l, r->b, MIB, racer_next, r);
            return;
        }
    }
    loop_stop(r->l);
}

static void *racer_main(void *arg)
{
    struct racer *r = arg;
    r->op = loop_defer(r->l, racer_next, r);
    loop_run(r->l);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct budget *b = budget_new(3 * MIB);
    struct racer r[3];
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        r[i] = (struct racer){.b = b, .left = 3000};
        assert_int_equal(loop_new(&r[i].l), GW_OK);
    }
    for (int i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, racer_main, &r[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < 3; i++)
        loop_free(&r[i].l);
    assert_int_equal(budget_used(b), 0);
    budget_free(&b);
}

/* One session takes what it can and gives nothing back: others get their first pieces, and do not
 * queue behind it. */
static void test_shares(void **state)
{
    (void)state;
    struct loop *l;
    assert_int_equal(loop_new(&l), GW_OK);
    struct budget *b = budget_new(64 * MIB); /* 48 for the large */
    struct budget *hog = budget_share(b), *other = budget_share(b);
    unsigned n = 0;
    while (budget_take(hog, 2 * MIB))
        n++;
    assert_int_equal(n, 18); /* three quarters of them */
    struct waiting w = {0}, v = {0};
    w.op = budget_wait(l, hog, 2 * MIB, fired, &w);
    assert_true(budget_take(other, 8 * MIB));
    assert_false(budget_take(other, 8 * MIB)); /* no longer a newcomer */
    budget_give(other, 8 * MIB);
    for (unsigned i = 0; i < 5; i++)
        loop_poll(l);
    assert_int_equal(w.fired, 0);
    v.op = budget_wait(l, other, 8 * MIB, fired, &v); /* past the one that waits for itself */
    while (v.fired == 0)
        loop_turn(l);
    assert_int_equal(w.fired, 0);
    assert_int_equal(budget_used(other), (n * 2 + 8) * MIB);
    struct budget *gone = other;
    budget_free(&other); /* what is out comes back later */
    budget_give(gone, 8 * MIB);
    op_cancel(&w.op);
    while (n-- > 0)
        budget_give(hog, 2 * MIB);
    budget_free(&hog);
    assert_int_equal(budget_used(b), 0);
    budget_free(&b);
    loop_free(&l);
}

/* What is not needed any more goes to who waits, and the rest is given back later. */
static void test_shrink(void **state)
{
    (void)state;
    struct loop *l;
    assert_int_equal(loop_new(&l), GW_OK);
    struct budget *b = budget_new(1 * MIB), *share = budget_share(b); /* 256 KiB for the small */
    struct waiting w = {0};
    assert_true(budget_take(share, BUDGET_SMALL));
    w.op = budget_wait(l, b, BUDGET_SMALL / 2, fired, &w);
    loop_poll(l);
    assert_int_equal(w.fired, 0);
    budget_shrink(share, BUDGET_SMALL, 100);
    while (w.fired == 0)
        loop_turn(l);
    assert_int_equal(budget_used(b), 100 + BUDGET_SMALL / 2);
    budget_give(share, 100);
    budget_give(b, BUDGET_SMALL / 2);
    budget_free(&share);
    assert_int_equal(budget_used(b), 0);
    budget_free(&b);
    loop_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),          cmocka_unit_test(test_shrink),
        cmocka_unit_test(test_order_and_cancel), cmocka_unit_test(test_larger_than_all),
        cmocka_unit_test(test_threads),          cmocka_unit_test(test_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
