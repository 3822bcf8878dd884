#include "backends/http/web_cleanup.h"

#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"

#define TRIES    6u
#define PAUSE_MS 200u /* doubled each time: 13 s in all */

struct cleanup {
    struct web_access *access;
    char *path;
    struct op *step;
    unsigned tries;
};

static void try_it(void *arg);

static void cleaned(void *arg, const struct remote_res *res)
{
    struct cleanup *c = arg;
    c->step = NULL;
    bool over = res->err == GW_OK || res->err == GW_NOT_FOUND || res->err == GW_DENIED;
    if (!over && c->tries < TRIES) {
        c->step = deadline_start(remote_loop(c->access->store->remote),
                                 (uint64_t)PAUSE_MS << c->tries++, try_it, c);
        return;
    }
    web_access_unref(&c->access);
    mem_free(c->path);
    mem_free(c);
}

static void try_it(void *arg)
{
    struct cleanup *c = arg;
    c->step = c->access->store->dialect->remove(c->access, c->path, false, NULL, cleaned, c);
}

void web_cleanup_start(struct web_access *a, const char *path)
{
    struct cleanup *c = mem_zalloc(sizeof *c);
    c->access = web_access_ref(a);
    c->path = mem_strdup(path);
    try_it(c);
}
