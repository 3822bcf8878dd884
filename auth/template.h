/*
 * ${user} in the paths of an identity: the name becomes one path component that no name can leave.
 */
#ifndef AUTH_TEMPLATE_H
#define AUTH_TEMPLATE_H

#include "gateway/base/buf.h"

/*
 * Appends `user` so that it is one component of a path: "/", "\", "%", bytes below 0x20, DEL and a
 * leading dot are written as %XX (upper case). Injective: "%" itself is always written as %25.
 */
void template_escape(struct gw_buf *b, const char *user);
/* Appends `text` with ${user} filled in. Errors: GW_CONFIG for any other "${". */
enum gw_err template_expand(struct gw_buf *b, const char *text, const char *user);

#endif
