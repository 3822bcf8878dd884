/*
 * Targets of symbolic links: a client's absolute path starts at its view's root, and the disk's
 * does not. Text only; the kernel judges where a link really leads.
 */
#ifndef BACKENDS_LOCAL_LOCAL_LINK_H
#define BACKENDS_LOCAL_LOCAL_LINK_H

#include "backends/local/local_root.h"

/* What a link at `path` stores to mean `target`: always relative. Gives *out.
 * Errors: GW_DENIED: it climbs out of the root or holds a reserved name; GW_BAD_ARG: empty. */
enum gw_err local_link_stored(const char *path, const char *target, char **out);
/* What a client is shown of a stored target. Errors: GW_DENIED: an absolute one outside. */
enum gw_err local_link_shown(const struct local_root *r, const char *stored, char **out);

#endif
