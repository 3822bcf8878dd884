#include "backends/http/httpfs_array.h"

#include <string.h>

#define OBJECT_MAX (64u << 10)
#define DEPTH_MAX  16u

void httpfs_array_init(struct httpfs_array *a, httpfs_array_fn *fn, void *arg)
{
    *a = (struct httpfs_array){.fn = fn, .arg = arg};
    gw_buf_init(&a->object, OBJECT_MAX);
}

void httpfs_array_free(struct httpfs_array *a)
{
    gw_buf_free(&a->object);
}

static void take_object(struct httpfs_array *a)
{
    json_t *object = json_loadb((const char *)a->object.data, a->object.len, 0, NULL);
    if (object == NULL)
        a->err = GW_BAD_MESSAGE;
    else if (!a->fn(a->arg, object))
        a->err = GW_UPSTREAM;
    json_decref(object);
    gw_buf_reset(&a->object);
}

static void in_object(struct httpfs_array *a, char c)
{
    gw_buf_put_u8(&a->object, (uint8_t)c);
    if (a->object.failed != GW_OK) {
        a->err = a->object.failed == GW_NO_MEMORY ? GW_NO_MEMORY : GW_BAD_MESSAGE;
    } else if (a->in_string) {
        a->in_string = a->escaped || c != '"';
        a->escaped = !a->escaped && c == '\\';
    } else if (c == '"') {
        a->in_string = true;
    } else if (c == '{' || c == '[') {
        if (++a->depth > DEPTH_MAX)
            a->err = GW_BAD_MESSAGE;
    } else if ((c == '}' || c == ']') && --a->depth == 0) {
        take_object(a);
    }
}

static void outside(struct httpfs_array *a, char c)
{
    bool in_null = a->object.len > 0 && a->object.len < 4;
    bool at_object = a->state == HTTPFS_ARRAY_FIRST || a->state == HTTPFS_ARRAY_NEXT;
    bool at_end = a->state == HTTPFS_ARRAY_FIRST || a->state == HTTPFS_ARRAY_BEHIND;
    if (!in_null && c != '\0' && strchr(" \t\r\n", c) != NULL)
        return;
    if (a->state == HTTPFS_ARRAY_BEFORE && c == '[' && a->object.len == 0) {
        a->state = HTTPFS_ARRAY_FIRST;
    } else if (a->state == HTTPFS_ARRAY_BEFORE && a->object.len < 4 && c == "null"[a->object.len]) {
        gw_buf_put_u8(&a->object, (uint8_t)c);
    } else if (at_object && c == '{') {
        a->state = HTTPFS_ARRAY_BEHIND;
        in_object(a, c);
    } else if (a->state == HTTPFS_ARRAY_BEHIND && c == ',') {
        a->state = HTTPFS_ARRAY_NEXT;
    } else if (at_end && c == ']') {
        a->state = HTTPFS_ARRAY_AFTER;
    } else {
        a->err = GW_BAD_MESSAGE;
    }
}

enum gw_err httpfs_array_feed(struct httpfs_array *a, struct gw_span part)
{
    for (size_t i = 0; i < part.len && a->err == GW_OK; i++) {
        if (a->depth > 0)
            in_object(a, (char)part.ptr[i]);
        else
            outside(a, (char)part.ptr[i]);
    }
    return a->err;
}

enum gw_err httpfs_array_end(struct httpfs_array *a)
{
    bool null = a->state == HTTPFS_ARRAY_BEFORE && a->object.len == 4;
    if (a->err == GW_OK && a->state != HTTPFS_ARRAY_AFTER && !null)
        a->err = GW_BAD_MESSAGE;
    return a->err;
}
