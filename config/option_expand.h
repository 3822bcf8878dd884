/*
 * ${NAME} and ${NAME:-default} in a configured string take environment variables.
 * $${ is a literal ${; ${user} and the variables of a verifier's template (${password} ...) are
 * left alone: a later stage fills them in.
 */
#ifndef CONFIG_OPTION_EXPAND_H
#define CONFIG_OPTION_EXPAND_H

#include <stdbool.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

/* ${NAME:-default} takes the default when NAME is not set, or empty, as in a shell. */
#define OPTION_EXPAND_MAX (64u * 1024u) /* bytes of a configured string, expanded */

/* Is there anything to expand in s? */
bool option_expand_needed(const char *s);
/*
 * Appends s, expanded, to *out.
 * Errors: GW_CONFIG: a variable that is not set, or a form that is not known, *msg says which.
 * What *out cannot take shows in out->failed.
 */
enum gw_err option_expand(const char *s, struct gw_buf *out, struct gw_errmsg *msg);

#endif
