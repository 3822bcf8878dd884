/* Whatever a client writes as a path comes out normal, or not at all. */
#include <stdlib.h>
#include <string.h>

#include "gateway/vfs/vpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
    if (!ok)
        abort();
}

static void check_normal(const struct vpath *p)
{
    require(p->len >= 1 && p->len < FS_PATH_MAX && p->s[0] == '/' && strlen(p->s) == p->len);
    require(p->len == 1 || p->s[p->len - 1] != '/');
    for (const char *at = p->s + 1; p->len > 1 && at != NULL;) {
        size_t n = strcspn(at, "/");
        require(n > 0 && !(n == 1 && at[0] == '.') && !(n == 2 && memcmp(at, "..", 2) == 0));
        at = at[n] == '/' ? at + n + 1 : NULL;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vpath from_root, again, from_home, parent;
    struct gw_span wire = gw_span_of(data, size);
    enum gw_err err = vpath_resolve("/", wire, &from_root);
    if (err == GW_OK) {
        check_normal(&from_root);
        require(vpath_resolve("/other", gw_span_str(from_root.s), &again) == GW_OK);
        require(strcmp(from_root.s, again.s) == 0); /* normal is normal */
        vpath_parent(from_root.s, &parent);
        const char *rest;
        require(vpath_under(from_root.s, parent.s, &rest));
        require(strchr(vpath_name(from_root.s), '/') == NULL || from_root.len == 1);
    }
    if (vpath_resolve("/home/alice", wire, &from_home) == GW_OK)
        check_normal(&from_home);
    return 0;
}
