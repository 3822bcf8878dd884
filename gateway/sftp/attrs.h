/*
 * ATTRS on the wire, as fs_attr inside.
 * Each version has one encoder and one decoder; a version to come is a row of their table.
 */
#ifndef GATEWAY_SFTP_ATTRS_H
#define GATEWAY_SFTP_ATTRS_H

#include "backends/fs.h"
#include "gateway/base/buf.h"

#define ATTRS_PUT_MAX 64u /* what attrs_put() writes at most, in bytes */

/* Unknown flags and truncated fields set r->failed. Extended pairs are read and dropped. */
void attrs_get(struct gw_rd *r, uint32_t version, struct fs_attr *out);
/*
 * A kind without a mode goes out with the usual one (0755, 0644): at version 3 the mode is the only
 * way to tell a folder from a file. Times outside of what the version can say are moved to its
 * nearest.
 */
void attrs_put(struct gw_buf *b, uint32_t version, const struct fs_attr *a);
/* The mode with its type bits (S_IFMT), as attrs_put() sends it. */
uint32_t attrs_mode(const struct fs_attr *a);

#endif
