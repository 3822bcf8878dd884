#include "backends/retry.h"

uint64_t retry_pause_ms(unsigned attempts, uint32_t random, uint64_t left_ms)
{
    uint64_t bound = RETRY_MAX_MS;
    if (attempts < 8 && RETRY_FIRST_MS << attempts < bound)
        bound = RETRY_FIRST_MS << attempts;
    uint64_t pause = random % (bound + 1);
    return pause < left_ms ? pause : left_ms;
}
