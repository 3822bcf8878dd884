#include <stddef.h>

#include "backends/http/web.h"

static const char *const dialect_names[] = {"webdav", "httpfs", NULL};
static const char *const setstat_names[] = {
    [WEB_SETSTAT_IGNORE] = "ignore", [WEB_SETSTAT_STRICT] = "strict", NULL};

#define AT(k) .key = #k, .offset = offsetof(struct web_conf, k)
#define NUMBER(k, d, lo, hi, h)                                                                    \
    {                                                                                              \
        AT(k), .type = OPT_U32, .dflt = d, .min = lo, .max = hi, .help = h                         \
    }

const struct opt_spec web_options[] = {
    {AT(url), .type = OPT_STR, .min = 1, .max = 2048, .flags = OPT_REQUIRED, .check = web_url_check,
     .help = "The folder: https://, http://, or http+unix://SOCKET:PATH for a Unix socket. "
             "Redirects are followed within this origin only."},
    {AT(dialect), .type = OPT_ENUM, .dflt = "\"webdav\"", .names = dialect_names,
     .help = "What the server speaks: WebDAV (RFC 4918), or httpfs (docs/httpfs.yaml)."},
    {AT(headers), .type = OPT_SECRETS, .max = 64, .check = http_conf_value_check,
     .help = "Headers of every request, {\"Name\": \"value\"}."},
    {AT(auth), .type = OPT_OBJECT, .sub = http_conf_auth_table, .check = http_conf_auth_check,
     .help = "How the server knows that it is postern that asks."},
    {AT(credential_sets), .type = OPT_MAP, .sub = http_conf_auth_table,
     .size = sizeof(struct http_conf_auth), .check = http_conf_auth_check,
     .help = "By name: instead of `auth`, for users whose identity names one in `credentials`."},
    {AT(tls), .type = OPT_OBJECT, .sub = http_conf_tls_table, .help = "For an https URL."},
    NUMBER(timeout_s, "30", 1, 3600,
           "A request in which no byte moves for so long is given up, and a request that failed is "
           "tried again for so long."),
    NUMBER(max_retries, "5", 0, 20,
           "How often a request that failed, and may be repeated, is tried again."),
    NUMBER(download_concurrency, "4", 1, 64, "Ranges of one file asked for at once."),
    {AT(atomic_uploads), .type = OPT_BOOL, .dflt = "true",
     .help = "An upload gets a reserved name beside its own, and its own when it is closed. "
             "Without it a server that stores what it has of a broken upload shows that."},
    NUMBER(sweep_age_h, "24", 1, 8760,
           "What an upload of a killed process left is removed when a listing shows it, once it is "
           "so old."),
    {AT(setstat), .type = OPT_ENUM, .dflt = "\"ignore\"", .names = setstat_names,
     .help = "A client's change of permissions, owner or times that the server does not keep: "
             "accepted and ignored, or refused (strict)."},
    NUMBER(stat_cache_ms, "1000", 0, 60000,
           "For how long what a listing said of a file answers a STAT; 0 = never."),
    {.key = NULL},
};
