/*
 * Password hashes in crypt(3) formats.
 *
 * A hash costs tens of milliseconds of a pool thread and a client may ask for one without having
 * logged in. At most half of the pool hashes at any time, over all loops, so that files are served
 * on; the others wait, each client address in its turn, so that a flood from one address delays
 * that address.
 */
#ifndef AUTH_PASSWD_H
#define AUTH_PASSWD_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/io/loop.h"

#define PASSWD_MAX 511u /* bytes; crypt(3) takes no more */

struct passwd_queue; /* the waiting line of one loop */

struct passwd_queue *passwd_new(struct loop *l);
void passwd_free(struct passwd_queue **pp); /* nothing waits in it any more */

typedef void passwd_done_fn(void *arg, bool match);
/* Is `password` the one of `hash`? Copies both, and wipes its copy. source: whose turn it takes
 * (NULL = nobody's). A password over PASSWD_MAX or an unusable hash costs the same and is no match.
 */
struct op *passwd_verify(struct passwd_queue *p, const char *source, const char *password,
                         const char *hash, passwd_done_fn *done, void *arg);

/* "$y$...", "$6$...": a format that crypt(3) takes. Plain text and DES hashes are not. */
bool passwd_usable(const char *hash);
/* A new yescrypt hash; blocks for tens of milliseconds: for the command line. Gives *out.
 * Errors: GW_BAD_ARG for an empty or too long password, GW_INTERNAL when libcrypt fails. */
enum gw_err passwd_hash(const char *password, char **out, struct gw_errmsg *msg);
/* A hash that no password has, as costly as one of passwd_hash(). */
const char *passwd_decoy(void);

/* How many hashes were computed since the start: tests count what an attacker could time. */
uint64_t passwd_count(void);

#endif
