#include <string.h>

#include "backends/http/httpfs.h"
#include "backends/http/httpfs_array.h"
#include "backends/http/web_dir.h"
#include "gateway/base/mem.h"

#define PAGE_ENTRIES 1000u
/* Of a page's mark: a name, each byte percent-encoded. */
#define NEXT_MAX (3u * FS_PATH_MAX)
/* One after the other, before they are taken for a circle: a server may filter what it pages. */
#define EMPTY_PAGES_MAX 100u

struct listing {
    struct web_dir *dir;
    struct web_view *view;
    char *path;
    char *next; /* where the next page begins, as the server wrote it; NULL = none known */
    struct httpfs_array array;
    bool any; /* entries in this page */
    unsigned empty_pages;
};

static bool on_object(void *arg, const json_t *object)
{
    struct listing *l = arg;
    const json_t *name = json_object_get(object, "name");
    struct fs_attr attr;
    if (!json_is_string(name) || !httpfs_attr(object, &attr)) {
        web_dir_fail(l->dir, GW_UPSTREAM, "the server lists what is no entry");
        return false;
    }
    l->any = true;
    return web_dir_add(l->dir, json_string_value(name), json_string_length(name), &attr);
}

static void *listing_open(struct web_dir *d, struct web_view *v, const char *path)
{
    struct listing *l = mem_zalloc(sizeof *l);
    l->dir = d;
    l->view = v;
    l->path = mem_strdup(path);
    httpfs_array_init(&l->array, on_object, l);
    return l;
}

static void listing_free(void *src)
{
    struct listing *l = src;
    httpfs_array_free(&l->array);
    mem_free(l->path);
    mem_free(l->next);
    mem_free(l);
}

static struct op *listing_start(void *src, http_body_fn *on_body, remote_done_fn *done, void *arg)
{
    struct listing *l = src;
    struct gw_buf target;
    httpfs_target(l->view->access->store, "readdir", l->path, &target);
    gw_buf_printf(&target, "?limit=%u", PAGE_ENTRIES);
    if (l->next != NULL)
        gw_buf_printf(&target, "&after=%s", l->next);
    httpfs_array_free(&l->array);
    httpfs_array_init(&l->array, on_object, l);
    l->any = false;
    const struct remote_req req = {.method = "GET",
                                   .target = gw_buf_cstr(&target),
                                   .name = *l->path == '\0' ? "/" : l->path,
                                   .on_body = on_body,
                                   .log = l->view->log,
                                   .broken = target.failed};
    struct op *op = web_access_start(l->view->access, &req, done, arg);
    gw_buf_free(&target);
    return op;
}

static void judge(struct listing *l, enum gw_err err)
{
    if (err != GW_OK)
        web_dir_fail(l->dir, err == GW_BAD_MESSAGE ? GW_UPSTREAM : err,
                     "the server's listing is no JSON array of entries");
}

static void listing_feed(void *src, struct gw_span part)
{
    struct listing *l = src;
    judge(l, httpfs_array_feed(&l->array, part));
    if (l->array.state != HTTPFS_ARRAY_BEFORE)
        web_dir_is_folder(l->dir);
}

/* Percent-encoded, and another one than before: else the pages would never end. */
static bool usable(const struct listing *l, const char *next)
{
    size_t n = strlen(next);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)next[i] <= ' ' || (unsigned char)next[i] >= 0x7f ||
            strchr("&#+\"", next[i]) != NULL)
            return false;
    return n > 0 && n <= NEXT_MAX && (l->next == NULL || strcmp(l->next, next) != 0);
}

static bool listing_end(void *src, const struct remote_res *res)
{
    struct listing *l = src;
    enum gw_err err = httpfs_array_end(&l->array);
    judge(l, err);
    if (err == GW_OK)
        web_dir_is_folder(l->dir);
    const char *next = http_res_header(res->http, "Next");
    if (err != GW_OK || next == NULL || *next == '\0')
        return false;
    l->empty_pages = l->any ? 0 : l->empty_pages + 1;
    if (!usable(l, next) || l->empty_pages > EMPTY_PAGES_MAX) {
        web_dir_fail(l->dir, GW_UPSTREAM, "the server's header `next` leads nowhere");
        return false;
    }
    mem_free(l->next);
    l->next = mem_strdup(next);
    return true;
}

const struct web_dir_type httpfs_listing = {.open = listing_open,
                                            .start = listing_start,
                                            .feed = listing_feed,
                                            .end = listing_end,
                                            .free = listing_free};
