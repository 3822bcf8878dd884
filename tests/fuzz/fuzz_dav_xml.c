/* The reader of multistatus, fed in pieces: the first byte says how large they are. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/http/dav_xml.h"
#include "backends/http/web_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool on_item(void *arg, const struct dav_item *item)
{
    struct gw_buf *name = arg;
    if (item->href == NULL || item->etag == NULL || item->href[0] == '\0')
        abort();
    if (web_url_match("/dav", item->href, name) == WEB_HREF_CHILD && name->len == 0)
        abort();
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t step = data[0] == 0 ? size : data[0];
    struct gw_buf name;
    gw_buf_init(&name, 4096);
    struct dav_xml *x = dav_xml_new(on_item, &name);
    enum gw_err err = GW_OK;
    for (size_t at = 1; x != NULL && err == GW_OK && at < size; at += step)
        err = dav_xml_feed(x, gw_span_of(data + at, size - at < step ? size - at : step));
    if (x != NULL && err == GW_OK)
        err = dav_xml_end(x);
    dav_xml_free(&x);
    gw_buf_free(&name);
    return 0;
}
