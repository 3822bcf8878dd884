#include "config/settings_check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "config/settings.h"

enum {
    VERSION_MAX = 200,   /* of the 255 bytes of the whole line */
    ALGORITHM_MAX = 64,  /* RFC 4251 section 6 */
    HOST_NAME_MAX_ = 253 /* RFC 1035 */
};

/* 4, 6, or 0 for no address. `len` bytes of s. */
static int address_family(const char *s, size_t len)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char addr[sizeof(struct in6_addr)];
    if (len >= sizeof text)
        return 0;
    memcpy(text, s, len);
    text[len] = '\0';
    if (inet_pton(AF_INET, text, addr) == 1)
        return 4;
    return inet_pton(AF_INET6, text, addr) == 1 ? 6 : 0;
}

static bool is_cidr(const char *s)
{
    size_t len = strcspn(s, "/");
    int family = address_family(s, len);
    if (family == 0 || s[len] == '\0')
        return family != 0;
    const char *digits = s + len + 1;
    size_t n = strlen(digits);
    unsigned bits = 0;
    if (n == 0 || n > 3)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)digits[i]))
            return false;
        bits = bits * 10 + (unsigned)(digits[i] - '0');
    }
    return bits <= (family == 4 ? 32u : 128u);
}

static bool is_host_name(const char *s)
{
    size_t n = strlen(s);
    bool has_letter = false; /* "10.0.0" is a slip, not a name */
    if (n == 0 || n > HOST_NAME_MAX_ || s[0] == '-' || s[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)s[i]) && strchr("-._", s[i]) == NULL)
            return false;
        if (s[i] == '.' && s[i + 1] == '.')
            return false;
        has_letter |= isalpha((unsigned char)s[i]) != 0;
    }
    return has_letter;
}

enum gw_err settings_check_address(const void *member, struct gw_errmsg *msg)
{
    const char *s = *(char *const *)member;
    size_t len = strcspn(s, "%"); /* fe80::1%eth0 */
    int family = address_family(s, len);
    if (family == 4 && s[len] == '\0')
        return GW_OK;
    if (family == 6 && (s[len] == '\0' || s[len + 1] != '\0'))
        return GW_OK;
    if (family == 0 && is_host_name(s))
        return GW_OK;
    return gw_err_set(msg, GW_CONFIG,
                      "is neither an address nor a host name: \"::\" and \"0.0.0.0\" take every "
                      "address of this machine, \"127.0.0.1\" and \"::1\" only itself");
}

enum gw_err settings_check_source(const void *member, struct gw_errmsg *msg)
{
    const char *s = *(char *const *)member;
    if (is_cidr(s) || is_host_name(s))
        return GW_OK;
    return gw_err_set(msg, GW_CONFIG,
                      "is neither an address, nor a CIDR (\"192.0.2.0/24\"), nor a host name");
}

enum gw_err settings_check_block(const void *member, struct gw_errmsg *msg)
{
    if (is_cidr(*(char *const *)member))
        return GW_OK;
    return gw_err_set(msg, GW_CONFIG, "is neither an address nor a CIDR (\"192.0.2.0/24\")");
}

enum gw_err settings_check_version(const void *member, struct gw_errmsg *msg)
{
    const char *s = *(char *const *)member;
    size_t software = strcspn(s, " ");
    bool ok = software > 0 && strlen(s) <= VERSION_MAX && memchr(s, '-', software) == NULL;
    for (size_t i = 0; s[i] != '\0'; i++)
        ok &= s[i] >= ' ' && s[i] < 0x7f;
    if (ok)
        return GW_OK;
    return gw_err_set(msg, GW_CONFIG,
                      "cannot be sent: up to %d printable ASCII characters, no \"-\" before the "
                      "first space; \"SSH-2.0-\" is put before it",
                      VERSION_MAX);
}

enum gw_err settings_check_algorithm(const void *member, struct gw_errmsg *msg)
{
    const char *s = *(char *const *)member;
    size_t n = strlen(s);
    bool ok = n <= ALGORITHM_MAX;
    for (size_t i = 0; i < n; i++)
        ok &= s[i] > ' ' && s[i] < 0x7f && s[i] != ',';
    return ok ? GW_OK : gw_err_set(msg, GW_CONFIG, "is not the name of one algorithm");
}

enum gw_err settings_check_host_key(const void *member, struct gw_errmsg *msg)
{
    const struct settings_host_key *k = member;
    unsigned given =
        (unsigned)(k->file != NULL) + (unsigned)(k->pem != NULL) + (unsigned)(k->env != NULL);
    if (given == 1)
        return GW_OK;
    return gw_err_set(msg, GW_CONFIG, "has %s of \"file\", \"pem\" and \"env\": one is needed",
                      given == 0 ? "none" : "more than one");
}

enum gw_err settings_check_auth(const void *member, struct gw_errmsg *msg)
{
    static const char name[] = "keyboard-interactive";
    const struct settings_auth *a = member;
    bool offered = false;
    for (size_t i = 0; i < a->methods.n; i++)
        offered |= strcmp(a->methods.v[i], name) == 0;
    if (a->keyboard_interactive.prompts.n == 0 || offered)
        return GW_OK;
    return gw_err_set(msg, GW_CONFIG,
                      "has prompts in \"keyboard_interactive\" that nobody is asked: put \"%s\" "
                      "into \"methods\"",
                      name);
}

enum gw_err settings_check_log(const void *member, struct gw_errmsg *msg)
{
    const struct settings_log *l = member;
    if (l->output == LOG_TO_FILE && l->path == NULL)
        return gw_err_set(msg, GW_CONFIG, "\"output\" is \"file\", so \"path\" must name it");
    if (l->output != LOG_TO_FILE && l->path != NULL)
        return gw_err_set(msg, GW_CONFIG, "\"path\" is for \"output\": \"file\" only");
    return GW_OK;
}
