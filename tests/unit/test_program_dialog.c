#include "auth/program_dialog.h"

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
#include "tests/support/sync.h"

struct call {
    struct op *op;
    unsigned calls;
    enum gw_err err;
    char out[256], text[256];
};

static struct loop *loop;
static struct program_dialogs *all;

static int setup(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    log_level_now = LOG_LVL_ERROR;
    assert_int_equal(loop_new(&loop), GW_OK);
    all = program_dialogs_new(loop, PROGRAM_DIALOG_LIFE_MS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(program_dialogs_count(all), 0);
    program_dialogs_free(&all);
    loop_free(&loop);
    return 0;
}

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

static struct program_dialog *start(const char *script)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    const char *env[] = {NULL};
    struct program_dialog *d = NULL;
    assert_int_equal(program_dialog_start(all, argv, env, &d, NULL), GW_OK);
    return d;
}

static void say(struct program_dialog *d, const char *in, struct call *c)
{
    *c = (struct call){.calls = 0};
    c->op = program_dialog_ask(d, gw_span_str(in), on_done, c);
    assert_int_equal(c->calls, 0);
    assert_true(sync_until(loop, is_done, c));
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        const char *want[3]; /* of three rounds; "!text" = the failure, and the end */
    } rows[] = {
        {"echo one; read a; echo got $a; read a; echo got $a", {"one", "got x", "got x"}},
        /* all at once: each round gets its line */
        {"echo one; echo two; echo three; read a", {"one", "two", "three"}},
        {"echo one; read a; printf last", {"one", "last", "!exit code 0, without"}},
        {"exit 4", {"!ended with exit code 4"}},
        {"kill -9 $$", {"!killed by signal 9"}},
        {"echo one; read a; exit 0", {"one", "!ended with exit code 0"}},
        {"exec <&-; echo one; sleep 0.1; echo two", {"one", "two", "!exit code 0"}},
        {"head -c 300000 /dev/zero", {"!too long"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct program_dialog *d = start(rows[i].script);
        for (unsigned n = 0; n < 3; n++) {
            const char *want = rows[i].want[n];
            struct call c;
            say(d, n == 0 ? "" : "x\n", &c);
            bool fails = want[0] == '!';
            if (fails ? c.err == GW_OK || strstr(c.text, want + 1) == NULL
                      : c.err != GW_OK || strcmp(c.out, want) != 0)
                fail_msg("%s, round %u: %s, '%s', %s", rows[i].script, n, gw_err_name(c.err), c.out,
                         c.text);
            if (fails)
                break;
        }
        program_dialog_free(&d, i % 2 == 0);
    }
}

static void test_park(void **state)
{
    (void)state;
    struct program_dialog *a = start("echo a; read x; echo a$x");
    struct program_dialog *b = start("echo b; read x; echo b$x");
    struct call c;
    char token_a[64], token_b[64];
    say(a, "", &c);
    say(b, "", &c);
    snprintf(token_a, sizeof token_a, "%s", program_dialog_park(&a, "kept"));
    snprintf(token_b, sizeof token_b, "%s", program_dialog_park(&b, NULL));
    assert_null(a);
    assert_null(program_dialog_take(all, "none"));
    a = program_dialog_take(all, token_a);
    assert_string_equal(program_dialog_state(a), "kept");
    assert_null(program_dialog_take(all, token_a));
    say(a, "1\n", &c);
    assert_string_equal(c.out, "a1");
    program_dialog_free(&a, true);
    b = program_dialog_take(all, token_b);
    assert_null(program_dialog_state(b));
    program_dialog_free(&b, false);
}

static bool none_is_left(void *arg)
{
    return program_dialogs_count(arg) == 0;
}

/* Whether it is asked or parked when its time is over. */
static void test_life(void **state)
{
    (void)state;
    struct program_dialogs *brief = program_dialogs_new(loop, 300);
    struct program_dialogs *usual = all;
    struct call c;
    char token[64];
    all = brief;
    struct program_dialog *d = start("sleep 60");
    say(d, "", &c);
    assert_int_equal(c.err, GW_TIMEOUT);
    program_dialog_free(&d, false);
    d = start("echo one; sleep 60");
    say(d, "", &c);
    assert_string_equal(c.out, "one");
    snprintf(token, sizeof token, "%s", program_dialog_park(&d, NULL));
    assert_true(sync_until(loop, none_is_left, brief));
    assert_null(program_dialog_take(brief, token));
    program_dialogs_free(&brief);
    all = usual;
}

/* So many logins may be led at a time; parked ones end with the table. */
static void test_bounded(void **state)
{
    (void)state;
    static struct program_dialog *d[PROGRAM_DIALOGS_MAX], *more;
    const char *argv[] = {"/bin/sleep", "60", NULL};
    const char *env[] = {NULL};
    struct gw_errmsg msg;
    for (unsigned i = 0; i < PROGRAM_DIALOGS_MAX; i++)
        assert_int_equal(program_dialog_start(all, argv, env, &d[i], NULL), GW_OK);
    assert_int_equal(program_dialog_start(all, argv, env, &more, &msg), GW_BUSY);
    program_dialog_free(&d[0], false);
    d[0] = start("sleep 60");
    for (unsigned i = 0; i < PROGRAM_DIALOGS_MAX; i++)
        program_dialog_park(&d[i], "s");
    program_dialogs_free(&all);
    all = program_dialogs_new(loop, PROGRAM_DIALOG_LIFE_MS);
}

static void test_cancel(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 100; turns++) {
        struct program_dialog *d = start("read x; echo $x");
        struct call c = {.calls = 0};
        c.op = program_dialog_ask(d, gw_span_str("in\n"), on_done, &c);
        for (unsigned i = 0; i < turns && c.calls == 0; i++)
            loop_turn(loop);
        bool over = c.calls > 0;
        op_cancel(&c.op);
        loop_poll(loop);
        assert_int_equal(c.calls, over);
        program_dialog_free(&d, false);
        if (over)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_park, setup, teardown),
        cmocka_unit_test_setup_teardown(test_life, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
