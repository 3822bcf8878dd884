#include "config/option.h"

#include <stdarg.h>
#include <string.h>

#include "config/option_row.h"
#include "gateway/base/mem.h"

enum {
    ELEMENTS_MAX = 10000,    /* of a list or map that has no bound of its own */
    STRING_MAX = 64 * 1024,  /* bytes, likewise */
    PROBLEM_MAX = 2 * 1024,  /* bytes of one line */
    MAP_NAME_MAX_BYTES = 64, /* they appear in logs and messages */
};

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

bool option_row_is_name(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > MAP_NAME_MAX_BYTES || s[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_word_char(s[i]) && s[i] != '.')
            return false;
    return true;
}

struct option_path option_path_key(const char *parent, const char *key)
{
    struct option_path p;
    bool plain = key[0] != '\0' && key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU"
                                                   "VWXYZ0123456789_-$")] == '\0';
    if (plain) {
        snprintf(p.s, sizeof p.s, "%s%s%s", parent, parent[0] == '\0' ? "" : ".", key);
        return p;
    }
    /* As JSON text, so that control characters of a foreign file never reach a terminal. */
    char text[OPTION_PATH_MAX];
    json_t *k = json_string(key);
    size_t n = json_dumpb(k, text, sizeof text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    json_decref(k);
    snprintf(p.s, sizeof p.s, "%.*s[%.*s]", (int)OPTION_PATH_MAX / 2, parent,
             (int)(n < sizeof text ? n : sizeof text), text);
    return p;
}

struct option_path option_path_index(const char *parent, size_t i)
{
    struct option_path p;
    snprintf(p.s, sizeof p.s, "%s[%zu]", parent, i);
    return p;
}

uint64_t option_row_max(const struct opt_spec *row)
{
    if (row->max != 0)
        return row->max;
    switch (row->type) {
    case OPT_U32:
        return UINT32_MAX;
    case OPT_U64:
        return INT64_MAX; /* what a JSON number holds in jansson */
    case OPT_STR:
    case OPT_PATH:
    case OPT_SECRET:
        return STRING_MAX;
    default:
        return ELEMENTS_MAX;
    }
}

size_t option_row_size(const struct opt_spec *row)
{
    bool is_kind = row->type == OPT_KIND_LIST || row->type == OPT_KIND_MAP;
    if (row->type == OPT_SECRETS)
        return sizeof(char *);
    return is_kind ? sizeof(struct opt_any) : row->size;
}

const struct opt_spec *option_row_find(const struct opt_spec *tab, const char *key)
{
    for (const struct opt_spec *row = tab; row->key != NULL; row++)
        if (strcmp(row->key, key) == 0)
            return row;
    return NULL;
}

json_t *option_row_default(const struct opt_spec *row)
{
    return row->dflt == NULL ? NULL : json_loads(row->dflt, JSON_DECODE_ANY, NULL);
}

const struct opt_kind *option_row_kind(const struct opt_kinds *kinds, const char *name)
{
    for (size_t i = 0; i < kinds->n; i++)
        if (strcmp(kinds->v[i].name, name) == 0)
            return &kinds->v[i];
    return NULL;
}

void options_problem(struct opt_reader *r, const char *path, const char *fmt, ...)
{
    char text[PROBLEM_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->nproblems++;
    size_t before = r->problems.len;
    gw_buf_printf(&r->problems, "%s%s%s\n", path, path[0] == '\0' ? "" : ": ", text);
    if (r->problems.failed != GW_OK)
        r->problems.len = before; /* whole lines only */
}

static void free_any(struct opt_any *any)
{
    if (any->kind != NULL && any->conf != NULL)
        options_free(any->kind->tab, any->conf);
    mem_free(any->conf);
    *any = (struct opt_any){NULL, NULL};
}

static void free_elements(const struct opt_spec *row, void *v, size_t n)
{
    bool is_kind = row->type == OPT_KIND_LIST || row->type == OPT_KIND_MAP;
    for (size_t i = 0; i < n; i++) {
        char *one = (char *)v + i * option_row_size(row);
        if (row->type == OPT_SECRETS)
            mem_free_secret_str((char **)(void *)one);
        else if (is_kind)
            free_any((struct opt_any *)(void *)one);
        else
            options_free(row->sub, one);
    }
    mem_free(v);
}

static void free_strings(char **v, size_t n)
{
    for (size_t i = 0; v != NULL && i < n; i++)
        mem_free(v[i]);
    mem_free(v);
}

static void free_member(const struct opt_spec *row, void *member)
{
    switch (row->type) {
    case OPT_BOOL:
    case OPT_U32:
    case OPT_U64:
    case OPT_ENUM:
        break;
    case OPT_STR:
    case OPT_PATH:
        mem_free(*(char **)member);
        *(char **)member = NULL;
        break;
    case OPT_SECRET:
        mem_free_secret_str(member);
        break;
    case OPT_STRS: {
        struct opt_strs *strs = member;
        free_strings(strs->v, strs->n);
        *strs = (struct opt_strs){NULL, 0};
        break;
    }
    case OPT_OBJECT:
        options_free(row->sub, member);
        break;
    case OPT_KIND:
        free_any(member);
        break;
    case OPT_LIST:
    case OPT_KIND_LIST: {
        struct opt_list *list = member;
        free_elements(row, list->v, list->n);
        *list = (struct opt_list){NULL, 0};
        break;
    }
    case OPT_MAP:
    case OPT_SECRETS:
    case OPT_KIND_MAP: {
        struct opt_map *map = member;
        free_elements(row, map->v, map->n);
        free_strings(map->names, map->n);
        *map = (struct opt_map){NULL, NULL, 0};
        break;
    }
    case OPT_JSON:
        json_decref(*(json_t **)member);
        *(json_t **)member = NULL;
        break;
    }
}

void options_free(const struct opt_spec *tab, void *out)
{
    if (out == NULL)
        return;
    for (const struct opt_spec *row = tab; row->key != NULL; row++)
        if ((row->flags & OPT_LATER) == 0)
            free_member(row, option_row_member(row, out));
}
