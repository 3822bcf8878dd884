#include "tests/support/sftp_peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/sftp/wire.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

#define BUFFER_MAX (64u * 1024u * 1024u)

static void die(const char *what)
{
    fprintf(stderr, "sftp_peer: %s\n", what);
    abort();
}

static struct backend *backend_named(void *arg, const char *name)
{
    struct sftp_peer *p = arg;
    return strcmp(name, "store") == 0 ? p->mounted : NULL;
}

static void woken(void *arg)
{
    struct sftp_peer *p = arg;
    p->wakes++;
    sftp_peer_pump(p);
}

static struct vfs *tree(struct sftp_peer *p, const struct identity *id)
{
    struct identity_mount mount = {
        .path = mem_strdup("/"), .backend = mem_strdup("store"), .prefix = mem_strdup("")};
    struct identity whole = {.mounts = &mount, .nmounts = 1};
    const struct vfs_env env = {.loop = p->loop, .backend = backend_named, .arg = p};
    struct vfs *v = NULL;
    if (vfs_new(&env, id == NULL ? &whole : id, &v, NULL) != GW_OK)
        die("no tree");
    mem_free(mount.path);
    mem_free(mount.backend);
    mem_free(mount.prefix);
    return v;
}

struct sftp_peer *sftp_peer_new(const struct sftp_peer_opts *opts)
{
    static const struct sftp_peer_opts defaults;
    if (opts == NULL)
        opts = &defaults;
    struct sftp_peer *p = mem_zalloc(sizeof *p);
    if (loop_new(&p->loop) != GW_OK)
        die("no loop");
    p->store = opts->disk == NULL ? storekit_memory(p->loop, "store", 64)
                                  : storekit_local(p->loop, opts->disk, true);
    p->raw = storekit_view(p->store, "");
    p->mounted = opts->held == NULL ? backend_ref(p->store) : held_backend(opts->held, p->store);
    p->vfs = tree(p, opts->identity);
    const struct sftpd_env senv = {
        .loop = p->loop,
        .vfs = p->vfs,
        .max_requests = opts->max_requests == 0 ? 128 : opts->max_requests,
        .max_handles = opts->max_handles == 0 ? 16 : opts->max_handles,
        .dir_page_entries = opts->page == 0 ? 100 : opts->page,
        .ordered_replies = opts->ordered,
        .client_version = opts->client_version,
        .wake = woken,
        .arg = p,
    };
    p->sftpd = sftpd_new(&senv);
    gw_buf_init(&p->to_feed, BUFFER_MAX);
    gw_buf_init(&p->got, BUFFER_MAX);
    return p;
}

void sftp_peer_free(struct sftp_peer **pp)
{
    struct sftp_peer *p = *pp;
    *pp = NULL;
    if (p == NULL)
        return;
    sftpd_free(&p->sftpd);
    vfs_free(&p->vfs);
    fs_free(&p->raw);
    backend_unref(&p->mounted);
    backend_unref(&p->store);
    loop_free(&p->loop);
    gw_buf_free(&p->to_feed);
    gw_buf_free(&p->got);
    mem_free(p);
}

void sftp_peer_hello(struct sftp_peer *p)
{
    static const uint8_t init[] = {0, 0, 0, 5, FXP_INIT, 0, 0, 0, 3};
    struct sftp_reply r;
    sftp_peer_put_raw(p, gw_span_of(init, sizeof init));
    sftp_peer_wait(p, &r);
    if (r.type != FXP_VERSION)
        die("no VERSION");
}

int sftp_peer_setup(void **state)
{
    struct sftp_peer *p = sftp_peer_new(NULL);
    sftp_peer_hello(p);
    *state = p;
    return 0;
}

int sftp_peer_teardown(void **state)
{
    struct sftp_peer *p = *state;
    sftp_peer_free(&p);
    return 0;
}

void sftp_peer_put_raw(struct sftp_peer *p, struct gw_span bytes)
{
    gw_buf_put(&p->to_feed, bytes.ptr, bytes.len);
}

