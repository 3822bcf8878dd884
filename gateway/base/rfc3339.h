/*
 * Points in time as people write them: "2027-01-01T00:00:00Z", "2027-01-01T02:00:00.5+02:00".
 * Source: RFC 3339 section 5.6.
 */
#ifndef GATEWAY_BASE_RFC3339_H
#define GATEWAY_BASE_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

/* Unix seconds; a fraction is dropped. A leap second counts as the second after it. */
bool rfc3339_parse(const char *text, int64_t *out_s);
/* "2027-01-01T00:00:00Z" into at least 32 bytes. */
void rfc3339_format(int64_t s, char out[32]);

#endif
