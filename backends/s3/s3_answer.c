#include "backends/s3/s3_answer.h"

#include <stdio.h>
#include <string.h>

#include "backends/s3/s3_meta.h"
#include "backends/s3/s3_xml.h"

/* AWS refuses a clock that is more than this off. */
#define SKEW_MAX_S 900

struct meaning {
    const char *code;
    unsigned status; /* the meaning of a status without a known code */
    enum gw_err err;
    bool retry;
    enum remote_cure cure;
};

/* GW_CHANGED stands for a precondition that failed: precondition() says which. */
static const struct meaning meanings[] = {
    {"NoSuchKey", 0, GW_NOT_FOUND, false, REMOTE_CURE_NONE},
    {"NoSuchBucket", 0, GW_UPSTREAM, false, REMOTE_CURE_NONE}, /* no word about any file */
    {"NoSuchUpload", 0, GW_UPSTREAM, false, REMOTE_CURE_NONE},
    {"AccessDenied", 401, GW_DENIED, false, REMOTE_CURE_NONE},
    {"AllAccessDisabled", 403, GW_DENIED, false, REMOTE_CURE_NONE},
    {"PreconditionFailed", 412, GW_CHANGED, false, REMOTE_CURE_NONE},
    {"ConditionalRequestConflict", 0, GW_CHANGED, true, REMOTE_CURE_NONE},
    {"OperationAborted", 0, GW_UPSTREAM, true, REMOTE_CURE_NONE},
    {"BucketNotEmpty", 409, GW_UPSTREAM, false, REMOTE_CURE_NONE},
    {"SlowDown", 503, GW_UPSTREAM, true, REMOTE_CURE_SLOWER},
    {"ServiceUnavailable", 429, GW_UPSTREAM, true, REMOTE_CURE_SLOWER},
    {"InternalError", 500, GW_UPSTREAM, true, REMOTE_CURE_NONE},
    {"BadGateway", 502, GW_UPSTREAM, true, REMOTE_CURE_NONE},
    {"GatewayTimeout", 504, GW_TIMEOUT, true, REMOTE_CURE_NONE},
    {"RequestTimeout", 408, GW_TIMEOUT, true, REMOTE_CURE_NONE},
    {"IncompleteBody", 0, GW_UPSTREAM, true, REMOTE_CURE_NONE},
    {"BadDigest", 0, GW_UPSTREAM, true, REMOTE_CURE_NONE},
    {"RequestTimeTooSkewed", 0, GW_UPSTREAM, false, REMOTE_CURE_CLOCK},
    {"RequestExpired", 0, GW_UPSTREAM, false, REMOTE_CURE_CLOCK},
    {"ExpiredToken", 0, GW_DENIED, false, REMOTE_CURE_CREDENTIALS},
    {"TokenRefreshRequired", 0, GW_DENIED, false, REMOTE_CURE_CREDENTIALS},
    {"InvalidRange", 416, GW_EOF, false, REMOTE_CURE_NONE},
    {"EntityTooLarge", 413, GW_TOO_LARGE, false, REMOTE_CURE_NONE},
    {"KeyTooLongError", 414, GW_BAD_NAME, false, REMOTE_CURE_NONE},
    {"InvalidURI", 0, GW_BAD_NAME, false, REMOTE_CURE_NONE},
    {"QuotaExceeded", 0, GW_QUOTA, false, REMOTE_CURE_NONE},
    {"InsufficientStorage", 507, GW_NO_SPACE, false, REMOTE_CURE_NONE},
    {"NotImplemented", 501, GW_UNSUPPORTED, false, REMOTE_CURE_NONE},
    {"MethodNotAllowed", 405, GW_UNSUPPORTED, false, REMOTE_CURE_NONE},
};

static struct meaning meaning_of(const char *code, unsigned status, bool has_key)
{
    const size_t n = sizeof meanings / sizeof meanings[0];
    for (size_t i = 0; *code != '\0' && i < n; i++)
        if (strcmp(meanings[i].code, code) == 0)
            return meanings[i];
    /* A code that we do not know with a status that we do: InvalidAccessKeyId is a 403. */
    if (status == 404 && *code == '\0')
        return (struct meaning){.err = has_key ? GW_NOT_FOUND : GW_UPSTREAM};
    for (size_t i = 0; i < n; i++)
        if (meanings[i].status == status)
            return meanings[i];
    return (struct meaning){.err = GW_UPSTREAM, .retry = status >= 500};
}

static void put_text(const struct http_res *res, const struct s3_xml_error *e,
                     struct remote_answer *out)
{
    char id[96] = "";
    char region[48] = "";
    const char *h = http_res_header(res, "x-amz-request-id");
    remote_tidy(h != NULL ? h : e->request_id, id, sizeof id);
    h = http_res_header(res, "x-amz-bucket-region");
    remote_tidy(h != NULL && e->region[0] == '\0' ? h : e->region, region, sizeof region);
    bool moved =
        http_res_status(res) / 100 == 3 || strcmp(out->code, "AuthorizationHeaderMalformed") == 0;
    char code[72];
    if (out->code[0] != '\0')
        snprintf(code, sizeof code, "%s", out->code);
    else
        snprintf(code, sizeof code, "HTTP status %u", http_res_status(res));
    snprintf(out->text, sizeof out->text, "S3 %s%s%s%s%s", code,
             moved && region[0] != '\0' ? ": the bucket is in region " : "",
             moved && region[0] != '\0' ? region : "", id[0] != '\0' ? ", request " : "", id);
}

static void read_clock(const struct s3_answer_ctx *ctx, const struct http_res *res,
                       struct remote_answer *out)
{
    const char *date = http_res_header(res, "Date");
    if (date == NULL || !remote_meta_http_date(date, &out->server_time_s))
        out->server_time_s = 0;
    int64_t off = out->server_time_s - ctx->now_s;
    if (out->server_time_s != 0 && http_res_status(res) == 403 && out->code[0] == '\0' &&
        (off > SKEW_MAX_S || off < -SKEW_MAX_S))
        out->cure = REMOTE_CURE_CLOCK;
    if (out->cure == REMOTE_CURE_CLOCK && out->server_time_s == 0)
        out->cure = REMOTE_CURE_NONE;
}

void s3_answer_read(const struct s3_answer_ctx *ctx, const struct http_res *res,
                    struct gw_span body, struct remote_answer *out)
{
    unsigned status = http_res_status(res);
    bool success = status / 100 == 2;
    struct s3_xml_error e = {0};
    bool is_error =
        body.len > 0 && (!success || ctx->error_in_200) && s3_xml_error(body, &e) == GW_OK;
    if (success && !is_error)
        return;
    if (!is_error)
        e = (struct s3_xml_error){0};
    remote_tidy(e.code, out->code, sizeof out->code);
    struct meaning m = meaning_of(out->code, status, ctx->has_key);
    out->err = m.err;
    out->retry = m.retry || (success && m.err == GW_UPSTREAM);
    out->cure = m.cure;
    out->expected = strcmp(out->code, "NoSuchUpload") == 0;
    out->maybe_done = status >= 500 || success || http_res_repeated(res);
    if (m.err == GW_CHANGED && ctx->if_none_match)
        out->err = GW_EXISTS;
    read_clock(ctx, res, out);
    put_text(res, &e, out);
}
