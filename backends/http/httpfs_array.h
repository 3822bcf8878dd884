/* A JSON array of objects as it arrives: each object is given when it is whole. Bounded memory,
 * whatever the length of the array. */
#ifndef BACKENDS_HTTP_HTTPFS_ARRAY_H
#define BACKENDS_HTTP_HTTPFS_ARRAY_H

#include <jansson.h>

#include "gateway/base/buf.h"

/* False stops the reading. */
typedef bool httpfs_array_fn(void *arg, const json_t *object);

struct httpfs_array {
    httpfs_array_fn *fn;
    void *arg;
    enum {
        HTTPFS_ARRAY_BEFORE, /* for '[', or "null" */
        HTTPFS_ARRAY_FIRST,  /* for an object or ']' */
        HTTPFS_ARRAY_BEHIND, /* for ',' or ']' */
        HTTPFS_ARRAY_NEXT,   /* for an object */
        HTTPFS_ARRAY_AFTER,  /* for nothing more */
    } state;
    unsigned depth; /* 0 = between objects */
    bool in_string, escaped;
    enum gw_err err; /* sticks */
    struct gw_buf object;
};

void httpfs_array_init(struct httpfs_array *a, httpfs_array_fn *fn, void *arg);
void httpfs_array_free(struct httpfs_array *a);
/* Errors: GW_BAD_MESSAGE (no array of objects, one over the bound), GW_NO_MEMORY, GW_UPSTREAM (fn
 * said so). */
enum gw_err httpfs_array_feed(struct httpfs_array *a, struct gw_span part);
/* It has ended: GW_OK if it was whole. "null" is an empty one: Go writes that. */
enum gw_err httpfs_array_end(struct httpfs_array *a);

#endif
