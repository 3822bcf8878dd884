#include "backends/s3/s3_later.h"

#include "gateway/base/mem.h"

struct later {
    struct op op;
    struct op *turn;
    struct fs_attr attr;
    bool has_attr;
    fs_done_fn *done;
    void *arg;
};

static void cancel(struct op *op)
{
    struct later *k = (struct later *)op;
    op_cancel(&k->turn);
    mem_free(k);
}

static const struct op_type later_type = {"s3_later", cancel};

static void fire(void *arg)
{
    struct later *k = arg;
    k->turn = NULL;
    const struct fs_res res = {.err = GW_OK, .attr = k->has_attr ? &k->attr : NULL};
    k->done(k->arg, &res);
    mem_free(k);
}

struct op *s3_later_ok(struct loop *l, const struct fs_attr *attr, fs_done_fn *done, void *arg)
{
    struct later *k = mem_zalloc(sizeof *k);
    k->op.type = &later_type;
    k->done = done;
    k->arg = arg;
    if (attr != NULL) {
        k->attr = *attr;
        k->has_attr = true;
    }
    k->turn = loop_defer(l, fire, k);
    return &k->op;
}
