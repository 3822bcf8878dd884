/* JSON pointers. Source: RFC 6901. */
#ifndef AUTH_DIALECT_POINTER_H
#define AUTH_DIALECT_POINTER_H

#include <jansson.h>
#include <stdbool.h>

bool dialect_pointer_valid(const char *pointer); /* "" or "/a/0/b~1c"; at most 1023 bytes */
/* Borrowed from doc; NULL = nothing is there. The pointer is a valid one. */
const json_t *dialect_pointer_get(const json_t *doc, const char *pointer);

#endif
