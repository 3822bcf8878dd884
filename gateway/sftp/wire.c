#include "gateway/sftp/wire.h"

#include <string.h>

#include "gateway/sftp/attrs.h"
#include "gateway/sftp/longname.h"

/* Open flags of versions 3 and 4. */
enum {
    FXF_READ = 0x01,
    FXF_WRITE = 0x02,
    FXF_APPEND = 0x04,
    FXF_CREAT = 0x08,
    FXF_TRUNC = 0x10,
    FXF_EXCL = 0x20,
};

/* No string is longer than what is left of its packet, which is bounded already. */
static struct gw_span get_str(struct gw_rd *r)
{
    return gw_rd_str(r, SIZE_MAX);
}

static void get_nothing(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    (void)r;
    (void)version;
    q->names = WIRE_NO_NAME;
}

static void get_path(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    (void)version;
    q->names = WIRE_ONE_PATH;
    q->name[0] = get_str(r);
}

static void get_paths(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    (void)version;
    q->names = WIRE_TWO_PATHS;
    q->name[0] = get_str(r);
    q->name[1] = get_str(r);
}

static void get_symlink(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    (void)version;
    q->names = WIRE_PATH_AND_TEXT;
    q->name[1] = get_str(r);
    q->name[0] = get_str(r);
}

static void get_path_attr(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    q->names = WIRE_ONE_PATH;
    q->name[0] = get_str(r);
    attrs_get(r, version, &q->u.attr);
}

static uint32_t open_flags(uint32_t pflags)
{
    static const struct {
        uint32_t wire, fs;
    } map[] = {
        {FXF_READ, FS_READ},    {FXF_WRITE, FS_WRITE}, {FXF_APPEND, FS_APPEND},
        {FXF_CREAT, FS_CREATE}, {FXF_TRUNC, FS_TRUNC}, {FXF_EXCL, FS_EXCL},
    };
    uint32_t flags = 0;
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (pflags & map[i].wire)
            flags |= map[i].fs;
    }
    /* Neither way given: OpenSSH's server opens for reading, and clients came to rely on it. */
    if ((flags & (FS_READ | FS_WRITE)) == 0)
        flags |= flags & FS_APPEND ? FS_WRITE : FS_READ;
    return flags;
}

static void get_open(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    q->names = WIRE_ONE_PATH;
    q->name[0] = get_str(r);
    q->u.open.flags = open_flags(gw_rd_u32(r));
    attrs_get(r, version, &q->u.open.attr);
}

static void get_handle(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    (void)version;
    q->names = WIRE_ONE_HANDLE;
    q->name[0] = get_str(r);
}

static void get_handle_attr(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    get_handle(r, version, q);
    attrs_get(r, version, &q->u.attr);
}

static void get_read(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    get_handle(r, version, q);
    q->u.read.off = gw_rd_u64(r);
    q->u.read.len = gw_rd_u32(r);
}

static void get_write(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    get_handle(r, version, q);
    q->u.write.off = gw_rd_u64(r);
    q->u.write.data = get_str(r);
}

static void get_copy(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    (void)version;
    q->names = WIRE_TWO_HANDLES;
    q->name[0] = get_str(r);
    q->u.copy.off = gw_rd_u64(r);
    q->u.copy.len = gw_rd_u64(r);
    q->name[1] = get_str(r);
    q->u.copy.to_off = gw_rd_u64(r);
}

static void get_text(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    (void)version;
    q->names = WIRE_ONE_TEXT;
    q->name[0] = get_str(r);
}

static void get_ids(struct gw_rd *r, uint32_t version, struct wire_req *q)
{
    (void)version;
    q->names = WIRE_NO_NAME;
    q->u.ids.uids = get_str(r);
    q->u.ids.gids = get_str(r);
    if (q->u.ids.uids.len % 4 != 0 || q->u.ids.gids.len % 4 != 0)
        r->failed = true;
}

