/*
 * Who may connect, by count: the whole process, not yet logged in, one source (limits.connections,
 * unauthenticated, connections_per_source), one user (limits.sessions of the identity). A source is
 * an IPv4 address or an IPv6 /64.
 * Any thread.
 */
#ifndef GATEWAY_ADMISSION_H
#define GATEWAY_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config/settings.h"

struct admission;
struct admission_ticket; /* one connection's place in the counts */

struct admission *admission_new(const struct settings_limits *limits);
void admission_free(struct admission **ap); /* every ticket has left */
/* For connections to come; those that are in stay. */
void admission_set_limits(struct admission *a, const struct settings_limits *limits);

/* NULL and *out, or why not: the name of the limit that is reached. */
const char *admission_enter(struct admission *a, const struct sockaddr_storage *peer,
                            struct admission_ticket **out);
/* Counts no more as unauthenticated. Idempotent. */
void admission_logged_in(struct admission_ticket *t);
/* One more session of `user` (copied), unless there are `most` already (0 = no limit): then false
 * and nothing has changed. Once a ticket. */
bool admission_user(struct admission_ticket *t, const char *user, uint32_t most);
void admission_leave(struct admission_ticket **tp);
unsigned admission_count(struct admission *a);

#endif
