#include "gateway/base/utf8.h"

size_t utf8_decode(const uint8_t *p, size_t n, uint32_t *cp)
{
    static const struct {
        uint8_t mask, lead; /* the first byte */
        uint32_t least;     /* a smaller one is overlong */
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t len = 1; len <= 4 && len <= n; len++) {
        if ((p[0] & forms[len - 1].mask) != forms[len - 1].lead)
            continue;
        uint32_t c = p[0] & (uint32_t)~forms[len - 1].mask;
        for (size_t i = 1; i < len; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return 0;
            c = c << 6 | (p[i] & 0x3f);
        }
        if (c < forms[len - 1].least || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
            return 0;
        *cp = c;
        return len;
    }
    return 0;
}

bool utf8_valid(const void *p, size_t n)
{
    const uint8_t *s = p;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t len = utf8_decode(s + i, n - i, &cp);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

bool utf8_printable(uint32_t cp)
{
    static const struct {
        uint32_t first, last;
    } no[] = {
        {0x0000, 0x001f},   {0x007f, 0x009f}, /* C0, DEL, C1 */
        {0x00ad, 0x00ad},   {0x061c, 0x061c}, /* soft hyphen, Arabic letter mark */
        {0x180e, 0x180e},   {0x200b, 0x200f}, /* zero width, direction marks */
        {0x2028, 0x202e},   {0x2060, 0x206f}, /* separators, overrides, isolates */
        {0xfeff, 0xfeff},   {0xfff9, 0xfffb}, /* byte order mark, annotations */
        {0xe0000, 0xe0fff},                   /* tags */
    };
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        if (cp >= no[i].first && cp <= no[i].last)
            return false;
    return true;
}
