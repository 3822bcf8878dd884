/*
 * What a user may store: max_file_bytes, quota_bytes, quota_files. An fs that holds the session's
 * tree and hands everything on; what would make a file larger, or one more, is held against the
 * limits first. The bytes of an upload count while they come: less what it replaces, as that goes
 * when the upload is closed; an upload that ends otherwise gives them back.
 *
 * What is stored is counted once for all sessions of a user that run (gateway/vfs/usage.h), from
 * the login on; the login does not wait for it. Until it is known, what changes a file waits, and
 * reading and listing does not. A count that fails refuses what waited; the next one tries again.
 *
 * Where it cannot be known who freed what, nothing is given back (usage_hold_new): the sum may be
 * too large until the next count, never too small.
 *
 * So nothing is refused for want of room before it has been counted anew, at most every
 * USAGE_RECOUNT_MS: all that changes a file waits meanwhile, but bytes of an upload that nobody
 * sees before its close. Those are added to what the count finds.
 *
 * What others than the gateway store, or the same user under another identity, is seen by the next
 * count only: a new one, or when a session begins while none is there.
 */
#ifndef GATEWAY_VFS_QUOTA_H
#define GATEWAY_VFS_QUOTA_H

#include "auth/identity.h"
#include "gateway/vfs/vfs.h"

/* NULL where id has no such limit. Borrows v and log for its life; copies what it needs of id.
 * Freed by fs_free(), which leaves v alone. */
struct fs *quota_new(struct vfs *v, const struct identity *id, const struct log_ctx *log);

#endif
