#include "backends/http/web_stage.h"

#include <openssl/rand.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/reserved.h"
#include "gateway/base/mem.h"

#define TIME_DIGITS   8u
#define CHANCE_DIGITS 16u

char *web_stage_name(const char *path)
{
    uint64_t chance = 0;
    if (RAND_bytes((unsigned char *)&chance, (int)sizeof chance) != 1)
        return NULL;
    return mem_printf("%.*s/%s.%08lx%016llx", (int)(strrchr(path, '/') - path), path,
                      RESERVED_PREFIX, (unsigned long)time(NULL) & 0xffffffffu,
                      (unsigned long long)chance);
}

int64_t web_stage_begun_s(const char *name)
{
    const size_t head = sizeof RESERVED_PREFIX - 1;
    char digits[TIME_DIGITS + 1] = "";
    if (strlen(name) != head + 1 + TIME_DIGITS + CHANCE_DIGITS ||
        strspn(name + head + 1, "0123456789abcdef") != TIME_DIGITS + CHANCE_DIGITS)
        return 0;
    memcpy(digits, name + head + 1, TIME_DIGITS);
    return strtoll(digits, NULL, 16);
}
