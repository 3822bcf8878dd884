/*
 * What the files of a connection share: conn.c (its life), conn_handshake.c (the first keys),
 * conn_auth.c (the login), conn_channel.c (sessions with SFTP on them), conn_keep.c (what outlives
 * them), conn_pump.c (all traffic with libssh after the handshake). Nobody else includes it.
 */
#ifndef GATEWAY_SSH_CONN_IMPL_H
#define GATEWAY_SSH_CONN_IMPL_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <uv.h>

#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/sftp/sftpd.h"
#include "gateway/ssh/conn.h"
#include "gateway/ssh/maxpacket.h"
#include "gateway/ssh/rekeys.h"
#include "gateway/ssh/wide_recv.h"

enum conn_state {
    CONN_HANDSHAKE, /* for the client's version line and the first key exchange */
    CONN_LOGIN,     /* for the client's next step of the login */
    CONN_VERIFYING, /* for a verifier; nothing is read meanwhile */
    CONN_DELAYING,  /* for the time that a refusal is held back; nothing is read meanwhile */
    CONN_OPEN,      /* for traffic */
    CONN_CLOSING,   /* for the peer to take our goodbye and hang up */
    CONN_CLOSED,    /* for the last handle's close callback */
};

/* Steps of one login that have succeeded, at most. */
#define CONN_STEPS_MAX (IDENTITY_STEPS_MAX - 1)
#define CONN_USER_MAX  255u

/* The login. Freed of its secrets and messages as soon as it is over. */
struct conn_login {
    ssh_message held;   /* the request that waits for its answer */
    uint64_t held_ms;   /* when it came */
    ssh_message kept;   /* an earlier request: libssh refuses through it what it swallowed */
    struct op *op;      /* the verifier, or the delay of a refusal */
    struct op *swallow; /* the time after which a packet without a message counts as swallowed */
    bool service;       /* ssh-userauth was asked for */
    unsigned allowed;   /* methods as SSH_AUTH_METHOD_* */
    unsigned attempts;  /* that failed */
    bool throttled;     /* one of them is known to the throttle */
    enum auth_method method;
    bool none_seen, query;
    uint64_t base, explained; /* of raw.in_packets: at the service request, and since */
    uint64_t doubted;         /* packets without a message, as of the last look */
    uint64_t seen_bytes;      /* raw.in_bytes, the same */
    const char *done[CONN_STEPS_MAX];
    size_t ndone;
    char *keys[CONN_STEPS_MAX]; /* fingerprints of those that succeeded */
    size_t nkeys;
    char *fingerprint; /* of the key that is looked at */
    unsigned queries;  /* "would you take this key?" */
    unsigned asked;    /* prompts that the client has not answered yet, + 1; 0 = none was asked */
    unsigned step;
    char *ask_state; /* secret */
};

struct conn {
    const struct conn_env *env;
    struct settings *settings;
    void *tag;
    enum conn_state state;
    int fd; /* ours; libssh has a duplicate, and closes that when it likes */
    ssh_session ssh;
    ssh_event event;
    struct ssh_callbacks_struct cb;
    struct ssh_counter_struct sock, raw; /* bytes on the wire; packets and payload */
    struct wide_recv wide;               /* libssh's reads, once the login is over */
    uv_poll_t poll;
    unsigned open_handles;
    struct op *wake;     /* another pump on the next turn */
    struct op *place;    /* waits for one among those who exchange keys */
    int exchange_rc;     /* what came of its last visit to the pool */
    bool exchange_moved; /* there may be more to do at once */
    struct op *clock;    /* the deadline of the state */

    int watched;         /* events that poll looks for */
    bool writable;       /* it saw that the socket takes more */
    bool pumping, again; /* pumping: also while the handshake is on the pool */
    bool drain;
    bool say_goodbye;
    bool dismantled;     /* all that is left are `keeps` */
    bool keeps_nothing;  /* there is no time left for them */
    const char *end_why; /* set once: the connection is to end */
    char end_text[128];

    struct conn_login *login;
    struct identity *id;
    struct vfs *vfs;
    struct fs *quota;       /* over vfs; NULL = this user has none */
    struct rate *up, *down; /* NULL = no limit */
    struct list keeps;      /* uploads that outlive their channels: conn_keep.c */
    struct list channels;   /* struct conn_channel.node */
    size_t nchannels;
    struct maxpacket_guard *guard; /* libssh 0.10: until the channel is open */
    struct sftpd_counters gone;    /* of channels that are freed */

    uint64_t started_ms, active_ms;
    uint64_t seen_packets;              /* raw.in_packets at the last tick of the clock */
    uint64_t seen_out;                  /* sock.out_bytes then */
    uint64_t keepalive_ms;              /* when the keepalive was last looked at */
    unsigned missed;                    /* keepalives in a row that nothing came back for */
    bool keepalive_out;                 /* libssh waits for an answer to one */
    bool keepalive_due;                 /* for the pump to send */
    unsigned opens;                     /* channels asked for */
    uint64_t backlog_raw, backlog_sock; /* counters when nothing was unsent */
    struct lobby_seat seat;             /* until the login is over */
    uint64_t turn_from;                 /* bytes on the wire when this turn began */
    size_t turn_bytes;                  /* that it may move */
    struct rekeys rekeys;               /* since the first exchange */

