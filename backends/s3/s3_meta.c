#include "backends/s3/s3_meta.h"

#include <stdio.h>
#include <string.h>

/* Years 1-9999 in Unix seconds: what every protocol above can carry. */
#define TIME_MIN (-62135596800LL)
#define TIME_MAX 253402300799LL
#define PART_MAX ((uint64_t)5 << 30)

static bool skip(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

bool s3_meta_mtime_parse(const char *text, int64_t *s, uint32_t *ns)
{
    const char *p = text;
    bool minus = skip(&p, '-');
    int64_t whole = 0;
    uint32_t frac = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        whole = whole * 10 + (*p - '0');
        if (whole > TIME_MAX)
            return false;
    }
    if (skip(&p, '.')) {
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

bool s3_meta_attr(const struct http_res *res, struct fs_attr *out)
{
    if (!remote_meta_attr(res, out))
        return false;
    const char *meta = http_res_header(res, S3_META_MTIME);
    int64_t s = 0;
    uint32_t ns = 0;
    if (meta != NULL && s3_meta_mtime_parse(meta, &s, &ns)) {
        out->set |= FS_ATTR_MTIME | FS_ATTR_ATIME;
        out->mtime_s = out->atime_s = s;
        out->mtime_ns = out->atime_ns = ns;
    }
    return true;
}

uint64_t s3_meta_part_size(uint64_t base, uint32_t number, uint32_t max_parts)
{
    enum { STEPS = 5 };
    uint32_t fifth = max_parts / STEPS > 0 ? max_parts / STEPS : 1;
    uint32_t step = (number - 1) / fifth < STEPS ? (number - 1) / fifth : STEPS - 1;
    uint64_t size = base << (2 * step), before = 0;
    for (uint32_t i = 0; i < step; i++)
        before += fifth * (base << (2 * i));
    if (step == STEPS - 1 && before < S3_OBJECT_MAX) {
        uint64_t rest = (S3_OBJECT_MAX - before) / fifth + 1;
        uint64_t mib = (uint64_t)1 << 20;
        rest = (rest + mib - 1) / mib * mib;
        if (rest > size)
            size = rest;
    }
    return size < PART_MAX ? size : PART_MAX;
}
