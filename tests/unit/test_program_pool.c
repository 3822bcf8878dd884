#include "auth/program_pool.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// cmocka wants some of the above first
#include <cmocka.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "tests/support/sync.h"

/* ID: the id of the line that was read; SAY: an answer to it. */
#define READ "read -r l || exit 0; id=${l#*'\"id\":\"'}; id=${id%%'\"'*}; "
#define SAY  "echo \"{\\\"id\\\":\\\"$id\\\",\\\"pid\\\":$$}\"; "
#define LOOP "while :; do " READ SAY "done"

struct call {
    struct op *op;
    unsigned calls;
    enum gw_err err;
    char out[256], text[256];
};

struct env {
    struct loop *loop;
    struct program_cmd cmd;
    struct program_pool *pool;
    unsigned next_id;
};

static void on_done(void *arg, const struct proc_res *res)
{
    struct call *c = arg;
    c->op = NULL;
    c->calls++;
    c->err = res->err;
    snprintf(c->out, sizeof c->out, "%.*s", (int)res->out.len,
             res->out.len > 0 ? (const char *)res->out.ptr : "");
    snprintf(c->text, sizeof c->text, "%s", res->text);
}

static bool is_done(void *arg)
{
    return ((struct call *)arg)->calls > 0;
}

static void start(struct env *e, const char *script, unsigned workers, uint32_t silence_ms)
{
    char *words[] = {mem_strdup("/bin/sh"), mem_strdup("-c"), mem_strdup(script)};
    struct opt_strs strs = {words, 3};
    struct opt_map none = {NULL, NULL, 0};
    signal(SIGPIPE, SIG_IGN);
    log_level_now = LOG_LVL_ERROR;
    *e = (struct env){.next_id = 0};
    assert_int_equal(loop_new(&e->loop), GW_OK);
    assert_int_equal(program_cmd_new("command", &strs, &none, &e->cmd, NULL), GW_OK);
    for (size_t i = 0; i < 3; i++)
        mem_free(words[i]);
    struct program_pool_conf conf = {.cmd = &e->cmd, .workers = workers, .silence_ms = silence_ms};
    e->pool = program_pool_new(e->loop, &conf);
}

static void stop(struct env *e)
{
    program_pool_free(&e->pool);
    program_cmd_free(&e->cmd);
    loop_free(&e->loop);
}

static void begin(struct env *e, struct call *c)
{
    char id[16], line[64];
    *c = (struct call){.calls = 0};
    snprintf(id, sizeof id, "q%u", ++e->next_id);
    snprintf(line, sizeof line, "{\"id\":\"%s\"}", id);
    c->op = program_pool_ask(e->pool, id, gw_span_str(line), on_done, c);
    assert_int_equal(c->calls, 0);
}

static void wait_for(struct env *e, struct call *c)
{
    assert_true(sync_until(e->loop, is_done, c));
    assert_int_equal(c->calls, 1);
}

static bool is_empty(void *arg)
{
    return program_pool_count(arg) == 0;
}

/* One question after the other: what each gets. "" = its own answer. */
static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        const char *first, *second; /* text of the failure; "" = answered */
        bool ends;                  /* between the two; else the second may meet its end */
    } rows[] = {
        {LOOP, "", "", false},
        {READ SAY "exit 0", "", "", true}, /* renews itself after each */
        {READ "exit 3", "ended with exit code 3", "ended with exit code 3", false},
        {READ "kill -9 $$", "killed by signal 9", "killed by signal 9", false},
        {"exit 127", "exit code 127", "exit code 127", false},
        {READ SAY SAY READ SAY, "", "", true}, /* twice: the next one starts anew */
        {READ "echo Hello; " SAY, "no JSON object", "no JSON object", false},
        {READ "echo '[\"id\"]'; " SAY, "without an \"id\"", "without an \"id\"", false},
        {READ "echo '{}'; " SAY, "without an \"id\"", "without an \"id\"", false},
        {READ "id=x; " SAY, "was not asked", "was not asked", false},
        {READ "head -c 300000 /dev/zero | tr '\\0' a; sleep 9", "too long", "too long", false},
        {READ "printf '{\"id\":\"'; sleep 9", "gives no answer", "gives no answer", false},
        {READ "exec >&-; sleep 9", "gives no answer", "gives no answer", false},
        {READ SAY "while :; do sleep 1; done", "", "gives no answer", false},
        {"while :; do echo noise >&2; " READ SAY "done", "", "", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct env e;
        struct call c;
        start(&e, rows[i].script, 1, 700);
        for (unsigned n = 0; n < 2; n++) {
            const char *want = n == 0 ? rows[i].first : rows[i].second;
            char id[16];
            begin(&e, &c);
            wait_for(&e, &c);
            snprintf(id, sizeof id, "\"q%u\"", e.next_id);
            bool right = want[0] == '\0' ? c.err == GW_OK && strstr(c.out, id) != NULL
                                         : c.err != GW_OK && strstr(c.text, want) != NULL;
            if (!right)
                fail_msg("%s, question %u: %s, '%s', %s", rows[i].script, n, gw_err_name(c.err),
                         c.out, c.text);
            if (rows[i].ends)
                assert_true(sync_until(e.loop, is_empty, e.pool));
        }
        stop(&e);
    }
}

