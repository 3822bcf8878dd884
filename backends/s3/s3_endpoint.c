#include "backends/s3/s3_endpoint.h"

#include <stdio.h>
#include <string.h>

#include "backends/s3/s3.h"
#include "gateway/base/mem.h"
#include "gateway/base/percent.h"

/* The parts of a URL, pointing into it. */
struct parts {
    bool tls;
    struct gw_span host; /* with brackets, when it is an IPv6 address */
    uint32_t port;       /* 0 = the scheme's */
};

static enum gw_err split(const char *url, struct parts *out, struct gw_errmsg *msg)
{
    *out = (struct parts){0};
    const char *p = url;
    if (strncmp(p, "https://", 8) == 0) {
        out->tls = true;
        p += 8;
    } else if (strncmp(p, "http://", 7) == 0) {
        p += 7;
    } else {
        return gw_err_set(msg, GW_CONFIG, "must begin with https:// or http://");
    }
    const char *end = p + strcspn(p, "/");
    if (end[0] == '/' && end[1] != '\0')
        return gw_err_set(msg, GW_CONFIG, "must end after host and port: no path");
    const char *host_end;
    if (*p == '[') {
        host_end = p + strspn(p, "[]0123456789abcdefABCDEF:.");
        while (host_end > p && host_end[-1] != ']')
            host_end--;
    } else {
        host_end =
            p + strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
    }
    out->host = gw_span_of(p, (size_t)(host_end - p));
    if (out->host.len == 0)
        return gw_err_set(msg, GW_CONFIG, "has no host");
    if (*host_end == ':') {
        for (p = host_end + 1; *p >= '0' && *p <= '9' && out->port <= 65535; p++)
            out->port = out->port * 10 + (uint32_t)(*p - '0');
        if (p == host_end + 1 || out->port == 0 || out->port > 65535)
            return gw_err_set(msg, GW_CONFIG, "has no valid port");
        host_end = p;
    }
    if (host_end != end)
        return gw_err_set(msg, GW_CONFIG, "is no URL of scheme, host and port");
    return GW_OK;
}

enum gw_err s3_endpoint_check(const char *url, struct gw_errmsg *msg)
{
    struct parts parts;
    return split(url, &parts, msg);
}

static bool is_address(struct gw_span host)
{
    if (host.len > 0 && host.ptr[0] == '[')
        return true;
    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] != '.' && (host.ptr[i] < '0' || host.ptr[i] > '9'))
            return false;
    return true;
}

/* Lower-case letters, digits and hyphens: a label of a host name. */
static bool is_label(const char *bucket)
{
    return bucket[strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0' &&
           bucket[0] != '-';
}

enum gw_err s3_endpoint_init(struct s3_endpoint *e, const struct s3_conf *conf,
                             struct gw_errmsg *msg)
{
    *e = (struct s3_endpoint){0};
    char *aws = NULL;
    const char *url = conf->endpoint;
    if (url == NULL || *url == '\0')
        url = aws = mem_printf("https://s3.%s.amazonaws.com%s", conf->region,
                               strncmp(conf->region, "cn-", 3) == 0 ? ".cn" : "");
    struct parts parts;
    enum gw_err err = split(url, &parts, msg);
    if (err == GW_OK) {
        bool path = conf->path_style || is_address(parts.host) || !is_label(conf->bucket) ||
                    gw_span_eq(parts.host, "localhost");
        char port[16] = "";
        if (parts.port != 0 && parts.port != (parts.tls ? 443 : 80))
            snprintf(port, sizeof port, ":%u", (unsigned)parts.port);
        e->tls = parts.tls;
        e->host = mem_printf("%s%s%.*s%s", path ? "" : conf->bucket, path ? "" : ".",
                             (int)parts.host.len, (const char *)parts.host.ptr, port);
        struct gw_buf base;
        gw_buf_init(&base, 4096);
        if (path) {
            gw_buf_put_u8(&base, '/');
            percent_encode(gw_span_str(conf->bucket), false, &base);
        }
        e->base = mem_strdup(gw_buf_cstr(&base));
        gw_buf_free(&base);
    }
    mem_free(aws);
    return err;
}

void s3_endpoint_free(struct s3_endpoint *e)
{
    mem_free(e->host);
    mem_free(e->base);
    *e = (struct s3_endpoint){0};
}
