#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/mem.h"

static void test_alloc(void **state)
{
    (void)state;
    unsigned char *p = mem_array(100, 3);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(p[i], 0);
    mem_free(p);
    p = mem_zalloc(10);
    assert_int_equal(p[9], 0);
    mem_free(p);
    /* Nothing is something that can be freed. */
    p = mem_alloc(0);
    assert_non_null(p);
    mem_free(p);
    p = mem_array(0, 0);
    assert_non_null(p);
    mem_free(p);
    p = mem_try_alloc(0);
    assert_non_null(p);
    p = mem_try_realloc(p, 0);
    assert_non_null(p);
    mem_free(p);
    mem_free(NULL);
    mem_free_secret(NULL, 0);
}

static void test_strings(void **state)
{
    (void)state;
    assert_null(mem_strdup(NULL));
    char *s = mem_strdup("abc");
    assert_string_equal(s, "abc");
    mem_free_secret_str(&s);
    assert_null(s);
    mem_free_secret_str(&s);
    s = mem_strndup("abcdef", 3);
    assert_string_equal(s, "abc");
    mem_free(s);
    s = mem_strndup("a\0b", 3);
    assert_memory_equal(s, "a\0b", 4);
    mem_free_secret(s, 3);
    s = mem_printf("%d-%s", 7, "x");
    assert_string_equal(s, "7-x");
    mem_free(s);
}

static void test_fail_after(void **state)
{
    (void)state;
    mem_fail_after(2);
    void *one = mem_try_alloc(1);
    assert_non_null(one);
    assert_null(mem_try_realloc(one, 10)); /* `one` is still there */
    void *two = mem_try_alloc(1);
    assert_non_null(two);
    mem_free(one);
    mem_free(two);
    mem_fail_after(1);
    mem_fail_after(0);
    one = mem_try_alloc(1);
    assert_non_null(one);
    mem_free(one);
}

/* A large one begins where a large page does, whether or not the system has such pages. */
static void test_large(void **state)
{
    static const size_t sizes[] = {0, 1, MEM_HUGE_PAGE - 1, MEM_HUGE_PAGE, 2 * MEM_HUGE_PAGE + 1};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mem_fail_after(1);
        assert_null(mem_try_large(sizes[i]));
        unsigned char *p = mem_try_large(sizes[i]);
        assert_non_null(p);
        memset(p, 1, sizes[i]);
        if (sizes[i] >= MEM_HUGE_PAGE)
            assert_int_equal((uintptr_t)p % MEM_HUGE_PAGE, 0);
        mem_free(p);
    }
}

/* A product that overflows is out of memory, not a short buffer. */
static void test_overflow_aborts(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(STDERR_FILENO);
        volatile size_t n = SIZE_MAX / 2;
        void *p = mem_array(n, 4);
        _exit(p != NULL ? 3 : 4);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && (WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),           cmocka_unit_test(test_strings),
        cmocka_unit_test(test_fail_after),      cmocka_unit_test(test_large),
        cmocka_unit_test(test_overflow_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
