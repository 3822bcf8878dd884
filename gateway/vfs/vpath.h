/*
 * Virtual paths: what a client writes, made normal. Purely textual: no file system is asked.
 */
#ifndef GATEWAY_VFS_VPATH_H
#define GATEWAY_VFS_VPATH_H

#include "backends/fs.h"

/* Absolute, normal, NUL-terminated. */
struct vpath {
    char s[FS_PATH_MAX];
    size_t len;
};

/* `wire` seen from `cwd` (normal and absolute). "" is cwd itself; ".." stops at "/"; "//" and "."
 * collapse; a backslash and %2e are literal. Errors: GW_BAD_NAME for a NUL, invalid UTF-8 or more
 * than FS_PATH_MAX - 1 bytes. */
enum gw_err vpath_resolve(const char *cwd, struct gw_span wire, struct vpath *out);
/* Is p at or below `top`? *rest is then what follows ("/" for top itself), else NULL. */
bool vpath_under(const char *p, const char *top, const char **rest);
/* The last component ("/" of the root), a pointer into p. */
const char *vpath_name(const char *p);
/* Everything but the last component ("/" of the root). */
void vpath_parent(const char *p, struct vpath *out);

#endif
