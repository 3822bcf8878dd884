#include "gateway/sftp/longname.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "gateway/sftp/attrs.h"

#define HALF_A_YEAR_S (182LL * 24 * 3600)

static void mode_text(uint32_t mode, enum fs_kind kind, char out[11])
{
    static const char types[] = {
        [FS_KIND_UNKNOWN] = '?', [FS_KIND_REG] = '-',  [FS_KIND_DIR] = 'd',   [FS_KIND_LINK] = 'l',
        [FS_KIND_SOCKET] = 's',  [FS_KIND_CHAR] = 'c', [FS_KIND_BLOCK] = 'b', [FS_KIND_FIFO] = 'p',
    };
    static const char letters[] = "rwxrwxrwx";
    out[0] = types[kind];
    for (unsigned i = 0; i < 9; i++)
        out[i + 1] = mode & (0400u >> i) ? letters[i] : '-';
    if (mode & S_ISUID)
        out[3] = mode & S_IXUSR ? 's' : 'S';
    if (mode & S_ISGID)
        out[6] = mode & S_IXGRP ? 's' : 'S';
    if (mode & S_ISVTX)
        out[9] = mode & S_IXOTH ? 't' : 'T';
    out[10] = '\0';
}

static void date_text(int64_t at_s, int64_t now_s, char *out, size_t cap)
{
    time_t t = (time_t)at_s;
    struct tm tm;
    bool recent = at_s <= now_s + 3600 && at_s > now_s - HALF_A_YEAR_S;
    if (gmtime_r(&t, &tm) == NULL ||
        strftime(out, cap, recent ? "%b %e %H:%M" : "%b %e  %Y", &tm) == 0)
        snprintf(out, cap, "Jan  1  1970");
}

void longname_put(struct gw_buf *b, const struct fs_entry *e, int64_t now_s)
{
    const struct fs_attr *a = &e->attr;
    char mode[11];
    char date[32];
    mode_text(attrs_mode(a), a->kind, mode);
    date_text(a->set & FS_ATTR_MTIME ? a->mtime_s : 0, now_s, date, sizeof date);
    bool owner = a->set & FS_ATTR_OWNER;
    gw_buf_printf(b, "%s %4" PRIu32 " %-8" PRIu32 " %-8" PRIu32 " %8" PRIu64 " %s ", mode,
                  a->set & FS_ATTR_NLINK ? a->nlink : 1u, owner ? a->uid : 0u, owner ? a->gid : 0u,
                  a->set & FS_ATTR_SIZE ? a->size : 0u, date);
    gw_buf_put_text(b, e->name);
}
