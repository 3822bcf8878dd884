#include "gateway/base/mem.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Thread_local unsigned fail_countdown;

static void *or_abort(void *p)
{
    if (p == NULL) {
        static const char msg[] = "postern: out of memory\n";
        fputs(msg, stderr);
        abort();
    }
    return p;
}

static int must_fail(void)
{
    return fail_countdown > 0 && --fail_countdown == 0;
}

void mem_fail_after(unsigned n)
{
    fail_countdown = n;
}

void *mem_alloc(size_t size)
{
    return or_abort(malloc(size == 0 ? 1 : size));
}

void *mem_zalloc(size_t size)
{
    return mem_array(1, size);
}

void *mem_array(size_t n, size_t size)
{
    return or_abort(calloc(n == 0 ? 1 : n, size == 0 ? 1 : size));
}

char *mem_strdup(const char *s)
{
    return s == NULL ? NULL : mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t n)
{
    char *p = mem_alloc(n + 1);
    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *mem_printf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return or_abort(n < 0 ? NULL : s);
}

void *mem_try_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size == 0 ? 1 : size);
}

void *mem_try_large(size_t size)
{
    if (size < MEM_HUGE_PAGE)
        return mem_try_alloc(size);
    void *p = NULL;
    if (must_fail() || posix_memalign(&p, MEM_HUGE_PAGE, size) != 0)
        return NULL;
    (void)madvise(p, size, MADV_HUGEPAGE); /* where there are none it is memory like any other */
    return p;
}

void *mem_try_realloc(void *p, size_t size)
{
    return must_fail() ? NULL : realloc(p, size == 0 ? 1 : size);
}

void mem_free(void *p)
{
    free(p);
}

void mem_free_secret(void *p, size_t n)
{
    if (p != NULL)
        OPENSSL_cleanse(p, n);
    free(p);
}

void mem_free_secret_str(char **sp)
{
    if (*sp != NULL)
        mem_free_secret(*sp, strlen(*sp));
    *sp = NULL;
}
