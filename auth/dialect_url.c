#include "auth/dialect_url.h"

#include <string.h>

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void dialect_url_escape(struct gw_buf *b, const char *s)
{
    for (; *s != '\0'; s++) {
        if (is_unreserved(*s))
            gw_buf_put(b, s, 1);
        else
            gw_buf_printf(b, "%%%02X", (unsigned)(unsigned char)*s);
    }
}

bool dialect_url_segment(struct gw_buf *b, const char *s)
{
    if (s[0] == '\0' || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
        return false;
    dialect_url_escape(b, s);
    return true;
}
