#include "config/option_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/nearest.h"
#include "config/option_expand.h"
#include "config/option_row.h"
#include "config/textfile.h"
#include "gateway/base/mem.h"

enum {
    SHOWN_MAX = 64,          /* bytes of a value in a problem */
    NUMBER_TEXT_MAX = 32,    /* a number or a word that came from a variable */
    SECRET_FILE_MAX = 65536, /* bytes */
    NAMES_TEXT_MAX = 512,
    JSON_DEPTH_MAX = 16, /* of an OPT_JSON value */
};

struct shown {
    char s[SHOWN_MAX + 8];
};

/* The value for a problem: short, on one line, and never the inside of an object, where a secret
 * may be. */
static struct shown shown(const json_t *v)
{
    struct shown out = {"null"};
    if (json_is_object(v))
        snprintf(out.s, sizeof out.s, "an object");
    else if (json_is_array(v))
        snprintf(out.s, sizeof out.s, "a list");
    if (json_is_object(v) || json_is_array(v))
        return out;
    char text[SHOWN_MAX];
    size_t n = json_dumpb(v, text, sizeof text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    snprintf(out.s, sizeof out.s, "%.*s%s", (int)(n < SHOWN_MAX ? n : SHOWN_MAX), text,
             n > SHOWN_MAX ? "..." : "");
    return out;
}

static const char *type_name(const json_t *v)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return names[json_typeof(v)];
}

void option_value_no_memory(struct opt_reader *r, const char *path)
{
    r->no_memory = true;
    options_problem(r, path, "out of memory");
}

void option_value_check(struct opt_reader *r, const struct opt_spec *row, const json_t *v,
                        const char *path, const void *member)
{
    struct gw_errmsg msg = {""};
    if (row->check == NULL || row->check(member, &msg) == GW_OK)
        return;
    if (v == NULL || json_is_object(v) || json_is_array(v) || row->type == OPT_SECRET ||
        row->type == OPT_SECRETS)
        options_problem(r, path, "%s", msg.text);
    else
        options_problem(r, path, "%s %s", shown(v).s, msg.text);
}

/* The string v, expanded, as a buffer; false after a problem. The caller frees *out either way. */
static bool expand(struct opt_reader *r, json_t *v, const char *path, struct gw_buf *out)
{
    struct gw_errmsg msg;
    gw_buf_init(out, OPTION_EXPAND_MAX + 1);
    if (r->literal) {
        gw_buf_put_text(out, json_string_value(v));
    } else if (option_expand(json_string_value(v), out, &msg) != GW_OK) {
        options_problem(r, path, "%s", msg.text);
        return false;
    }
    gw_buf_put_u8(out, 0);
    if (out->failed == GW_TOO_LARGE)
        options_problem(r, path, "is longer than %u bytes", OPTION_EXPAND_MAX);
    else if (out->failed != GW_OK)
        option_value_no_memory(r, path);
    return out->failed == GW_OK;
}

static char *keep(struct opt_reader *r, const char *path, const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = mem_try_alloc(n);
    if (copy == NULL)
        option_value_no_memory(r, path);
    else
        memcpy(copy, s, n);
    return copy;
}

/* A number or a word that is written as a string because it holds a variable. False: it is not, or
 * a problem was noted (*noted). */
static bool variable_text(struct opt_reader *r, json_t *v, const char *path,
                          char text[NUMBER_TEXT_MAX], bool *noted)
{
    *noted = false;
    if (r->literal || !json_is_string(v) || !option_expand_needed(json_string_value(v)))
        return false;
    struct gw_buf b;
    *noted = !expand(r, v, path, &b);
    bool ok = !*noted && b.len <= NUMBER_TEXT_MAX;
    if (ok)
        memcpy(text, b.data, b.len);
    gw_buf_free_secret(&b);
    return ok;
}

void option_value_bool(struct opt_reader *r, json_t *v, const char *path, bool *out)
{
    char text[NUMBER_TEXT_MAX];
    bool noted;
    if (json_is_boolean(v)) {
        *out = json_is_true(v);
        return;
    }
    if (variable_text(r, v, path, text, &noted)) {
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
            *out = text[0] == 't';
            return;
        }
    }
    if (!noted)
        options_problem(r, path, "%s is not true or false", shown(v).s);
}

