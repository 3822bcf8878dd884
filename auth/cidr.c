#include "auth/cidr.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* ::ffff:a.b.c.d becomes a.b.c.d; a block of mapped addresses becomes the IPv4 block. */
static void unmap(struct cidr *c)
{
    if (c->v4 || c->bits < 96 || memcmp(c->addr, mapped_prefix, sizeof mapped_prefix) != 0)
        return;
    memmove(c->addr, c->addr + 12, 4);
    memset(c->addr + 4, 0, 12);
    c->bits -= 96;
    c->v4 = true;
}

static bool parse_host(const char *text, struct cidr *out)
{
    *out = (struct cidr){.bits = 128};
    if (inet_pton(AF_INET6, text, out->addr) == 1)
        return true;
    *out = (struct cidr){.bits = 32, .v4 = true};
    return inet_pton(AF_INET, text, out->addr) == 1;
}

bool cidr_parse(const char *text, struct cidr *out)
{
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t n = slash == NULL ? strlen(text) : (size_t)(slash - text);
    if (n >= sizeof host)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    if (!parse_host(host, out))
        return false;
    if (slash != NULL) {
        unsigned bits = 0;
        const char *p = slash + 1;
        size_t digits = strspn(p, "0123456789");
        if (digits == 0 || digits > 3 || p[digits] != '\0' || (digits > 1 && p[0] == '0'))
            return false;
        for (size_t i = 0; i < digits; i++)
            bits = bits * 10 + (unsigned)(p[i] - '0');
        if (bits > out->bits)
            return false;
        out->bits = bits;
    }
    unmap(out);
    return true;
}

bool cidr_parse_address(const char *text, struct cidr *out)
{
    char host[INET6_ADDRSTRLEN];
    size_t n = strcspn(text, "%");
    if (n >= sizeof host)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    if (!parse_host(host, out))
        return false;
    unmap(out);
    return true;
}

bool cidr_holds(const struct cidr *block, const struct cidr *address)
{
    if (block->v4 != address->v4)
        return false;
    size_t whole = block->bits / 8;
    unsigned rest = block->bits % 8;
    if (memcmp(block->addr, address->addr, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    unsigned mask = 0xffu << (8 - rest) & 0xffu;
    return ((block->addr[whole] ^ address->addr[whole]) & mask) == 0;
}
