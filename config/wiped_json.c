#include "config/wiped_json.h"

#include <jansson.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/mem.h"

/* In front of each block: jansson does not say how large what it frees is. */
struct head {
    alignas(max_align_t) size_t size;
};

static void *wiped_alloc(size_t size)
{
    if (size > SIZE_MAX - sizeof(struct head))
        return NULL;
    struct head *h = mem_try_alloc(sizeof *h + size);
    if (h == NULL)
        return NULL;
    h->size = size;
    return h + 1;
}

static void wiped_free(void *p)
{
    if (p == NULL)
        return;
    struct head *h = (struct head *)p - 1;
    mem_free_secret(h, sizeof *h + h->size);
}

void wiped_json_init(void)
{
    json_set_alloc_funcs(wiped_alloc, wiped_free);
}

void wiped_json_free_text(char **textp)
{
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    release(*textp); /* whichever allocator is in force */
    *textp = NULL;
}
