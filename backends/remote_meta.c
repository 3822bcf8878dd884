#include "backends/remote_meta.h"

#include <string.h>

#define MODE_FILE 0644u
#define MODE_DIR  0755u
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

bool remote_meta_http_date(const char *text, int64_t *s)
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

bool remote_meta_number(const char *text, uint64_t *out)
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

void remote_meta_attr_file(uint64_t size, int64_t mtime_s, struct fs_attr *out)
{
    *out = (struct fs_attr){
        .set = FS_ATTR_SIZE | FS_ATTR_MODE, .kind = FS_KIND_REG, .mode = MODE_FILE, .size = size};
    if (mtime_s != 0) {
        out->set |= FS_ATTR_MTIME | FS_ATTR_ATIME;
        out->mtime_s = out->atime_s = mtime_s;
    }
}

void remote_meta_attr_dir(int64_t mtime_s, struct fs_attr *out)
{
    remote_meta_attr_file(0, mtime_s, out);
    out->kind = FS_KIND_DIR;
    out->mode = MODE_DIR;
}

bool remote_meta_attr(const struct http_res *res, struct fs_attr *out)
{
    const char *length = http_res_header(res, "Content-Length");
    const char *range = http_res_header(res, "Content-Range");
    const char *slash = range != NULL ? strchr(range, '/') : NULL;
    if (slash != NULL)
        length = slash + 1;
    uint64_t size = 0;
    if (length == NULL || !remote_meta_number(length, &size))
        return false;
    const char *modified = http_res_header(res, "Last-Modified");
    int64_t s = 0;
    if (modified == NULL || !remote_meta_http_date(modified, &s))
        s = 0;
    remote_meta_attr_file(size, s, out);
    return true;
}
