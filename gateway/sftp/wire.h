/*
 * The bytes of SFTP: packet types, requests decoded into one struct, replies encoded.
 * No state and no side effect: a request is decoded whole before anything is done about it.
 * Source: draft-ietf-secsh-filexfer-02 (version 3), OpenSSH PROTOCOL. Symbols carry the drafts'
 * names.
 */
#ifndef GATEWAY_SFTP_WIRE_H
#define GATEWAY_SFTP_WIRE_H

#include "backends/fs.h"
#include "gateway/base/buf.h"

#define WIRE_VERSION_MIN 3u
#define WIRE_VERSION_MAX 3u
/* Of one READ or WRITE: a packet of 256 KiB less what surrounds the data. */
#define WIRE_DATA_MAX    (256u * 1024u - 1024u)
#define WIRE_DATA_HEADER 13u /* length, type, id, length of the data */

enum {
    FXP_INIT = 1,
    FXP_VERSION = 2,
    FXP_OPEN = 3,
    FXP_CLOSE = 4,
    FXP_READ = 5,
    FXP_WRITE = 6,
    FXP_LSTAT = 7,
    FXP_FSTAT = 8,
    FXP_SETSTAT = 9,
    FXP_FSETSTAT = 10,
    FXP_OPENDIR = 11,
    FXP_READDIR = 12,
    FXP_REMOVE = 13,
    FXP_MKDIR = 14,
    FXP_RMDIR = 15,
    FXP_REALPATH = 16,
    FXP_STAT = 17,
    FXP_RENAME = 18,
    FXP_READLINK = 19,
    FXP_SYMLINK = 20,
    FXP_STATUS = 101,
    FXP_HANDLE = 102,
    FXP_DATA = 103,
    FXP_NAME = 104,
    FXP_ATTRS = 105,
    FXP_EXTENDED = 200,
    FXP_EXTENDED_REPLY = 201,
};

/* What a request carries; one decoder each. */
enum wire_shape {
    WIRE_NOTHING, /* ignores what follows */
    WIRE_PATH,
    WIRE_PATHS,   /* from, to */
    WIRE_SYMLINK, /* target, link: the order that version 3 speaks, not the draft's */
    WIRE_PATH_ATTR,
    WIRE_OPEN,
    WIRE_HANDLE,
    WIRE_HANDLE_ATTR,
    WIRE_READ,
    WIRE_WRITE,
    WIRE_COPY,
    WIRE_TEXT,
    WIRE_IDS,
    WIRE_SHAPES
};

/* What name[] holds. */
enum wire_names {
    WIRE_NO_NAME,
    WIRE_ONE_PATH,
    WIRE_TWO_PATHS,
    WIRE_PATH_AND_TEXT,
    WIRE_ONE_HANDLE,
    WIRE_TWO_HANDLES,
    WIRE_ONE_TEXT
};

/* A request, decoded. Spans are borrowed from the packet. */
struct wire_req {
    enum wire_shape shape;
    enum wire_names names;
    struct gw_span name[2];
    union {
        struct {
            uint32_t flags; /* FS_READ ... */
            struct fs_attr attr;
        } open;
        struct fs_attr attr;
        struct {
            uint64_t off;
            uint32_t len;
        } read;
        struct {
            uint64_t off;
            struct gw_span data;
        } write;
        struct {
            uint64_t off, len, to_off; /* len 0 = to the end */
        } copy;
        struct {
            struct gw_span uids, gids; /* packed uint32 */
        } ids;
    } u;
};

/*
 * The body of a request (after its id). Bytes that follow what the shape needs are ignored: some
 * clients append fields of later versions.
 * Errors: GW_BAD_MESSAGE, and *out must not be used.
 */
enum gw_err wire_decode(enum wire_shape shape, uint32_t version, struct gw_rd *r,
                        struct wire_req *out);

/* Replies, whole packets with their length. */
void wire_put_status(struct gw_buf *b, uint32_t id, uint32_t code, const char *text);
void wire_put_handle(struct gw_buf *b, uint32_t id, struct gw_span handle);
void wire_put_attrs(struct gw_buf *b, uint32_t id, uint32_t version, const struct fs_attr *a);
/* The WIRE_DATA_HEADER bytes before len bytes of data that are in place already. */
void wire_data_header(uint8_t *to, uint32_t id, uint32_t len);
/* A packet of one name without attributes: REALPATH, READLINK. */
void wire_put_name(struct gw_buf *b, uint32_t id, uint32_t version, const char *name);
/* One entry of a NAME packet. */
void wire_put_entry(struct gw_buf *b, uint32_t version, const struct fs_entry *e, int64_t now_s);
/* Opens a packet; gw_buf_end_len() of what it returns closes it. */
size_t wire_begin(struct gw_buf *b, uint8_t type, uint32_t id);
void wire_put_space(struct gw_buf *b, uint32_t id, const struct fs_space *sp);

#endif
