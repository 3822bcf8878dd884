/*
 * The SFTP server of one channel: bytes in, bytes out; no socket, no SSH, no thread.
 * Source: draft-ietf-secsh-filexfer-02 (version 3), OpenSSH PROTOCOL.
 */
#ifndef GATEWAY_SFTP_SFTPD_H
#define GATEWAY_SFTP_SFTPD_H

#include "gateway/base/buf.h"
#include "gateway/base/log.h"
#include "gateway/io/loop.h"
#include "gateway/sftp/rate.h"
#include "gateway/vfs/vfs.h"

#define SFTPD_PACKET_MAX (256u * 1024u + 1024u) /* one packet, its length field not counted */
#define SFTPD_INPUT_MAX  (SFTPD_PACKET_MAX + 64u * 1024u)
#define SFTPD_OUTPUT_MAX ((size_t)512 * 1024)

struct sftpd;

struct sftpd_counters {
    uint64_t bytes_read, bytes_written; /* file data to and from the client */
    uint64_t requests;
};

struct sftpd_env {
    struct loop *loop;
    struct vfs *vfs;           /* borrowed for the engine's life */
    struct fs *fs;             /* the same tree with layers over it; NULL = vfs_fs(vfs) */
    const struct log_ctx *log; /* the same */
    struct rate *up, *down;    /* of file data; the same; NULL = no limit */
    uint32_t max_requests, max_handles, dir_page_entries;
    bool ordered_replies;
    const char *client_version; /* for the clients that need replies in order; may be NULL;
                                   borrowed for sftpd_new() only */
    /* There is output, or room for input again, outside of a feed or sent call. Never from inside
     * one. */
    void (*wake)(void *arg);
    void *arg;
};

struct sftpd *sftpd_new(const struct sftpd_env *env);
/* Aborts what is open (an upload under way never appears), cancels what runs. */
void sftpd_free(struct sftpd **sp);

/* How many bytes were taken: fewer than given = full; feed the rest after wake or sent. */
size_t sftpd_feed(struct sftpd *s, struct gw_span in);
/* What is to be sent; the pointer is good until the next call of any sftpd_ function. */
struct gw_span sftpd_output(struct sftpd *s);
void sftpd_sent(struct sftpd *s, size_t n);
/* The client closed its direction: answer what runs, then finished. */
void sftpd_eof(struct sftpd *s);
/* Nothing more will come out: the peer is done, or broke the protocol (why is not NULL then: for
 * the log). */
bool sftpd_finished(const struct sftpd *s, const char **why);
/* Requests under way or output unsent. */
bool sftpd_busy(const struct sftpd *s);
/* Requests under way: the idle timer waits for a store. For a peer that does not take its answers
 * it does not. */
bool sftpd_working(const struct sftpd *s);
/* A file is open: to end now would cut a transfer off. A drain waits for it, the idle timer does
 * not. */
bool sftpd_has_files(const struct sftpd *s);
struct sftpd_counters sftpd_counters(const struct sftpd *s);

#endif
