#include "backends/stores.h"

#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

#define PROBLEMS_MAX 4096u

struct store {
    struct list node;
    struct stores *all; /* holds a reference */
    char *json;         /* secret; the key */
    struct opt_any any; /* the backend borrows its conf */
    struct backend *backend;
};

struct stores {
    struct backend_env env;
    char *state_dir;
    struct list open;
    unsigned n, refs;
};

/* What options_read() fills: one store, under the key `store`. */
static const struct opt_spec table[] = {
    {.key = "store",
     .type = OPT_KIND,
     .offset = offsetof(struct store, any),
     .slot = OPT_SLOT_BACKEND,
     .flags = OPT_REQUIRED},
    {.key = NULL},
};

struct stores *stores_new(const struct backend_env *env)
{
    struct stores *s = mem_zalloc(sizeof *s);
    s->env = *env;
    s->state_dir = mem_strdup(env->state_dir);
    s->env.state_dir = s->state_dir;
    s->env.is_users = true;
    s->refs = 1;
    list_init(&s->open);
    return s;
}

void stores_unref(struct stores **sp)
{
    struct stores *s = *sp;
    *sp = NULL;
    if (s == NULL || --s->refs > 0)
        return;
    mem_free(s->state_dir);
    mem_free(s);
}

static void store_free(void *arg)
{
    struct store *one = arg;
    struct stores *all = one->all;
    if (one->backend != NULL) {
        list_remove(&one->node);
        all->n--;
    }
    options_free(table, one);
    mem_free_secret_str(&one->json);
    mem_free(one);
    stores_unref(&all);
}

/* The first problem is enough: who wrote it sees a line of the log. */
static enum gw_err read_conf(struct store *one, struct gw_errmsg *msg)
{
    struct opt_reader r = {.literal = true};
    json_t *store = json_loads(one->json, JSON_REJECT_DUPLICATES, NULL);
    json_t *root = json_pack("{s:o?}", "store", store);
    r.kinds[OPT_SLOT_BACKEND] = *backend_kinds();
    gw_buf_init(&r.problems, PROBLEMS_MAX);
    options_read(&r, table, root, "", one);
    const char *text = gw_buf_cstr(&r.problems);
    enum gw_err err = GW_OK;
    if (r.nproblems > 0)
        err = gw_err_set(msg, GW_CONFIG, "%.*s", (int)strcspn(text, "\n"), text);
    gw_buf_free_secret(&r.problems);
    json_decref(root);
    return err;
}

enum gw_err stores_open(struct stores *s, const char *json, struct backend **out,
                        struct gw_errmsg *msg)
{
    LIST_EACH(it, &s->open)
    {
        struct store *known = LIST_ENTRY(it, struct store, node);
        if (strcmp(known->json, json) == 0) {
            *out = backend_ref(known->backend);
            return GW_OK;
        }
    }
    if (s->n >= STORES_MAX)
        return gw_err_set(msg, GW_BUSY, "store: %u stores of users are open already", STORES_MAX);
    struct store *one = mem_zalloc(sizeof *one);
    one->json = mem_strdup(json);
    one->all = s;
    s->refs++;
    struct backend *b = NULL;
    enum gw_err err = read_conf(one, msg);
    if (err == GW_OK) {
        struct gw_errmsg why = {""};
        err = backend_new(&s->env, "store", &one->any, &b, &why);
        if (err != GW_OK)
            (void)gw_err_set(msg, err, "store.%.480s", why.text);
    }
    if (err != GW_OK) {
        store_free(one);
        return err;
    }
    one->backend = b;
    list_push(&s->open, &one->node);
    s->n++;
    backend_on_free(b, store_free, one);
    *out = b;
    return GW_OK;
}

unsigned stores_count(const struct stores *s)
{
    return s->n;
}
