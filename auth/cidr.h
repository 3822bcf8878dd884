/*
 * Address blocks: "203.0.113.0/24", "2001:db8::/32", or a plain address.
 * An IPv4-mapped IPv6 address (::ffff:203.0.113.9) is the IPv4 address; an IPv6 block never holds
 * an IPv4 address, so that "::/0" does not let everybody in.
 */
#ifndef AUTH_CIDR_H
#define AUTH_CIDR_H

#include <stdbool.h>
#include <stdint.h>

struct cidr {
    uint8_t addr[16]; /* the first 4 for IPv4 */
    unsigned bits;
    bool v4;
};

/* Bits behind the prefix are ignored ("10.1.2.3/8" is 10.0.0.0/8). False: not an address block. */
bool cidr_parse(const char *text, struct cidr *out);
/* A numeric address without a prefix length; an interface ("fe80::1%eth0") is cut off. */
bool cidr_parse_address(const char *text, struct cidr *out);
/* Is `address`, as cidr_parse_address() gave it, inside `block`? */
bool cidr_holds(const struct cidr *block, const struct cidr *address);

#endif
