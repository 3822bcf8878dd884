/*
 * Who fails too often is not listened to for a while (auth.throttle): failures of one user from one
 * source, and of one source, are counted in a window; at the limit the pair or the source is banned
 * for ban_s. One for the process, any thread. A source is an IPv4 address or an IPv6 /64.
 *
 * throttle_tick() ends bans whose time is over, with a line in the log (ban_end).
 *
 * The tables are bounded. A flood of failures from ever new sources pushes out counts, never bans;
 * to push out a ban takes as many bans as the table holds.
 *
 * Addresses are numeric text; one that is none is never banned. now_ms: monotonic.
 */
#ifndef AUTH_THROTTLE_H
#define AUTH_THROTTLE_H

#include <stdbool.h>

#include "config/settings.h"

#define THROTTLE_MAX 16384u /* counts at a time, and as many bans */

struct throttle;

enum throttle_ban {
    THROTTLE_FREE,
    THROTTLE_USER,   /* this user from this source */
    THROTTLE_SOURCE, /* everybody from this source */
};

/* Takes a reference of s. */
struct throttle *throttle_new(struct settings *s);
void throttle_free(struct throttle **tp);
/* What counts from now on; bans stay, unless there are to be none at all. */
void throttle_reload(struct throttle *t, struct settings *s);

/* At accept. True: banned; *first = nobody was told in this ban yet: a line in the log is due. */
bool throttle_refuses(struct throttle *t, const char *address, uint64_t now_ms, bool *first);
/* Before a verifier is asked. */
enum throttle_ban throttle_look(struct throttle *t, const char *address, const char *user,
                                uint64_t now_ms);
/* One failed login: what it has led to, THROTTLE_FREE where no ban began with it. shown: the user
 * as the log may name it. */
enum throttle_ban throttle_failed(struct throttle *t, const char *address, const char *user,
                                  const char *shown, uint64_t now_ms);
/* The user is in: what failed in that name from there is forgotten. */
void throttle_succeeded(struct throttle *t, const char *address, const char *user, uint64_t now_ms);

/* About once THROTTLE_TICK_MS. */
#define THROTTLE_TICK_MS 1000u
void throttle_tick(struct throttle *t, uint64_t now_ms);

/* Since the start; the last two: now. */
struct throttle_counts {
    uint64_t failures, user_bans, source_bans, refused, bans_evicted;
    uint64_t counted, banned;
};
struct throttle_counts throttle_counts(struct throttle *t);

#endif
