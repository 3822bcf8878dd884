/* UTF-8, strictly. Source: RFC 3629. */
#ifndef GATEWAY_BASE_UTF8_H
#define GATEWAY_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes the first character takes (n > 0), *cp is what it is. 0 = not UTF-8: overlong, a
 * surrogate, above U+10FFFF, cut off, a stray byte. */
size_t utf8_decode(const uint8_t *p, size_t n, uint32_t *cp);
/* Is all of it UTF-8? Nothing is. */
bool utf8_valid(const void *p, size_t n);
/* May it stand in a line that a person reads on a terminal? Not: controls, what changes the
 * direction of text, what breaks lines, what is invisible. */
bool utf8_printable(uint32_t cp);

#endif
