#include "auth/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants the ones above first
#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"
#include "tests/support/authkit.h"

/* A verifier that answers the n-th question as the n-th letter says: a(ccept), r(eject),
 * n(onsense), d(own), s(ilence). */
struct stub {
    struct verifier v;
    struct loop *loop;
    const char *script;
    unsigned asked;
};

struct stub_check {
    struct op op;
    struct op *timer;
    char say;
    auth_done_fn *done;
    void *arg;
};

static void stub_fire(void *arg)
{
    struct stub_check *c = arg;
    struct auth_res res = {.verdict = c->say == 'a'   ? AUTH_ACCEPT
                                      : c->say == 'r' ? AUTH_REJECT
                                                      : AUTH_FAULT,
                           .why = c->say == 'd' ? "down" : "said",
                           .down = c->say == 'd'};
    auth_done_fn *done = c->done;
    void *to = c->arg;
    mem_free(c);
    done(to, &res);
}

static void stub_cancel(struct op *op)
{
    struct stub_check *c = (struct stub_check *)op;
    op_cancel(&c->timer);
    mem_free(c);
}

static const struct op_type stub_op = {"stub", stub_cancel};

static struct op *stub_verify(struct verifier *v, const struct auth_req *req, auth_done_fn *done,
                              void *arg)
{
    struct stub *s = (struct stub *)v;
    (void)req;
    assert_true(s->asked < strlen(s->script));
    struct stub_check *c = mem_zalloc(sizeof *c);
    *c = (struct stub_check){
        .op = {&stub_op}, .say = s->script[s->asked++], .done = done, .arg = arg};
    if (c->say != 's')
        c->timer = deadline_start(s->loop, 1, stub_fire, c);
    return &c->op;
}

static struct op *stub_probe(struct verifier *v, auth_done_fn *done, void *arg)
{
    return stub_verify(v, NULL, done, arg);
}

static void stub_free(struct verifier *v)
{
    (void)v;
}

static const struct verifier_type stub_type = {
    .name = "stub", .verify = stub_verify, .probe = stub_probe, .free = stub_free};
static const struct verifier_type mute_type = {
    .name = "mute", .verify = stub_verify, .free = stub_free};

static struct loop *loop;

static int setup(void **state)
{
    (void)state;
    return loop_new(&loop) == GW_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(&loop);
    return 0;
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        uint32_t retries, timeout_ms;
        unsigned logins;
        struct breaker_conf breaker;
        /* of the last login */
        enum auth_verdict want;
        const char *why;
        unsigned asked;
    } rows[] = {
        {"a", 1, 5000, 1, {0, 5}, AUTH_ACCEPT, "said", 1},
        {"r", 1, 5000, 1, {0, 5}, AUTH_REJECT, "said", 1}, /* a no is a no */
        {"d", 0, 5000, 1, {0, 5}, AUTH_FAULT, "down", 1},
        {"da", 1, 5000, 1, {0, 5}, AUTH_ACCEPT, "said", 2},
        {"nr", 1, 5000, 1, {0, 5}, AUTH_REJECT, "said", 2},
        {"dda", 1, 5000, 1, {0, 5}, AUTH_FAULT, "down", 2},
        {"dda", 2, 5000, 1, {0, 5}, AUTH_ACCEPT, "said", 3},
        /* never beyond the timeout: no time for the pause, silence after a fault */
        {"dd", 1, 80, 1, {0, 5}, AUTH_FAULT, "down", 1},
        {"ds", 1, 200, 1, {0, 5}, AUTH_FAULT, "no answer within timeout_ms", 2},
        {"s", 1, 50, 1, {0, 5}, AUTH_FAULT, "no answer within timeout_ms", 1},
        /* down, down: left alone; silence counts as well */
        {"dd", 0, 5000, 3, {2, 5}, AUTH_FAULT, "not asked: it has failed too often just now", 2},
        {"ss", 0, 20, 3, {2, 5}, AUTH_FAULT, "not asked: it has failed too often just now", 2},
        {"dd", 1, 5000, 2, {2, 5}, AUTH_FAULT, "not asked: it has failed too often just now", 2},
        /* the repetition is not asked either, and the log has the real reason */
        {"d", 1, 5000, 1, {1, 5}, AUTH_FAULT, "down", 1},
        /* one user's nonsense does not lock the others out */
        {"nnnna", 0, 5000, 5, {2, 5}, AUTH_ACCEPT, "said", 5},
        {"dnda", 0, 5000, 4, {2, 5}, AUTH_ACCEPT, "said", 4},
        /* back again */
        {"da", 0, 5000, 2, {1, 0}, AUTH_ACCEPT, "said", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stub s = {.v = {&stub_type}, .loop = loop, .script = rows[i].script};
        struct verifier_common common = {.timeout_ms = rows[i].timeout_ms,
                                         .retries = rows[i].retries,
                                         .breaker = rows[i].breaker};
        struct guard *g = guard_new(loop, &s.v, &common, "stub[0]");
        struct auth_req req = {.method = AUTH_PASSWORD, .user = "x"};
        struct authkit_answer a;
        for (unsigned k = 0; k < rows[i].logins; k++) {
            a = (struct authkit_answer){.calls = 0};
            a.op = guard_ask(g, &req, authkit_done, &a);
            assert_int_equal(a.calls, 0);
            authkit_wait(loop, &a);
            assert_int_equal(a.calls, 1);
        }
        if (a.verdict != rows[i].want || strcmp(a.why, rows[i].why) != 0 ||
            s.asked != rows[i].asked)
            fail_msg("row %zu: %d, \"%s\", asked %u times", i, (int)a.verdict, a.why, s.asked);
        assert_int_equal(guard_counts(g).asked, s.asked);
        guard_free(&g);
    }
}

