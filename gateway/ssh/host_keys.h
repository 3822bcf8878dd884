/*
 * The host keys and the algorithms of a settings snapshot, checked and imported once for all loops;
 * each connection is accepted with them.
 */
#ifndef GATEWAY_SSH_HOST_KEYS_H
#define GATEWAY_SSH_HOST_KEYS_H

#include "config/settings.h"

struct host_keys;

/* Errors: GW_CONFIG with *msg: which key, and what is wrong with it. */
enum gw_err host_keys_load(const struct settings *s, struct host_keys **out, struct gw_errmsg *msg);
void host_keys_free(struct host_keys **hp);
size_t host_keys_count(const struct host_keys *h);
/* "ED25519 SHA256:..." of the i-th: for the start's log. */
const char *host_keys_fingerprint(const struct host_keys *h, size_t i);

/* Every algorithm name of `s` is known, and which are not: for `check`. Appends to *problems. */
void host_keys_check_algorithms(const struct settings *s, struct gw_buf *problems);
/* `postern keygen`: a new ed25519 key as an unencrypted OpenSSH private key file of mode 0600;
 * refuses to overwrite. Prints nothing; the public line goes to *pub. */
enum gw_err host_keys_generate(const char *path, const char *type, struct gw_buf *pub,
                               struct gw_errmsg *msg);

#endif
