/*
 * The verifier `file`: users, hashes and keys from one JSON file.
 * Every check asks the file system first (on the pool, one question for all checks that wait)
 * whether the file has changed, so an edit holds from the next login on. A file that cannot be read
 * or is broken leaves the last good one in force and is logged once a change.
 */
#ifndef AUTH_VERIFIER_FILE_H
#define AUTH_VERIFIER_FILE_H

#include "auth/verifier.h"

extern const struct verifier_kind verifier_file_kind;

#endif
