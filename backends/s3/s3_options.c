#include "backends/s3/s3_options.h"

#include <stddef.h>
#include <string.h>

#include "backends/s3/s3.h"
#include "backends/s3/s3_endpoint.h"

static enum gw_err check_endpoint(const void *member, struct gw_errmsg *msg)
{
    const char *url = *(char *const *)member;
    return url == NULL ? GW_OK : s3_endpoint_check(url, msg);
}

/* Header values: a line break would be another header. */
static enum gw_err check_line(const void *member, struct gw_errmsg *msg)
{
    const char *s = *(char *const *)member;
    for (; s != NULL && *s != '\0'; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return gw_err_set(msg, GW_CONFIG, "must not hold control characters");
    return GW_OK;
}

static enum gw_err check_bucket(const void *member, struct gw_errmsg *msg)
{
    const char *s = *(char *const *)member;
    if (s != NULL && s[strcspn(s, "/ \t\r\n")] != '\0')
        return gw_err_set(msg, GW_CONFIG, "must be a bucket's name (a folder in it is `prefix`)");
    return check_line(member, msg);
}

#define CREDENTIAL(k, t, h)                                                                        \
    {                                                                                              \
        .key = #k, .type = t, .offset = offsetof(struct s3_conf_credentials, k),                   \
        .check = check_line, .help = h                                                             \
    }

static const struct opt_spec credentials_options[] = {
    CREDENTIAL(access_key_id, OPT_STR, "The access key's id."),
    CREDENTIAL(secret_access_key, OPT_SECRET, "The access key's secret."),
    CREDENTIAL(session_token, OPT_SECRET, "The token of temporary credentials."),
    {.key = NULL},
};

/* In a named set both halves must be there: nothing stands in for them. */
static enum gw_err check_set(const void *member, struct gw_errmsg *msg)
{
    const struct s3_conf_credentials *c = member;
    if (c->access_key_id != NULL && c->secret_access_key != NULL)
        return GW_OK;
    return gw_err_set(msg, GW_CONFIG, "needs access_key_id and secret_access_key");
}

static const struct opt_spec tls_options[] = {
    HTTP_CONF_TLS_OPTIONS(struct s3_conf_tls, common),
    {.key = "insecure",
     .type = OPT_BOOL,
     .offset = offsetof(struct s3_conf_tls, insecure),
     .dflt = "false",
     .help = "Does not check the server's certificate. For tests: anybody on the way can read and "
             "change what is stored."},
    {.key = NULL},
};

static const char *const sse_names[] = {
    [S3_SSE_NONE] = "none", [S3_SSE_AES256] = "AES256", [S3_SSE_KMS] = "aws:kms", NULL};

static const struct opt_spec sse_options[] = {
    {.key = "type",
     .type = OPT_ENUM,
     .offset = offsetof(struct s3_conf_sse, type),
     .dflt = "\"none\"",
     .names = sse_names,
     .help = "Server-side encryption that is asked for; none = the bucket's default."},
    {.key = "key_id",
     .type = OPT_STR,
     .offset = offsetof(struct s3_conf_sse, key_id),
     .check = check_line,
     .help = "The key of aws:kms; without it the account's default key."},
    {.key = NULL},
};

static const char *const setstat_names[] = {
    [S3_SETSTAT_IGNORE] = "ignore", [S3_SETSTAT_STRICT] = "strict", NULL};
static const char *const payload_names[] = {
    [S3_PAYLOAD_AUTO] = "auto", [S3_PAYLOAD_ALWAYS] = "always", [S3_PAYLOAD_NEVER] = "never", NULL};

#define AT(k) .key = #k, .offset = offsetof(struct s3_conf, k)
#define TEXT(k, h)                                                                                 \
    {                                                                                              \
        AT(k), .type = OPT_STR, .check = check_line, .help = h                                     \
    }
#define NUMBER(k, d, lo, hi, h)                                                                    \
    {                                                                                              \
        AT(k), .type = OPT_U32, .dflt = d, .min = lo, .max = hi, .help = h                         \
    }
#define OBJECT(k, table, h)                                                                        \
    {                                                                                              \
        AT(k), .type = OPT_OBJECT, .sub = table, .help = h                                         \
    }

const struct opt_spec s3_options[] = {
    {AT(bucket), .type = OPT_STR, .min = 1, .max = 255, .flags = OPT_REQUIRED,
     .check = check_bucket, .help = "The bucket. It must exist."},
    {AT(region), .type = OPT_STR, .dflt = "\"us-east-1\"", .min = 1, .max = 64, .check = check_line,
     .help = "The bucket's region. Stores other than Amazon's mostly take any."},
    {AT(endpoint), .type = OPT_STR, .check = check_endpoint,
     .help = "URL of the store, scheme, host and port only; without it Amazon's of the region."},
    {AT(path_style), .type = OPT_BOOL, .dflt = "false",
     .help = "The bucket stands in the path, not in the host name. Most stores other than Amazon's "
             "need it; with an address, localhost or a bucket whose name has a dot it is always "
             "so."},
    TEXT(prefix, "What every key begins with, as a folder of the bucket."),
    OBJECT(credentials, credentials_options,
           "Without them AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the "
           "environment."),
    {AT(credential_sets), .type = OPT_MAP, .sub = credentials_options, .max = 1000,
     .size = sizeof(struct s3_conf_credentials), .check = check_set,
     .help = "More credentials, by a name of your choice: an identity's `credentials` picks one, "
             "and its session then uses that instead of the store's own."},
    OBJECT(tls, tls_options, "For an https endpoint."),
    NUMBER(part_mb, "8", 5, 5120,
           "Size of the first parts of an upload, in MiB; a smaller file is one request. Parts "
           "grow with the file, so that 10,000 of them reach 5 TiB."),
    NUMBER(max_parts, "10000", 10, 10000,
           "The most parts of an upload that the store takes: 10,000 by S3's rules, 1,000 in "
           "OpenStack Swift. Fewer parts grow sooner."),
    {AT(equal_parts), .type = OPT_BOOL, .dflt = "false",
     .help = "Parts do not grow: for stores that want all but the last one equally large, as "
             "Cloudflare's R2 does. A file then holds part_mb times max_parts at most."},
    NUMBER(upload_concurrency, "4", 1, 64, "Parts of one file on their way at once."),
    NUMBER(download_concurrency, "4", 1, 64, "Ranges of one file asked for at once."),
    NUMBER(copy_part_mb, "5120", 5, 5120,
           "A server-side copy (rename, copy, change of the modification time) of a larger object "
           "goes in parts, in MiB. 5 GiB is Amazon's limit."),
    NUMBER(rename_max_objects, "10000", 1, 100000,
           "The most objects that a folder may hold to be renamed: each is copied and deleted."),
    TEXT(storage_class, "The storage class of new objects; without it the bucket's default."),
    OBJECT(sse, sse_options, "Server-side encryption."),
    TEXT(acl, "A canned ACL for new objects, such as bucket-owner-full-control."),
    TEXT(tags, "Tags of new objects, as a URL query: a=1&b=2."),
    NUMBER(request_timeout_s, "30", 1, 3600,
           "A request in which no byte moves for so long is given up, and a request that failed is "
           "tried again for so long."),
    NUMBER(max_retries, "5", 0, 20, "How often a request that failed is tried again."),
    {AT(setstat), .type = OPT_ENUM, .dflt = "\"ignore\"", .names = setstat_names,
     .help = "A client's change of permissions or owner, which S3 does not keep: accepted and "
             "ignored, or refused (strict)."},
    {AT(directory_markers), .type = OPT_BOOL, .dflt = "true",
     .help = "Keeps a folder that holds nothing as an empty object whose name ends in a slash. "
             "Without it folders exist only while something is in them."},
    {AT(payload_signing), .type = OPT_ENUM, .dflt = "\"auto\"", .names = payload_names,
     .help = "Whether what is uploaded is part of the signature: auto = where there is no TLS to "
             "protect it."},
    NUMBER(stat_cache_ms, "1000", 0, 60000,
           "For how long what a listing said of a file answers a STAT; 0 = never."),
    NUMBER(sweep_age_h, "24", 0, 8760,
           "Multipart uploads below the prefix that are older are aborted at start."),
    {.key = "checksum", .flags = OPT_LATER},
    {.key = NULL},
};
