#include <stdio.h>

#include "backends/http/dav.h"
#include "backends/http/web_answer.h"

/* Of DELETE, MOVE and COPY: a part of it failed, and how. */
static bool first_refused(void *arg, const struct dav_item *item)
{
    unsigned *status = arg;
    unsigned said = item->status != 0 ? item->status : item->refused;
    if (*status == 0 && said / 100 != 2)
        *status = said;
    return true;
}

static void read_multistatus(struct gw_span body, const struct remote_question *q,
                             struct remote_answer *out)
{
    unsigned status = 0;
    struct dav_xml *x = dav_xml_new(first_refused, &status);
    if (x == NULL || dav_xml_feed(x, body) != GW_OK || dav_xml_end(x) != GW_OK)
        status = 500;
    dav_xml_free(&x);
    if (status == 0)
        return;
    const char *text;
    enum gw_err err = web_answer_err(status, q->method, &text);
    out->err = err == GW_NOT_FOUND ? GW_UPSTREAM : err;
    snprintf(out->text, sizeof out->text, "a part of it failed: %s (HTTP status %u)", text, status);
}

static void read_answer(void *store, const struct remote_question *q, const struct http_res *res,
                        struct gw_span body, struct remote_answer *out)
{
    unsigned status = http_res_status(res);
    if (status == 207)
        read_multistatus(body, q, out);
    else if (status / 100 != 2 || status == 202)
        web_answer_read(store, q, res, out);
}

const struct remote_type dav_remote = {
    .name = "the server",
    .events = {.retry = "http_retry", .error = "http_error", .slow_down = "http_slow_down"},
    .read = read_answer,
};
