/* What a person probably did where JSON ends to be JSON. */
#ifndef CONFIG_JSON_HINT_H
#define CONFIG_JSON_HINT_H

#include <stddef.h>

#include <jansson.h>

/* Of `text` that json_loadb() refused with `e`: a constant in words, or NULL where nothing is
 * known. Shows nothing of the text, which may hold secrets. */
const char *json_hint(const char *text, size_t len, const json_error_t *e);

#endif
