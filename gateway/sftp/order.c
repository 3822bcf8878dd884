#include "gateway/sftp/order.h"

#include "gateway/vfs/vpath.h"

static bool handles_conflict(const struct order_claim *a, enum order_class as,
                             const struct order_claim *b, enum order_class bs)
{
    if (as == ORDER_ALONE || bs == ORDER_ALONE || as != bs)
        return true;
    if (as == ORDER_READ)
        return false;
    return !a->started || (a->off < b->end && b->off < a->end);
}

static bool related(const char *a, const char *b)
{
    const char *rest;
    return vpath_under(a, b, &rest) || vpath_under(b, a, &rest);
}

bool order_conflict(const struct order_claim *earlier, const struct order_claim *later)
{
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned j = 0; j < 2; j++) {
            if (earlier->handle[i] != NULL && earlier->handle[i] == later->handle[j] &&
                handles_conflict(earlier, earlier->on_handle[i], later, later->on_handle[j]))
                return true;
        }
    }
    if (!earlier->changes && !later->changes)
        return false;
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned j = 0; j < 2; j++) {
            if (earlier->path[i] != NULL && later->path[j] != NULL &&
                related(earlier->path[i], later->path[j]))
                return true;
        }
    }
    return false;
}
