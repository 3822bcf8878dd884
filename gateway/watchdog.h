/*
 * Ends the process when the time is over that somebody gave it, whatever its loops are doing: a
 * thread of its own waits for that, says so in the log, and exits. One a process; any thread.
 */
#ifndef GATEWAY_WATCHDOG_H
#define GATEWAY_WATCHDOG_H

#include <stdint.h>

/* From now on in ms, and with these words, literals, as reason of the log's `stop`. Again: what was
 * said last holds. */
void watchdog_arm(uint64_t ms, int exit_code, const char *reason);

#endif
