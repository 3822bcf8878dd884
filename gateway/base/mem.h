/*
 * The only allocator of the project. mem_* abort when memory is out: for sizes that are small and
 * fixed. mem_try_* return NULL: for sizes that come from a peer, a file or the configuration, which
 * the caller bounds first.
 */
#ifndef GATEWAY_BASE_MEM_H
#define GATEWAY_BASE_MEM_H

#include <stddef.h>

#define MEM_HUGE_PAGE ((size_t)2 * 1024 * 1024)

void *mem_alloc(size_t size);               /* not zeroed */
void *mem_zalloc(size_t size);              /* zeroed */
void *mem_array(size_t n, size_t size);     /* zeroed */
char *mem_strdup(const char *s);            /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n); /* NUL-terminated copy of n bytes */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void *mem_try_alloc(size_t size);
/* For bytes on their way: from MEM_HUGE_PAGE on in pages of that size, where the system has them.
 */
void *mem_try_large(size_t size);
void *mem_try_realloc(void *p, size_t size);

void mem_free(void *p); /* NULL is fine */
/* Wipes n bytes, then frees. For whatever held a secret. */
void mem_free_secret(void *p, size_t n);
/* Wipes and frees a NUL-terminated secret and nulls the owner's pointer. */
void mem_free_secret_str(char **sp);

/* Tests: the n-th mem_try_* from now on fails (1 = the next one); 0 switches it off. Per thread. */
void mem_fail_after(unsigned n);

#endif
