#include "gateway/base/rfc3339.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

/* Reads n digits at *p and the byte behind them, which must be one of `ends`. */
static bool field(const char **p, unsigned n, const char *ends, int *out, char *end)
{
    int v = 0;
    for (unsigned i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *out = v;
    if (ends == NULL)
        return true;
    for (; *ends != '\0'; ends++)
        if (**p == *ends) {
            *end = *(*p)++;
            return true;
        }
    return false;
}

static bool offset(const char **p, char sign, int *out_s)
{
    int h = 0;
    int m = 0;
    char colon = 0;
    *out_s = 0;
    if (sign == 'Z' || sign == 'z')
        return true;
    if (!field(p, 2, ":", &h, &colon) || !field(p, 2, NULL, &m, NULL) || h > 23 || m > 59)
        return false;
    *out_s = (h * 60 + m) * 60 * (sign == '-' ? -1 : 1);
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

bool rfc3339_parse(const char *text, int64_t *out_s)
{
    struct tm tm = {.tm_isdst = 0};
    const char *p = text;
    char end = 0;
    int off = 0;
    if (!field(&p, 4, "-", &tm.tm_year, &end) || !field(&p, 2, "-", &tm.tm_mon, &end) ||
        !field(&p, 2, "Tt ", &tm.tm_mday, &end) || !field(&p, 2, ":", &tm.tm_hour, &end) ||
        !field(&p, 2, ":", &tm.tm_min, &end) || !field(&p, 2, ".Zz+-", &tm.tm_sec, &end))
        return false;
    if (end == '.') {
        size_t digits = 0;
        for (; *p >= '0' && *p <= '9'; p++)
            digits++;
        end = *p;
        if (digits == 0 || (end != 'Z' && end != 'z' && end != '+' && end != '-'))
            return false;
        p++;
    }
    if (!offset(&p, end, &off) || *p != '\0')
        return false;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > days_in_month(tm.tm_year, tm.tm_mon) || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *out_s = (int64_t)timegm(&tm) - off;
    return true;
}

void rfc3339_format(int64_t s, char out[32])
{
    time_t t = (time_t)s;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(out, 32, "@%lld", (long long)s);
}
