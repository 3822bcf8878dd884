/*
 * Lines of authorized_keys: `[options] type base64 [comment]`.
 * An option that restricts and is not known here makes the whole line worthless: whoever wrote it
 * wanted less than everything. Known: from="..." (addresses and blocks, no patterns, no names) and
 * those about things postern never does (restrict, no-pty, no-port-forwarding, ...).
 * Source: sshd(8), AUTHORIZED_KEYS FILE FORMAT; RFC 4253 section 6.6.
 */
#ifndef AUTH_PUBKEY_H
#define AUTH_PUBKEY_H

#include "gateway/base/buf.h"

struct pubkey {
    struct gw_buf blob;
    char *from; /* comma-separated blocks, each valid; NULL = everywhere */
};

/* Errors: GW_CONFIG with what is wrong in *msg. Gives *out only on success. */
enum gw_err pubkey_parse(const char *line, struct pubkey *out, struct gw_errmsg *msg);
void pubkey_free(struct pubkey *k);
/* Is `blob` the key of a usable one of these lines, for a client at `address`? */
bool pubkey_among(char *const *lines, size_t n, struct gw_span blob, const char *address);

#endif
