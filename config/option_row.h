/* What a row of an option table means, for all that walk tables; and the JSON paths of problems. */
#ifndef CONFIG_OPTION_ROW_H
#define CONFIG_OPTION_ROW_H

#include "config/option.h"

#define OPTION_PATH_MAX 256u /* bytes of a JSON path; a longer one is cut */

struct option_path {
    char s[OPTION_PATH_MAX];
};

/* "ssh" + "version" = "ssh.version"; a key that is no plain word stands quoted in brackets. */
struct option_path option_path_key(const char *parent, const char *key);
struct option_path option_path_index(const char *parent, size_t i);

/* The largest value that the row takes: its own, else the type's. */
uint64_t option_row_max(const struct opt_spec *row);
/* Bytes of one element of an OPT_LIST, OPT_MAP, OPT_SECRETS, OPT_KIND_LIST or OPT_KIND_MAP. */
size_t option_row_size(const struct opt_spec *row);
const struct opt_spec *option_row_find(const struct opt_spec *tab, const char *key);
/* The default's value: a new reference; NULL where there is none (or memory is out). */
json_t *option_row_default(const struct opt_spec *row);
/* The kind of that name, or NULL. */
const struct opt_kind *option_row_kind(const struct opt_kinds *kinds, const char *name);
/* Names of backends and the like: 1 to 64 of letters, digits, "_", "-" and ".", no "." first. */
bool option_row_is_name(const char *s);

static inline void *option_row_member(const struct opt_spec *row, void *of)
{
    return (char *)of + row->offset;
}

static inline const void *option_row_const_member(const struct opt_spec *row, const void *of)
{
    return (const char *)of + row->offset;
}

#endif
