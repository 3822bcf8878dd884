#include "gateway/ssh/rekeys.h"

/* Whole units between *at and now; what is left over counts the next time. */
static uint64_t pay_out(uint64_t *at, uint64_t now, uint64_t unit)
{
    uint64_t units = (now - *at) / unit;
    *at += units * unit;
    return units;
}

bool rekeys_one(struct rekeys *r, uint64_t now_ms, uint64_t bytes)
{
    uint64_t back =
        pay_out(&r->at_ms, now_ms, REKEYS_MS) + pay_out(&r->at_bytes, bytes, REKEYS_BYTES);
    r->taken = back < r->taken ? r->taken - (unsigned)back : 0;
    return ++r->taken <= REKEYS_AT_ONCE;
}
