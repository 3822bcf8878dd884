/* The public half of a key as one line, `type base64 comment` (RFC 4253 section 6.6, sshd(8)). */
#ifndef GATEWAY_KEY_LINE_H
#define GATEWAY_KEY_LINE_H

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

#define KEY_LINE_MAX (16u * 1024u) /* bytes of a line, and of a blob */

struct key_line {
    char algorithm[64];
    struct gw_buf blob;
    char fingerprint[64]; /* "SHA256:..." as ssh-keygen prints it */
};

/* The first line of `text` that is not empty and no comment. Errors: GW_CONFIG with *msg. */
enum gw_err key_line_parse(const char *text, struct key_line *out, struct gw_errmsg *msg);
void key_line_free(struct key_line *k);

#endif
