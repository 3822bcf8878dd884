/*
 * The names of SSH algorithms: which exist, which of them this build's libssh can do, which are on
 * by default, and in what order they are offered. libssh drops an unknown name silently, so every
 * name of the configuration is checked here.
 * Source: RFC 4253, 4344, 5647, 5656, 8268, 8332, 8709, 8731, OpenSSH PROTOCOL.
 */
#ifndef GATEWAY_SSH_ALGORITHMS_H
#define GATEWAY_SSH_ALGORITHMS_H

#include "config/settings.h"

enum algorithm_class {
    ALGORITHM_KEX,
    ALGORITHM_CIPHER,
    ALGORITHM_MAC,
    ALGORITHM_HOST_KEY,
    ALGORITHM_PUBLIC_KEY, /* of a client's signature */
    ALGORITHM_CLASS_COUNT
};

/* "ssh.kex" and the like: where the configuration lists it. */
const char *algorithms_path(enum algorithm_class cls);
const struct opt_strs *algorithms_configured(const struct settings_ssh *ssh,
                                             enum algorithm_class cls);
/* The names to offer, joined by commas: those of `chosen`, or the safe ones when it is empty.
 * Unknown names are left out (algorithms_check() has refused them). *out is initialised here. */
void algorithms_list(enum algorithm_class cls, const struct opt_strs *chosen, struct gw_buf *out);
/* Is `name` among those that algorithms_list() gives? */
bool algorithms_offered(enum algorithm_class cls, const struct opt_strs *chosen, const char *name);
/* Appends a line for each name that is unknown, or that this libssh lacks. Gives their number. */
size_t algorithms_check(enum algorithm_class cls, const struct opt_strs *chosen,
                        struct gw_buf *problems);

#endif
