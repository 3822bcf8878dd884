/*
 * For auth/dialect_template*.c only: keyboard-interactive in a template. What an answer asks stands
 * where the configuration's `ask` points; what the user says to it goes into ${answer_1} and so on
 * of the same request.
 */
#ifndef AUTH_DIALECT_TEMPLATE_H
#define AUTH_DIALECT_TEMPLATE_H

#include "auth/dialect_impl.h"

/* Checks `ask` against the variables of the request (dialect_fill_used). Errors: GW_CONFIG. */
enum gw_err dialect_template_dialog_open(const struct dialect *d, unsigned used,
                                         struct gw_errmsg *msg);
/* `used` as above. May this round be asked about? Else *v says what the answer is without a
 * question. */
bool dialect_template_dialog_may(const struct dialect *d, const struct auth_req *req, unsigned used,
                                 struct dialect_verdict *v);
/* Does `ask` look into the answer? */
bool dialect_template_dialog_looks(const struct dialect *d);
/* AUTH_ASK with what the answer asks; doc: NULL = it is no JSON, and *v says so already. */
void dialect_template_dialog_ask(const struct dialect *d, const struct auth_req *req,
                                 const json_t *doc, unsigned used, struct dialect_verdict *v);

#endif
