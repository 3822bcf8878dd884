/*
 * A store that takes whole files only (no FS_CAP_RANDOM_WRITE), made to take any write: a layer
 * around its view.
 *
 * What an open asks for decides, once:
 *   - reading: the store's own file, as if the layer were not there;
 *   - writing a file from nothing (FS_TRUNC, or FS_CREATE with FS_EXCL) without reading it: the
 *     store's own file again, which is streamed and wants its bytes in order;
 *   - anything else that writes (read and write, append, write and keep what is there): the file is
 *     fetched into the spool, lives there, and at close is written into the store in order, if it
 *     has changed. The old one stays until then. Two that have one path open have a file each, and
 *     the last close wins; a path that is renamed or removed meanwhile is made again.
 * Without a spool the last is GW_UNSUPPORTED with a text.
 */
#ifndef BACKENDS_SPOOL_SPOOL_FS_H
#define BACKENDS_SPOOL_SPOOL_FS_H

#include "backends/spool/spool.h"

/* Takes inner. Borrows: spool (NULL = none) for the view's life. */
struct fs *spool_fs_new(struct fs *inner, struct spool *spool);

#endif
