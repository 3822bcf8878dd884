/*
 * Reading the objects of others: what is there, of the right type, and nothing besides it that
 * might restrict the user. All functions return false after they have filled *v; `path` is what
 * stands in front of the key in it ("filters.").
 */
#ifndef AUTH_DIALECT_FIELD_H
#define AUTH_DIALECT_FIELD_H

#include "auth/dialect.h"

/* null, false, 0, "", [] and {}, and what holds nothing else: it restricts nobody. */
bool dialect_field_is_empty(const json_t *value);
/* AUTH_REJECT for a key of obj that is not among `known` (NULL-terminated) and not empty. */
bool dialect_field_known(const json_t *obj, const char *path, const char *const *known,
                         struct dialect_verdict *v);

/* AUTH_FAULT where the value is of another type. null and absent are one: NULL, 0, false. What *out
 * shows is borrowed from obj. */
bool dialect_field_text(const json_t *obj, const char *path, const char *key, const char **out,
                        struct dialect_verdict *v);
bool dialect_field_number(const json_t *obj, const char *path, const char *key, json_int_t *out,
                          struct dialect_verdict *v);
bool dialect_field_list(const json_t *obj, const char *path, const char *key, const json_t **out,
                        struct dialect_verdict *v);
bool dialect_field_object(const json_t *obj, const char *path, const char *key, const json_t **out,
                          struct dialect_verdict *v);

/* Copies a text or a number from one object to another, under another name; empty: not at all. */
bool dialect_field_copy(const json_t *obj, const char *path, const char *key, json_t *to,
                        const char *name, struct dialect_verdict *v);

/* The part of `path` below the folder `base`, without slashes around it; NULL = it is not below it,
 * or a "${" in it would be taken for a variable. Gives. */
char *dialect_field_below(const char *base, const char *path);

#endif
