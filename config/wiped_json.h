/*
 * jansson's memory, wiped as it is freed: passwords stand in configuration files, in user files and
 * in what verifiers are asked.
 */
#ifndef CONFIG_WIPED_JSON_H
#define CONFIG_WIPED_JSON_H

/* Once, at the start of the process: before any JSON value and any thread. */
void wiped_json_init(void);
/* What json_dumps() gave; NULL is fine. */
void wiped_json_free_text(char **textp);

#endif
