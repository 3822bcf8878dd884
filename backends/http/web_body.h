/*
 * The body of an upload while it is on its way: full parts in, bytes out to the connection, one
 * PUT. A body of one part has a length and can be sent again; a longer one is streamed, and what
 * was sent is forgotten. One a file; the loop's thread only.
 */
#ifndef BACKENDS_HTTP_WEB_BODY_H
#define BACKENDS_HTTP_WEB_BODY_H

#include "backends/http/web.h"
#include "backends/part.h"

struct web_body;

struct web_body_result {
    enum gw_err err;
    char text[FS_TEXT_MAX];
    unsigned status;
    bool maybe_done; /* with err: all was sent, and the answer was lost */
    bool kept_time;
    bool unsized; /* it was sent without a length */
};

/* moved(arg): a part was sent (its memory is back), or the PUT has ended. */
struct web_body *web_body_new(struct web_access *a, loop_fn *moved, void *arg);
void web_body_free(struct web_body **bp); /* NULL-safe; cancels the PUT */

void web_body_add(struct web_body *b, struct part **pp); /* Takes *pp */
size_t web_body_unsent(const struct web_body *b);        /* parts */
/* The PUT begins. put: path, exclusive, times, log; bytes: the length, -1 = not known. */
void web_body_start(struct web_body *b, const struct web_put *put);
bool web_body_started(const struct web_body *b);
/* There will be no more parts. */
void web_body_end(struct web_body *b);
/* NULL while the PUT is under way. */
const struct web_body_result *web_body_result(const struct web_body *b);

#endif