static bool parse_u64(const char *text, uint64_t *out)
{
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return false;
    errno = 0;
    *out = strtoull(text, NULL, 10);
    return errno == 0;
}

void option_value_number(struct opt_reader *r, const struct opt_spec *row, json_t *v,
                         const char *path, void *out)
{
    char text[NUMBER_TEXT_MAX];
    bool noted = false;
    uint64_t min = row->min;
    uint64_t max = option_row_max(row);
    uint64_t n = 0;
    bool whole = json_is_integer(v);
    bool in_range = whole && json_integer_value(v) >= 0;
    if (whole) {
        n = in_range ? (uint64_t)json_integer_value(v) : 0;
    } else if (variable_text(r, v, path, text, &noted) && parse_u64(text, &n)) {
        whole = true;
        in_range = true;
    }
    if (noted)
        return;
    if (!whole) {
        options_problem(r, path, "%s is not a whole number", shown(v).s);
        return;
    }
    if (!in_range || n < min || n > max) {
        options_problem(r, path, "%s is out of range: %llu to %llu is allowed", shown(v).s,
                        (unsigned long long)min, (unsigned long long)max);
        return;
    }
    if (row->type == OPT_U32)
        *(uint32_t *)out = (uint32_t)n;
    else
        *(uint64_t *)out = n;
}

static bool length_fits(struct opt_reader *r, const struct opt_spec *row, const char *path,
                        size_t n)
{
    uint64_t max = option_row_max(row);
    if (n >= row->min && n <= max)
        return true;
    if (n == 0)
        options_problem(r, path, "is empty");
    else
        options_problem(r, path, "is %zu bytes long: %llu to %llu are allowed", n,
                        (unsigned long long)row->min, (unsigned long long)max);
    return false;
}

void option_value_str(struct opt_reader *r, const struct opt_spec *row, json_t *v, const char *path,
                      char **out)
{
    struct gw_buf b;
    if (!json_is_string(v)) {
        options_problem(r, path, "%s is not a string", shown(v).s);
        return;
    }
    if (expand(r, v, path, &b)) {
        if (row->type == OPT_PATH && b.len == 1)
            options_problem(r, path, "is empty");
        else if (length_fits(r, row, path, b.len - 1))
            *out = keep(r, path, (const char *)b.data);
    }
    gw_buf_free(&b);
}

/* The text of {"file": PATH}: a trailing line end is cut, as editors leave one. */
static bool secret_file(struct opt_reader *r, const char *file, const char *path,
                        struct gw_buf *out)
{
    struct gw_errmsg msg;
    enum gw_err err = textfile_read(file, out, &msg);
    if (err == GW_NO_MEMORY) {
        option_value_no_memory(r, path);
        return false;
    }
    if (err != GW_OK) {
        options_problem(r, path, "cannot read %s: %s", file, msg.text);
        return false;
    }
    if (gw_span_has_nul(gw_buf_span(out))) {
        options_problem(r, path, "%s holds a NUL byte", file);
        return false;
    }
    if (out->len > 0 && out->data[out->len - 1] == '\n')
        out->len--;
    if (out->len > 0 && out->data[out->len - 1] == '\r')
        out->len--;
    return true;
}

/* {"env": NAME} or {"file": PATH}: *out gets the secret without a NUL. */
static bool secret_source(struct opt_reader *r, json_t *v, const char *path, struct gw_buf *out)
{
    json_t *env = json_object_get(v, "env");
    json_t *file = json_object_get(v, "file");
    json_t *one = env != NULL ? env : file;
    if (json_object_size(v) != 1 || !json_is_string(one)) {
        options_problem(r, path, "must be a string, {\"env\": \"NAME\"} or {\"file\": \"path\"}");
        return false;
    }
    struct option_path at = option_path_key(path, env != NULL ? "env" : "file");
    struct gw_buf word;
    bool ok = expand(r, one, at.s, &word);
    if (ok && env != NULL) {
        const char *name = (const char *)word.data;
        const char *value = getenv(name);
        ok = value != NULL;
        if (ok)
            gw_buf_put_text(out, value);
        else
            options_problem(r, at.s, "the environment variable %s is not set", shown(one).s);
    } else if (ok) {
        ok = secret_file(r, (const char *)word.data, at.s, out);
    }
    gw_buf_free(&word);
    return ok;
}

