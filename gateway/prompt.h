/* Secrets from a person or a pipe, for command words. */
#ifndef GATEWAY_PROMPT_H
#define GATEWAY_PROMPT_H

#include <stdbool.h>

#include "gateway/base/err.h"

#define PROMPT_MAX 1024u /* bytes of a secret */

/* One line of stdin, without its end. Gives *out (mem_free_secret_str).
 * Errors: GW_EOF nothing there, GW_TOO_LARGE, GW_BAD_ARG a NUL byte, GW_IO. */
enum gw_err prompt_line(char **out, struct gw_errmsg *msg);
/* Asks on the terminal, without echo. GW_UNSUPPORTED where there is none. */
enum gw_err prompt_secret(const char *text, char **out, struct gw_errmsg *msg);
bool prompt_is_terminal(void); /* is stdin one? */

#endif
