#include "backends/http/web_answer.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"

struct meaning {
    unsigned status;
    const char *method; /* NULL = any */
    enum gw_err err;
    bool retry, slower;
    const char *text; /* for the client */
};

/* The first row that fits. GW_CHANGED stands for a condition: if_none_match says which. */
static const struct meaning meanings[] = {
    {400, NULL, GW_UPSTREAM, false, false, "the server does not understand the request"},
    {401, NULL, GW_DENIED, false, false, "the server does not accept postern's credentials"},
    {403, NULL, GW_DENIED, false, false, "the server does not allow it"},
    {404, "PUT", GW_NO_PATH, false, false, "there is no folder for it on the server"},
    {404, "POST", GW_NO_PATH, false, false, "there is no folder for it on the server"},
    {404, "MKCOL", GW_NO_PATH, false, false, "there is no folder for it on the server"},
    {404, NULL, GW_NOT_FOUND, false, false, NULL},
    {405, "MKCOL", GW_EXISTS, false, false, NULL},
    {405, NULL, GW_UNSUPPORTED, false, false, "the server does not do that there"},
    {408, NULL, GW_TIMEOUT, true, false, "the server waited too long for the request"},
    {409, "PUT", GW_NO_PATH, false, false, "there is no folder for it on the server"},
    {409, "MKCOL", GW_NO_PATH, false, false, "there is no folder for it on the server"},
    {409, "MOVE", GW_NO_PATH, false, false, "there is no folder for it on the server"},
    {409, "COPY", GW_NO_PATH, false, false, "there is no folder for it on the server"},
    {409, NULL, GW_UPSTREAM, false, false, "the server sees a conflict"},
    {410, NULL, GW_NOT_FOUND, false, false, NULL},
    {411, NULL, GW_UNSUPPORTED, false, false,
     "the server wants to know a file's length beforehand: try again"},
    {412, "MOVE", GW_EXISTS, false, false, NULL},
    {412, "COPY", GW_EXISTS, false, false, NULL},
    {412, NULL, GW_CHANGED, false, false, NULL},
    {413, NULL, GW_TOO_LARGE, false, false, "the file is larger than the server takes"},
    {414, NULL, GW_BAD_NAME, false, false, "the name is longer than the server takes"},
    {415, NULL, GW_UNSUPPORTED, false, false, "the server does not take such a file"},
    {416, NULL, GW_EOF, false, false, NULL},
    {422, NULL, GW_UPSTREAM, false, false, "the server cannot do that"},
    {423, NULL, GW_LOCKED, false, false, "the file is locked on the server"},
    {424, NULL, GW_LOCKED, false, false, "something in the folder is locked on the server"},
    {429, NULL, GW_UPSTREAM, true, true, "the server is asked too often"},
    {500, NULL, GW_UPSTREAM, true, false, "the server has failed"},
    {501, NULL, GW_UNSUPPORTED, false, false, "the server cannot do that"},
    {502, NULL, GW_UPSTREAM, true, false, "what stands before the server cannot reach it"},
    {503, NULL, GW_UPSTREAM, true, true, "the server is not available"},
    {504, NULL, GW_TIMEOUT, true, false, "the server did not answer in time"},
    {507, NULL, GW_NO_SPACE, false, false, "the server has no space left"},
    {508, NULL, GW_LOOP, false, false, "the server's folders run in a circle"},
};

static struct meaning meaning_of(unsigned status, const char *method)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (meanings[i].status == status &&
            (meanings[i].method == NULL || strcmp(meanings[i].method, method) == 0))
            return meanings[i];
    return (struct meaning){.err = GW_UPSTREAM, .retry = status >= 500};
}

enum gw_err web_answer_err(unsigned status, const char *method, const char **text)
{
    const struct meaning m = meaning_of(status, method);
    *text = m.text != NULL ? m.text : gw_err_text(m.err);
    return m.err;
}

/* A redirect is followed inside the origin, so that credentials go nowhere else. */
static void read_redirect(const struct web_store *s, const struct remote_question *q,
                          const struct http_res *res, struct remote_answer *out)
{
    const char *location = http_res_header(res, "Location");
    const char *to = location == NULL ? NULL : web_url_within(&s->url, location);
    out->err = GW_UPSTREAM;
    if (location == NULL) {
        snprintf(out->text, sizeof out->text, "the server redirects without saying where to");
    } else if (to == NULL) {
        snprintf(out->text, sizeof out->text,
                 "the server redirects to another one, where postern does not go");
    } else if (s->dialect->slash_is_folder && strcmp(q->method, "GET") == 0 &&
               to[strcspn(to, "?#")] == '\0' && to[strlen(to) - 1] == '/') {
        out->err = GW_IS_DIR;
    } else {
        out->cure = REMOTE_CURE_TARGET;
        out->target = mem_strndup(to, strcspn(to, "#"));
        snprintf(out->text, sizeof out->text, "the server redirects in a circle");
    }
}

/* It may be done some time: whoever must know that it is looks. A name that goes later is gone. */
static void read_accepted(const struct remote_question *q, struct remote_answer *out)
{
    if (strcmp(q->method, "DELETE") == 0)
        return;
    out->err = GW_UPSTREAM;
    out->maybe_done = true;
    snprintf(out->text, sizeof out->text, "the server has not done it yet (HTTP status 202)");
}

void web_answer_read(const struct web_store *s, const struct remote_question *q,
                     const struct http_res *res, struct remote_answer *out)
{
    unsigned status = http_res_status(res);
    out->maybe_done = status >= 500 || http_res_repeated(res);
    if (status == 202) {
        read_accepted(q, out);
        return;
    }
    if (status == 301 || status == 302 || status == 307 || status == 308) {
        read_redirect(s, q, res, out);
        return;
    }
    const struct meaning m = meaning_of(status, q->method);
    out->err = m.err == GW_CHANGED && q->if_none_match ? GW_EXISTS : m.err;
    out->retry = m.retry;
    out->cure = m.slower ? REMOTE_CURE_SLOWER : REMOTE_CURE_NONE;
    /* The server knew at once: nothing was done. */
    if (status == 501 || status == 507)
        out->maybe_done = false;
    if (out->err != GW_NOT_FOUND && out->err != GW_EXISTS && out->err != GW_EOF)
        snprintf(out->text, sizeof out->text, "%s (HTTP status %u)",
                 m.text != NULL ? m.text : gw_err_text(out->err), status);
}
