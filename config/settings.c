#include "config/settings.h"

#include <string.h>

#include "config/json_hint.h"
#include "config/textfile.h"
#include "gateway/base/mem.h"

enum {
    FILE_MAX_BYTES = 4 * 1024 * 1024,
    DEPTH_MAX = 32, /* of objects and lists in one another */
};

static bool is_too_deep(json_t *v, unsigned left)
{
    const char *key;
    json_t *one;
    if (!json_is_object(v) && !json_is_array(v))
        return false;
    if (left == 0)
        return true;
    json_object_foreach(v, key, one)
    {
        if (is_too_deep(one, left - 1))
            return true;
    }
    for (size_t i = 0; i < json_array_size(v); i++)
        if (is_too_deep(json_array_get(v, i), left - 1))
            return true;
    return false;
}

/* jansson appends what it read last, which may be a secret; it helps only with a doubled key. */
static void syntax_problem(const char *name, const json_error_t *e, const char *hint,
                           struct gw_buf *problems)
{
    const char *near = strstr(e->text, " near ");
    enum json_error_code code = json_error_code(e);
    bool cut = near != NULL && code != json_error_duplicate_key;
    const char *text = code == json_error_null_character ? "a NUL character" : e->text;
    int len = cut && text == e->text ? (int)(near - text) : (int)strlen(text);
    gw_buf_printf(problems, "%s:%d:%d: not valid JSON: %.*s%s%s\n", name, e->line, e->column, len,
                  text, hint == NULL ? "" : ": ", hint == NULL ? "" : hint);
}

static enum gw_err parse(const char *name, const char *text, size_t len, json_t **out,
                         struct gw_buf *problems)
{
    json_error_t e;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (root == NULL) {
        /* When memory is out jansson often says nothing at all. */
        bool no_memory = e.text[0] == '\0' || json_error_code(&e) == json_error_out_of_memory;
        if (no_memory)
            gw_buf_printf(problems, "%s: out of memory\n", name);
        else
            syntax_problem(name, &e, json_hint(text, len, &e), problems);
        return no_memory ? GW_NO_MEMORY : GW_CONFIG;
    }
    if (!json_is_object(root))
        gw_buf_printf(problems, "%s: the configuration is one JSON object: {...}\n", name);
    else if (is_too_deep(root, DEPTH_MAX))
        gw_buf_printf(problems, "%s: nested deeper than %d levels\n", name, DEPTH_MAX);
    else
        *out = root;
    if (*out == NULL)
        json_decref(root);
    return *out == NULL ? GW_CONFIG : GW_OK;
}

static enum gw_err read_root(const char *path, const char *text, json_t **out,
                             struct gw_buf *problems)
{
    struct gw_buf file;
    struct gw_errmsg msg;
    if (path == NULL)
        return parse("configuration", text, strlen(text), out, problems);
    gw_buf_init(&file, FILE_MAX_BYTES);
    enum gw_err err = textfile_read(path, &file, &msg);
    if (err != GW_OK) {
        gw_buf_printf(problems, "%s: cannot be read: %s\n", path, msg.text);
        err = err == GW_NO_MEMORY ? err : GW_IO;
    } else {
        err = parse(path, file.len == 0 ? "" : (const char *)file.data, file.len, out, problems);
    }
    gw_buf_free_secret(&file);
    return err;
}

enum gw_err settings_read(const char *path, const char *text,
                          const struct opt_kinds kinds[OPT_SLOT_COUNT], struct settings **out,
                          struct gw_buf *problems)
{
    json_t *root = NULL;
    struct opt_reader r = {.nproblems = 0};
    *out = NULL;
    enum gw_err err = read_root(path, text, &root, problems);
    if (err != GW_OK)
        return err;
    struct settings *s = mem_zalloc(sizeof *s);
    atomic_init(&s->refs, 1);
    memcpy(r.kinds, kinds, sizeof r.kinds);
    r.problems = *problems;
    options_read(&r, settings_table, root, "", s);
    *problems = r.problems;
    json_decref(root);
    *out = s;
    if (r.nproblems == 0)
        return GW_OK;
    return r.no_memory ? GW_NO_MEMORY : GW_CONFIG;
}

enum gw_err settings_load(const char *path, const char *text,
                          const struct opt_kinds kinds[OPT_SLOT_COUNT], struct settings **out,
                          struct gw_buf *problems)
{
    enum gw_err err = settings_read(path, text, kinds, out, problems);
    if (err != GW_OK)
        settings_unref(out);
    return err;
}

struct settings *settings_ref(struct settings *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void settings_unref(struct settings **sp)
{
    struct settings *s = *sp;
    *sp = NULL;
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    options_free(settings_table, s);
    mem_free(s);
}
