#include "config/option.h"
#include "config/option_row.h"

/*
 * json_pack() takes each value that it is given and gives NULL when one is NULL: a schema is either
 * whole or not there.
 */

static json_t *schema_table(const struct opt_spec *tab, const struct opt_kinds *kinds,
                            const char *type);

/* A value of another type may be written as a string that holds a variable. */
static json_t *or_variable(json_t *schema)
{
    return json_pack("{s:[o,{s:s}]}", "anyOf", schema, "$ref", "#/$defs/variable");
}

static json_t *schema_string(const struct opt_spec *row)
{
    json_t *s = json_pack("{s:s}", "type", "string");
    /* Lengths count after expansion, so only a lower bound can be promised here. */
    if (row->min > 0 || row->type == OPT_PATH)
        json_object_set_new(s, "minLength", json_integer(1));
    return s;
}

static json_t *schema_names(const char *const *names)
{
    json_t *list = json_array();
    for (size_t i = 0; names[i] != NULL; i++)
        json_array_append_new(list, json_string(names[i]));
    return json_pack("{s:o}", "enum", list);
}

static json_t *schema_kinds(const struct opt_kinds *kinds, const struct opt_kinds *all)
{
    json_t *one_of = json_array();
    for (size_t i = 0; i < kinds->n; i++) {
        json_t *s = schema_table(kinds->v[i].tab, all, kinds->v[i].name);
        if (kinds->v[i].help != NULL)
            json_object_set_new(s, "description", json_string(kinds->v[i].help));
        json_array_append_new(one_of, s);
    }
    return json_pack("{s:o}", "oneOf", one_of);
}

static json_t *schema_secret(void)
{
    return json_pack("{s:s}", "$ref", "#/$defs/secret");
}

static json_t *schema_element(const struct opt_spec *row, const struct opt_kinds *kinds)
{
    if (row->type == OPT_KIND_LIST || row->type == OPT_KIND_MAP || row->type == OPT_KIND)
        return schema_kinds(&kinds[row->slot], kinds);
    if (row->type == OPT_SECRETS)
        return schema_secret();
    if (row->type == OPT_STRS && row->names != NULL)
        return or_variable(schema_names(row->names));
    if (row->type == OPT_STRS)
        return json_pack("{s:s,s:i}", "type", "string", "minLength", 1);
    return schema_table(row->sub, kinds, NULL);
}

static json_t *schema_many(const struct opt_spec *row, const struct opt_kinds *kinds)
{
    bool is_map = row->type == OPT_MAP || row->type == OPT_SECRETS || row->type == OPT_KIND_MAP;
    json_t *s = json_pack("{s:s,s:o}", "type", is_map ? "object" : "array",
                          is_map ? "additionalProperties" : "items", schema_element(row, kinds));
    if (row->min > 0)
        json_object_set_new(s, is_map ? "minProperties" : "minItems",
                            json_integer((json_int_t)row->min));
    if (row->max > 0)
        json_object_set_new(s, is_map ? "maxProperties" : "maxItems",
                            json_integer((json_int_t)row->max));
    if (is_map)
        json_object_set_new(s, "propertyNames",
                            json_pack("{s:s}", "pattern", "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$"));
    return s;
}

static json_t *schema_row(const struct opt_spec *row, const struct opt_kinds *kinds)
{
    switch (row->type) {
    case OPT_BOOL:
        return or_variable(json_pack("{s:s}", "type", "boolean"));
    case OPT_U32:
    case OPT_U64:
        return or_variable(json_pack("{s:s,s:I,s:I}", "type", "integer", "minimum",
                                     (json_int_t)row->min, "maximum",
                                     (json_int_t)option_row_max(row)));
    case OPT_STR:
    case OPT_PATH:
        return schema_string(row);
    case OPT_SECRET:
        return schema_secret();
    case OPT_ENUM:
        return or_variable(schema_names(row->names));
    case OPT_OBJECT:
        return schema_table(row->sub, kinds, NULL);
    case OPT_STRS:
    case OPT_LIST:
    case OPT_MAP:
    case OPT_SECRETS:
    case OPT_KIND_LIST:
    case OPT_KIND_MAP:
        return schema_many(row, kinds);
    case OPT_KIND:
        return schema_element(row, kinds);
    case OPT_JSON:
        return json_pack("{s:s}", "type", "object");
    }
    return NULL;
}

/* Must the file name this key? An object counts where something in it has no default. */
static bool is_needed(const struct opt_spec *row)
{
    if ((row->flags & OPT_REQUIRED) == 0)
        return false;
    if (row->type != OPT_OBJECT)
        return true;
    for (const struct opt_spec *sub = row->sub; sub->key != NULL; sub++)
        if (is_needed(sub))
            return true;
    return false;
}

/* type: the value of "type", for a kind; or NULL. */
static json_t *schema_table(const struct opt_spec *tab, const struct opt_kinds *kinds,
                            const char *type)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    bool ok = properties != NULL && required != NULL;
    if (type != NULL) {
        ok &= json_object_set_new(properties, "type", json_pack("{s:s}", "const", type)) == 0;
        ok &= json_array_append_new(required, json_string("type")) == 0;
    }
    for (const struct opt_spec *row = tab; row->key != NULL; row++) {
        if ((row->flags & OPT_LATER) != 0)
            continue;
        json_t *s = schema_row(row, kinds);
        json_t *dflt = option_row_default(row);
        if (row->help != NULL)
            ok &= json_object_set_new(s, "description", json_string(row->help)) == 0;
        if (dflt != NULL)
            ok &= json_object_set_new(s, "default", dflt) == 0;
        ok &= json_object_set_new(properties, row->key, s) == 0;
        if (is_needed(row))
            ok &= json_array_append_new(required, json_string(row->key)) == 0;
    }
    json_t *out = json_pack("{s:s,s:b,s:o}", "type", "object", "additionalProperties", 0,
                            "properties", properties);
    if (json_array_size(required) > 0)
        ok &= json_object_set(out, "required", required) == 0;
    json_decref(required);
    if (!ok) {
        json_decref(out);
        out = NULL;
    }
    return out;
}

json_t *options_schema(const struct opt_spec *tab, const struct opt_kinds *kinds)
{
    json_t *defs =
        json_pack("{s:{s:s,s:s},s:{s:[{s:s},{s:s,s:b,s:i,s:i,s:{s:{s:s},s:{s:s}}}]}}", "variable",
                  "type", "string", "pattern", "\\$\\{", "secret", "anyOf", "type", "string",
                  "type", "object", "additionalProperties", 0, "minProperties", 1, "maxProperties",
                  1, "properties", "env", "type", "string", "file", "type", "string");
    json_t *out = json_pack("{s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_t *body = schema_table(tab, kinds, NULL);
    bool ok = out != NULL && json_object_update(out, body) == 0 &&
              json_object_set(out, "$defs", defs) == 0;
    json_decref(defs);
    json_decref(body);
    if (!ok) {
        json_decref(out);
        out = NULL;
    }
    return out;
}
