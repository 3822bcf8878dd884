/*
 * The table of requests: one row feeds decoder, ordering, permission check, dispatch and log.
 */
#ifndef GATEWAY_SFTP_ROWS_H
#define GATEWAY_SFTP_ROWS_H

#include "auth/identity.h"
#include "gateway/base/buf.h"
#include "gateway/sftp/order.h"
#include "gateway/sftp/wire.h"

struct request;

/* What row->perms are asked about. */
enum rows_at {
    ROWS_AT_PATH,   /* the paths themselves: who looks at a thing or changes it */
    ROWS_AT_PARENT, /* the folders they are in: who adds, takes away or renames a name */
};

struct rows_row {
    const char *name;       /* in logs and metrics; of an extension: on the wire */
    const char *event;      /* what changes the tree: its log line; NULL = the name */
    const char *announce;   /* an extension's data in VERSION; NULL = not announced */
    uint32_t min_version;   /* 0 = any */
    enum wire_shape shape;  /* the decoder */
    enum order_class order; /* on its (first) handle */
    uint8_t type;           /* of a request */
    bool changes;           /* its paths */
    bool follows_writer;    /* a file that this session writes answers for its path */
    enum rows_at at;        /* where perms, any and wish are asked */
    uint32_t perms;         /* PERM_*, all needed, on every path */
    uint32_t any;           /* one of these is needed */
    uint32_t wish;          /* decide how it runs: request.granted */
    uint32_t (*perms_of)(const struct wire_req *q); /* more that are needed */
    uint32_t reply_max;                             /* bytes; 0 = a STATUS is the longest answer */
    void (*run)(struct request *r);
};

/* NULL = unknown to this version. */
const struct rows_row *rows_find(uint8_t type, uint32_t version);
const struct rows_row *rows_find_extension(struct gw_span name, uint32_t version);
/* The extension pairs of VERSION. */
void rows_announce(struct gw_buf *b, uint32_t version);

#endif
