#include "config/option.h"

#include <string.h>

#include "config/option_row.h"

#define MASK "********"

static json_t *print_any(const struct opt_any *any)
{
    if (any->kind == NULL)
        return json_null();
    json_t *body = options_print(any->kind->tab, any->conf);
    json_t *out = json_object();
    if (json_object_set_new(out, "type", json_string(any->kind->name)) != 0 ||
        json_object_update(out, body) != 0) {
        json_decref(out);
        out = NULL;
    }
    json_decref(body);
    return out;
}

static json_t *print_element(const struct opt_spec *row, const void *v, size_t i)
{
    const char *one = (const char *)v + i * option_row_size(row);
    if (row->type == OPT_SECRETS)
        return json_string(MASK);
    if (row->type == OPT_KIND_LIST || row->type == OPT_KIND_MAP)
        return print_any((const struct opt_any *)(const void *)one);
    return options_print(row->sub, one);
}

static json_t *print_list(const struct opt_spec *row, const struct opt_list *list)
{
    json_t *out = json_array();
    for (size_t i = 0; i < list->n; i++)
        if (json_array_append_new(out, print_element(row, list->v, i)) != 0)
            goto fail;
    return out;
fail:
    json_decref(out);
    return NULL;
}

static json_t *print_map(const struct opt_spec *row, const struct opt_map *map)
{
    json_t *out = json_object();
    for (size_t i = 0; i < map->n; i++)
        if (json_object_set_new(out, map->names[i], print_element(row, map->v, i)) != 0)
            goto fail;
    return out;
fail:
    json_decref(out);
    return NULL;
}

static json_t *print_strs(const struct opt_strs *strs)
{
    json_t *out = json_array();
    for (size_t i = 0; i < strs->n; i++)
        if (json_array_append_new(out, json_string(strs->v[i])) != 0)
            goto fail;
    return out;
fail:
    json_decref(out);
    return NULL;
}

static bool is_secret_key(const struct opt_spec *row, const char *key)
{
    for (const char *const *s = row->secret_keys; s != NULL && *s != NULL; s++)
        if (strcmp(*s, "*") == 0 || strcmp(*s, key) == 0)
            return true;
    return false;
}

/* Strings of v are masked where they stand; whole = all of them. Bounded by the reader's depth. */
static int mask(const struct opt_spec *row, json_t *v, bool whole)
{
    const char *key;
    json_t *member;
    size_t i;
    int rc = 0;
    if (whole && json_is_string(v))
        return json_string_set(v, MASK);
    json_object_foreach(v, key, member)
    {
        bool secret = (whole && strcmp(key, "type") != 0) || is_secret_key(row, key);
        rc |= mask(row, member, secret);
    }
    json_array_foreach(v, i, member) rc |= mask(row, member, whole);
    return rc;
}

static json_t *print_json(const struct opt_spec *row, const json_t *v)
{
    json_t *out = json_deep_copy(v);
    if (out != NULL && mask(row, out, false) != 0) {
        json_decref(out);
        out = NULL;
    }
    return out;
}

/* An empty list that the reader would refuse stands for "not given". */
static bool is_not_given(const struct opt_spec *row, const void *member)
{
    switch (row->type) {
    case OPT_STRS:
        return row->min > 0 && ((const struct opt_strs *)member)->n == 0;
    case OPT_LIST:
    case OPT_KIND_LIST:
        return row->min > 0 && ((const struct opt_list *)member)->n == 0;
    case OPT_MAP:
    case OPT_SECRETS:
    case OPT_KIND_MAP:
        return row->min > 0 && ((const struct opt_map *)member)->n == 0;
    case OPT_STR:
    case OPT_PATH:
    case OPT_SECRET:
        return *(char *const *)member == NULL;
    case OPT_KIND:
        return ((const struct opt_any *)member)->kind == NULL;
    case OPT_JSON:
        return *(json_t *const *)member == NULL;
    default:
        return false;
    }
}

static json_t *print_member(const struct opt_spec *row, const void *member)
{
    switch (row->type) {
    case OPT_BOOL:
        return json_boolean(*(const bool *)member);
    case OPT_U32:
        return json_integer(*(const uint32_t *)member);
    case OPT_U64:
        return json_integer((json_int_t) * (const uint64_t *)member);
    case OPT_STR:
    case OPT_PATH:
        return json_string(*(char *const *)member);
    case OPT_SECRET:
        return json_string(MASK);
    case OPT_ENUM:
        return json_string(row->names[*(const int *)member]);
    case OPT_STRS:
        return print_strs(member);
    case OPT_OBJECT:
        return options_print(row->sub, member);
    case OPT_LIST:
    case OPT_KIND_LIST:
        return print_list(row, member);
    case OPT_MAP:
    case OPT_SECRETS:
    case OPT_KIND_MAP:
        return print_map(row, member);
    case OPT_KIND:
        return print_any(member);
    case OPT_JSON:
        return print_json(row, *(json_t *const *)member);
    }
    return NULL;
}

json_t *options_print(const struct opt_spec *tab, const void *in)
{
    json_t *out = json_object();
    for (const struct opt_spec *row = tab; row->key != NULL; row++) {
        const void *member = option_row_const_member(row, in);
        if ((row->flags & OPT_LATER) != 0 || is_not_given(row, member))
            continue;
        if (json_object_set_new(out, row->key, print_member(row, member)) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}
