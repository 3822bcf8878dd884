/*
 * A user file as the whole process sees it: one copy for all loops, the last good one. What one
 * loop has seen, every loop has. Any thread.
 */
#ifndef AUTH_USER_SOURCE_H
#define AUTH_USER_SOURCE_H

#include "auth/user_file.h"

struct user_source;

/*
 * The source of this path and base (the same JSON value, not an equal one): a reference to the one
 * that there is, or a new one whose file is read at once, which blocks.
 * Errors: those of user_file_load().
 */
enum gw_err user_source_open(const char *path, const json_t *base, struct user_source **out,
                             struct gw_errmsg *msg);
struct user_source *user_source_ref(struct user_source *s);
void user_source_unref(struct user_source **sp);

/*
 * Reads the file again if it has changed; logs that, or once a change why it cannot be used.
 * Blocks: on the pool. Gives a reference to the last good one; *broken says what is wrong with a
 * newer one
 * ("" = nothing).
 */
struct user_file *user_source_look(struct user_source *s, struct gw_errmsg *broken);

#endif