uint32_t sftp_peer_put(struct sftp_peer *p, unsigned type, const char *fmt, ...)
{
    struct gw_buf *b = &p->to_feed;
    uint32_t id = ++p->next_id;
    size_t mark = wire_begin(b, (uint8_t)type, id);
    va_list ap;
    va_start(ap, fmt);
    for (; *fmt != '\0'; fmt++) {
        if (*fmt == 's') {
            gw_buf_put_cstr(b, va_arg(ap, const char *));
        } else if (*fmt == 'x' || *fmt == 'r') {
            struct gw_span s = va_arg(ap, struct gw_span);
            if (*fmt == 'x')
                gw_buf_put_str(b, s.ptr, s.len);
            else
                gw_buf_put(b, s.ptr, s.len);
        } else {
            uint64_t v = va_arg(ap, uint64_t);
            if (*fmt == 'b')
                gw_buf_put_u8(b, (uint8_t)v);
            else if (*fmt == 'u')
                gw_buf_put_u32(b, (uint32_t)v);
            else if (*fmt == 'q')
                gw_buf_put_u64(b, v);
            else
                die("a letter that no format has");
        }
    }
    va_end(ap);
    gw_buf_end_len(b, mark);
    return id;
}

void sftp_peer_pump(struct sftp_peer *p)
{
    size_t moved;
    do {
        moved = sftpd_feed(p->sftpd, gw_buf_span(&p->to_feed));
        gw_buf_consume(&p->to_feed, moved);
        if (p->hold_output)
            continue;
        struct gw_span out = sftpd_output(p->sftpd);
        gw_buf_put(&p->got, out.ptr, out.len);
        moved += out.len;
        if (out.len > 0)
            sftpd_sent(p->sftpd, out.len);
    } while (moved > 0);
}

bool sftp_peer_next(struct sftp_peer *p, struct sftp_reply *out)
{
    sftp_peer_pump(p);
    struct gw_rd r =
        gw_rd_of(gw_span_of(p->got.data + (p->got.data ? p->seen : 0), p->got.len - p->seen));
    struct gw_span packet = gw_rd_str(&r, SIZE_MAX);
    if (r.failed)
        return false;
    p->seen += 4 + packet.len;
    *out = (struct sftp_reply){.body = gw_rd_of(packet)};
    out->type = gw_rd_u8(&out->body);
    out->id = gw_rd_u32(&out->body);
    if (out->type == FXP_STATUS) {
        struct gw_rd status = out->body;
        out->code = gw_rd_u32(&status);
        out->text = gw_rd_str(&status, SIZE_MAX);
        (void)gw_rd_str(&status, SIZE_MAX);
        if (!gw_rd_done(&status))
            die("a malformed STATUS");
    }
    return true;
}

struct awaited {
    struct sftp_peer *p;
    struct sftp_reply *reply;
};

static bool is_there(void *arg)
{
    struct awaited *a = arg;
    return sftp_peer_next(a->p, a->reply);
}

void sftp_peer_wait(struct sftp_peer *p, struct sftp_reply *out)
{
    struct awaited a = {p, out};
    if (!sync_until(p->loop, is_there, &a))
        die("no reply");
}

uint32_t sftp_peer_status(struct sftp_peer *p)
{
    struct sftp_reply r;
    sftp_peer_wait(p, &r);
    if (r.type != FXP_STATUS)
        die("another reply than a STATUS");
    return r.code;
}

static size_t take_handle(struct sftp_peer *p, uint8_t h[256])
{
    struct sftp_reply r;
    sftp_peer_wait(p, &r);
    if (r.type == FXP_STATUS)
        fprintf(stderr, "status %u %.*s\n", r.code, (int)r.text.len, (const char *)r.text.ptr);
    struct gw_span s = gw_rd_str(&r.body, 256);
    if (r.type != FXP_HANDLE || r.body.failed)
        die("no handle");
    memcpy(h, s.ptr, s.len);
    return s.len;
}

size_t sftp_peer_open(struct sftp_peer *p, const char *path, uint32_t pflags, uint8_t h[256])
{
    sftp_peer_put(p, FXP_OPEN, "suu", path, (uint64_t)pflags, UINT64_C(0));
    return take_handle(p, h);
}

size_t sftp_peer_open_big(struct sftp_peer *p, const char *path, size_t size, uint8_t h[256])
{
    struct fs_file *file;
    uint8_t *data = mem_alloc(size);
    memset(data, 'x', size);
    if (sync_open(p->raw, path, FS_WRITE | FS_CREATE, &file) != GW_OK ||
        sync_write(file, 0, data, size) != GW_OK || sync_close(&file) != GW_OK)
        die("no large file");
    mem_free(data);
    return sftp_peer_open(p, path, 1, h);
}

size_t sftp_peer_opendir(struct sftp_peer *p, const char *path, uint8_t h[256])
{
    sftp_peer_put(p, FXP_OPENDIR, "s", path);
    return take_handle(p, h);
}
