#include "config/json_hint.h"

#include <string.h>

static const char SPACE[] = " \t\r\n";

static size_t skip_back(const char *text, size_t at)
{
    while (at > 0 && strchr(SPACE, text[at - 1]) != NULL && text[at - 1] != '\0')
        at--;
    return at;
}

/* The last character before `end` that is no blank; 0 = there is none. */
static char last_before(const char *text, size_t end)
{
    size_t at = skip_back(text, end);
    return at == 0 ? '\0' : text[at - 1];
}

const char *json_hint(const char *text, size_t len, const json_error_t *e)
{
    static const char near[] = " near '";
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return "it begins with a byte order mark: save it without one";
    if (skip_back(text, len) == 0)
        return "it is empty";
    const char *told = strstr(e->text, near);
    if (told == NULL || e->position <= 0 || (size_t)e->position > len)
        return NULL;
    /* The position is behind the token that jansson did not expect. */
    char token = told[sizeof near - 1];
    size_t at = (size_t)e->position;
    char before = text[at - 1] == token ? last_before(text, at - 1) : '\0';
    switch (token) {
    case ']':
    case '}':
        return before == ',' ? "a comma too many before it" : NULL;
    case ',':
        return before != '\0' && strchr(",[{", before) != NULL ? "a comma too many" : NULL;
    case '/':
    case '#':
        return "JSON has no comments";
    case '\'':
        return "strings stand in double quotes";
    case '"':
        return strstr(e->text, "'}' expected") != NULL || strstr(e->text, "']' expected") != NULL
                   ? "a comma missing before it"
                   : NULL;
    default:
        return NULL;
    }
}
