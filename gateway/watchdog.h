/*
 * Ends the process when the time is over that somebody gave it, whatever its loops are doing: a
 * thread of its own waits for that, says so in the log, and exits. One a process; any thread.
 */
#ifndef GATEWAY_WATCHDOG_H
#define GATEWAY_WATCHDOG_H

#include <stdint.h>
#include <stdnoreturn.h>

/* How the process ends: literals, for good. */
struct watchdog_end {
    const char *reason; /* of the log's `stop` */
    const char *left;   /* the msg of a `cleanup_left` that makes it a good end; NULL = none */
    int exit_code;
};

/* From now on in ms. Again: what was said last holds, unless the process ends already; then this
 * does not return. */
void watchdog_arm(uint64_t ms, const struct watchdog_end *end);
/* At once, by the thread, as it was asked for. For handlers of signals, once it was armed. */
void watchdog_ask(const struct watchdog_end *end);
/* At once, as it was asked for. */
noreturn void watchdog_now(const struct watchdog_end *end);

#endif
