#include <stdio.h>

#include "backends/http/dav.h"
#include "backends/http/web_dir.h"
#include "gateway/base/mem.h"

static const char NO_LISTING[] = "the server's listing is no WebDAV";

struct listing {
    struct web_dir *dir;
    struct web_view *view;
    char *path, *folder; /* folder: with the path of the URL */
    struct dav_xml *xml;
    struct gw_buf name;
};

static bool on_item(void *arg, const struct dav_item *item)
{
    struct listing *l = arg;
    struct fs_attr attr;
    switch (web_url_match(l->folder, item->href, &l->name)) {
    case WEB_HREF_SELF:
        if (item->dir)
            web_dir_is_folder(l->dir);
        return true;
    case WEB_HREF_CHILD:
        if (item->status != 0 && item->status / 100 != 2)
            return true;
        dav_attr(item, &attr);
        return web_dir_add(l->dir, gw_buf_cstr(&l->name), l->name.len, &attr);
    default:
        web_dir_fail(l->dir, GW_UPSTREAM, "the server lists what is not in the folder");
        return false;
    }
}

static void listing_free(void *src)
{
    struct listing *l = src;
    dav_xml_free(&l->xml);
    gw_buf_free(&l->name);
    mem_free(l->folder);
    mem_free(l->path);
    mem_free(l);
}

static void *listing_open(struct web_dir *d, struct web_view *v, const char *path)
{
    struct listing *l = mem_zalloc(sizeof *l);
    l->dir = d;
    l->view = v;
    l->path = mem_strdup(path);
    l->folder = mem_printf("%s%s", v->access->store->url.root, path);
    gw_buf_init(&l->name, FS_PATH_MAX);
    l->xml = dav_xml_new(on_item, l);
    if (l->xml == NULL) {
        listing_free(l);
        l = NULL;
    }
    return l;
}

static struct op *listing_start(void *src, http_body_fn *on_body, remote_done_fn *done, void *arg)
{
    static const char *const headers[] = {"Depth: 1", "Content-Type: application/xml"};
    const struct listing *l = src;
    const struct gw_span body = dav_properties();
    struct gw_buf target;
    dav_target(l->view->access->store, l->path, true, &target);
    const struct remote_req req = {.method = "PROPFIND",
                                   .target = gw_buf_cstr(&target),
                                   .name = *l->path == '\0' ? "/" : l->path,
                                   .headers = headers,
                                   .nheaders = 2,
                                   .body = &body,
                                   .nbody = 1,
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
        web_dir_fail(l->dir, err == GW_BAD_MESSAGE ? GW_UPSTREAM : err, NO_LISTING);
}

static void listing_feed(void *src, struct gw_span part)
{
    struct listing *l = src;
    judge(l, dav_xml_feed(l->xml, part));
}

static bool listing_end(void *src, const struct remote_res *res)
{
    struct listing *l = src;
    (void)res;
    judge(l, dav_xml_end(l->xml));
    return false;
}

const struct web_dir_type dav_listing = {.open = listing_open,
                                         .start = listing_start,
                                         .feed = listing_feed,
                                         .end = listing_end,
                                         .free = listing_free};