/* Four at a time, answered in the other order; then all are still told apart. */
static void test_any_order(void **state)
{
    (void)state;
    struct env e;
    struct call c[4];
    start(&e,
          READ "a=$id; " READ "b=$id; " READ "c=$id; " READ SAY "id=$c; " SAY "id=$b; " SAY
               "id=$a; " SAY LOOP,
          1, 20000);
    for (unsigned i = 0; i < 4; i++)
        begin(&e, &c[i]);
    for (unsigned i = 0; i < 4; i++) {
        char id[16];
        wait_for(&e, &c[i]);
        snprintf(id, sizeof id, "\"q%u\"", i + 1);
        assert_non_null(strstr(c[i].out, id));
    }
    assert_int_equal(program_pool_count(e.pool), 1);
    stop(&e);
}

/* Another worker is started only when all are busy, and no more than allowed. */
static void test_workers(void **state)
{
    (void)state;
    struct env e;
    struct call c[6];
    start(&e, "while :; do " READ "sleep 0.2; " SAY "done", 3, 20000);
    begin(&e, &c[0]);
    wait_for(&e, &c[0]);
    begin(&e, &c[0]);
    wait_for(&e, &c[0]);
    assert_int_equal(program_pool_count(e.pool), 1);
    for (unsigned i = 0; i < 6; i++)
        begin(&e, &c[i]);
    assert_int_equal(program_pool_count(e.pool), 3);
    for (unsigned i = 0; i < 6; i++) {
        wait_for(&e, &c[i]);
        assert_int_equal(c[i].err, GW_OK);
    }
    stop(&e);
}

/* One that is never answered: the others are, and its late cancel harms nobody. */
static void test_one_of_several(void **state)
{
    (void)state;
    struct env e;
    struct call lost, c;
    start(&e, READ LOOP, 1, 20000);
    begin(&e, &lost);
    for (unsigned i = 0; i < 5; i++) {
        begin(&e, &c);
        wait_for(&e, &c);
        assert_int_equal(c.err, GW_OK);
    }
    op_cancel(&lost.op);
    begin(&e, &c);
    wait_for(&e, &c);
    assert_int_equal(c.err, GW_OK);
    assert_int_equal(lost.calls, 0);
    stop(&e);
}

/* What was cancelled may still be answered; who leaves too much unanswered is replaced. */
static void test_ghosts(void **state)
{
    (void)state;
    struct env e;
    struct call c, gone[20];
    start(&e, "while :; do " READ "sleep 0.05; " SAY "done", 1, 20000);
    for (unsigned i = 0; i < 3; i++) {
        begin(&e, &gone[i]);
        op_cancel(&gone[i].op);
    }
    begin(&e, &c);
    wait_for(&e, &c);
    assert_int_equal(c.err, GW_OK);
    stop(&e);

    start(&e, READ "sleep 9", 1, 20000);
    for (unsigned i = 0; i < 20; i++)
        begin(&e, &gone[i]);
    begin(&e, &c);
    for (unsigned i = 0; i < 20; i++)
        op_cancel(&gone[i].op);
    wait_for(&e, &c);
    assert_int_equal(c.err, GW_TIMEOUT);
    assert_non_null(strstr(c.text, "too many"));
    stop(&e);
}

/* More than one worker takes: the rest waits, and all are answered. */
static void test_many(void **state)
{
    (void)state;
    enum { N = 3 * PROGRAM_POOL_OWED_MAX };
    struct env e;
    static struct call c[N];
    start(&e, LOOP, 1, 20000);
    for (unsigned i = 0; i < N; i++)
        begin(&e, &c[i]);
    for (unsigned i = 0; i < N; i++) {
        wait_for(&e, &c[i]);
        assert_int_equal(c[i].err, GW_OK);
    }
    stop(&e);
}

/* Starts in vain: the pauses grow, and what is asked in one fails at once. */
static void test_back_off(void **state)
{
    (void)state;
    struct env e;
    struct call c;
    unsigned refused = 0;
    start(&e, "exit 1", 1, 20000);
    for (unsigned i = 0; i < 20; i++) {
        begin(&e, &c);
        wait_for(&e, &c);
        assert_true(c.err != GW_OK);
        refused += c.err == GW_BUSY && strstr(c.text, "without an answer") != NULL;
    }
    assert_true(refused >= 10);
    stop(&e);
}

/* Its end fails all that it owes; each is told once, and one that a callback cancels never. */
static struct call *cancel_with_it;

static void cancel_another(void *arg, const struct proc_res *res)
{
    on_done(arg, res);
    op_cancel(&cancel_with_it->op);
}

static void test_end_with_many(void **state)
{
    (void)state;
    struct env e;
    struct call first, c[3];
    start(&e, READ READ READ READ "exit 9", 1, 20000);
    first = (struct call){.calls = 0};
    first.op = program_pool_ask(e.pool, "a", gw_span_str("{\"id\":\"a\"}"), cancel_another, &first);
    for (unsigned i = 0; i < 3; i++)
        begin(&e, &c[i]);
    cancel_with_it = &c[1];
    wait_for(&e, &c[2]);
    assert_int_equal(first.calls, 1);
    assert_int_equal(c[0].calls, 1);
    assert_int_equal(c[1].calls, 0);
    stop(&e);
}

/* At every step of a question's life. */
static void test_cancel(void **state)
{
    (void)state;
    for (unsigned turns = 0;; turns++) {
        struct env e;
        struct call c;
        start(&e, LOOP, 1, 20000);
        begin(&e, &c);
        for (unsigned i = 0; i < turns && c.calls == 0; i++)
            loop_turn(e.loop);
        bool over = c.calls > 0;
        op_cancel(&c.op);
        loop_poll(e.loop);
        assert_int_equal(c.calls, over);
        stop(&e);
        if (over)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_workers),  cmocka_unit_test(test_one_of_several),
        cmocka_unit_test(test_ghosts),   cmocka_unit_test(test_many),
        cmocka_unit_test(test_back_off), cmocka_unit_test(test_end_with_many),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
