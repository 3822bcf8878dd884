/* The reader of httpfs's listings, fed in pieces: the first byte says how large they are. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/http/httpfs.h"
#include "backends/http/httpfs_array.h"

#define SMALL 1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t n;
    enum gw_err err;
};

static bool on_object(void *arg, const json_t *object)
{
    struct seen *s = arg;
    struct fs_attr attr;
    if (!json_is_object(object))
        abort();
    if (httpfs_attr(object, &attr) && (attr.mode & ~0777u) != 0)
        abort();
    s->n++;
    return true;
}

static struct seen parse(const uint8_t *data, size_t size, size_t step)
{
    struct seen s = {0};
    struct httpfs_array a;
    httpfs_array_init(&a, on_object, &s);
    for (size_t at = 0; s.err == GW_OK && at < size; at += step)
        s.err = httpfs_array_feed(&a, gw_span_of(data + at, size - at < step ? size - at : step));
    enum gw_err end = httpfs_array_end(&a);
    if (s.err != GW_OK && end != s.err) /* an error sticks */
        abort();
    s.err = end;
    httpfs_array_free(&a);
    return s;
}

/* What jansson says of the whole: how many objects, and nothing else, are in an array. */
static struct seen expected(const uint8_t *data, size_t size)
{
    struct seen s = {.err = GW_BAD_MESSAGE};
    /* An array, for "null" to be read too. */
    char text[2 * SMALL];
    int n = snprintf(text, sizeof text, "[%.*s]", (int)size, (const char *)data);
    json_t *outer = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
    const json_t *array = json_array_size(outer) == 1 ? json_array_get(outer, 0) : NULL;
    if (json_is_array(array) || json_is_null(array))
        s.err = GW_OK;
    for (size_t i = 0; i < json_array_size(array); i++) {
        s.n++;
        if (!json_is_object(json_array_get(array, i)))
            s.err = GW_BAD_MESSAGE;
    }
    json_decref(outer);
    return s;
}

/* However it is cut, it is the same array, and what a reader of all JSON sees in it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned depth = 0;
    const struct seen whole = parse(data + 1, size - 1, size - 1);
    const struct seen cut = parse(data + 1, size - 1, data[0] == 0 ? 1 : data[0]);
    if (whole.n != cut.n || whole.err != cut.err)
        abort();
    for (size_t i = 1; i < size; i++)
        depth += data[i] == '{' || data[i] == '[';
    if (size > SMALL || depth > 16 || memchr(data, '\0', size) != NULL) /* it has bounds */
        return 0;
    const struct seen want = expected(data + 1, size - 1);
    if (whole.err != want.err || (want.err == GW_OK && whole.n != want.n))
        abort();
    return 0;
}
