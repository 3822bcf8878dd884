#include "auth/template.h"

#include <string.h>

void template_escape(struct gw_buf *b, const char *user)
{
    for (const char *p = user; *p != '\0'; p++) {
        uint8_t c = (uint8_t)*p;
        bool plain =
            c >= 0x20 && c != 0x7f && c != '/' && c != '\\' && c != '%' && !(c == '.' && p == user);
        if (plain)
            gw_buf_put_u8(b, c);
        else
            gw_buf_printf(b, "%%%02X", c);
    }
}

enum gw_err template_expand(struct gw_buf *b, const char *text, const char *user)
{
    static const char variable[] = "${user}";
    for (const char *open; (open = strstr(text, "${")) != NULL;) {
        if (strncmp(open, variable, sizeof variable - 1) != 0)
            return GW_CONFIG;
        gw_buf_put(b, text, (size_t)(open - text));
        template_escape(b, user);
        text = open + sizeof variable - 1;
    }
    gw_buf_put_text(b, text);
    return b->failed;
}
