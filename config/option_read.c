#include <string.h>

#include "config/nearest.h"
#include "config/option.h"
#include "config/option_row.h"
#include "config/option_value.h"
#include "gateway/base/mem.h"

static void refuse_keys(struct opt_reader *r, const struct opt_spec *tab, json_t *obj,
                        const char *path, bool has_type);
static void read_table(struct opt_reader *r, const struct opt_spec *tab, json_t *obj,
                       const char *path, void *out);

/* n zeroed elements; NULL after a problem. */
static void *elements(struct opt_reader *r, size_t n, size_t size, const char *path)
{
    void *v = mem_try_alloc(n * size); /* n is bounded by the row, size by the program */
    if (v == NULL)
        option_value_no_memory(r, path);
    else
        memset(v, 0, n * size);
    return v;
}

static bool count_fits(struct opt_reader *r, const struct opt_spec *row, const char *path, size_t n)
{
    if (n >= row->min && n <= option_row_max(row))
        return true;
    options_problem(r, path, "has %zu elements: %llu to %llu are allowed", n,
                    (unsigned long long)row->min, (unsigned long long)option_row_max(row));
    return false;
}

/* The kind that "type" picks; NULL after a problem. */
static const struct opt_kind *kind_of(struct opt_reader *r, const struct opt_kinds *kinds,
                                      json_t *v, const char *path)
{
    enum { NAMES_MAX = 31 };
    const char *names[NAMES_MAX + 1] = {NULL};
    struct option_path at = option_path_key(path, "type");
    json_t *type = json_object_get(v, "type");
    for (size_t i = 0; i < kinds->n && i < NAMES_MAX; i++)
        names[i] = kinds->v[i].name;
    const struct opt_kind *kind = NULL;
    if (json_is_string(type)) {
        kind = option_row_kind(kinds, json_string_value(type));
        if (kind == NULL)
            option_value_unknown(r, at.s, json_string_value(type), names, kinds->later);
    } else {
        option_value_no_word(r, at.s, type, names);
    }
    return kind;
}

static void read_kind(struct opt_reader *r, const struct opt_spec *row, json_t *v, const char *path,
                      struct opt_any *any)
{
    if (!json_is_object(v)) {
        options_problem(r, path, "is not an object with a \"type\"");
        return;
    }
    const struct opt_kind *kind = kind_of(r, &r->kinds[row->slot], v, path);
    if (kind == NULL)
        return;
    any->conf = elements(r, 1, kind->size, path);
    if (any->conf == NULL)
        return;
    any->kind = kind;
    refuse_keys(r, kind->tab, v, path, true);
    read_table(r, kind->tab, v, path, any->conf);
}

static void read_element(struct opt_reader *r, const struct opt_spec *row, json_t *v,
                         const char *path, void *element)
{
    static const struct opt_spec secret = {.type = OPT_SECRET};
    size_t before = r->nproblems;
    if (row->type == OPT_SECRETS)
        option_value_secret(r, &secret, v, path, element);
    else if (row->type == OPT_KIND_LIST || row->type == OPT_KIND_MAP)
        read_kind(r, row, v, path, element);
    else if (json_is_object(v))
        options_read(r, row->sub, v, path, element);
    else
        options_problem(r, path, "is not an object");
    if (r->nproblems == before)
        option_value_check(r, row, v, path, element);
}

static void read_list(struct opt_reader *r, const struct opt_spec *row, json_t *v, const char *path,
                      struct opt_list *list)
{
    size_t n = json_array_size(v);
    if (!json_is_array(v)) {
        options_problem(r, path, "is not a list of objects");
        return;
    }
    if (!count_fits(r, row, path, n) || n == 0)
        return;
    list->v = elements(r, n, option_row_size(row), path);
    if (list->v == NULL)
        return;
    list->n = n;
    for (size_t i = 0; i < n; i++)
        read_element(r, row, json_array_get(v, i), option_path_index(path, i).s,
                     (char *)list->v + i * option_row_size(row));
}

static void read_map(struct opt_reader *r, const struct opt_spec *row, json_t *v, const char *path,
                     struct opt_map *map)
{
    size_t n = json_object_size(v);
    if (!json_is_object(v)) {
        options_problem(r, path, "is not an object of named %s",
                        row->type == OPT_SECRETS ? "strings" : "objects");
        return;
    }
    if (!count_fits(r, row, path, n) || n == 0)
        return;
    void *values = elements(r, n, option_row_size(row), path);
    char **names = elements(r, n, sizeof *names, path);
    if (values == NULL || names == NULL) {
        mem_free(values);
        mem_free(names);
        return;
    }
    *map = (struct opt_map){.names = names, .v = values, .n = n};
    size_t i = 0;
    const char *key;
    json_t *one;
    json_object_foreach(v, key, one)
    {
        struct option_path at = option_path_key(path, key);
        if (!option_row_is_name(key))
            options_problem(r, at.s,
                            "is no name: 1 to 64 letters, digits, \"_\", \"-\" and \".\" are "
                            "allowed, no \".\" first");
        names[i] = elements(r, strlen(key) + 1, 1, at.s);
        if (names[i] != NULL)
            memcpy(names[i], key, strlen(key));
        read_element(r, row, one, at.s, (char *)values + i * option_row_size(row));
        i++;
    }
}