void option_value_secret(struct opt_reader *r, const struct opt_spec *row, json_t *v,
                         const char *path, char **out)
{
    struct gw_buf b;
    bool ok = false;
    if (json_is_string(v)) {
        ok = expand(r, v, path, &b);
    } else if (json_is_object(v) && !r->literal) {
        gw_buf_init(&b, SECRET_FILE_MAX);
        ok = secret_source(r, v, path, &b);
        if (ok) {
            b.max++; /* the NUL is not the secret's */
            gw_buf_put_u8(&b, 0);
            ok = b.failed == GW_OK;
            if (!ok)
                option_value_no_memory(r, path);
        }
    } else {
        gw_buf_init(&b, 0);
        /* The value is not shown: it may be the secret. */
        options_problem(r, path,
                        r->literal ? "is %s: a string is allowed"
                                   : "is %s: a string, {\"env\": \"NAME\"} or {\"file\": \"path\"} "
                                     "is allowed",
                        type_name(v));
    }
    if (ok && length_fits(r, row, path, b.len - 1))
        *out = keep(r, path, (const char *)b.data);
    gw_buf_free_secret(&b);
}

/* "a, b, c", as far as it fits. */
static void join(const char *const *names, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; names[i] != NULL; i++) {
        int n = snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ", ", names[i]);
        if (n < 0 || used + (size_t)n >= size)
            return;
        used += (size_t)n;
    }
}

void option_value_unknown(struct opt_reader *r, const char *path, const char *word,
                          const char *const *names, const char *const *later)
{
    struct nearest near = nearest_to(word);
    char list[NAMES_TEXT_MAX];
    for (size_t i = 0; later != NULL && later[i] != NULL; i++)
        if (strcmp(later[i], word) == 0) {
            options_problem(r, path, "\"%s\" is not in this version of postern yet", word);
            return;
        }
    for (size_t i = 0; names[i] != NULL; i++)
        nearest_try(&near, names[i]);
    join(names, list, sizeof list);
    json_t *w = json_string(word);
    struct shown text = shown(w);
    json_decref(w);
    if (nearest_word(&near) != NULL)
        options_problem(r, path, "%s is not known; did you mean \"%s\"? allowed are: %s", text.s,
                        nearest_word(&near), list);
    else
        options_problem(r, path, "%s is not known; allowed are: %s", text.s, list);
}

void option_value_no_word(struct opt_reader *r, const char *path, const json_t *v,
                          const char *const *names)
{
    char list[NAMES_TEXT_MAX];
    join(names, list, sizeof list);
    if (v == NULL)
        options_problem(r, path, "is missing; allowed are: %s", list);
    else
        options_problem(r, path, "%s is not a string; allowed are: %s", shown(v).s, list);
}

static int index_of(const char *const *names, const char *word)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], word) == 0)
            return i;
    return -1;
}

void option_value_enum(struct opt_reader *r, const struct opt_spec *row, json_t *v,
                       const char *path, int *out)
{
    struct gw_buf b;
    if (!json_is_string(v)) {
        options_problem(r, path, "%s is not a string", shown(v).s);
        return;
    }
    if (expand(r, v, path, &b)) {
        int i = index_of(row->names, (const char *)b.data);
        if (i >= 0)
            *out = i;
        else
            option_value_unknown(r, path, (const char *)b.data, row->names, row->later);
    }
    gw_buf_free(&b);
}

