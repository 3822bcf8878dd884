#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/percent.h"
#include "tests/support/web_stub_impl.h"

void web_stub_dav_name(const char *target, char *out)
{
    const char *at = strstr(target, "/dav");
    struct gw_buf b;
    gw_buf_init(&b, WEB_STUB_NAME_MAX - 1);
    if (at != NULL && at[4] == '/')
        (void)percent_decode(gw_span_str(at + 5), &b);
    snprintf(out, WEB_STUB_NAME_MAX, "%s", gw_buf_cstr(&b));
    size_t n = strlen(out);
    if (n > 0 && out[n - 1] == '/')
        out[n - 1] = '\0';
    gw_buf_free(&b);
}

static void put_response(struct gw_buf *out, const char *name, const struct web_stub_file *f)
{
    gw_buf_put_text(out, "<D:response><D:href>/dav/");
    percent_encode(gw_span_str(name), true, out);
    gw_buf_put_text(out, "</D:href><D:propstat><D:prop>");
    if (f == NULL)
        gw_buf_put_text(out, "<D:resourcetype><D:collection/></D:resourcetype>");
    else
        gw_buf_printf(out,
                      "<D:resourcetype/><D:getcontentlength>%zu</D:getcontentlength>"
                      "<D:getetag>\"v%u\"</D:getetag>",
                      f->len, f->version);
    char date[64] = "Sun, 22 Nov 2026 13:57:59 GMT";
    const time_t t = f != NULL ? (time_t)f->mtime_s : 0;
    struct tm tm;
    if (t != 0 && gmtime_r(&t, &tm) != NULL)
        (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    gw_buf_printf(out,
                  "<D:getlastmodified>%s</D:getlastmodified></D:prop>"
                  "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>",
                  date);
}

#define MULTI_HEAD "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">"
#define MULTI_TAIL "</D:multistatus>"

/* Never all at once: after the first pieces the reader must have them, or the stub waits long. */
bool web_stub_dav_many(const struct web_stub_call *k)
{
    struct gw_buf out;
    gw_buf_init(&out, 1u << 20);
    bool ok = http_stub_text(k->c, "HTTP/1.1 207 Multi\r\nConnection: close\r\n\r\n" MULTI_HEAD);
    put_response(&out, "", NULL);
    const struct web_stub_file one = {.len = 1};
    for (unsigned i = 0; ok && i < k->value; i++) {
        char name[32];
        snprintf(name, sizeof name, "file%06u", i);
        put_response(&out, name, &one);
        if (i % 100 == 99) {
            ok = http_stub_send(k->c, out.data, out.len);
            gw_buf_reset(&out);
            pthread_mutex_lock(&k->s->lock);
            k->s->written = i + 1;
            pthread_mutex_unlock(&k->s->lock);
            if (i < 1000)
                http_stub_pause(k->c, 20);
        }
    }
    (void)(ok && http_stub_send(k->c, out.data, out.len) && http_stub_text(k->c, MULTI_TAIL));
    gw_buf_free(&out);
    return false;
}

static bool propfind(const struct web_stub_call *k)
{
    char depth[8] = "";
    struct gw_buf out;
    http_stub_header(k->r, "Depth", depth, sizeof depth);
    pthread_mutex_lock(&k->s->lock);
    const struct web_stub_file *f = web_stub_find(k->s, k->name);
    bool folder = web_stub_is_folder(k);
    gw_buf_init(&out, 1u << 20);
    gw_buf_put_text(&out, MULTI_HEAD);
    put_response(&out, k->name, folder ? NULL : f);
    if (k->name[0] == '\0' && depth[0] == '1') {
        LIST_EACH(it, &k->s->files)
        {
            const struct web_stub_file *each = LIST_ENTRY(it, struct web_stub_file, node);
            put_response(&out, each->name, each);
        }
        put_response(&out, "d/", NULL);
    }
    gw_buf_put_text(&out, MULTI_TAIL);
    pthread_mutex_unlock(&k->s->lock);
    bool ok = folder || f != NULL ? http_stub_reply(k->c, 207, "", out.data, out.len)
                                  : web_stub_status(k, 404);
    gw_buf_free(&out);
    return ok;
}

static bool transfer(const struct web_stub_call *k, bool moves)
{
    char destination[1024] = "", overwrite[8] = "T", to[WEB_STUB_NAME_MAX];
    http_stub_header(k->r, "Destination", destination, sizeof destination);
    http_stub_header(k->r, "Overwrite", overwrite, sizeof overwrite);
    web_stub_dav_name(destination, to);
    struct web_stub_file *from = web_stub_find(k->s, k->name), *old = web_stub_find(k->s, to);
    if (from == NULL)
        return web_stub_status(k, 404);
    if (old != NULL && overwrite[0] == 'F')
        return web_stub_status(k, 412);
    web_stub_store(k->s, to, from->data, from->len);
    web_stub_find(k->s, to)->mtime_s = from->mtime_s;
    if (moves)
        web_stub_drop(from);
    return web_stub_status(k, old != NULL ? 204 : 201);
}

static bool put(const struct web_stub_call *k, const struct web_stub_file *f)
{
    char encoding[16] = "", none_match[8] = "", mtime[32] = "";
    if (k->s->wants_length &&
        http_stub_header(k->r, "Transfer-Encoding", encoding, sizeof encoding))
        return web_stub_status(k, 411);
    if (f != NULL && http_stub_header(k->r, "If-None-Match", none_match, sizeof none_match))
        return web_stub_status(k, 412);
    unsigned status = f != NULL ? 204 : 201;
    web_stub_store(k->s, k->name, k->r->body, web_stub_kept(k));
    if (k->mute || k->s->times_kept != WEB_STUB_TIMES_BY_PUT ||
        !http_stub_header(k->r, "X-OC-Mtime", mtime, sizeof mtime))
        return web_stub_status(k, status);
    web_stub_find(k->s, k->name)->mtime_s = strtoll(mtime, NULL, 10);
    return http_stub_reply(k->c, status, "X-OC-MTime: accepted\r\n", "", 0);
}

static bool proppatch(const struct web_stub_call *k, struct web_stub_file *f)
{
    static const char accepted[] = MULTI_HEAD
        "<D:response><D:href>/dav/x</D:href><D:propstat><D:prop><D:lastmodified/>"
        "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>" MULTI_TAIL;
    static const char property[] = "<lastmodified>";
    char body[1024];
    snprintf(body, sizeof body, "%.*s", (int)k->r->body_len, (const char *)k->r->body);
    const char *at = strstr(body, property);
    if (f == NULL || at == NULL || k->s->times_kept != WEB_STUB_TIMES_BY_PROPPATCH)
        return web_stub_status(k, f == NULL ? 404 : 405);
    f->mtime_s = strtoll(at + strlen(property), NULL, 10);
    return http_stub_reply(k->c, 207, "", accepted, strlen(accepted));
}

static bool change(const struct web_stub_call *k)
{
    const char *m = k->r->method;
    struct web_stub_file *f = web_stub_find(k->s, k->name);
    if (strcmp(m, "PUT") == 0)
        return put(k, f);
    if (strcmp(m, "PROPPATCH") == 0)
        return proppatch(k, f);
    if (strcmp(m, "DELETE") == 0) {
        if (f == NULL && !web_stub_is_folder(k))
            return web_stub_status(k, 404);
        if (f == NULL && strcmp(k->name, "d") != 0)
            k->s->made[0] = '\0';
        if (f != NULL)
            web_stub_drop(f);
        return web_stub_status(k, 204);
    }
    if (strcmp(m, "MKCOL") == 0) {
        if (f != NULL || web_stub_is_folder(k))
            return web_stub_status(k, 405);
        web_stub_make(k);
        return web_stub_status(k, 201);
    }
    if (strcmp(m, "MOVE") == 0 || strcmp(m, "COPY") == 0)
        return transfer(k, m[0] == 'M');
    return web_stub_status(k, 405);
}

bool web_stub_dav(const struct web_stub_call *k)
{
    if (strcmp(k->r->method, "PROPFIND") == 0)
        return propfind(k);
    if (strcmp(k->r->method, "GET") == 0)
        return web_stub_get(k, 0);
    pthread_mutex_lock(&k->s->lock);
    bool ok = change(k);
    pthread_mutex_unlock(&k->s->lock);
    return ok;
}
