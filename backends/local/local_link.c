#include "backends/local/local_link.h"

#include <string.h>

#include "gateway/base/mem.h"

static size_t depth_of(const char *path)
{
    size_t n = 0;
    for (const char *at = path; *at != '\0'; at++)
        n += at[0] == '/' && at[1] != '\0';
    return n;
}

/* Walking target from `depth` folders below the root: does it ever stand above it? */
static bool climbs_out(const char *target, size_t depth)
{
    for (const char *at = target; *at != '\0';) {
        size_t n = strcspn(at, "/");
        if (n == 2 && at[0] == '.' && at[1] == '.') {
            if (depth == 0)
                return true;
            depth--;
        } else if (n > 0 && !(n == 1 && at[0] == '.')) {
            depth++;
        }
        at += n + strspn(at + n, "/");
    }
    return false;
}

enum gw_err local_link_stored(const char *path, const char *target, char **out)
{
    const size_t depth = depth_of(path) - 1; /* of the link's folder */
    struct gw_buf b;
    *out = NULL;
    if (target[0] == '\0')
        return GW_BAD_ARG;
    if (reserved_path(target) || climbs_out(target, target[0] == '/' ? 0 : depth))
        return GW_DENIED;
    gw_buf_init(&b, FS_PATH_MAX);
    if (target[0] == '/') {
        for (size_t i = 0; i < depth; i++)
            gw_buf_put_text(&b, "../");
        target += strspn(target, "/");
        if (target[0] == '\0' && depth == 0)
            target = ".";
    }
    gw_buf_put_text(&b, target);
    const char *text = gw_buf_cstr(&b);
    if (b.failed == GW_OK)
        *out = mem_strdup(text);
    enum gw_err err = b.failed == GW_TOO_LARGE ? GW_BAD_NAME : b.failed;
    gw_buf_free(&b);
    return err;
}

/* What follows `top` in path, NULL if path is not below it. */
static const char *below(const char *path, const char *top)
{
    size_t n = strlen(top);
    if (strncmp(path, top, n) != 0 || (path[n] != '/' && path[n] != '\0'))
        return NULL;
    return path + n;
}

enum gw_err local_link_shown(const struct local_root *r, const char *stored, char **out)
{
    const char *inside = stored;
    if (stored[0] == '/') { /* made by others, on the disk */
        inside = below(stored, r->store->path);
        if (inside != NULL && r->prefix[0] != '\0')
            inside = inside[0] == '/' ? below(inside + 1, r->prefix) : NULL;
        if (inside == NULL)
            return GW_DENIED;
        if (inside[0] == '\0')
            inside = "/";
    }
    *out = mem_strdup(inside);
    return GW_OK;
}
