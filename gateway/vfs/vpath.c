#include "gateway/vfs/vpath.h"

#include <string.h>

#include "gateway/base/utf8.h"

static void drop_last(struct vpath *p)
{
    while (p->len > 1 && p->s[p->len - 1] != '/')
        p->len--;
    if (p->len > 1)
        p->len--;
    p->s[p->len] = '\0';
}

static enum gw_err add(struct vpath *p, const uint8_t *name, size_t n)
{
    size_t slash = p->len > 1;
    if (n >= sizeof p->s - p->len - slash)
        return GW_BAD_NAME;
    if (slash)
        p->s[p->len++] = '/';
    memcpy(p->s + p->len, name, n);
    p->len += n;
    p->s[p->len] = '\0';
    return GW_OK;
}

static enum gw_err walk(struct vpath *p, struct gw_span wire)
{
    size_t i = 0;
    while (i < wire.len) {
        size_t n = 0;
        while (i + n < wire.len && wire.ptr[i + n] != '/')
            n++;
        const uint8_t *name = wire.ptr + i;
        i += n + 1;
        if (n == 0 || (n == 1 && name[0] == '.'))
            continue;
        if (n == 2 && name[0] == '.' && name[1] == '.') {
            drop_last(p);
            continue;
        }
        enum gw_err err = add(p, name, n);
        if (err != GW_OK)
            return err;
    }
    return GW_OK;
}

enum gw_err vpath_resolve(const char *cwd, struct gw_span wire, struct vpath *out)
{
    out->s[0] = '/';
    out->s[1] = '\0';
    out->len = 1;
    if (gw_span_has_nul(wire) || !utf8_valid(wire.ptr, wire.len))
        return GW_BAD_NAME;
    if (wire.len == 0 || wire.ptr[0] != '/') {
        enum gw_err err = walk(out, gw_span_str(cwd));
        if (err != GW_OK)
            return err;
    }
    return walk(out, wire);
}

bool vpath_under(const char *p, const char *top, const char **rest)
{
    size_t n = strlen(top);
    *rest = NULL;
    if (n == 1) { /* "/" is above everything */
        *rest = p;
        return true;
    }
    if (strncmp(p, top, n) != 0 || (p[n] != '\0' && p[n] != '/'))
        return false;
    *rest = p[n] == '\0' ? "/" : p + n;
    return true;
}

const char *vpath_name(const char *p)
{
    const char *slash = strrchr(p, '/');
    return slash == NULL || slash[1] == '\0' ? p : slash + 1;
}

void vpath_parent(const char *p, struct vpath *out)
{
    size_t n = strlen(p);
    if (n >= sizeof out->s)
        n = sizeof out->s - 1;
    memcpy(out->s, p, n);
    out->len = n;
    out->s[n] = '\0';
    drop_last(out);
}
