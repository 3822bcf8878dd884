#include "gateway/sftp/attrs.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

enum {
    ATTR_SIZE = 0x1,
    ATTR_UIDGID = 0x2,
    ATTR_PERMISSIONS = 0x4,
    ATTR_ACMODTIME = 0x8,
};
#define ATTR_EXTENDED UINT32_C(0x80000000)

static const struct {
    uint32_t type, usual;
} modes[] = {
    [FS_KIND_UNKNOWN] = {0, 0644},       [FS_KIND_REG] = {S_IFREG, 0644},
    [FS_KIND_DIR] = {S_IFDIR, 0755},     [FS_KIND_LINK] = {S_IFLNK, 0777},
    [FS_KIND_SOCKET] = {S_IFSOCK, 0644}, [FS_KIND_CHAR] = {S_IFCHR, 0644},
    [FS_KIND_BLOCK] = {S_IFBLK, 0644},   [FS_KIND_FIFO] = {S_IFIFO, 0644},
};

uint32_t attrs_mode(const struct fs_attr *a)
{
    uint32_t bits = a->set & FS_ATTR_MODE ? a->mode & 07777u : modes[a->kind].usual;
    return modes[a->kind].type | bits;
}

static uint32_t seconds32(int64_t s)
{
    if (s < 0)
        return 0;
    return s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static void put_v3(struct gw_buf *b, const struct fs_attr *a)
{
    uint32_t flags = 0;
    if (a->set & FS_ATTR_SIZE)
        flags |= ATTR_SIZE;
    if (a->set & FS_ATTR_OWNER)
        flags |= ATTR_UIDGID;
    if ((a->set & FS_ATTR_MODE) || a->kind != FS_KIND_UNKNOWN)
        flags |= ATTR_PERMISSIONS;
    if (a->set & (FS_ATTR_ATIME | FS_ATTR_MTIME))
        flags |= ATTR_ACMODTIME;
    gw_buf_put_u32(b, flags);
    if (flags & ATTR_SIZE)
        gw_buf_put_u64(b, a->size);
    if (flags & ATTR_UIDGID) {
        gw_buf_put_u32(b, a->uid);
        gw_buf_put_u32(b, a->gid);
    }
    if (flags & ATTR_PERMISSIONS)
        gw_buf_put_u32(b, attrs_mode(a));
    if (flags & ATTR_ACMODTIME) {
        /* The two go together: a store that knows only one lends it to the other. */
        int64_t mtime = a->set & FS_ATTR_MTIME ? a->mtime_s : a->atime_s;
        int64_t atime = a->set & FS_ATTR_ATIME ? a->atime_s : a->mtime_s;
        gw_buf_put_u32(b, seconds32(atime));
        gw_buf_put_u32(b, seconds32(mtime));
    }
}

static void get_extended(struct gw_rd *r)
{
    uint32_t count = gw_rd_u32(r);
    /* Each pair has two lengths at least, so the bytes that are left bound the count. */
    if (count > gw_rd_left(r) / 8)
        r->failed = true;
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        (void)gw_rd_str(r, SIZE_MAX);
        (void)gw_rd_str(r, SIZE_MAX);
    }
}

static void get_v3(struct gw_rd *r, struct fs_attr *a)
{
    const uint32_t known =
        ATTR_SIZE | ATTR_UIDGID | ATTR_PERMISSIONS | ATTR_ACMODTIME | ATTR_EXTENDED;
    uint32_t flags = gw_rd_u32(r);
    /* An unknown flag may stand for bytes whose length nobody knows. */
    if (flags & ~known)
        r->failed = true;
    if (flags & ATTR_SIZE) {
        a->set |= FS_ATTR_SIZE;
        a->size = gw_rd_u64(r);
    }
    if (flags & ATTR_UIDGID) {
        a->set |= FS_ATTR_OWNER;
        a->uid = gw_rd_u32(r);
        a->gid = gw_rd_u32(r);
    }
    if (flags & ATTR_PERMISSIONS) {
        a->set |= FS_ATTR_MODE;
        a->mode = gw_rd_u32(r) & 07777u;
    }
    if (flags & ATTR_ACMODTIME) {
        a->set |= FS_ATTR_ATIME | FS_ATTR_MTIME;
        a->atime_s = gw_rd_u32(r);
        a->mtime_s = gw_rd_u32(r);
    }
    if (flags & ATTR_EXTENDED)
        get_extended(r);
}

static const struct {
    void (*get)(struct gw_rd *r, struct fs_attr *a);
    void (*put)(struct gw_buf *b, const struct fs_attr *a);
} codecs[] = {
    [3] = {get_v3, put_v3},
};

void attrs_get(struct gw_rd *r, uint32_t version, struct fs_attr *out)
{
    assert(version < sizeof codecs / sizeof codecs[0] && codecs[version].get != NULL);
    memset(out, 0, sizeof *out);
    codecs[version].get(r, out);
}

void attrs_put(struct gw_buf *b, uint32_t version, const struct fs_attr *a)
{
    assert(version < sizeof codecs / sizeof codecs[0] && codecs[version].put != NULL);
    codecs[version].put(b, a);
}
