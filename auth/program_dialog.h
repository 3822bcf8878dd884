/*
 * Programs that lead a keyboard-interactive login: one process a login, which writes a line, gets
 * what was answered on its stdin, writes the next. Between the rounds, while the client thinks, it
 * is parked under a token. One loop's thread.
 */
#ifndef AUTH_PROGRAM_DIALOG_H
#define AUTH_PROGRAM_DIALOG_H

#include "gateway/io/proc.h"

#define PROGRAM_DIALOG_LIFE_MS        (60u * 1000u)
#define PROGRAM_DIALOGS_MAX           128u /* of one verifier on one loop */
#define PROGRAM_DIALOG_LINE_MAX_BYTES (256u * 1024u)

struct program_dialogs;
struct program_dialog;

/* life_ms: of each, from its start to its end; PROGRAM_DIALOG_LIFE_MS but in tests. */
struct program_dialogs *program_dialogs_new(struct loop *l, uint64_t life_ms);
/* Ends those that are parked. None is in anybody's hands. */
void program_dialogs_free(struct program_dialogs **dsp);
unsigned program_dialogs_count(const struct program_dialogs *ds);

/* Errors: those of child_start(); GW_BUSY: there are PROGRAM_DIALOGS_MAX. */
enum gw_err program_dialog_start(struct program_dialogs *ds, const char *const *argv,
                                 const char *const *env, struct program_dialog **out,
                                 struct gw_errmsg *msg);
/* Writes `in` (may be empty) and gives its next line to done, once. One at a time. Copies in.
 * Errors: GW_UPSTREAM: it ended without one; GW_TIMEOUT: its life is over; GW_TOO_LARGE; GW_BUSY.
 */
struct op *program_dialog_ask(struct program_dialog *d, struct gw_span in, proc_done_fn *done,
                              void *arg);

/* Until the client comes back, and at most for the rest of its life. Copies state (may be NULL).
 * The token is good until then. */
const char *program_dialog_park(struct program_dialog **dp, const char *state);
/* NULL: there is none, or its time was over. */
struct program_dialog *program_dialog_take(struct program_dialogs *ds, const char *token);
const char *program_dialog_state(const struct program_dialog *d); /* what was parked with it */

/* done: it has said what it had to say, and may end by itself; else it is ended. NULL-safe. */
void program_dialog_free(struct program_dialog **dp, bool done);

#endif
