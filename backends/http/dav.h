/*
 * The dialect `webdav`. Source: RFC 4918, RFC 4331 (quotas), RFC 9110; X-OC-Mtime of ownCloud and
 * Nextcloud.
 */
#ifndef BACKENDS_HTTP_DAV_H
#define BACKENDS_HTTP_DAV_H

#include "backends/http/dav_xml.h"
#include "backends/http/web.h"

extern const struct web_dialect dav_dialect;

/* The target of a path of the store; a folder's ends in a slash. */
void dav_target(const struct web_store *s, const char *path, bool folder, struct gw_buf *out);
/* The attributes of a <response>. */
void dav_attr(const struct dav_item *item, struct fs_attr *out);
/* For a PROPFIND of what attributes are made of. */
struct gw_span dav_properties(void);

/* dav_dir.c: listings. */
extern const struct web_dir_type dav_listing;

/* dav_answer.c: what statuses mean. */
extern const struct remote_type dav_remote;

#endif
