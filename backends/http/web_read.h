/* A file of an HTTP store that is open for reading: a look at what it is, then ranged GETs with
 * read-ahead (backends/read_ahead.h). */
#ifndef BACKENDS_HTTP_WEB_READ_H
#define BACKENDS_HTTP_WEB_READ_H

#include "backends/http/web.h"

/* path: the store's. Errors: GW_IS_DIR where path is a folder. */
struct op *web_read_open(struct web_view *v, const char *path, fs_done_fn *done, void *arg);

#endif
