#include "gateway/sftp/order.h"

#include <string.h>

static bool handles_conflict(const struct order_claim *a, enum order_class as,
                             const struct order_claim *b, enum order_class bs)
{
    if (as == ORDER_ALONE || bs == ORDER_ALONE || as != bs)
        return true;
    /* OpenSSH's scp (9.2) cuts the file at the first DATA that overtook another, and says nothing;
     * PuTTY's pscp hangs up. */
    if (as == ORDER_READ)
        return true;
    return !a->started || (a->off < b->end && b->off < a->end);
}

/* Is one at or below the other? Lengths are known: a session may hold hundreds of long paths, and
 * each is held against all others. */
static bool related(const struct order_claim *a, unsigned i, const struct order_claim *b,
                    unsigned j)
{
    const char *top = a->path[i], *below = b->path[j];
    size_t n = a->len[i];
    if (n > b->len[j]) {
        top = b->path[j];
        below = a->path[i];
        n = b->len[j];
    }
    if (n == 1) /* "/" is above everything */
        return true;
    return (below[n] == '\0' || below[n] == '/') && memcmp(top, below, n) == 0;
}

void order_claim_path(struct order_claim *c, unsigned i, const char *path)
{
    c->path[i] = path;
    c->len[i] = strlen(path);
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
            if (earlier->path[i] != NULL && later->path[j] != NULL && related(earlier, i, later, j))
                return true;
        }
    }
    return false;
}
