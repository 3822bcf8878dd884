/*
 * The end of an engine whose client has gone, where what it was uploading is to be kept: what had
 * arrived is done, then each file that is open for writing is closed as if its CLOSE had come. A
 * file that lost a write is thrown away all the same, and so is one that a copy-data was to write:
 * that is cancelled.
 */
#ifndef GATEWAY_SFTP_KEEP_H
#define GATEWAY_SFTP_KEEP_H

#include "gateway/sftp/sftpd.h"

/* Is there an upload to keep? */
bool keep_wanted(const struct sftpd *s);
/* Takes *sp; its vfs, log and rates must live until done. A cancel throws away what is not closed
 * yet. */
struct op *keep_start(struct sftpd **sp, loop_fn *done, void *arg);

#endif
