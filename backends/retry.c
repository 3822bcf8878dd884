#include "backends/retry.h"

uint64_t retry_pause_ms(unsigned attempts, uint32_t random, uint64_t left_ms)
{
    uint64_t bound = RETRY_MAX_MS;
    if (attempts < 8 && RETRY_FIRST_MS << attempts < bound)
        bound = RETRY_FIRST_MS << attempts;
    if (bound > left_ms)
        bound = left_ms;
    return random % (bound + 1);
}
