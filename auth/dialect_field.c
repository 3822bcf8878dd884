#include "auth/dialect_field.h"

#include <string.h>

#include "auth/dialect_impl.h"
#include "gateway/base/mem.h"

static bool is_empty_object(const json_t *obj)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)obj, key, value)
    {
        if (!dialect_field_is_empty(value))
            return false;
    }
    return true;
}

/* Recursion ends: jansson parses no more than 2048 levels. */
bool dialect_field_is_empty(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return is_empty_object(value);
    case JSON_ARRAY:
        return json_array_size(value) == 0;
    case JSON_STRING:
        return json_string_length(value) == 0;
    case JSON_INTEGER:
        return json_integer_value(value) == 0;
    case JSON_REAL:
        return json_real_value(value) == 0;
    case JSON_TRUE:
        return false;
    case JSON_FALSE:
    case JSON_NULL:
        return true;
    }
    return false;
}

bool dialect_field_known(const json_t *obj, const char *path, const char *const *known,
                         struct dialect_verdict *v)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)obj, key, value)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0)
            i++;
        if (known[i] == NULL && !dialect_field_is_empty(value))
            return dialect_say(v, AUTH_REJECT,
                               "%s%.64s: may restrict the user, and is not understood here", path,
                               key);
    }
    return true;
}

/* NULL where there is none. */
static const json_t *value_of(const json_t *obj, const char *key)
{
    const json_t *value = json_object_get(obj, key);
    return json_is_null(value) ? NULL : value;
}

bool dialect_field_text(const json_t *obj, const char *path, const char *key, const char **out,
                        struct dialect_verdict *v)
{
    const json_t *value = value_of(obj, key);
    *out = json_string_value(value);
    return value == NULL || *out != NULL ||
           dialect_say(v, AUTH_FAULT, "%s%s: must be a string", path, key);
}

bool dialect_field_number(const json_t *obj, const char *path, const char *key, json_int_t *out,
                          struct dialect_verdict *v)
{
    const json_t *value = value_of(obj, key);
    *out = json_integer_value(value);
    return value == NULL || json_is_integer(value) ||
           dialect_say(v, AUTH_FAULT, "%s%s: must be a whole number", path, key);
}

bool dialect_field_list(const json_t *obj, const char *path, const char *key, const json_t **out,
                        struct dialect_verdict *v)
{
    *out = value_of(obj, key);
    return *out == NULL || json_is_array(*out) ||
           dialect_say(v, AUTH_FAULT, "%s%s: must be an array", path, key);
}

bool dialect_field_object(const json_t *obj, const char *path, const char *key, const json_t **out,
                          struct dialect_verdict *v)
{
    *out = value_of(obj, key);
    return *out == NULL || json_is_object(*out) ||
           dialect_say(v, AUTH_FAULT, "%s%s: must be an object", path, key);
}

bool dialect_field_copy(const json_t *obj, const char *path, const char *key, json_t *to,
                        const char *name, struct dialect_verdict *v)
{
    json_t *value = json_object_get(obj, key);
    if (value == NULL || dialect_field_is_empty(value))
        return true;
    if (!json_is_string(value) && !json_is_integer(value) && !json_is_boolean(value))
        return dialect_say(v, AUTH_FAULT, "%s%s: must be a text or a number", path, key);
    json_object_set(to, name, value);
    return true;
}

char *dialect_field_below(const char *base, const char *path)
{
    size_t n = strlen(base);
    while (n > 0 && base[n - 1] == '/')
        n--;
    if (strncmp(path, base, n) != 0 || (path[n] != '/' && path[n] != '\0') ||
        strstr(path, "${") != NULL)
        return NULL;
    path += n + strspn(path + n, "/");
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/')
        len--;
    return mem_strndup(path, len);
}
