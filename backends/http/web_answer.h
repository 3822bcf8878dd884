/* What the statuses of HTTP mean to a store: an error, words for a client, whether asking again
 * helps. */
#ifndef BACKENDS_HTTP_WEB_ANSWER_H
#define BACKENDS_HTTP_WEB_ANSWER_H

#include "backends/http/web.h"

/* Of an answer that is no success, and of 202. Redirects within the origin are to be followed; no
 * credentials go anywhere else. */
void web_answer_read(const struct web_store *s, const struct remote_question *q,
                     const struct http_res *res, struct remote_answer *out);
/* Of a status inside an answer. */
enum gw_err web_answer_err(unsigned status, const char *method, const char **text);

#endif
