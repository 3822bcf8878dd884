#include <string.h>

#include "config/option.h"
#include "config/option_row.h"

/*
 * A heading and a table for every object, the nested ones behind it. Names of things that a file
 * chooses itself stand as NAME, elements of a list as [].
 */

struct section {
    const char *path, *help;
    const struct opt_kind *kind; /* which type it belongs to; NULL = to each */
    bool is_kind;                /* it is the type's own: "type" is among its keys */
};

static void write_section(struct gw_buf *out, const struct opt_spec *tab,
                          const struct opt_kinds *kinds, const struct section *s);

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
    case OPT_SECRETS:
        return "named secrets";
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

static void write_kinds(struct gw_buf *out, const struct opt_kinds *mine,
                        const struct opt_kinds *kinds, const char *path)
{
    for (size_t i = 0; i < mine->n; i++) {
        const struct opt_kind *kind = &mine->v[i];
        struct section own = {.path = path, .help = kind->help, .kind = kind, .is_kind = true};
        write_section(out, kind->tab, kinds, &own);
    }
}

static void write_sub(struct gw_buf *out, const struct opt_spec *row, const struct opt_kinds *kinds,
                      const struct section *parent)
{
    struct option_path path = option_path_key(parent->path, row->key);
    bool is_list = row->type == OPT_LIST || row->type == OPT_KIND_LIST;
    bool is_map = row->type == OPT_MAP || row->type == OPT_KIND_MAP;
    if (is_list)
        snprintf(path.s + strlen(path.s), sizeof path.s - strlen(path.s), "[]");
    else if (is_map)
        path = option_path_key(path.s, "NAME");
    struct section sub = {.path = path.s, .help = row->help, .kind = parent->kind};
    if (row->sub != NULL)
        write_section(out, row->sub, kinds, &sub);
    else
        write_kinds(out, &kinds[row->slot], kinds, path.s);
}

static void write_body(struct gw_buf *out, const struct opt_spec *tab,
                       const struct opt_kinds *kinds, const struct section *s)
{
    write_rows(out, tab, s->is_kind ? s->kind->name : NULL);
    write_later(out, tab);
    for (const struct opt_spec *row = tab; row->key != NULL; row++)
        if ((row->flags & OPT_LATER) == 0 && has_own_section(row))
            write_sub(out, row, kinds, s);
}

static void write_section(struct gw_buf *out, const struct opt_spec *tab,
                          const struct opt_kinds *kinds, const struct section *s)
{
    gw_buf_printf(out, "## `%s`", s->path);
    if (s->kind != NULL)
        gw_buf_printf(out, ", type `%s`", s->kind->name);
    gw_buf_printf(out, "\n\n%s\n\n", s->help == NULL ? "" : s->help);
    write_body(out, tab, kinds, s);
}

void options_markdown(const struct opt_spec *tab, const struct opt_kinds *kinds, struct gw_buf *out)
{
    write_body(out, tab, kinds, &(struct section){.path = ""});
}
