/* Any bytes as a request of every shape. The first byte picks the shape, the rest is the body. */
#include <stdint.h>
#include <stdlib.h>

#include "gateway/sftp/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct gw_rd r = gw_rd_of(gw_span_of(data + 1, size - 1));
    struct wire_req q = {0};
    if (wire_decode((enum wire_shape)(data[0] % WIRE_SHAPES), 3, &r, &q) != GW_OK)
        return 0;
    for (unsigned i = 0; i < 2; i++) {
        const struct gw_span s = q.name[i];
        if (s.len > 0 && (s.ptr < data || s.ptr + s.len > data + size))
            abort(); /* a span outside of the packet */
    }
    return 0;
}
