/*
 * The host keys and the algorithms of a settings snapshot, checked and imported once for all loops;
 * each connection is accepted with them.
 */
#ifndef GATEWAY_SSH_HOST_KEYS_H
#define GATEWAY_SSH_HOST_KEYS_H

#include "config/settings.h"

struct host_keys;
struct ssh_session_struct;

/* Errors: GW_CONFIG with *msg: the first key, and what is wrong with it. */
enum gw_err host_keys_load(const struct settings *s, struct host_keys **out, struct gw_errmsg *msg);
/* The same, and all problems: a line each that begins with where the configuration has it. */
enum gw_err host_keys_try(const struct settings *s, struct host_keys **out,
                          struct gw_buf *problems);
void host_keys_free(struct host_keys **hp);
size_t host_keys_count(const struct host_keys *h);
/* "ED25519 SHA256:..." of the i-th: for the start's log. */
const char *host_keys_fingerprint(const struct host_keys *h, size_t i);
/* Makes `ssh` the server's side of the socket fd, with these keys and algorithms; it keeps copies.
 * Any thread. Takes fd on success. */
enum gw_err host_keys_accept(struct host_keys *h, struct ssh_session_struct *ssh, int fd);

/* Which algorithms that `s` names are unknown or more than this libssh can do: for `check`. Appends
 * to *problems. */
void host_keys_check_algorithms(const struct settings *s, struct gw_buf *problems);
/* `postern keygen`: a new key ("ed25519", "rsa" of 3072 bits or "ecdsa" on P-256) as an unencrypted
 * OpenSSH private key file of mode 0600; refuses to overwrite. Prints nothing; the public line goes
 * to *pub. Errors: GW_BAD_ARG, GW_EXISTS, GW_IO, with *msg. */
enum gw_err host_keys_generate(const char *path, const char *type, struct gw_buf *pub,
                               struct gw_errmsg *msg);

#endif
