/*
 * Reading an identity's JSON: where the reading stands, and the values of which all its keys are
 * made. What they refuse names the place. Errors: GW_CONFIG with *msg.
 */
#ifndef AUTH_IDENTITY_RD_H
#define AUTH_IDENTITY_RD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/err.h"

#define IDENTITY_RD_PATH_MAX 4096u /* bytes of a path */

struct identity_rd {
    const char *user; /* what ${user} in paths stands for; borrowed */
    struct gw_errmsg *msg;
    bool stores;  /* mounts[].store may be there */
    char at[256]; /* the JSON path of the value in hand */
};

/* Always GW_CONFIG, for a caller's return. */
enum gw_err identity_rd_fail(struct identity_rd *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void identity_rd_at(struct identity_rd *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* *out is borrowed from v: 1..max bytes without a NUL. */
enum gw_err identity_rd_str(struct identity_rd *r, const json_t *v, size_t max, const char **out);
enum gw_err identity_rd_dup(struct identity_rd *r, const json_t *v, size_t max, char **out);
/* The same, for a header: a line break would be another one. */
enum gw_err identity_rd_line(struct identity_rd *r, const json_t *v, size_t max, char **out);
enum gw_err identity_rd_bool(struct identity_rd *r, const json_t *v, bool *out);
enum gw_err identity_rd_uint(struct identity_rd *r, const json_t *v, uint64_t max, uint64_t *out);
/* The array at r->at as strings; each must pass `check` (NULL = any). What was read before an error
 * is in *out as well. */
enum gw_err identity_rd_strs(struct identity_rd *r, const json_t *v, size_t most, size_t max,
                             enum gw_err (*check)(struct identity_rd *r, const char *s),
                             char ***out, size_t *nout);
/* Fills in ${user}, then makes `text` normal: components joined by one slash, with a leading one
 * when `absolute`. "." and ".." are refused: whoever wrote them meant something else. */
enum gw_err identity_rd_path(struct identity_rd *r, const char *text, bool absolute, char **out);

#endif
