/* A small file, whole: the configuration, a secret. Blocks: start and reload only. */
#ifndef CONFIG_TEXTFILE_H
#define CONFIG_TEXTFILE_H

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

/*
 * Appends the file to *out, whose max bounds it (bytes). Pipes and the like are read to their end.
 * Errors: GW_NOT_FOUND, GW_DENIED, GW_TOO_LARGE, GW_NO_MEMORY, GW_IO; *msg has the reason, without
 * the path.
 */
enum gw_err textfile_read(const char *path, struct gw_buf *out, struct gw_errmsg *msg);

#endif
