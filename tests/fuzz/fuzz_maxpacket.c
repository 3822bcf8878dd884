/* A capture's bytes come from a client that has logged in. */
#include "gateway/ssh/maxpacket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)maxpacket_parse(gw_span_of(data, size));
    return 0;
}
