/*
 * The verifier `program`: a command that is asked in a dialect (dialect.h). One process a question
 * (proc.h), or kept running (program_pool.h); a keyboard-interactive hook of its own lives as long
 * as the login (program_dialog.h).
 */
#ifndef AUTH_VERIFIER_PROGRAM_H
#define AUTH_VERIFIER_PROGRAM_H

#include "auth/verifier.h"

extern const struct verifier_kind verifier_program_kind;

#endif
