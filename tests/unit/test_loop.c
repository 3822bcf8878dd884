#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"
#include "gateway/io/loop.h"
#include "gateway/io/work.h"

static struct loop *loop;
static char trace[256];

static void note(void *arg)
{
    size_t n = strlen(trace);
    snprintf(trace + n, sizeof trace - n, "%s", (const char *)arg);
}

static int setup(void **state)
{
    (void)state;
    trace[0] = '\0';
    assert_int_equal(loop_new(&loop), GW_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(&loop);
    assert_null(loop);
    loop_free(&loop); /* NULL is fine */
    return 0;
}

static char A[] = "a", B[] = "b", C[] = "c";

static void test_defer(void **state)
{
    (void)state;
    loop_defer(loop, note, A);
    struct op *b = loop_defer(loop, note, B);
    loop_defer(loop, note, C);
    assert_string_equal(trace, "");
    op_cancel(&b);
    assert_null(b);
    op_cancel(&b);
    loop_turn(loop);
    assert_string_equal(trace, "ac");
    loop_poll(loop);
    assert_string_equal(trace, "ac");
}

static struct op *victim;

static void defer_more(void *arg)
{
    note(arg);
    loop_defer(loop, note, B);
}

static void cancel_victim(void *arg)
{
    note(arg);
    op_cancel(&victim);
}

/* What a deferred call defers runs a turn later; what it cancels does not run at all. */
static void test_defer_in_a_deferred_call(void **state)
{
    (void)state;
    loop_defer(loop, defer_more, A);
    loop_turn(loop);
    assert_string_equal(trace, "a");
    loop_turn(loop);
    assert_string_equal(trace, "ab");
    loop_defer(loop, cancel_victim, C);
    victim = loop_defer(loop, note, A);
    loop_turn(loop);
    loop_poll(loop);
    assert_string_equal(trace, "abc");
}

static struct op *next_turn;

static void again(void *arg)
{
    (*(unsigned *)arg)++;
    next_turn = loop_defer(loop, again, arg);
}

static void stop(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

/* Something that defers itself for ever starves neither timers nor posts. */
static void test_defer_does_not_starve(void **state)
{
    (void)state;
    unsigned turns = 0;
    next_turn = loop_defer(loop, again, &turns);
    deadline_start(loop, 5, stop, NULL);
    loop_run(loop);
    assert_true(turns > 1);
    loop_post(loop, stop, NULL);
    loop_run(loop);
    op_cancel(&next_turn);
}

enum { POSTS = 1000, POSTERS = 4 };
static unsigned got[POSTERS];

struct post {
    unsigned who, i;
};

static void take_post(void *arg)
{
    struct post *p = arg;
    assert_int_equal(got[p->who], p->i); /* in order */
    got[p->who]++;
    mem_free(p);
}

static void *poster(void *arg)
{
    for (unsigned i = 0; i < POSTS; i++) {
        struct post *p = mem_zalloc(sizeof *p);
        *p = (struct post){*(unsigned *)arg, i};
        loop_post(loop, take_post, p);
    }
    return NULL;
}

static void test_post(void **state)
{
    (void)state;
    pthread_t t[POSTERS];
    unsigned id[POSTERS];
    memset(got, 0, sizeof got);
    for (unsigned i = 0; i < POSTERS; i++) {
        id[i] = i;
        pthread_create(&t[i], NULL, poster, &id[i]);
    }
    for (unsigned i = 0; i < POSTERS; i++)
        while (got[i] < POSTS)
            loop_turn(loop);
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(t[i], NULL);
}

static void work_nothing(void *job)
{
    (void)job;
}

static void work_posts(void *job)
{
    loop_post(loop, note, job);
}

static void work_orphan(void *job, bool ran)
{
    (void)ran;
    note(job);
}

static void start_work(void *arg)
{
    static const struct work_fns fns = {work_nothing, work_posts, work_orphan};
    (void)work_start(loop, &fns, arg);
}

/* loop_free() with posts that start work that posts again: everything runs, nothing leaks. */
static void sleeps(void *arg)
{
    usleep(*(useconds_t *)arg);
}

static void stops(void *arg)
{
    loop_stop(arg);
}

/* What one turn does counts, and what the loop waits for does not. */
static void test_longest_turn(void **state)
{
    (void)state;
    useconds_t work_us = 30000;
    deadline_start(loop, 400, stops, loop);
    loop_run(loop);
    assert_in_range(loop_longest_turn_us(loop), 0, 300000);
    uint64_t before_us = loop_longest_turn_us(loop);
    work_us += (useconds_t)before_us;
    deadline_start(loop, 1, sleeps, &work_us);
    deadline_start(loop, 200, stops, loop);
    loop_run(loop);
    assert_in_range(loop_longest_turn_us(loop), work_us, UINT64_MAX);
}

static void on_signal(uv_signal_t *handle, int sig)
{
    (void)sig;
    loop_turn_uncounted(handle->data);
    uv_close((uv_handle_t *)handle, NULL);
    deadline_start(loop, 1, stops, loop);
}

/* Nor what it had waited for when a signal came. */
static void test_signal_is_no_long_turn(void **state)
{
    (void)state;
    uv_signal_t handle;
    const struct itimerval soon = {.it_value = {.tv_usec = 500000}};
    assert_int_equal(uv_signal_init(loop_uv(loop), &handle), 0);
    handle.data = loop;
    assert_int_equal(uv_signal_start(&handle, on_signal, SIGALRM), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    loop_run(loop);
    assert_in_range(loop_longest_turn_us(loop), 0, 300000);
}

/* Works until the turn is long. */
static void works(void *arg)
{
    note(arg);
    while (!loop_turn_is_long(loop))
        ;
}

static void marks_turns(void *arg)
{
    note(arg);
    next_turn = loop_defer(loop, marks_turns, arg);
}

static void test_turn_number(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        uint64_t before = loop_turn_number(loop);
        assert_int_equal(loop_turn_number(loop), before);
        loop_poll(loop);
        assert_int_not_equal(loop_turn_number(loop), before);
    }
}

/* What is posted at once is spread over turns by the time that it takes, in order. */
static void test_posts_are_spread(void **state)
{
    (void)state;
    next_turn = loop_defer(loop, marks_turns, B);
    for (int i = 0; i < 3; i++)
        loop_post(loop, works, A);
    loop_post(loop, note, C);
    loop_post(loop, stop, NULL);
    loop_run(loop);
    op_cancel(&next_turn);
    assert_string_equal(trace, "babababc");
}

static void test_free_runs_what_is_left(void **state)
{
    (void)state;
    struct loop *keep = loop;
    loop_post(loop, start_work, A);
    loop_defer(loop, note, B);
    loop_free(&keep);
    assert_string_equal(trace, "ba");
    assert_int_equal(loop_new(&loop), GW_OK);
}

/* A stop that nobody ran into does not end loop_free() early. */
static void test_free_after_stop(void **state)
{
    (void)state;
    struct loop *keep = loop;
    deadline_start(loop, 1, note, A);
    loop_stop(loop);
    loop_free(&keep);
    assert_string_equal(trace, "a");
    assert_int_equal(loop_new(&loop), GW_OK);
}

static void test_run_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        loop_defer(loop, stop, NULL);
        loop_run(loop);
    }
    assert_true(loop_uv(loop) != NULL);
    assert_true(loop_now_ms(loop) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_defer_in_a_deferred_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_defer_does_not_starve, setup, teardown),
        cmocka_unit_test_setup_teardown(test_post, setup, teardown),
        cmocka_unit_test_setup_teardown(test_longest_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turn_number, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signal_is_no_long_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_posts_are_spread, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_runs_what_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_after_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
