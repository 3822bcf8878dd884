#include <string.h>

#include "config/option.h"
#include "config/option_row.h"

/*
 * A heading and a table for every object, the nested ones behind it. Names of things that a file
 * chooses itself stand as NAME, elements of a list as [].
 */

static void write_table(struct gw_buf *out, const struct opt_spec *tab,
                        const struct opt_kinds *kinds, const char *path, const char *help);

static bool has_own_section(const struct opt_spec *row)
{
    return row->type == OPT_OBJECT || row->type == OPT_LIST || row->type == OPT_MAP ||
           row->type == OPT_KIND || row->type == OPT_KIND_LIST || row->type == OPT_KIND_MAP;
}

static const char *type_words(const struct opt_spec *row)
{
    switch (row->type) {
    case OPT_BOOL:
        return "true or false";
    case OPT_U32:
    case OPT_U64:
        return "number";
    case OPT_STR:
        return "string";
    case OPT_PATH:
        return "path";
    case OPT_SECRET:
        return "secret";
    case OPT_ENUM:
        return "one of";
    case OPT_STRS:
        return row->names == NULL ? "list of strings" : "list of";
    case OPT_OBJECT:
    case OPT_KIND:
    case OPT_JSON:
        return "object";
    case OPT_LIST:
    case OPT_KIND_LIST:
        return "list of objects";
    case OPT_MAP:
    case OPT_KIND_MAP:
        return "named objects";
    }
    return "";
}

static bool is_number(const struct opt_spec *row)
{
    return row->type == OPT_U32 || row->type == OPT_U64;
}

static void write_type(struct gw_buf *out, const struct opt_spec *row)
{
    gw_buf_put_text(out, type_words(row));
    for (size_t i = 0; row->names != NULL && row->names[i] != NULL; i++)
        gw_buf_printf(out, "%s `%s`", i == 0 ? "" : ",", row->names[i]);
    if (is_number(row))
        gw_buf_printf(out, ", %llu to %llu", (unsigned long long)row->min,
                      (unsigned long long)option_row_max(row));
}

static void write_default(struct gw_buf *out, const struct opt_spec *row)
{
    if ((row->flags & OPT_REQUIRED) != 0 && row->type != OPT_OBJECT)
        gw_buf_put_text(out, "**required**");
    else if (row->dflt != NULL)
        gw_buf_printf(out, "`%s`", row->dflt);
}

/* A pipe would end the cell. */
static void write_cell(struct gw_buf *out, const char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        if (*text == '|')
            gw_buf_put_text(out, "\\");
        gw_buf_put(out, text, 1);
    }
}

static void write_rows(struct gw_buf *out, const struct opt_spec *tab, const char *kind)
{
    gw_buf_put_text(out, "| key | value | default | |\n| --- | --- | --- | --- |\n");
    if (kind != NULL)
        gw_buf_printf(out, "| `type` | `\"%s\"` | **required** | |\n", kind);
    for (const struct opt_spec *row = tab; row->key != NULL; row++) {
        if ((row->flags & OPT_LATER) != 0)
            continue;
        gw_buf_printf(out, "| `%s` | ", row->key);
        write_type(out, row);
        gw_buf_put_text(out, " | ");
        write_default(out, row);
        gw_buf_put_text(out, " | ");
        write_cell(out, row->help);
        gw_buf_put_text(out, " |\n");
    }
    gw_buf_put_text(out, "\n");
}

static void write_later(struct gw_buf *out, const struct opt_spec *tab)
{
    bool first = true;
    for (const struct opt_spec *row = tab; row->key != NULL; row++) {
        if ((row->flags & OPT_LATER) == 0)
            continue;
        gw_buf_printf(out, "%s`%s`", first ? "Not in this version yet: " : ", ", row->key);
        first = false;
    }
    if (!first)
        gw_buf_put_text(out, ".\n\n");
}

static void write_kinds(struct gw_buf *out, const struct opt_spec *row,
                        const struct opt_kinds *kinds, const char *path)
{
    const struct opt_kinds *mine = &kinds[row->slot];
    for (size_t i = 0; i < mine->n; i++) {
        const struct opt_kind *kind = &mine->v[i];
        gw_buf_printf(out, "## `%s`, type `%s`\n\n%s\n\n", path, kind->name,
                      kind->help == NULL ? "" : kind->help);
        write_rows(out, kind->tab, kind->name);
        write_later(out, kind->tab);
        for (const struct opt_spec *sub = kind->tab; sub->key != NULL; sub++)
            if ((sub->flags & OPT_LATER) == 0 && sub->type == OPT_OBJECT)
                write_table(out, sub->sub, kinds, option_path_key(path, sub->key).s, sub->help);
    }
}

static void write_sub(struct gw_buf *out, const struct opt_spec *row, const struct opt_kinds *kinds,
                      const char *parent)
{
    struct option_path path = option_path_key(parent, row->key);
    bool is_list = row->type == OPT_LIST || row->type == OPT_KIND_LIST;
    bool is_map = row->type == OPT_MAP || row->type == OPT_KIND_MAP;
    if (is_list)
        snprintf(path.s + strlen(path.s), sizeof path.s - strlen(path.s), "[]");
    else if (is_map)
        path = option_path_key(path.s, "NAME");
    if (row->sub != NULL)
        write_table(out, row->sub, kinds, path.s, row->help);
    else
        write_kinds(out, row, kinds, path.s);
}

static void write_table(struct gw_buf *out, const struct opt_spec *tab,
                        const struct opt_kinds *kinds, const char *path, const char *help)
{
    gw_buf_printf(out, "## `%s`\n\n%s\n\n", path, help == NULL ? "" : help);
    write_rows(out, tab, NULL);
    write_later(out, tab);
    for (const struct opt_spec *row = tab; row->key != NULL; row++)
        if ((row->flags & OPT_LATER) == 0 && has_own_section(row))
            write_sub(out, row, kinds, path);
}

void options_markdown(const struct opt_spec *tab, const struct opt_kinds *kinds, struct gw_buf *out)
{
    write_rows(out, tab, NULL);
    write_later(out, tab);
    for (const struct opt_spec *row = tab; row->key != NULL; row++)
        if ((row->flags & OPT_LATER) == 0 && has_own_section(row))
            write_sub(out, row, kinds, "");
}
