#include "auth/dialect_pointer.h"

#include <string.h>

#define POINTER_MAX_BYTES 1023u

bool dialect_pointer_valid(const char *pointer)
{
    if (pointer[0] != '\0' && pointer[0] != '/')
        return false;
    for (const char *p = pointer; *p != '\0'; p++)
        if (*p == '~' && p[1] != '0' && p[1] != '1')
            return false;
    return strlen(pointer) <= POINTER_MAX_BYTES;
}

/* An array's element: digits without a leading zero. */
static const json_t *element(const json_t *array, const char *token)
{
    size_t i = 0;
    size_t n = strlen(token);
    if (n == 0 || n > 6 || (token[0] == '0' && n > 1))
        return NULL;
    for (const char *p = token; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return NULL;
        i = i * 10 + (size_t)(*p - '0');
    }
    return json_array_get(array, i);
}

const json_t *dialect_pointer_get(const json_t *doc, const char *pointer)
{
    char token[POINTER_MAX_BYTES + 1];
    while (doc != NULL && *pointer == '/') {
        size_t n = 0;
        for (pointer++; *pointer != '\0' && *pointer != '/'; pointer++) {
            char c = *pointer;
            if (c == '~')
                c = *++pointer == '1' ? '/' : '~';
            token[n++] = c;
        }
        token[n] = '\0';
        doc = json_is_array(doc) ? element(doc, token) : json_object_get(doc, token);
    }
    return doc;
}
