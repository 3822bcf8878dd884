/*
 * The users of a file: {"users": [{"user": "alice", "password": "$y$...", "public_keys": [...],
 * ...identity...}]}. Immutable once read; plain memory.
 */
#ifndef AUTH_USER_FILE_H
#define AUTH_USER_FILE_H

#include <sys/stat.h>

#include "auth/identity.h"
#include "gateway/base/buf.h"
#include "gateway/io/loop.h"

#define USER_FILE_MAX_BYTES (16u * 1024u * 1024u)

struct user_file;

struct user_entry {
    char *password;      /* a crypt(3) hash; NULL = no password lets this user in */
    struct identity *id; /* laid over `base` already */
};

/*
 * Reads the whole file, every user over `base` (may be NULL). Blocks: on the pool, or at the start.
 * Starts with one reference; any thread may ref and unref.
 * Logs a line for each public key that is refused, and leaves it out. *stamp is what the
 * file was when it was opened; also after a failure, or zeroed when it could not be.
 * Errors: GW_IO, GW_TOO_LARGE, GW_CONFIG with the JSON path; *msg never quotes the file's content.
 */
enum gw_err user_file_load(const char *path, const json_t *base, struct user_file **out,
                           struct stat *stamp, struct gw_errmsg *msg);
enum gw_err user_file_parse(struct gw_span text, const json_t *base, struct user_file **out,
                            struct gw_errmsg *msg);
struct user_file *user_file_ref(struct user_file *f);
/* Blocks for as long as freeing every user takes. */
void user_file_unref(struct user_file **fp);
/* The same, but the last one frees on the pool. */
void user_file_unref_on(struct loop *l, struct user_file **fp);

size_t user_file_count(const struct user_file *f);
/* NULL = no such user. */
const struct user_entry *user_file_find(const struct user_file *f, const char *user);
/*
 * A hash of the kind that the file's users have, for somebody who has none: always the same one for
 * the same name, so that in a file of mixed kinds an unknown name costs what a known one may.
 */
const char *user_file_decoy(const struct user_file *f, const char *user);

#endif
