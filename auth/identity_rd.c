#include "auth/identity_rd.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "auth/template.h"
#include "gateway/base/mem.h"

enum gw_err identity_rd_fail(struct identity_rd *r, const char *fmt, ...)
{
    char why[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return gw_err_set(r->msg, GW_CONFIG, "%s: %s", r->at[0] == '\0' ? "identity" : r->at, why);
}

void identity_rd_at(struct identity_rd *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->at, sizeof r->at, fmt, ap);
    va_end(ap);
}

enum gw_err identity_rd_str(struct identity_rd *r, const json_t *v, size_t max, const char **out)
{
    if (!json_is_string(v))
        return identity_rd_fail(r, "must be a string");
    size_t n = json_string_length(v);
    *out = json_string_value(v);
    if (n == 0 || n > max)
        return identity_rd_fail(r, "must be a string of 1 to %zu bytes", max);
    if (memchr(*out, 0, n) != NULL)
        return identity_rd_fail(r, "must not hold a NUL");
    return GW_OK;
}

enum gw_err identity_rd_dup(struct identity_rd *r, const json_t *v, size_t max, char **out)
{
    const char *s = NULL;
    enum gw_err err = identity_rd_str(r, v, max, &s);
    if (err == GW_OK)
        *out = mem_strdup(s);
    return err;
}

enum gw_err identity_rd_bool(struct identity_rd *r, const json_t *v, bool *out)
{
    if (!json_is_boolean(v))
        return identity_rd_fail(r, "must be true or false");
    *out = json_is_true(v);
    return GW_OK;
}

enum gw_err identity_rd_uint(struct identity_rd *r, const json_t *v, uint64_t max, uint64_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max)
        return identity_rd_fail(r, "must be a whole number from 0 to %llu",
                                (unsigned long long)max);
    *out = (uint64_t)json_integer_value(v);
    return GW_OK;
}

enum gw_err identity_rd_strs(struct identity_rd *r, const json_t *v, size_t most, size_t max,
                             enum gw_err (*check)(struct identity_rd *r, const char *s),
                             char ***out, size_t *nout)
{
    char key[32];
    snprintf(key, sizeof key, "%.31s", r->at);
    if (!json_is_array(v) || json_array_size(v) > most)
        return identity_rd_fail(r, "must be an array of at most %zu strings", most);
    *out = mem_array(json_array_size(v), sizeof **out);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *s = NULL;
        identity_rd_at(r, "%s[%zu]", key, i);
        enum gw_err err = identity_rd_str(r, json_array_get(v, i), max, &s);
        if (err == GW_OK && check != NULL)
            err = check(r, s);
        if (err != GW_OK)
            return err;
        (*out)[(*nout)++] = mem_strdup(s);
    }
    return GW_OK;
}

enum gw_err identity_rd_path(struct identity_rd *r, const char *text, bool absolute, char **out)
{
    struct gw_buf full;
    struct gw_buf norm;
    enum gw_err err = GW_OK;
    gw_buf_init(&full, IDENTITY_RD_PATH_MAX);
    gw_buf_init(&norm, IDENTITY_RD_PATH_MAX);
    if (template_expand(&full, text, r->user) == GW_CONFIG)
        err = identity_rd_fail(r, "${user} is the only variable");
    const char *p = gw_buf_cstr(&full);
    if (err == GW_OK && full.failed == GW_OK && absolute != (*p == '/'))
        err =
            identity_rd_fail(r, absolute ? "must begin with \"/\""
                                         : "is relative to the backend's root: no \"/\" in front");
    while (err == GW_OK && *p != '\0') {
        size_t n = strcspn(p, "/");
        if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            err = identity_rd_fail(r, "\".\" and \"..\" are not allowed");
        if (n > 0) {
            if (absolute || norm.len > 0)
                gw_buf_put_u8(&norm, '/');
            gw_buf_put(&norm, p, n);
        }
        p += n + (p[n] == '/');
    }
    if (absolute && norm.len == 0)
        gw_buf_put_u8(&norm, '/');
    const char *s = gw_buf_cstr(&norm);
    if (err == GW_OK && (full.failed != GW_OK || norm.failed != GW_OK))
        err = identity_rd_fail(r, "must be at most %u bytes", IDENTITY_RD_PATH_MAX - 1);
    if (err == GW_OK)
        *out = mem_strdup(s);
    gw_buf_free(&full);
    gw_buf_free(&norm);
    return err;
}

enum gw_err identity_rd_line(struct identity_rd *r, const json_t *v, size_t max, char **out)
{
    const char *s = NULL;
    enum gw_err err = identity_rd_str(r, v, max, &s);
    if (err != GW_OK || s == NULL)
        return err;
    for (const char *p = s; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return identity_rd_fail(r, "must not hold control characters");
    *out = mem_strdup(s);
    return GW_OK;
}
