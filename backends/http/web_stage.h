/* The names under which uploads are sent before they have their own: reserved, beside the file's,
 * with the time at which they were made, which no server and no client changes. */
#ifndef BACKENDS_HTTP_WEB_STAGE_H
#define BACKENDS_HTTP_WEB_STAGE_H

#include <stdint.h>

/* "/folder/.gateway-upload.6923fd07" and 16 more hex digits of chance, beside "/folder/name".
 * Gives it. NULL: there is no chance to be had. */
char *web_stage_name(const char *path);
/* When the upload with this name (without a folder) began, seconds since the epoch; 0 = it does not
 * tell. */
int64_t web_stage_begun_s(const char *name);

#endif
