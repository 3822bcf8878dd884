#include "gateway/watchdog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
// cmocka wants some of the above first
#include <cmocka.h>

static void test_says_why_and_exits(void **state)
{
    static const struct {
        const char *name;
        uint64_t ms[2]; /* how often it is armed; 0 = not */
        int exit_code;
        const char *reason;
    } rows[] = {
        {"once", {30}, 70, "first"},
        {"sooner", {3600000, 30}, 143, "second"},
        {"later", {3600000, 1030}, 143, "second"},
        {"at once", {3600000, 1}, 143, "second"},
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
            watchdog_arm(rows[i].ms[0], 70, "first");
            if (rows[i].ms[1] > 0)
                watchdog_arm(rows[i].ms[1], 143, "second");
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
        assert_non_null(strstr(said, "error stop"));
        assert_non_null(strstr(said, rows[i].reason));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_says_why_and_exits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
