#include "gateway/watchdog.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
// cmocka wants some of the above first
#include <cmocka.h>

static const struct watchdog_end first = {.reason = "first", .exit_code = 70};
static const struct watchdog_end second = {.reason = "second", .exit_code = 143};
static const struct watchdog_end left = {.reason = "drained", .left = "a store", .exit_code = 0};

#define HOUR_MS 3600000u

static void on_term(int sig)
{
    (void)sig;
    watchdog_ask(&second); // NOLINT(bugprone-signal-handler): it is made for it
}

static void once(void)
{
    watchdog_arm(30, &first);
}

static void sooner(void)
{
    watchdog_arm(HOUR_MS, &first);
    watchdog_arm(30, &second);
}

static void later(void)
{
    watchdog_arm(HOUR_MS, &first);
    watchdog_arm(1030, &second);
}

static void at_once(void)
{
    watchdog_arm(HOUR_MS, &first);
    watchdog_arm(0, &second);
}

static void cleaning(void)
{
    watchdog_arm(HOUR_MS, &first);
    watchdog_arm(30, &left);
}

static void cleaned(void)
{
    watchdog_arm(HOUR_MS, &left);
    watchdog_arm(30, &first);
}

static void asked(void)
{
    watchdog_arm(HOUR_MS, &left);
    signal(SIGTERM, on_term);
    raise(SIGTERM);
}

static void now(void)
{
    watchdog_arm(HOUR_MS, &first);
    watchdog_now(&second);
}

static void now_unarmed(void)
{
    watchdog_now(&second);
}

static void test_says_why_and_exits(void **state)
{
    static const struct {
        const char *name;
        void (*act)(void);
        int exit_code;
        const char *stop, *before; /* lines of the log; NULL = there is no other */
    } rows[] = {
        {"once", once, 70, "error stop reason=first", NULL},
        {"sooner", sooner, 143, "error stop reason=second", NULL},
        {"later", later, 143, "error stop reason=second", NULL},
        {"at once", at_once, 143, "error stop reason=second", NULL},
        {"cleaning", cleaning, 0, "info stop reason=drained", "warn cleanup_left msg=\"a store\""},
        {"cleaned", cleaned, 70, "error stop reason=first", NULL},
        {"asked", asked, 143, "warn stop reason=second", NULL},
        {"now", now, 143, "warn stop reason=second", NULL},
        {"now, unarmed", now_unarmed, 143, "warn stop reason=second", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].name);
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) { /* its loops are stuck for good */
            dup2(ends[1], STDERR_FILENO);
            close(ends[0]);
            close(ends[1]);
            rows[i].act();
            for (;;)
                pause();
        }
        close(ends[1]);
        char said[512];
        size_t len = 0;
        for (ssize_t n = 1; n > 0 && len < sizeof said - 1; len += (size_t)n)
            n = read(ends[0], said + len, sizeof said - 1 - len);
        said[len] = '\0';
        close(ends[0]);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), rows[i].exit_code);
        const char *stop = strstr(said, rows[i].stop);
        assert_non_null(stop);
        assert_null(strstr(stop + strlen(rows[i].stop), " stop"));
        assert_true((strstr(said, "cleanup_left") != NULL) == (rows[i].before != NULL));
        if (rows[i].before != NULL)
            assert_non_null(strstr(said, rows[i].before));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_says_why_and_exits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