enum gw_err wire_decode(enum wire_shape shape, uint32_t version, struct gw_rd *r,
                        struct wire_req *out)
{
    static void (*const decoders[WIRE_SHAPES])(struct gw_rd *, uint32_t, struct wire_req *) = {
        [WIRE_NOTHING] = get_nothing,
        [WIRE_PATH] = get_path,
        [WIRE_PATHS] = get_paths,
        [WIRE_SYMLINK] = get_symlink,
        [WIRE_PATH_ATTR] = get_path_attr,
        [WIRE_OPEN] = get_open,
        [WIRE_HANDLE] = get_handle,
        [WIRE_HANDLE_ATTR] = get_handle_attr,
        [WIRE_READ] = get_read,
        [WIRE_WRITE] = get_write,
        [WIRE_COPY] = get_copy,
        [WIRE_TEXT] = get_text,
        [WIRE_IDS] = get_ids,
    };
    out->shape = shape;
    decoders[shape](r, version, out);
    return r->failed ? GW_BAD_MESSAGE : GW_OK;
}

size_t wire_begin(struct gw_buf *b, uint8_t type, uint32_t id)
{
    size_t mark = gw_buf_begin_len(b);
    gw_buf_put_u8(b, type);
    gw_buf_put_u32(b, id);
    return mark;
}

void wire_put_status(struct gw_buf *b, uint32_t id, uint32_t code, const char *text)
{
    size_t mark = wire_begin(b, FXP_STATUS, id);
    gw_buf_put_u32(b, code);
    gw_buf_put_str(b, text, strnlen(text, FS_TEXT_MAX));
    gw_buf_put_cstr(b, "en");
    gw_buf_end_len(b, mark);
}

void wire_put_handle(struct gw_buf *b, uint32_t id, struct gw_span handle)
{
    size_t mark = wire_begin(b, FXP_HANDLE, id);
    gw_buf_put_str(b, handle.ptr, handle.len);
    gw_buf_end_len(b, mark);
}

void wire_put_attrs(struct gw_buf *b, uint32_t id, uint32_t version, const struct fs_attr *a)
{
    size_t mark = wire_begin(b, FXP_ATTRS, id);
    attrs_put(b, version, a);
    gw_buf_end_len(b, mark);
}

static void be32(uint8_t *to, uint32_t v)
{
    to[0] = (uint8_t)(v >> 24);
    to[1] = (uint8_t)(v >> 16);
    to[2] = (uint8_t)(v >> 8);
    to[3] = (uint8_t)v;
}

void wire_data_header(uint8_t *to, uint32_t id, uint32_t len)
{
    be32(to, len + WIRE_DATA_HEADER - 4);
    to[4] = FXP_DATA;
    be32(to + 5, id);
    be32(to + 9, len);
}

void wire_put_name(struct gw_buf *b, uint32_t id, uint32_t version, const char *name)
{
    static const struct fs_attr nothing;
    size_t mark = wire_begin(b, FXP_NAME, id);
    gw_buf_put_u32(b, 1);
    gw_buf_put_cstr(b, name);
    if (version == 3)
        gw_buf_put_cstr(b, name);
    attrs_put(b, version, &nothing);
    gw_buf_end_len(b, mark);
}

void wire_put_entry(struct gw_buf *b, uint32_t version, const struct fs_entry *e, int64_t now_s)
{
    gw_buf_put_cstr(b, e->name);
    if (version == 3) {
        size_t mark = gw_buf_begin_len(b);
        longname_put(b, e, now_s);
        gw_buf_end_len(b, mark);
    }
    attrs_put(b, version, &e->attr);
}

void wire_put_space(struct gw_buf *b, uint32_t id, const struct fs_space *sp)
{
    enum { SPACE_READ_ONLY = 1, SPACE_NOSUID = 2 };
    const uint64_t fields[] = {
        sp->bsize,   sp->frsize,
        sp->blocks,  sp->bfree,
        sp->bavail,  sp->files,
        sp->ffree,   sp->favail,
        sp->fsid,    (sp->read_only ? SPACE_READ_ONLY : 0u) | (sp->nosuid ? SPACE_NOSUID : 0u),
        sp->namemax,
    };
    size_t mark = wire_begin(b, FXP_EXTENDED_REPLY, id);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        gw_buf_put_u64(b, fields[i]);
    gw_buf_end_len(b, mark);
}
