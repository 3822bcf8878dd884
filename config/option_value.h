/*
 * One JSON value into one plain member: numbers, words, strings, secrets, lists of strings. The
 * lower half of options_read(): a value that does not fit is a problem of r, and the member stays
 * as it was.
 */
#ifndef CONFIG_OPTION_VALUE_H
#define CONFIG_OPTION_VALUE_H

#include "config/option.h"

void option_value_bool(struct opt_reader *r, json_t *v, const char *path, bool *out);
/* OPT_U32 or OPT_U64, by the row. */
void option_value_number(struct opt_reader *r, const struct opt_spec *row, json_t *v,
                         const char *path, void *out);
void option_value_str(struct opt_reader *r, const struct opt_spec *row, json_t *v, const char *path,
                      char **out);
void option_value_secret(struct opt_reader *r, const struct opt_spec *row, json_t *v,
                         const char *path, char **out);
void option_value_enum(struct opt_reader *r, const struct opt_spec *row, json_t *v,
                       const char *path, int *out);
void option_value_strs(struct opt_reader *r, const struct opt_spec *row, json_t *v,
                       const char *path, struct opt_strs *out);
/* A deep copy with every string expanded. */
void option_value_json(struct opt_reader *r, json_t *v, const char *path, json_t **out);

/* A word that is none of `names` (NULL-terminated): which are allowed, which is nearest, whether it
 * is one that comes later. */
void option_value_unknown(struct opt_reader *r, const char *path, const char *word,
                          const char *const *names, const char *const *later);
/* The same where there is no word: v is NULL, or no string. */
void option_value_no_word(struct opt_reader *r, const char *path, const json_t *v,
                          const char *const *names);
/* The row's own check of a member that v was read into (v NULL: a default). */
void option_value_check(struct opt_reader *r, const struct opt_spec *row, const json_t *v,
                        const char *path, const void *member);
void option_value_no_memory(struct opt_reader *r, const char *path);

#endif
