/*
 * Whether a peer asks for new keys too often. An exchange costs the loop more than a megabyte of
 * data does, and a client may begin one whenever it likes: each takes one from an allowance that
 * time and traffic fill again. Who renews by bytes or by the clock never meets its end. Pure: it
 * knows no clock.
 */
#ifndef GATEWAY_SSH_REKEYS_H
#define GATEWAY_SSH_REKEYS_H

#include <stdbool.h>
#include <stdint.h>

/* The allowance, full. */
#define REKEYS_AT_ONCE 32u
/* What gives one back: so long, or so many bytes on the wire, of which an exchange has less than
 * half itself. OpenSSH's RekeyLimit=16K gets by with it. */
#define REKEYS_MS    1000u
#define REKEYS_BYTES 16384u

struct rekeys {
    uint64_t at_ms, at_bytes; /* up to where time and traffic are paid out */
    unsigned taken;           /* of the allowance */
};

/* An exchange has ended, now_ms on any clock that never goes back and after so many bytes in both
 * directions together. False: one too many. */
bool rekeys_one(struct rekeys *r, uint64_t now_ms, uint64_t bytes);

#endif
