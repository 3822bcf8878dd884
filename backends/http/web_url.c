#include "backends/http/web_url.h"

#include <string.h>
#include <strings.h>

#include "gateway/base/mem.h"
#include "gateway/base/percent.h"
#include "gateway/io/http_url.h"

#define HREF_MAX (16u << 10)

static char *decoded(const char *s, size_t n)
{
    struct gw_buf out;
    gw_buf_init(&out, HREF_MAX);
    char *copy = NULL;
    if (percent_decode(gw_span_of(s, n), &out) && !gw_span_has_nul(gw_buf_span(&out)))
        copy = mem_strdup(gw_buf_cstr(&out));
    gw_buf_free(&out);
    return copy;
}

/* Folders have names: "", "." and ".." are none. */
static bool normal(const char *path)
{
    while (*path != '\0') {
        size_t n = strcspn(++path, "/");
        if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
            return false;
        path += n;
    }
    return true;
}

enum gw_err web_url_parse(const char *text, struct web_url *out, struct gw_errmsg *msg)
{
    *out = (struct web_url){0};
    struct http_url u;
    enum gw_err err = http_url_parse(text, &u, msg);
    if (err != GW_OK)
        return err;
    size_t n = strlen(u.path);
    while (n > 0 && u.path[n - 1] == '/')
        n--;
    out->origin = mem_strndup(u.url, (size_t)(u.path - u.url));
    out->unix_socket = mem_strdup(u.unix_socket);
    out->path = mem_strndup(u.path, n);
    out->root = decoded(u.path, n);
    if (strchr(u.path, '?') != NULL)
        err = gw_err_set(msg, GW_CONFIG, "has a query (?...): a folder is wanted");
    else if (out->root == NULL || !normal(out->root))
        err = gw_err_set(msg, GW_CONFIG, "has a path that is no folder's");
    http_url_free(&u);
    if (err != GW_OK)
        web_url_free(out);
    return err;
}

void web_url_free(struct web_url *u)
{
    mem_free(u->origin);
    mem_free(u->unix_socket);
    mem_free(u->path);
    mem_free(u->root);
    *u = (struct web_url){0};
}

enum gw_err web_url_check(const void *member, struct gw_errmsg *msg)
{
    const char *text = *(char *const *)member;
    struct web_url u;
    if (text == NULL)
        return GW_OK;
    enum gw_err err = web_url_parse(text, &u, msg);
    web_url_free(&u);
    return err;
}

/* Host and port of an origin, without a default port. */
static size_t authority(const char *origin, const char **host)
{
    *host = strstr(origin, "://") + 3;
    size_t n = strcspn(*host, "/?#");
    const char *port = strncasecmp(origin, "https", 5) == 0 ? ":443" : ":80";
    size_t len = strlen(port);
    return n > len && strncmp(*host + n - len, port, len) == 0 ? n - len : n;
}

const char *web_url_within(const struct web_url *u, const char *location)
{
    if (location[0] == '/' && location[1] != '/')
        return location;
    const char *ours, *theirs;
    size_t scheme = strcspn(u->origin, ":");
    if (strncasecmp(location, u->origin, scheme) != 0 || strncmp(location + scheme, "://", 3) != 0)
        return NULL;
    size_t n = authority(u->origin, &ours);
    if (n != authority(location, &theirs) || strncasecmp(ours, theirs, n) != 0)
        return NULL;
    theirs += strcspn(theirs, "/?#");
    return *theirs == '/' ? theirs : NULL;
}

/* The next component of a path, behind its slashes; 0 = the end. */
static size_t component(const char **p, const char *end)
{
    while (*p < end && **p == '/')
        (*p)++;
    const char *slash = memchr(*p, '/', (size_t)(end - *p));
    return (size_t)((slash != NULL ? slash : end) - *p);
}

static bool decode_name(const char *p, size_t n, struct gw_buf *name)
{
    gw_buf_reset(name);
    return percent_decode(gw_span_of(p, n), name);
}

enum web_href web_url_match(const char *folder, const char *href, struct gw_buf *name)
{
    const char *scheme = strstr(href, "://");
    if (scheme != NULL && scheme < strchr(href, '/')) {
        href = scheme + 3;
        href += strcspn(href, "/?#");
    }
    const char *end = href + strcspn(href, "?#");
    const char *folder_end = folder + strlen(folder);
    if (href < end && *href != '/')
        return WEB_HREF_FOREIGN;
    size_t n, want;
    while ((want = component(&folder, folder_end)) > 0) {
        n = component(&href, end);
        if (n == 0 || !decode_name(href, n, name) || name->len != want ||
            memcmp(name->data, folder, want) != 0)
            return WEB_HREF_FOREIGN;
        href += n;
        folder += want;
    }
    n = component(&href, end);
    if (n == 0)
        return WEB_HREF_SELF;
    if (!decode_name(href, n, name))
        return WEB_HREF_FOREIGN;
    href += n;
    return component(&href, end) == 0 ? WEB_HREF_CHILD : WEB_HREF_FOREIGN;
}
