/* The words of an identity's JSON, for its reader (identity_json.c) and its writer
 * (identity_show.c). */
#ifndef AUTH_IDENTITY_WORDS_H
#define AUTH_IDENTITY_WORDS_H

#include "auth/identity.h"

struct identity_perm_word {
    const char *word; /* NULL ends the table */
    uint32_t perms;
};
extern const struct identity_perm_word identity_perm_words[];

enum { IDENTITY_NPARTIAL = IDENTITY_PARTIAL_RESUME + 1 };
extern const char *const identity_partial_words[IDENTITY_NPARTIAL]; /* by enum identity_partial */

#endif