/* A probe asks, whatever the breaker says, and counts for nothing. */
static void test_probe(void **state)
{
    (void)state;
    struct stub s = {.v = {&stub_type}, .loop = loop, .script = "dsdas"};
    struct verifier_common common = {.timeout_ms = 30, .breaker = {1, 60}};
    struct guard *g = guard_new(loop, &s.v, &common, "stub[0]");
    static const enum auth_verdict want[] = {AUTH_FAULT, AUTH_FAULT, AUTH_FAULT, AUTH_ACCEPT};
    for (size_t i = 0; i < 4; i++) {
        struct authkit_answer a = {.calls = 0};
        a.op = guard_probe(g, authkit_done, &a);
        authkit_wait(loop, &a);
        assert_int_equal(a.verdict, want[i]);
    }
    struct authkit_answer gone = {.calls = 0};
    gone.op = guard_probe(g, authkit_done, &gone);
    op_cancel(&gone.op);
    assert_int_equal(guard_counts(g).asked + guard_counts(g).faults, 0);
    guard_free(&g);
    s.v.type = &mute_type;
    g = guard_new(loop, &s.v, &common, "mute[0]");
    struct authkit_answer a = {.calls = 0};
    a.op = guard_probe(g, authkit_done, &a);
    authkit_wait(loop, &a);
    assert_int_equal(a.verdict, AUTH_ACCEPT);
    guard_free(&g);
}

/* Cancelled at each step: asked, in the pause, asked again, refused. */
static void test_cancel(void **state)
{
    (void)state;
    for (unsigned ms = 0; ms < 130; ms += ms < 4 || ms > 96 ? 1 : 30) {
        struct stub s = {.v = {&stub_type}, .loop = loop, .script = "dddddddd"};
        struct verifier_common common = {.timeout_ms = 5000, .retries = 1, .breaker = {2, 60}};
        struct guard *g = guard_new(loop, &s.v, &common, "stub[0]");
        struct auth_req req = {.method = AUTH_PASSWORD, .user = "x"};
        struct authkit_answer a = {.calls = 0};
        a.op = guard_ask(g, &req, authkit_done, &a);
        for (uint64_t end = loop_now_ms(loop) + ms; loop_now_ms(loop) < end;)
            loop_poll(loop);
        unsigned calls = a.calls;
        op_cancel(&a.op);
        guard_free(&g);
        loop_poll(loop);
        assert_int_equal(a.calls, calls);
    }
    /* The one that tries a dead verifier goes away: the next one tries. */
    struct stub s = {.v = {&stub_type}, .loop = loop, .script = "dsa"};
    struct verifier_common common = {.timeout_ms = 5000, .breaker = {1, 0}};
    struct guard *g = guard_new(loop, &s.v, &common, "stub[0]");
    struct auth_req req = {.method = AUTH_PASSWORD, .user = "x"};
    struct authkit_answer a = {.calls = 0};
    a.op = guard_ask(g, &req, authkit_done, &a);
    authkit_wait(loop, &a);
    struct authkit_answer tries = {.calls = 0};
    tries.op = guard_ask(g, &req, authkit_done, &tries);
    op_cancel(&tries.op);
    a.op = guard_ask(g, &req, authkit_done, &a);
    authkit_wait(loop, &a);
    assert_int_equal(a.verdict, AUTH_ACCEPT);
    assert_false(guard_counts(g).open);
    guard_free(&g);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {ROW(test_rows), ROW(test_probe), ROW(test_cancel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
