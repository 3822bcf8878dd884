/*
 * libssh 0.10 spins for ever in ssh_channel_write() when the peer opened the channel with a maximum
 * packet of 10, and has no accessor for that number. This guard reads it off libssh's own packet
 * tap, attached from the accepted login until the channel's open request and never while a password
 * may be under way. From 0.11 on there is nothing to guard, and it does nothing.
 */
#ifndef GATEWAY_SSH_MAXPACKET_H
#define GATEWAY_SSH_MAXPACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"

struct maxpacket_guard;
struct ssh_session_struct;

/* A real client has 32,768; RFC 4253 section 6.1 asks for it. */
#define MAXPACKET_LEAST 1024u

/* Does this libssh need the guard? Then a connection has one channel, as the tap has ended. */
bool maxpacket_needed(void);
/* NULL: no tap is to be had; maxpacket_ok() then says no. */
struct maxpacket_guard *maxpacket_attach(struct ssh_session_struct *ssh);
/* Around each call that may read packets while the guard is attached. */
void maxpacket_enter(struct maxpacket_guard *g); /* NULL-safe */
void maxpacket_leave(void);
/* Inside the callback of the first channel open: ends the tap; is its maximum packet sane? */
bool maxpacket_ok(struct maxpacket_guard *g);
/* So much came before any channel that it is no client. */
bool maxpacket_overrun(const struct maxpacket_guard *g);
/* Detaches. After the session is free, or before: pass it only while it lives. NULL-safe. */
void maxpacket_free(struct maxpacket_guard **gp, struct ssh_session_struct *ssh);

/* The maximum packet of the last SSH_MSG_CHANNEL_OPEN in a capture; 0 = none. */
uint32_t maxpacket_parse(struct gw_span pcap);

#endif
