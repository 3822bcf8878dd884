/*
 * A <multistatus> (RFC 4918 section 14.16) as it arrives: the answer to PROPFIND and PROPPATCH, and
 * to DELETE, MOVE and COPY of which a part failed. Read by expat: no DTD, no entities, bounded
 * depth, texts and memory, whatever the length of the answer.
 */
#ifndef BACKENDS_HTTP_DAV_XML_H
#define BACKENDS_HTTP_DAV_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

/* One <response>. Of properties only those count that came with a status of success. */
struct dav_item {
    const char *href; /* as it stands, still percent-encoded, NUL-terminated */
    const char *etag; /* with its quotes; "" = none */
    bool dir;
    bool has_size, has_available, has_used;
    uint64_t size, available, used; /* getcontentlength; RFC 4331's quotas */
    int64_t mtime_s;                /* 0 = none */
    unsigned status;                /* the response's own; 0 = none */
    unsigned refused;               /* the status of a property that was refused; 0 = none */
};
/* False stops the reading with GW_UPSTREAM. item is valid during the call. */
typedef bool dav_xml_fn(void *arg, const struct dav_item *item);

struct dav_xml;

/* NULL = no memory. */
struct dav_xml *dav_xml_new(dav_xml_fn *fn, void *arg);
void dav_xml_free(struct dav_xml **xp); /* NULL-safe */
/* More of it; sticks. Errors: GW_BAD_MESSAGE (no multistatus, over a bound), GW_NO_MEMORY,
 * GW_UPSTREAM (fn said so). */
enum gw_err dav_xml_feed(struct dav_xml *x, struct gw_span part);
/* It has ended: GW_OK if it was whole. */
enum gw_err dav_xml_end(struct dav_xml *x);

#endif
