#include "backends/s3/s3_meta.h"

#include <stdio.h>
#include <string.h>

#define MODE_FILE 0644u
#define MODE_DIR  0755u
/* Years 1-9999 in Unix seconds: what every protocol above can carry. */
#define TIME_MIN (-62135596800LL)
#define TIME_MAX 253402300799LL

/* n decimal digits at *p, which moves behind them. */
static bool digits(const char **p, size_t n, int *out)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        char c = (*p)[i];
        if (c < '0' || c > '9')
            return false;
        v = v * 10 + (c - '0');
    }
    *p += n;
    *out = v;
    return true;
}

static bool skip(const char **p, const char *text)
{
    size_t n = strlen(text);
    if (strncmp(*p, text, n) != 0)
        return false;
    *p += n;
    return true;
}

bool s3_meta_mtime_parse(const char *text, int64_t *s, uint32_t *ns)
{
    const char *p = text;
    bool minus = skip(&p, "-");
    int64_t whole = 0;
    uint32_t frac = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        whole = whole * 10 + (*p - '0');
        if (whole > TIME_MAX)
            return false;
    }
    if (skip(&p, ".")) {
        uint32_t unit = 100000000;
        for (; *p >= '0' && *p <= '9'; p++) {
            frac += (uint32_t)(*p - '0') * unit;
            unit /= 10;
        }
    }
    if (*p != '\0')
        return false;
    if (minus) {
        /* -1.25 is 0.75 s after -2: nanoseconds count forwards. */
        whole = frac > 0 ? -whole - 1 : -whole;
        frac = frac > 0 ? 1000000000u - frac : 0;
        if (whole < TIME_MIN)
            return false;
    }
    *s = whole;
    *ns = frac;
    return true;
}

void s3_meta_mtime_format(int64_t s, uint32_t ns, char out[S3_META_MTIME_MAX])
{
    bool minus = s < 0;
    if (ns >= 1000000000u)
        ns = 0;
    uint64_t whole = minus ? (uint64_t)0 - (uint64_t)s : (uint64_t)s;
    if (minus && ns > 0) {
        whole--;
        ns = 1000000000u - ns;
    }
    int n = snprintf(out, S3_META_MTIME_MAX, "%s%llu", minus ? "-" : "", (unsigned long long)whole);
    if (ns > 0 && n > 0) {
        snprintf(out + n, S3_META_MTIME_MAX - (size_t)n, ".%09u", (unsigned)ns);
        for (size_t end = strlen(out); out[end - 1] == '0'; end--)
            out[end - 1] = '\0';
    }
}

struct civil {
    int year, month, day, hour, minute, second;
};

/* Days since 1970-01-01 in the proleptic Gregorian calendar; false for what is no date. */
static bool civil_seconds(const struct civil *c, int64_t *out)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    if (c->year < 1 || c->month < 1 || c->month > 12 || c->hour > 23 || c->minute > 59 ||
        c->second > 60)
        return false;
    bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
    int length = before[c->month] - before[c->month - 1] + (c->month == 2 && leap);
    if (c->day < 1 || c->day > length)
        return false;
    int64_t y = c->year - 1;
    int64_t days = y * 365 + y / 4 - y / 100 + y / 400 + before[c->month - 1] +
                   (c->month > 2 && leap) + c->day - 1 - 719162;
    *out = ((days * 24 + c->hour) * 60 + c->minute) * 60 + c->second;
    return true;
}

bool s3_meta_http_date(const char *text, int64_t *s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil c = {0};
    const char *p = strchr(text, ',');
    if (p == NULL)
        return false;
    p++;
    char name[4] = "";
    if (!skip(&p, " ") || !digits(&p, 2, &c.day) || !skip(&p, " ") || strlen(p) < 3)
        return false;
    memcpy(name, p, 3);
    p += 3;
    const char *at = strstr(months, name);
    if (at == NULL || (at - months) % 3 != 0)
        return false;
    c.month = (int)(at - months) / 3 + 1;
    return skip(&p, " ") && digits(&p, 4, &c.year) && skip(&p, " ") && digits(&p, 2, &c.hour) &&
           skip(&p, ":") && digits(&p, 2, &c.minute) && skip(&p, ":") && digits(&p, 2, &c.second) &&
           skip(&p, " GMT") && *p == '\0' && civil_seconds(&c, s);
}

bool s3_meta_iso_date(const char *text, int64_t *s)
{
    struct civil c = {0};
    const char *p = text;
    if (!digits(&p, 4, &c.year) || !skip(&p, "-") || !digits(&p, 2, &c.month) || !skip(&p, "-") ||
        !digits(&p, 2, &c.day) || !skip(&p, "T") || !digits(&p, 2, &c.hour) || !skip(&p, ":") ||
        !digits(&p, 2, &c.minute) || !skip(&p, ":") || !digits(&p, 2, &c.second))
        return false;
    if (skip(&p, "."))
        p += strspn(p, "0123456789");
    return (skip(&p, "Z") || skip(&p, "+00:00")) && *p == '\0' && civil_seconds(&c, s);
}

/* A decimal number up to `end`. */
static bool number(const char *text, uint64_t *out)
{
    uint64_t v = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || v > (UINT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint64_t)(*text - '0');
    }
    *out = v;
    return true;
}

void s3_meta_attr_file(uint64_t size, int64_t mtime_s, struct fs_attr *out)
{
    *out = (struct fs_attr){
        .set = FS_ATTR_SIZE | FS_ATTR_MODE, .kind = FS_KIND_REG, .mode = MODE_FILE, .size = size};
    if (mtime_s != 0) {
        out->set |= FS_ATTR_MTIME | FS_ATTR_ATIME;
        out->mtime_s = out->atime_s = mtime_s;
    }
}

void s3_meta_attr_dir(int64_t mtime_s, struct fs_attr *out)
{
    s3_meta_attr_file(0, mtime_s, out);
    out->kind = FS_KIND_DIR;
    out->mode = MODE_DIR;
}

bool s3_meta_attr(const struct http_res *res, struct fs_attr *out)
{
    const char *length = http_res_header(res, "Content-Length");
    const char *range = http_res_header(res, "Content-Range");
    const char *slash = range != NULL ? strchr(range, '/') : NULL;
    if (slash != NULL)
        length = slash + 1;
    uint64_t size = 0;
    if (length == NULL || !number(length, &size))
        return false;
    const char *modified = http_res_header(res, "Last-Modified");
    const char *meta = http_res_header(res, S3_META_MTIME);
    int64_t s = 0;
    uint32_t ns = 0;
    if (modified == NULL || !s3_meta_http_date(modified, &s))
        s = 0;
    s3_meta_attr_file(size, s, out);
    if (meta != NULL && s3_meta_mtime_parse(meta, &s, &ns)) {
        out->set |= FS_ATTR_MTIME | FS_ATTR_ATIME;
        out->mtime_s = out->atime_s = s;
        out->mtime_ns = out->atime_ns = ns;
    }
    return true;
}
