#include "backends/s3/s3_abort.h"

#include <string.h>

#include "backends/s3/s3_journal.h"
#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"

/* With the pauses between them: about a minute. The client retries each request besides. */
#define TRIES    9u
#define PAUSE_MS 125u

struct abort_op {
    struct op op;
    struct s3_store *store;
    char *key, *upload_id;
    struct op *step;
    unsigned tries;
    s3_abort_fn *done; /* NULL = nobody asks */
    void *arg;
};

static void send_abort(void *arg);

static void cancel(struct op *op)
{
    struct abort_op *a = (struct abort_op *)op;
    a->done = NULL;
}

static const struct op_type abort_type = {"s3_abort", cancel};

static void finish(struct abort_op *a, bool gone)
{
    if (gone)
        s3_journal_remove(a->store, a->key, a->upload_id);
    else
        LOG_EVENT(LOG_LVL_WARN, NULL, "s3_abort_failed", log_str("key", a->key),
                  log_str("upload", a->upload_id));
    if (a->done != NULL)
        a->done(a->arg, gone);
    s3_store_unref(&a->store);
    mem_free(a->key);
    mem_free(a->upload_id);
    mem_free(a);
}

static void again(struct abort_op *a)
{
    if (++a->tries >= TRIES) {
        finish(a, false);
        return;
    }
    a->step =
        deadline_start(a->store->base.env.loop, (uint64_t)PAUSE_MS << a->tries, send_abort, a);
}

/* NoSuchUpload; a bucket that is gone has no uploads either. */
static bool says_gone(const struct remote_res *res)
{
    return res->err == GW_NOT_FOUND ||
           (res->err != GW_OK &&
            (strcmp(res->code, "NoSuchUpload") == 0 || strcmp(res->code, "NoSuchBucket") == 0));
}

static void listed(void *arg, const struct remote_res *res)
{
    struct abort_op *a = arg;
    a->step = NULL;
    if (says_gone(res))
        finish(a, true);
    else
        again(a);
}

static void aborted(void *arg, const struct remote_res *res)
{
    struct abort_op *a = arg;
    a->step = NULL;
    if (says_gone(res)) {
        finish(a, true);
        return;
    }
    if (res->err != GW_OK) {
        again(a);
        return;
    }
    const struct s3_param query[] = {{"max-parts", "1"}, {"uploadId", a->upload_id}};
    const struct s3_req req = {.method = "GET", .key = a->key, .query = query, .nquery = 2};
    a->step = s3_client_start(a->store->client, &req, listed, a);
}

static void send_abort(void *arg)
{
    struct abort_op *a = arg;
    const struct s3_param query[] = {{"uploadId", a->upload_id}};
    const struct s3_req req = {.method = "DELETE", .key = a->key, .query = query, .nquery = 1};
    a->step = s3_client_start(a->store->client, &req, aborted, a);
}

struct op *s3_abort_start(struct s3_store *s, const char *key, const char *upload_id,
                          s3_abort_fn *done, void *arg)
{
    struct abort_op *a = mem_zalloc(sizeof *a);
    a->op.type = &abort_type;
    a->store = s3_store_ref(s);
    a->key = mem_strdup(key);
    a->upload_id = mem_strdup(upload_id);
    a->done = done;
    a->arg = arg;
    send_abort(a);
    return &a->op;
}
