#include "backends/s3/s3_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/fs.h"
#include "gateway/base/mem.h"

/* Of one page and what it carries over: far more than 1,000 keys of 1,024 bytes. */
#define NAMES_MAX   (8u << 20)
#define ENTRIES_MAX 20000u

void s3_page_init(struct s3_page *p)
{
    *p = (struct s3_page){0};
    gw_buf_init(&p->names, NAMES_MAX);
    gw_buf_init(&p->last, NAMES_MAX);
}

void s3_page_free(struct s3_page *p)
{
    gw_buf_free(&p->names);
    gw_buf_free(&p->last);
    mem_free(p->v);
    p->v = NULL;
    p->n = p->cap = 0;
}

size_t s3_page_bytes(const struct s3_page *p)
{
    return p->names.cap + p->last.cap + p->cap * sizeof *p->v;
}

const char *s3_page_name(const struct s3_page *p, const struct s3_page_entry *e)
{
    return (const char *)p->names.data + e->name;
}

static bool push(struct s3_page *p, const char *name, size_t n, const struct s3_page_entry *like)
{
    if (p->n == p->cap) {
        size_t cap = p->cap == 0 ? 64 : p->cap * 2;
        struct s3_page_entry *v =
            p->n >= ENTRIES_MAX ? NULL : mem_try_realloc(p->v, cap * sizeof *v);
        if (v == NULL)
            return false;
        p->v = v;
        p->cap = cap;
    }
    struct s3_page_entry e = *like;
    e.name = p->names.len;
    gw_buf_put(&p->names, name, n);
    gw_buf_put_u8(&p->names, 0);
    if (p->names.failed != GW_OK)
        return false;
    p->v[p->n++] = e;
    return true;
}

static int order(const void *a, size_t an, const void *b, size_t bn)
{
    size_t n = an < bn ? an : bn;
    int c = n == 0 ? 0 : memcmp(a, b, n);
    return c != 0 ? c : (an > bn) - (an < bn);
}

static void hide(struct s3_page *p, const char *name)
{
    if (p->hidden++ == 0)
        snprintf(p->hidden_name, sizeof p->hidden_name, "%s", name);
}

bool s3_page_add(struct s3_page *p, const struct s3_xml_item *item, size_t prefix_len)
{
    p->any = true;
    const char *name = item->key + prefix_len;
    size_t n = item->key_len - prefix_len;
    if (order(name, n, p->last.data, p->last.len) > 0) {
        gw_buf_reset(&p->last);
        gw_buf_put(&p->last, name, n);
    }
    if (n == 0) /* the marker of the folder itself */
        return p->last.failed == GW_OK;
    if (item->prefix)
        n--; /* its slash */
    if (!fs_name_ok(name, n)) {
        hide(p, name);
        return true;
    }
    const struct s3_page_entry e = {
        .size = item->size, .time_s = item->time_s, .dir = item->prefix};
    return push(p, name, n, &e);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The folders' names, sorted; NULL = none, or no memory. */
static const char **folders(const struct s3_page *p, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < p->n; i++)
        *n += p->v[i].dir;
    const char **all = *n == 0 ? NULL : mem_try_alloc(*n * sizeof *all);
    size_t k = 0;
    for (size_t i = 0; all != NULL && i < p->n; i++)
        if (p->v[i].dir)
            all[k++] = s3_page_name(p, &p->v[i]);
    if (all != NULL)
        qsort(all, k, sizeof *all, by_name);
    else
        *n = 0;
    return all;
}

void s3_page_settle(struct s3_page *p, bool more, struct s3_page *next)
{
    size_t ndirs;
    const char **dirs = folders(p, &ndirs);
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct s3_page_entry *e = &p->v[i];
        const char *name = s3_page_name(p, e);
        size_t n = strlen(name);
        if (!e->dir) {
            if (ndirs > 0 && bsearch(&name, dirs, ndirs, sizeof *dirs, by_name) != NULL)
                continue;
            /* "d" when the page ended at "d-x": "d/" may follow. */
            if (more && p->last.len >= n && memcmp(p->last.data, name, n) == 0 &&
                push(next, name, n, e))
                continue;
        }
        p->v[kept++] = *e;
    }
    p->n = kept;
    mem_free((void *)dirs);
}