static void string_element(struct opt_reader *r, const struct opt_spec *row, json_t *v,
                           const char *path, char **out)
{
    struct gw_buf b;
    if (!json_is_string(v)) {
        options_problem(r, path, "%s is not a string", shown(v).s);
        return;
    }
    bool ok = expand(r, v, path, &b);
    const char *text = (const char *)b.data;
    struct gw_errmsg msg = {""};
    if (ok && b.len == 1) {
        options_problem(r, path, "is empty");
    } else if (ok && row->names != NULL && index_of(row->names, text) < 0) {
        option_value_unknown(r, path, text, row->names, row->later);
    } else if (ok && row->check != NULL && row->check(&text, &msg) != GW_OK) {
        options_problem(r, path, "%s %s", shown(v).s, msg.text);
    } else if (ok) {
        *out = keep(r, path, text);
    }
    gw_buf_free(&b);
}

void option_value_strs(struct opt_reader *r, const struct opt_spec *row, json_t *v,
                       const char *path, struct opt_strs *out)
{
    size_t n = json_array_size(v);
    if (!json_is_array(v)) {
        options_problem(r, path, "%s is not a list of strings", shown(v).s);
        return;
    }
    if (n < row->min || n > option_row_max(row)) {
        options_problem(r, path, "has %zu elements: %llu to %llu are allowed", n,
                        (unsigned long long)row->min, (unsigned long long)option_row_max(row));
        return;
    }
    if (n == 0)
        return;
    out->v = mem_try_alloc(n * sizeof *out->v);
    if (out->v == NULL) {
        option_value_no_memory(r, path);
        return;
    }
    memset(out->v, 0, n * sizeof *out->v);
    for (size_t i = 0; i < n; i++) {
        string_element(r, row, json_array_get(v, i), option_path_index(path, i).s, &out->v[out->n]);
        if (out->v[out->n] != NULL) /* no holes: what was read may still be looked at */
            out->n++;
    }
}

static json_t *copy_json(struct opt_reader *r, json_t *v, const char *path, unsigned depth);

static json_t *copy_string(struct opt_reader *r, json_t *v, const char *path)
{
    struct gw_buf b;
    json_t *copy = NULL;
    if (expand(r, v, path, &b)) {
        copy = json_string((const char *)b.data);
        if (copy == NULL)
            option_value_no_memory(r, path);
    }
    gw_buf_free(&b);
    return copy;
}

static json_t *copy_object(struct opt_reader *r, json_t *v, const char *path, unsigned depth)
{
    json_t *copy = json_object();
    const char *key;
    json_t *one;
    json_object_foreach(v, key, one)
    {
        struct option_path at = option_path_key(path, key);
        json_t *c = copy_json(r, one, at.s, depth + 1);
        if (c != NULL && json_object_set_new(copy, key, c) != 0)
            option_value_no_memory(r, at.s);
    }
    return copy;
}

static json_t *copy_array(struct opt_reader *r, json_t *v, const char *path, unsigned depth)
{
    json_t *copy = json_array();
    for (size_t i = 0; i < json_array_size(v); i++) {
        struct option_path at = option_path_index(path, i);
        json_t *c = copy_json(r, json_array_get(v, i), at.s, depth + 1);
        if (c != NULL && json_array_append_new(copy, c) != 0)
            option_value_no_memory(r, at.s);
    }
    return copy;
}

static json_t *copy_json(struct opt_reader *r, json_t *v, const char *path, unsigned depth)
{
    if (depth > JSON_DEPTH_MAX) {
        options_problem(r, path, "is nested deeper than %d levels", JSON_DEPTH_MAX);
        return NULL;
    }
    if (json_is_string(v))
        return copy_string(r, v, path);
    json_t *copy = json_is_object(v)  ? copy_object(r, v, path, depth)
                   : json_is_array(v) ? copy_array(r, v, path, depth)
                                      : json_copy(v);
    if (copy == NULL)
        option_value_no_memory(r, path);
    return copy;
}

void option_value_json(struct opt_reader *r, json_t *v, const char *path, json_t **out)
{
    if (!json_is_object(v)) {
        options_problem(r, path, "%s is not an object", shown(v).s);
        return;
    }
    *out = copy_json(r, v, path, 0);
}
