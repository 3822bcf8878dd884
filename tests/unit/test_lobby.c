/* Who gets a turn before the login is over, and when: a trace of those who had one. */
#include "gateway/ssh/lobby.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { GUESTS = 4, POLLS_MAX = 100 };

struct guest {
    struct lobby_seat seat;
    char name;
    bool slow;   /* its step makes the turn a long one */
    bool comes;  /* again, after its step */
    bool throws; /* everybody out */
};

static struct loop *loop;
static struct lobby lobby;
static struct guest guests[GUESTS];
static char trace[64];

static void spend(void)
{
    while (!loop_turn_is_long(loop))
        ;
}

static void step(void *arg)
{
    struct guest *g = arg;
    size_t n = strlen(trace);
    snprintf(trace + n, sizeof trace - n, "%c", g->name);
    if (g->slow)
        spend();
    for (int i = 0; g->throws && i < GUESTS; i++)
        lobby_leave(&guests[i].seat);
    if (g->comes) {
        g->comes = false;
        assert_false(lobby_enter(&lobby, &g->seat));
    }
}

static void arrive(struct guest *g)
{
    if (lobby_enter(&lobby, &g->seat))
        step(g);
}

static int setup(void **state)
{
    (void)state;
    trace[0] = '\0';
    assert_int_equal(loop_new(&loop), GW_OK);
    lobby_init(&lobby, loop);
    for (int i = 0; i < GUESTS; i++)
        guests[i] =
            (struct guest){.seat = {.fn = step, .arg = &guests[i]}, .name = (char)('a' + i)};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(&loop);
    return 0;
}

/* A turn that is long from now on, with everybody in the lobby. */
static void fill(void)
{
    loop_poll(loop);
    spend();
    for (int i = 0; i < GUESTS; i++)
        arrive(&guests[i]);
    assert_string_equal(trace, "");
}

static void poll_until(const char *want)
{
    for (int i = 0; i < POLLS_MAX && strcmp(trace, want) != 0; i++)
        loop_poll(loop);
    assert_string_equal(trace, want);
}

static void test_empty(void **state)
{
    (void)state;
    for (int i = 0; i < GUESTS; i++)
        arrive(&guests[i]);
    assert_string_equal(trace, "abcd");
}

/* Steps that take their time have a turn each, the first of them in a turn that was long before. */
static void test_one_a_turn(void **state)
{
    static const char *const after[] = {"a", "ab", "abc", "abcd", "abcd"};
    (void)state;
    for (int i = 0; i < GUESTS; i++)
        guests[i].slow = true;
    fill();
    for (size_t i = 0; i < sizeof after / sizeof after[0]; i++) {
        loop_poll(loop);
        assert_string_equal(trace, after[i]);
    }
}

static void test_in_order(void **state)
{
    (void)state;
    guests[0].comes = true; /* and is the last then */
    fill();
    arrive(&guests[2]); /* it waits already */
    poll_until("abcda");
}

/* A turn that is short again lets nobody overtake those who wait. */
static void test_no_overtaking(void **state)
{
    struct guest late = {.seat = {.fn = step, .arg = &late}, .name = 'z'};
    (void)state;
    for (int i = 0; i < GUESTS; i++)
        guests[i].slow = true;
    fill();
    loop_poll(loop);
    assert_string_equal(trace, "a");
    arrive(&late);
    poll_until("abcdz");
}

static void test_leave(void **state)
{
    (void)state;
    fill();
    lobby_leave(&guests[1].seat);
    lobby_leave(&guests[1].seat);
    guests[2].throws = true;
    poll_until("ac");
    for (int i = 0; i < GUESTS; i++)
        loop_poll(loop);
    assert_string_equal(trace, "ac");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_a_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_overtaking, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leave, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
