/*
 * How loops that share a core take turns on it.
 *
 * Linux takes a core away from who uses it with its tick only, 1 to 10 ms later, and lets who wakes
 * go first only in some cases: a request of an open session would wait behind another loop's
 * logins.
 */
#ifndef GATEWAY_IO_CORE_H
#define GATEWAY_IO_CORE_H

#include <stdbool.h>
#include <stdint.h>

/* This thread wakes often and works briefly: from now on its time slices are 100 us, so that it
 * goes before threads with longer ones when it wakes (sched_setattr(2), from Linux 6.12 on; no
 * effect before, or where a filter of system calls refuses it). Its share of the core is as before.
 * Threads and processes that it starts do not inherit it, unless its nice value is negative: Linux
 * drops both or neither. */
void core_short_slices(void);

/* A loop among the others of this process. */
struct core_place {
    unsigned at;           /* more loops than places share them: all of this is a hint */
    uint64_t busy_from_ns; /* has neither waited nor given way since */
};

void core_place_take(struct core_place *p);
/* After each turn; waited: the loop had nothing to do in it for a while. True: it has worked for
 * long while another loop is active too, and is to let it go first. Who is alone moves more bytes
 * undisturbed, so then never. Any thread, each with a place of its own. */
bool core_gives_way(struct core_place *p, uint64_t now_ns, bool waited);

#endif
