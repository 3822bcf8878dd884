#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/passwd.h"
#include "gateway/base/mem.h"
#include "gateway/io/work.h"
#include "tests/support/authkit.h"
#include "tests/support/sync.h"

struct answer {
    struct op *op;
    unsigned calls, order;
    bool match;
};
static unsigned answers;

static void done(void *arg, bool match)
{
    struct answer *a = arg;
    a->op = NULL;
    a->calls++;
    a->order = ++answers;
    a->match = match;
}

static bool is_done(void *arg)
{
    return ((struct answer *)arg)->op == NULL;
}

static struct loop *loop;
static struct passwd_queue *queue;

static int setup(void **state)
{
    (void)state;
    answers = 0;
    assert_int_equal(loop_new(&loop), GW_OK);
    queue = passwd_new(loop);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    passwd_free(&queue);
    loop_free(&loop);
    return 0;
}

static void test_verify(void **state)
{
    (void)state;
    char toolong[PASSWD_MAX + 2];
    memset(toolong, 'x', sizeof toolong);
    toolong[PASSWD_MAX + 1] = '\0';
    const struct {
        const char *password, *hash;
        bool match;
    } rows[] = {
        {"secret", AUTHKIT_YESCRYPT, true},
        {"secret", AUTHKIT_SHA256, true},
        {"secret", AUTHKIT_BCRYPT, true},
        {"Secret", AUTHKIT_YESCRYPT, false},
        {"secret ", AUTHKIT_SHA256, false},
        {"", AUTHKIT_SHA256, false},
        {toolong, AUTHKIT_SHA256, false},
        {"secret", "$y$j75$kxqQoJaQi/1QjB5RZ7bPk.", false}, /* a setting alone */
        {"secret", "$y$garbage", false},
        {"secret", "", false},
        {"*0", "*0", false}, /* libcrypt's words for a failure are no hash */
        {"secret", "$5$rounds=1000$postern$", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a = {.calls = 0};
        uint64_t before = passwd_count();
        a.op = passwd_verify(queue, "192.0.2.1", rows[i].password, rows[i].hash, done, &a);
        assert_int_equal(a.calls, 0);
        assert_true(sync_until(loop, is_done, &a));
        if (a.match != rows[i].match)
            fail_msg("%s against %s", rows[i].password, rows[i].hash);
        assert_int_equal(passwd_count() - before, 1);
    }
}

static void test_usable(void **state)
{
    (void)state;
    static const struct {
        const char *hash;
        bool usable;
    } rows[] = {
        {AUTHKIT_YESCRYPT, true},
        {AUTHKIT_SHA256, true},
        {AUTHKIT_BCRYPT, true},
        {"secret", false},
        {"abJnggxhB/yWI", false}, /* DES */
        {"_J9..rasmBYk8r9AiWNc", false},
        {"", false},
        {"$", false},
        {"$zz$", false},
        {"*0", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(passwd_usable(rows[i].hash), rows[i].usable);
    assert_true(passwd_usable(passwd_decoy()));
}

static void test_hash(void **state)
{
    (void)state;
    char *one = NULL;
    char *two = NULL;
    char toolong[PASSWD_MAX + 2];
    struct answer a = {.calls = 0};
    assert_int_equal(passwd_hash("secret", &one, NULL), GW_OK);
    assert_int_equal(passwd_hash("secret", &two, NULL), GW_OK);
    assert_int_equal(strncmp(one, "$y$", 3), 0);
    assert_string_not_equal(one, two);
    a.op = passwd_verify(queue, NULL, "secret", one, done, &a);
    assert_true(sync_until(loop, is_done, &a));
    assert_true(a.match);
    /* The decoy costs what a new hash costs: the same parameters. */
    assert_int_equal(strncmp(passwd_decoy(), one, strlen("$y$j9T$")), 0);
    mem_free(one);
    mem_free(two);
    memset(toolong, 'x', sizeof toolong);
    toolong[PASSWD_MAX + 1] = '\0';
    assert_int_equal(passwd_hash("", &one, NULL), GW_BAD_ARG);
    assert_int_equal(passwd_hash(toolong, &one, NULL), GW_BAD_ARG);
}

/* Twenty from one address, then one from another: it waits for those that run, not for the queue.
 */
static void test_turns(void **state)
{
    (void)state;
    struct answer flood[20] = {{.calls = 0}};
    struct answer other = {.calls = 0};
    for (size_t i = 0; i < 20; i++)
        flood[i].op = passwd_verify(queue, "192.0.2.1", "x", AUTHKIT_YESCRYPT, done, &flood[i]);
    other.op = passwd_verify(queue, "198.51.100.1", "secret", AUTHKIT_YESCRYPT, done, &other);
    for (size_t i = 0; i < 20; i++)
        assert_true(sync_until(loop, is_done, &flood[i]));
    assert_true(other.calls == 1 && other.match);
    assert_true(other.order <= 1 + 2 * work_threads() / 2);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(flood[i].calls, 1);
}

static void nothing(void *job)
{
    (void)job;
}

static void work_is_done(void *job)
{
    *(bool *)job = true;
}

static void work_orphan(void *job, bool ran)
{
    (void)job;
    (void)ran;
}

static bool is_true(void *arg)
{
    return *(bool *)arg;
}

/* A flood of hashes leaves half of the pool to files: what comes last there waits for none of them.
 */
static void test_flood_leaves_the_pool(void **state)
{
    (void)state;
    static const struct work_fns fns = {nothing, work_is_done, work_orphan};
    struct answer flood[30] = {{.calls = 0}};
    bool read = false;
    for (size_t i = 0; i < 30; i++)
        flood[i].op = passwd_verify(queue, NULL, "x", passwd_decoy(), done, &flood[i]);
    for (int i = 0; i < 100; i++)
        loop_poll(loop); /* all that will start has started */
    (void)work_start(loop, &fns, &read);
    assert_true(sync_until(loop, is_true, &read));
    assert_true(answers <= 10); /* 30 where the pool is theirs */
    for (size_t i = 0; i < 30; i++)
        op_cancel(&flood[i].op);
}

/* Cancelled while it waits, while it is granted a place, while it runs: no call, no leak, and the
 * places come back. */
static void test_cancel(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 8; turns++) {
        struct answer a[6] = {{.calls = 0}};
        for (size_t i = 0; i < 6; i++)
            a[i].op = passwd_verify(queue, "192.0.2.1", "x", AUTHKIT_YESCRYPT, done, &a[i]);
        for (unsigned t = 0; t < turns; t++)
            loop_poll(loop);
        unsigned calls[6];
        for (size_t i = 0; i < 6; i++) {
            calls[i] = a[5 - i].calls;
            op_cancel(&a[5 - i].op);
            assert_null(a[5 - i].op);
        }
        struct answer last = {.calls = 0};
        last.op = passwd_verify(queue, NULL, "secret", AUTHKIT_YESCRYPT, done, &last);
        assert_true(sync_until(loop, is_done, &last));
        assert_true(last.match);
        for (size_t i = 0; i < 6; i++)
            assert_int_equal(a[5 - i].calls, calls[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verify, setup, teardown),
        cmocka_unit_test(test_usable),
        cmocka_unit_test_setup_teardown(test_hash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood_leaves_the_pool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
