/*
 * The dialect `httpfs`: docs/httpfs.yaml. Source: SFTPGo's HTTPFs API; what postern adds to it
 * (ranges, pages, words of an error) a server may leave out.
 */
#ifndef BACKENDS_HTTP_HTTPFS_H
#define BACKENDS_HTTP_HTTPFS_H

#include <jansson.h>

#include "backends/http/web.h"

extern const struct web_dialect httpfs_dialect;

/* The target of a call: "/stat/%2Fdir%2Ffile". */
void httpfs_target(const struct web_store *s, const char *call, const char *path,
                   struct gw_buf *out);
/* {name, size, mode, last_modified} as attributes. False: it is none. */
bool httpfs_attr(const json_t *info, struct fs_attr *out);

extern const struct web_dir_type httpfs_listing;

#endif
