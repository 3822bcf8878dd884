/* Folders: OPENDIR and READDIR. */
#include "gateway/sftp/run.h"

#include <time.h>

#include "gateway/base/mem.h"

/* What a store may give in one batch, encoded, in bytes: an S3 page of 1,000 keys of 1,024 bytes
 * each takes 2.2 MiB. */
#define BATCH_BYTES_MAX ((size_t)4 * 1024 * 1024)

static void opendir_done(struct request *r, const struct fs_res *res)
{
    struct sftpd *s = r->s;
    if (res->err != GW_OK) {
        request_status(r, res->err, res->text);
        return;
    }
    struct fs_dir *dir = res->dir;
    struct handle *h = handles_add(&s->handles, r->path[0]);
    if (h == NULL) {
        fs_closedir(&dir);
        request_status(r, GW_INTERNAL, NULL);
        return;
    }
    r->has_place = false;
    h->dir = dir;
    h->opened_ms = loop_now_ms(s->env.loop);
    gw_buf_init(&h->entries, BATCH_BYTES_MAX);
    LOG_EVENT(LOG_LVL_DEBUG, s->env.log, "opendir", log_str("path", h->path));
    request_handle(r, h);
}

void run_opendir(struct request *r)
{
    r->has_place = handles_take_place(&r->s->handles);
    if (!r->has_place) {
        request_status(r, GW_BUSY, "too many open handles");
        return;
    }
    r->then = opendir_done;
    r->op = fs_opendir(r->s->fs, r->path[0], request_done, r);
}

static void put_entry(struct request *r, const struct fs_entry *e, int64_t now_s)
{
    struct gw_buf *to = &r->h[0]->entries;
    size_t mark = gw_buf_begin_len(to);
    wire_put_entry(to, r->s->version, e, now_s);
    gw_buf_end_len(to, mark);
}

static void put_dots(struct request *r, int64_t now_s)
{
    static const struct fs_entry dots[] = {
        {.name = ".", .attr = {.kind = FS_KIND_DIR}},
        {.name = "..", .attr = {.kind = FS_KIND_DIR}},
    };
    put_entry(r, &dots[0], now_s);
    put_entry(r, &dots[1], now_s);
    r->h[0]->dots_sent = true;
}

/* As many whole entries as one packet takes. */
static void answer_entries(struct request *r)
{
    enum { HEADER = 13 };
    struct handle *h = r->h[0];
    struct gw_buf *b = request_writer(r);
    struct gw_span all = gw_buf_span(&h->entries);
    struct gw_rd rd = gw_rd_of(gw_span_of(all.ptr + h->entries_pos, all.len - h->entries_pos));
    /* The dots come on top, or every later batch would straddle two answers. */
    uint32_t most = r->s->env.dir_page_entries + 2;
    uint32_t count = 0;
    size_t room = RUN_READDIR_BYTES_MAX - HEADER;
    size_t mark = wire_begin(b, FXP_NAME, r->id);
    size_t count_at = b->len;
    gw_buf_put_u32(b, 0);
    while (gw_rd_left(&rd) > 0 && count < most) {
        struct gw_span e = gw_rd_str(&rd, SIZE_MAX);
        if (e.len > room)
            break;
        gw_buf_put(b, e.ptr, e.len);
        room -= e.len;
        h->entries_pos += 4 + e.len;
        count++;
    }
    gw_buf_set_u32(b, count_at, count);
    gw_buf_end_len(b, mark);
    /* A session may hold hundreds of folders that were not read to their end. */
    if (h->entries_pos >= h->entries.len) {
        gw_buf_free(&h->entries);
        gw_buf_init(&h->entries, BATCH_BYTES_MAX);
        h->entries_pos = 0;
    }
    request_end(r);
}

static void readdir_done(struct request *r, const struct fs_res *res)
{
    struct handle *h = r->h[0];
    int64_t now_s = (int64_t)time(NULL);
    bool first = !h->dots_sent;
    if (res->err == GW_EOF)
        h->at_end = true;
    if (res->err != GW_OK && !(res->err == GW_EOF && first)) {
        request_status(r, res->err, res->text);
        return;
    }
    if (first)
        put_dots(r, now_s);
    for (size_t i = 0; res->err == GW_OK && i < res->nentries; i++)
        put_entry(r, &res->entries[i], now_s);
    if (h->entries.failed != GW_OK)
        request_status(r, h->entries.failed, "a batch of entries is too large");
    else
        answer_entries(r);
}

void run_readdir(struct request *r)
{
    struct handle *h = r->h[0];
    if (h->dir == NULL) {
        request_status(r, GW_BAD_HANDLE, "not a folder");
    } else if (h->entries.len > 0) {
        answer_entries(r);
    } else if (h->at_end) {
        request_status(r, GW_EOF, NULL);
    } else {
        r->then = readdir_done;
        r->op = fs_readdir(h->dir, r->s->env.dir_page_entries, request_done, r);
    }
}
