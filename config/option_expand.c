#include "config/option_expand.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/utf8.h"

enum { NAME_MAX_BYTES = 128 };

/* Of an identity's paths (user) and of a verifier's template (all of them). */
static const char *const late[] = {"user",           "password",    "basic",          "public_key",
                                   "fingerprint",    "method",      "client_address", "client_port",
                                   "server_address", "server_port", "step",           "state"};

/* ${answer_1} and so on; which there are is the template's matter. */
static bool is_answer(const char *name, size_t n)
{
    static const char stem[] = "answer_";
    size_t at = sizeof stem - 1;
    return n > at && memcmp(name, stem, at) == 0 && strspn(name + at, "0123456789") == n - at;
}

static bool is_late(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++)
        if (strlen(late[i]) == n && memcmp(late[i], name, n) == 0)
            return true;
    return is_answer(name, n);
}

static bool is_name(const char *s, size_t n)
{
    if (n == 0 || n >= NAME_MAX_BYTES || isdigit((unsigned char)s[0]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '_')
            return false;
    return true;
}

bool option_expand_needed(const char *s)
{
    return strstr(s, "${") != NULL;
}

/* `body` is what stands between the braces. */
static enum gw_err expand_one(const char *body, size_t n, struct gw_buf *out, struct gw_errmsg *msg)
{
    const char *mark = memmem(body, n, ":-", 2);
    size_t name_len = mark == NULL ? n : (size_t)(mark - body);
    if (mark == NULL && is_late(body, n)) {
        gw_buf_put(out, "${", 2);
        gw_buf_put(out, body, n);
        gw_buf_put(out, "}", 1);
        return GW_OK;
    }
    if (!is_name(body, name_len))
        return gw_err_set(msg, GW_CONFIG,
                          "holds a \"${...}\" that is none of ${NAME}, ${NAME:-default} and "
                          "${user}; write $${ for a plain ${");
    char name[NAME_MAX_BYTES];
    memcpy(name, body, name_len);
    name[name_len] = '\0';
    const char *value = getenv(name);
    if (mark != NULL && (value == NULL || value[0] == '\0')) {
        gw_buf_put(out, mark + 2, n - name_len - 2);
        return GW_OK;
    }
    if (value == NULL)
        return gw_err_set(msg, GW_CONFIG,
                          "names the environment variable %s, which is not set; ${%s:-default} "
                          "gives it a default",
                          name, name);
    if (!utf8_valid(value, strlen(value)))
        return gw_err_set(msg, GW_CONFIG, "names the environment variable %s, which is not UTF-8",
                          name);
    gw_buf_put_text(out, value);
    return GW_OK;
}

enum gw_err option_expand(const char *s, struct gw_buf *out, struct gw_errmsg *msg)
{
    while (*s != '\0') {
        if (strncmp(s, "$${", 3) == 0) {
            gw_buf_put(out, "${", 2);
            s += 3;
        } else if (strncmp(s, "${", 2) == 0) {
            const char *end = strchr(s, '}');
            if (end == NULL)
                return gw_err_set(msg, GW_CONFIG,
                                  "holds a \"${\" without its }; write $${ for a plain ${");
            enum gw_err err = expand_one(s + 2, (size_t)(end - s - 2), out, msg);
            if (err != GW_OK)
                return err;
            s = end + 1;
        } else {
            size_t plain = 1 + strcspn(s + 1, "$");
            gw_buf_put(out, s, plain);
            s += plain;
        }
    }
    return GW_OK;
}