static void read_object(struct opt_reader *r, const struct opt_spec *row, json_t *v,
                        const char *path, void *member)
{
    if (json_is_object(v))
        options_read(r, row->sub, v, path, member);
    else
        options_problem(r, path, "is not an object");
}

static void read_value(struct opt_reader *r, const struct opt_spec *row, json_t *v,
                       const char *path, void *member)
{
    switch (row->type) {
    case OPT_BOOL:
        option_value_bool(r, v, path, member);
        break;
    case OPT_U32:
    case OPT_U64:
        option_value_number(r, row, v, path, member);
        break;
    case OPT_STR:
    case OPT_PATH:
        option_value_str(r, row, v, path, member);
        break;
    case OPT_SECRET:
        option_value_secret(r, row, v, path, member);
        break;
    case OPT_ENUM:
        option_value_enum(r, row, v, path, member);
        break;
    case OPT_STRS:
        option_value_strs(r, row, v, path, member);
        break;
    case OPT_OBJECT:
        read_object(r, row, v, path, member);
        break;
    case OPT_LIST:
    case OPT_KIND_LIST:
        read_list(r, row, v, path, member);
        break;
    case OPT_MAP:
    case OPT_SECRETS:
    case OPT_KIND_MAP:
        read_map(r, row, v, path, member);
        break;
    case OPT_KIND:
        read_kind(r, row, v, path, member);
        break;
    case OPT_JSON:
        option_value_json(r, v, path, member);
        break;
    }
}

/* What an absent key reads as. required: an object of the file is being read, not just defaults. */
static void read_absent(struct opt_reader *r, const struct opt_spec *row, const char *path,
                        void *member, bool required)
{
    required = required && (row->flags & OPT_REQUIRED) != 0;
    if (row->type == OPT_OBJECT) {
        json_t *empty = required ? json_object() : NULL;
        options_read(r, row->sub, empty, path, member);
        json_decref(empty);
        return;
    }
    if (required) {
        options_problem(r, path, "is missing and has no default%s%s", row->help == NULL ? "" : ". ",
                        row->help == NULL ? "" : row->help);
        return;
    }
    json_t *dflt = option_row_default(row);
    if (dflt != NULL)
        read_value(r, row, dflt, path, member);
    else if (row->dflt != NULL)
        option_value_no_memory(r, path);
    json_decref(dflt);
}

static bool is_element_checked(enum opt_type type)
{
    return type == OPT_STRS || type == OPT_LIST || type == OPT_MAP || type == OPT_KIND_LIST ||
           type == OPT_SECRETS || type == OPT_KIND_MAP;
}

static void read_row(struct opt_reader *r, const struct opt_spec *row, json_t *obj,
                     const char *parent, void *out)
{
    struct option_path path = option_path_key(parent, row->key);
    void *member = option_row_member(row, out);
    json_t *v = obj == NULL ? NULL : json_object_get(obj, row->key);
    size_t before = r->nproblems;
    if (v == NULL)
        read_absent(r, row, path.s, member, obj != NULL);
    else
        read_value(r, row, v, path.s, member);
    bool has_value = v != NULL || row->dflt != NULL || row->type == OPT_OBJECT;
    if (obj != NULL && has_value && r->nproblems == before && !is_element_checked(row->type))
        option_value_check(r, row, v, path.s, member);
}

static void unknown_key(struct opt_reader *r, const struct opt_spec *tab, const char *path,
                        const char *key)
{
    struct nearest near = nearest_to(key);
    char known[512] = "";
    size_t used = 0;
    for (const struct opt_spec *row = tab; row->key != NULL; row++) {
        if ((row->flags & OPT_LATER) != 0)
            continue;
        nearest_try(&near, row->key);
        int n =
            snprintf(known + used, sizeof known - used, "%s%s", used == 0 ? "" : ", ", row->key);
        if (n > 0 && used + (size_t)n < sizeof known)
            used += (size_t)n;
    }
    struct option_path at = option_path_key(path, key);
    if (nearest_word(&near) != NULL)
        options_problem(r, at.s, "no such key; did you mean \"%s\"?", nearest_word(&near));
    else
        options_problem(r, at.s, "no such key; known here are: %s", known);
}

/* Keys that no row knows, and those that only a later version has. */
static void refuse_keys(struct opt_reader *r, const struct opt_spec *tab, json_t *obj,
                        const char *path, bool has_type)
{
    const char *key;
    json_t *v;
    json_object_foreach(obj, key, v)
    {
        const struct opt_spec *row = option_row_find(tab, key);
        if (row == NULL && !(has_type && strcmp(key, "type") == 0))
            unknown_key(r, tab, path, key);
        else if (row != NULL && (row->flags & OPT_LATER) != 0)
            options_problem(r, option_path_key(path, key).s,
                            "is not in this version of postern yet");
    }
}

static void read_table(struct opt_reader *r, const struct opt_spec *tab, json_t *obj,
                       const char *path, void *out)
{
    for (const struct opt_spec *row = tab; row->key != NULL; row++)
        if ((row->flags & OPT_LATER) == 0)
            read_row(r, row, obj, path, out);
}

void options_read(struct opt_reader *r, const struct opt_spec *tab, json_t *obj, const char *path,
                  void *out)
{
    if (obj != NULL)
        refuse_keys(r, tab, obj, path, false);
    read_table(r, tab, obj, path, out);
}
