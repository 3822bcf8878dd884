#include "config/http_conf.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/mem.h"

/* Of a header that is not ours to set: it would change where a message ends. */
static const char *const framing[] = {
    "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "TE", "Trailer", "Expect"};

/* RFC 9110 section 5.6.2 */
static bool is_token(const char *s)
{
    size_t n = 0;
    for (; s[n] != '\0'; n++)
        if (!isalnum((unsigned char)s[n]) && strchr("!#$%&'*+-.^_`|~", s[n]) == NULL)
            return false;
    return n > 0;
}

static bool is_line(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return false;
    return true;
}

static enum gw_err check_name(const char *name, struct gw_errmsg *msg)
{
    if (!is_token(name))
        return gw_err_set(msg, GW_CONFIG, "\"%.100s\" is not the name of a header", name);
    for (size_t i = 0; i < sizeof framing / sizeof framing[0]; i++)
        if (strcasecmp(name, framing[i]) == 0)
            return gw_err_set(msg, GW_CONFIG, "\"%s\" is set by postern itself", framing[i]);
    return GW_OK;
}

enum gw_err http_conf_headers_check(const struct opt_map *headers, struct gw_errmsg *msg)
{
    for (size_t i = 0; i < headers->n; i++) {
        enum gw_err err = check_name(headers->names[i], msg);
        if (err != GW_OK)
            return err;
    }
    return GW_OK;
}

enum gw_err http_conf_value_check(const void *member, struct gw_errmsg *msg)
{
    const char *s = *(char *const *)member;
    if (s == NULL || is_line(s))
        return GW_OK;
    return gw_err_set(msg, GW_CONFIG, "must not hold control characters");
}

static enum gw_err check_auth_name(const void *member, struct gw_errmsg *msg)
{
    const char *s = *(char *const *)member;
    return s == NULL ? GW_OK : check_name(s, msg);
}

static enum gw_err check_user(const void *member, struct gw_errmsg *msg)
{
    const char *s = *(char *const *)member;
    if (s != NULL && strchr(s, ':') != NULL)
        return gw_err_set(msg, GW_CONFIG, "must not hold a colon (RFC 7617)");
    return http_conf_value_check(member, msg);
}

static const char *const type_names[] = {[HTTP_CONF_AUTH_NONE] = "none",
                                         [HTTP_CONF_AUTH_BEARER] = "bearer",
                                         [HTTP_CONF_AUTH_BASIC] = "basic",
                                         [HTTP_CONF_AUTH_HEADER] = "header",
                                         NULL};

#define AT(member) .offset = offsetof(struct http_conf_auth, member)

const struct opt_spec http_conf_auth_table[] = {
    {.key = "type",
     .type = OPT_ENUM,
     AT(type),
     .dflt = "\"none\"",
     .names = type_names,
     .help = "How postern shows who it is: a bearer token, basic (user and password), or a header "
             "of a name of its own."},
    {.key = "token",
     .type = OPT_SECRET,
     AT(token),
     .min = 1,
     .max = 8192,
     .check = http_conf_value_check,
     .help = "For bearer."},
    {.key = "user", .type = OPT_STR, AT(user), .check = check_user, .help = "For basic."},
    {.key = "password",
     .type = OPT_SECRET,
     AT(password),
     .check = http_conf_value_check,
     .help = "For basic."},
    {.key = "name",
     .type = OPT_STR,
     AT(name),
     .check = check_auth_name,
     .help = "For header: its name, such as X-Api-Key."},
    {.key = "value",
     .type = OPT_SECRET,
     AT(value),
     .min = 1,
     .max = 8192,
     .check = http_conf_value_check,
     .help = "For header."},
    {.key = NULL},
};

enum gw_err http_conf_auth_check(const void *member, struct gw_errmsg *msg)
{
    const struct http_conf_auth *a = member;
    const struct {
        const char *key;
        bool given, needed;
    } rows[] = {
        {"token", a->token != NULL, a->type == HTTP_CONF_AUTH_BEARER},
        {"user", a->user != NULL, a->type == HTTP_CONF_AUTH_BASIC},
        {"password", a->password != NULL, a->type == HTTP_CONF_AUTH_BASIC},
        {"name", a->name != NULL, a->type == HTTP_CONF_AUTH_HEADER},
        {"value", a->value != NULL, a->type == HTTP_CONF_AUTH_HEADER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].given != rows[i].needed)
            return gw_err_set(msg, GW_CONFIG, "with \"type\": \"%s\" the key \"%s\" %s",
                              type_names[a->type], rows[i].key,
                              rows[i].needed ? "is needed" : "has no meaning");
    return GW_OK;
}

/* The whole of a struct http_conf_tls. */
struct alone {
    struct http_conf_tls tls;
};

const struct opt_spec http_conf_tls_table[] = {
    HTTP_CONF_TLS_OPTIONS(struct alone, tls),
    {.key = NULL},
};

static char *basic_line(const char *user, const char *password)
{
    char *pair = mem_printf("%s:%s", user, password);
    size_t n = strlen(pair), size = (n + 2) / 3 * 4 + 1;
    char *coded = mem_alloc(size);
    EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)pair, (int)n);
    char *line = mem_printf("Authorization: Basic %s", coded);
    mem_free_secret(coded, size);
    mem_free_secret_str(&pair);
    return line;
}

static char *auth_line(const struct http_conf_auth *a)
{
    switch (a->type) {
    case HTTP_CONF_AUTH_BEARER:
        return mem_printf("Authorization: Bearer %s", a->token);
    case HTTP_CONF_AUTH_BASIC:
        return basic_line(a->user, a->password);
    case HTTP_CONF_AUTH_HEADER:
        return mem_printf("%s: %s", a->name, a->value);
    default:
        return NULL;
    }
}

size_t http_conf_lines(const struct opt_map *headers, const struct http_conf_auth *auth,
                       char ***lines)
{
    char *const *values = headers->v;
    char **v = mem_array(headers->n + 1, sizeof *v);
    for (size_t i = 0; i < headers->n; i++)
        v[i] = mem_printf("%s: %s", headers->names[i], values[i]);
    v[headers->n] = auth_line(auth);
    *lines = v;
    return headers->n + (v[headers->n] != NULL);
}

void http_conf_lines_free(char ***lines, size_t n)
{
    char **v = *lines;
    *lines = NULL;
    for (size_t i = 0; v != NULL && i < n; i++)
        mem_free_secret_str(&v[i]);
    mem_free(v);
}
