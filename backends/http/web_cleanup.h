/* Removes what an upload left under a reserved name. It goes on alone: nobody waits for it. */
#ifndef BACKENDS_HTTP_WEB_CLEANUP_H
#define BACKENDS_HTTP_WEB_CLEANUP_H

#include "backends/http/web.h"

/* Tried again for some seconds: a server may hold the file of a broken upload for a moment. What
 * stays is removed when a listing shows it (web_dir.c). */
void web_cleanup_start(struct web_access *a, const char *path);

#endif
