#include "backends/backends.h"

#include <string.h>

#include "backends/http/web.h"
#include "backends/local/local.h"
#include "backends/memory.h"
#include "backends/s3/s3.h"
#include "backends/spool/spool_fs.h"
#include "gateway/base/mem.h"

/* One row a kind of store: the reader of the configuration, the schema and the documentation follow
 * it. */
static const struct backend_kind *const kinds[] = {
    &local_kind,
    &memory_kind,
    &s3_kind,
    &web_kind,
};
#define NKINDS (sizeof kinds / sizeof kinds[0])

static struct opt_kind options[NKINDS];
static uv_once_t options_once = UV_ONCE_INIT;

static void fill_options(void)
{
    for (size_t i = 0; i < NKINDS; i++)
        options[i] = kinds[i]->opt;
}

const struct opt_kinds *backend_kinds(void)
{
    static const struct opt_kinds all = {.v = options, .n = NKINDS};
    uv_once(&options_once, fill_options);
    return &all;
}

enum gw_err backend_new(const struct backend_env *env, const char *name, const struct opt_any *any,
                        struct backend **out, struct gw_errmsg *msg)
{
    *out = NULL;
    for (size_t i = 0; i < NKINDS; i++) {
        if (strcmp(kinds[i]->opt.name, any->kind->name) != 0)
            continue;
        struct backend_env mine = *env;
        char *copy = mem_strdup(name);
        mine.name = copy;
        struct backend *b = NULL;
        enum gw_err err = kinds[i]->make(&mine, any->conf, &b, msg);
        if (err != GW_OK) {
            mem_free(copy);
            return err;
        }
        b->name = copy;
        b->env = mine;
        b->refs = 1;
        *out = b;
        return GW_OK;
    }
    return gw_err_set(msg, GW_CONFIG, "type: %s is not known", any->kind->name);
}

struct backend *backend_ref(struct backend *b)
{
    b->refs++;
    return b;
}

void backend_unref(struct backend **bp)
{
    struct backend *b = *bp;
    *bp = NULL;
    if (b == NULL || --b->refs > 0)
        return;
    char *name = b->name;
    void (*on_free)(void *arg) = b->on_free;
    void *arg = b->on_free_arg;
    b->type->free(b);
    mem_free(name);
    if (on_free != NULL)
        on_free(arg);
}

void backend_on_free(struct backend *b, void (*fn)(void *arg), void *arg)
{
    b->on_free = fn;
    b->on_free_arg = arg;
}

bool backend_has_credentials(const struct backend *b)
{
    return b->type->admits != NULL;
}

enum gw_err backend_admits(struct backend *b, const struct backend_view *args,
                           struct gw_errmsg *msg)
{
    return b->type->admits == NULL ? GW_OK : b->type->admits(b, args, msg);
}

bool backend_covers(const struct backend *b, const char *prefix, const struct backend *b2,
                    const char *prefix2)
{
    if (b->type != b2->type || (b != b2 && b->type->folder == NULL))
        return false;
    const char *outer = b == b2 ? "" : b->type->folder(b);
    const char *inner = b == b2 ? "" : b->type->folder(b2);
    char *top = mem_printf("%s%s%s/", outer, prefix[0] == '\0' ? "" : "/", prefix);
    char *below = mem_printf("%s%s%s/", inner, prefix2[0] == '\0' ? "" : "/", prefix2);
    bool covers = strncmp(below, top, strlen(top)) == 0;
    mem_free(top);
    mem_free(below);
    return covers;
}

enum gw_err backend_view_new(struct backend *b, const struct backend_view *args, struct fs **out)
{
    *out = NULL;
    enum gw_err err = b->type->view(b, args, out);
    if (err == GW_OK && !((*out)->caps & (FS_CAP_RANDOM_WRITE | FS_CAP_READ_ONLY)))
        *out = spool_fs_new(*out, b->env.spool);
    return err;
}

struct alive {
    struct op op;
    struct op *turn;
    backend_done_fn *done;
    void *arg;
};

static void alive_cancel(struct op *op)
{
    struct alive *a = (struct alive *)op;
    op_cancel(&a->turn);
    mem_free(a);
}

static const struct op_type alive_type = {"backend_probe", alive_cancel};

static void alive_fire(void *arg)
{
    struct alive *a = arg;
    a->turn = NULL;
    a->done(a->arg, GW_OK, "ok");
    mem_free(a);
}

struct op *backend_probe(struct backend *b, backend_done_fn *done, void *arg)
{
    if (b->type->probe != NULL)
        return b->type->probe(b, done, arg);
    struct alive *a = mem_zalloc(sizeof *a);
    *a = (struct alive){.op.type = &alive_type, .done = done, .arg = arg};
    a->turn = loop_defer(b->env.loop, alive_fire, a);
    return &a->op;
}

struct op *backend_sweep(struct backend *b, backend_done_fn *done, void *arg)
{
    return b->type->sweep == NULL ? NULL : b->type->sweep(b, done, arg);
}
