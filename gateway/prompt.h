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
/* Asks on the terminal where stdin is one; else takes a line of stdin, and shows the question on
 * stderr. The text may be anybody's: control characters are shown as "?". */
enum gw_err prompt_ask(const char *text, bool echo, char **out, struct gw_errmsg *msg);
void prompt_say(const char *text); /* a line, on stderr */
bool prompt_is_terminal(void);     /* is stdin one? */

#endif
