#include "backends/local/local_ahead.h"

bool local_ahead_due(struct local_ahead *a, uint64_t off, size_t len, bool waits, uint64_t *from)
{
    a->cold |= waits;
    if (off + len == a->next && len > 0)
        return false; /* the same once more: it had to wait */
    a->in_order = off == a->next && off > 0;
    a->next = off + len;
    if (!a->in_order)
        a->until = a->next;
    if (!a->in_order || !a->cold || a->asking || a->next + LOCAL_AHEAD_BYTES / 2 < a->until)
        return false;
    *from = a->until > a->next ? a->until : a->next;
    a->until = *from + LOCAL_AHEAD_BYTES;
    a->asking = true;
    return true;
}