    char sid[9];
    char peer[64], own[64];
    uint16_t peer_port, own_port;
    char *user;
    char client_version[160];
    struct log_ctx log_sid, log_user, log; /* log is the whole chain */
};

/* One session channel. */
struct conn_channel {
    struct list node;
    struct conn *conn;
    ssh_channel ssh;
    struct ssh_channel_callbacks_struct cb;
    struct sftpd *sftpd; /* NULL until the subsystem is asked for */
    bool busy;    /* inside a call of libssh that may dispatch: its data callback takes none */
    bool stalled; /* the engine is full; libssh holds more */
    bool owed;    /* output waits for the peer: a window adjust, a key exchange */
    bool eof, eof_given; /* the client ended its direction; the engine knows */
    bool close_sent, peer_closed;
    size_t unread;       /* bytes that libssh held when its callback last ran */
    struct gw_buf carry; /* read out of libssh, not taken by the engine */
};

/* conn.c */
void conn_set_state(struct conn *c, enum conn_state to);
/* Ends the connection on a later turn, or at the end of the pump that runs. The first reason
 * counts; `why` is a literal. goodbye: the peer is there to be told. */
void conn_end(struct conn *c, const char *why, bool goodbye);
/* The same with words from elsewhere, which are copied. */
void conn_end_text(struct conn *c, const char *text, bool goodbye);
/* Says goodbye and takes it down, if conn_end() was called. The last thing a turn does with c. */
void conn_finish_if_ended(struct conn *c);
/* (Re)starts the deadline of the state. */
void conn_set_clock(struct conn *c);

/* conn_pump.c */
void conn_pump(struct conn *c);       /* moves all that can be moved; never re-entered */
void conn_pump_soon(struct conn *c);  /* on the next turn */
void conn_pump_seated(void *c);       /* struct lobby_seat.fn */
void conn_pump_watch(struct conn *c); /* what uv_poll is to look for */
void conn_pump_unwatch(struct conn *c);
void conn_pump_end(struct conn *c);          /* what conn_end() announced, in its turn */
bool conn_pump_reads(const struct conn *c);  /* may libssh read from the socket now? */
size_t conn_pump_left(const struct conn *c); /* bytes that this turn may still move */

/* libssh 0.11 has dropped data beyond the window. It goes on, but what follows must not be read as
 * if nothing were missing. */
bool conn_pump_overrun(const struct conn *c);

/* rc of a call of libssh. False: the session is over, and conn_end() was called. */
bool conn_pump_alive(struct conn *c, int rc);

/* conn_handshake.c: the version lines and the first key exchange, on the pool. */
void conn_handshake_go_on(struct conn *c);

/* conn_auth.c */
void conn_auth_start(struct conn *c); /* the key exchange is done */
void conn_auth_messages(struct conn *c);
void conn_auth_free(struct conn *c); /* cancels, wipes; NULL-safe */
/* Counts and refuses a request that libssh has dropped. */
void conn_auth_swallowed(struct conn *c);

/* conn_swallow.c: requests of the login that libssh drops without a word show only in its packet
 * counters. */
void conn_swallow_service(struct conn *c, bool first); /* a service request came */
void conn_swallow_settle(struct conn *c);  /* a request came: nothing before it is in doubt */
void conn_swallow_explain(struct conn *c); /* another message came */
void conn_swallow_look(struct conn *c);    /* all messages are taken: is there a packet too many? */

/* conn_key.c */
struct conn_key {
    char name[64]; /* "ssh-ed25519" */
    struct gw_buf blob;
    char fingerprint[64]; /* "SHA256:..." */
    bool is_query;        /* not signed: would it be taken? */
};
/* The key of a publickey request. NULL; or what is wrong with it, a literal, and *out is filled in
 * as far as it goes. conn_key_free() in any case. */
const char *conn_key_read(const struct conn *c, ssh_message m, struct conn_key *out);
void conn_key_free(struct conn_key *k);

/* conn_channel.c */
/* The login is accepted and not yet answered. Errors: GW_CONFIG and the like, logged. */
enum gw_err conn_channel_prepare(struct conn *c);
void conn_channel_start(struct conn *c); /* it is answered */
void conn_channel_move(struct conn *c);
struct sftpd_counters conn_channel_counters(const struct conn *c);
bool conn_channel_busy(const struct conn *c);      /* requests under way, or output unsent */
bool conn_channel_working(const struct conn *c);   /* requests under way */
bool conn_channel_has_files(const struct conn *c); /* a drain waits for their CLOSE */
/* Drops engines and channels; libssh's own go with its session. */
void conn_channel_free_all(struct conn *c);
/* What they worked on: when no engine is left. */
void conn_channel_free_tree(struct conn *c);

/* conn_keep.c */
/* Takes *sp if the identity keeps uploads and there is one. False: *sp is the caller's to free. */
bool conn_keep_engine(struct conn *c, struct sftpd **sp);
void conn_keep_cancel(struct conn *c); /* throws them away */
/* conn.c: one of them is over; the connection may be free to go. */
void conn_keep_over(struct conn *c);

#endif
