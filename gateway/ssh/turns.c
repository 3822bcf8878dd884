#include "gateway/ssh/turns.h"

size_t turns_begin(struct turns *t, const void *who)
{
    if (t->last != who) {
        t->last = who;
        t->in_row = 0;
    }
    if (t->in_row < TURNS_ALONE_AFTER) {
        t->in_row++;
        return TURNS_SHARED_BYTES;
    }
    return TURNS_ALONE_BYTES;
}
