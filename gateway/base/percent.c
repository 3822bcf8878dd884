#include "gateway/base/percent.h"

static bool unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void percent_encode(struct gw_span raw, bool keep_slash, struct gw_buf *out)
{
    static const char hex_upper[] = "0123456789ABCDEF";
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t c = raw.ptr[i];
        if (unreserved(c) || (c == '/' && keep_slash)) {
            gw_buf_put_u8(out, c);
        } else {
            const char esc[3] = {'%', hex_upper[c >> 4], hex_upper[c & 15]};
            gw_buf_put(out, esc, sizeof esc);
        }
    }
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool percent_decode(struct gw_span text, struct gw_buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '%') {
            if (text.len - i < 3 || hex(text.ptr[i + 1]) < 0 || hex(text.ptr[i + 2]) < 0)
                return false;
            c = (uint8_t)(hex(text.ptr[i + 1]) * 16 + hex(text.ptr[i + 2]));
            i += 2;
        }
        gw_buf_put_u8(out, c);
    }
    return out->failed == GW_OK;
}
