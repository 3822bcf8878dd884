/* The `ls -l` line of version 3's NAME: some clients show it, some read owner and date from it. */
#ifndef GATEWAY_SFTP_LONGNAME_H
#define GATEWAY_SFTP_LONGNAME_H

#include "backends/fs.h"
#include "gateway/base/buf.h"

#define LONGNAME_EXTRA 128u /* what the line is longer than the name, at most, in bytes */

/* Without a length. Owners as numbers, times in UTC; the year instead of the hour for what is more
 * than half a year from now_s. */
void longname_put(struct gw_buf *b, const struct fs_entry *e, int64_t now_s);

#endif
