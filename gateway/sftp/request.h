/*
 * One request under way, the session that it belongs to, and how it is answered.
 * Life: taken (request_new) with its answer's room promised → waits for earlier ones (order.h) →
 * its row's run() starts, and answers at once or from `then` → the answer ends it.
 */
#ifndef GATEWAY_SFTP_REQUEST_H
#define GATEWAY_SFTP_REQUEST_H

#include "gateway/base/list.h"
#include "gateway/sftp/handles.h"
#include "gateway/sftp/order.h"
#include "gateway/sftp/output.h"
#include "gateway/sftp/rows.h"
#include "gateway/sftp/sftpd.h"
#include "gateway/sftp/wire.h"

#define REQUEST_STATUS_MAX 320u /* a STATUS with the longest text, in bytes */

struct sftpd {
    struct sftpd_env env;
    struct fs *fs;
    uint32_t version; /* 0 until INIT */
    bool in_turn;     /* one request at a time, so that replies keep the order of requests */
    bool first_request_seen;
    bool eof;
    const char *dead;    /* why nothing more will come out; NULL = alive */
    const char *closing; /* the same, once what is to be answered was sent */
    struct gw_buf in;    /* the beginning of a packet, or one whole that had to wait */
    struct output out;
    struct handles handles;
    struct list requests; /* in order of arrival */
    struct list spare;    /* request structs to use again */
    uint32_t nrequests, nspare, nwaiting;
    uint64_t arrived;        /* requests so far */
    size_t writes_under_way; /* bytes taken and not answered */
    struct op *wake;         /* the call of env.wake on the next turn */
    struct op *idle;         /* gives the buffers back */
    uint64_t idle_mark;      /* counters.requests when `idle` was started */
    struct sftpd_counters counters;
};

struct request {
    struct list node;
    struct sftpd *s;
    const struct rows_row *row;
    uint32_t id;
    struct wire_req q; /* its spans are good only while the packet is: until the feed returns */
    struct order_claim claim;
    uint64_t number; /* of its arrival */
    uint64_t behind; /* the number of the one that it waits for; 0 = not known */
    struct handle *h[2];
    char *path[2];    /* normal */
    char *text;       /* as it came: a link's target, a user's name */
    uint8_t *data;    /* of a WRITE that waits; NULL = still in the packet */
    uint32_t granted; /* of row->wish: what is allowed */
    size_t promised;
    bool has_place; /* of a handle to come */
    struct op *op;
    void (*then)(struct request *r, const struct fs_res *res);
    uint64_t to_copy, copied;
    struct rate *rate; /* NULL = none counts */
    size_t rated;      /* bytes that it has counted and that have not gone yet */
};

/* A slot with `promised` bytes of room that output_promise() gave. */
struct request *request_new(struct sftpd *s, const struct rows_row *row, uint32_t id,
                            size_t promised);
/* Unanswered: cancels its op, and is gone. */
void request_drop(struct request **rp);

/* What a new file or folder is to be like, less what r may not set: owner, times, set-id bits. Its
 * size is a hint of what will come, not a wish. NULL = nothing is left. */
const struct fs_attr *request_create_attr(const struct request *r, struct fs_attr *attr);

/* The done callback of every op of a request; r->then is what goes on. */
void request_done(void *arg, const struct fs_res *res);

/* Each answers, and ends r: it must not be touched afterwards. */
void request_status(struct request *r, enum gw_err err, const char *text);
void request_attrs(struct request *r, const struct fs_attr *a);
void request_handle(struct request *r, const struct handle *h);
void request_name(struct request *r, const char *name);
/* For other answers: write one packet of at most the row's reply_max, then end. */
struct gw_buf *request_writer(struct request *r);
void request_end(struct request *r);

/* sftpd.c: a request ended outside of a feed: what waited for it goes on, and the owner is woken.
 */
void sftpd_settle(struct sftpd *s);
/* No rate counts any more; what waits for one goes on. */
void sftpd_unthrottle(struct sftpd *s);

#endif
