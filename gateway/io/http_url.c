#include "gateway/io/http_url.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "gateway/base/mem.h"

#define UNIX_SCHEME "http+unix://"

enum { SOCKET_PATH_MAX = sizeof((struct sockaddr_un *)0)->sun_path - 1 };

static enum gw_err check_bytes(const char *s, struct gw_errmsg *msg)
{
    for (; *s != '\0'; s++)
        if (*s <= ' ' || *s >= 0x7f || strchr("\"<>\\^`{|}", *s) != NULL)
            return gw_err_set(msg, GW_CONFIG,
                              "holds a blank, a control character or another byte that a URL "
                              "writes as %%XX");
        else if (*s == '#')
            return gw_err_set(msg, GW_CONFIG, "has a fragment (#...), which no server ever sees");
    return GW_OK;
}

static enum gw_err check_port(const char *s, size_t n, struct gw_errmsg *msg)
{
    unsigned long port = 0;
    for (size_t i = 0; i < n && port <= 65535; i++)
        port = isdigit((unsigned char)s[i]) ? port * 10 + (unsigned long)(s[i] - '0') : 65536;
    if (n > 0 && port >= 1 && port <= 65535)
        return GW_OK;
    return gw_err_set(msg, GW_CONFIG, "has a port that is not 1 to 65535");
}

/* host[:port], the first n bytes of s; an IPv6 address stands in brackets. */
static enum gw_err check_authority(const char *s, size_t n, struct gw_errmsg *msg)
{
    if (memchr(s, '@', n) != NULL)
        return gw_err_set(msg, GW_CONFIG,
                          "has a user or password in it: they belong into \"auth\"");
    size_t host = 0;
    if (n > 0 && s[0] == '[') {
        while (host < n && s[host] != ']')
            host++;
        host = host < n ? host + 1 : 0;
    } else {
        while (host < n && (isalnum((unsigned char)s[host]) || strchr("-._~%", s[host]) != NULL))
            host++;
    }
    if (host == 0)
        return gw_err_set(msg, GW_CONFIG, "has no host");
    if (host == n)
        return GW_OK;
    if (s[host] != ':')
        return gw_err_set(msg, GW_CONFIG, "has a host that cannot be one");
    return check_port(s + host + 1, n - host - 1, msg);
}

static enum gw_err parse_unix(const char *text, struct http_url *out, struct gw_errmsg *msg)
{
    const char *socket = text + strlen(UNIX_SCHEME);
    size_t n = strcspn(socket, ":");
    if (socket[0] != '/' || socket[n] != ':' || socket[n + 1] != '/')
        return gw_err_set(msg, GW_CONFIG,
                          "must be \"http+unix://\", the path of the socket, \":\" and the path of "
                          "the request, as in \"http+unix:///run/id.sock:/login\"");
    if (n > SOCKET_PATH_MAX)
        return gw_err_set(msg, GW_CONFIG, "has a socket whose path is over %d bytes",
                          SOCKET_PATH_MAX);
    enum gw_err err = check_bytes(socket + n, msg);
    if (err != GW_OK)
        return err;
    out->unix_socket = mem_strndup(socket, n);
    out->url = mem_printf("http://localhost%s", socket + n + 1);
    out->path = out->url + strlen("http://localhost");
    return GW_OK;
}

enum gw_err http_url_parse(const char *text, struct http_url *out, struct gw_errmsg *msg)
{
    *out = (struct http_url){.tls = strncmp(text, "https://", 8) == 0};
    if (strncmp(text, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0)
        return parse_unix(text, out, msg);
    if (!out->tls && strncmp(text, "http://", 7) != 0)
        return gw_err_set(msg, GW_CONFIG,
                          "must begin with \"https://\", \"http://\" or \"http+unix://\"");
    size_t scheme = out->tls ? 8 : 7;
    size_t n = strcspn(text + scheme, "/?");
    enum gw_err err = check_bytes(text, msg);
    if (err == GW_OK)
        err = check_authority(text + scheme, n, msg);
    if (err != GW_OK)
        return err;
    out->url = mem_printf("%.*s%s%s", (int)(scheme + n), text, text[scheme + n] == '/' ? "" : "/",
                          text + scheme + n);
    out->path = out->url + scheme + n;
    return GW_OK;
}

void http_url_free(struct http_url *u)
{
    mem_free(u->unix_socket);
    mem_free(u->url);
    *u = (struct http_url){.url = NULL};
}

enum gw_err http_url_check(const void *member, struct gw_errmsg *msg)
{
    const char *text = *(char *const *)member;
    struct http_url u;
    if (text == NULL)
        return GW_OK;
    enum gw_err err = http_url_parse(text, &u, msg);
    http_url_free(&u);
    return err;
}
