/* Open files: OPEN, CLOSE, READ, WRITE and what else works on their handles. */
#include "gateway/sftp/run.h"

#include <string.h>

#include "backends/fs_pipe.h"

static const char *mode_name(uint32_t flags)
{
    if (flags & FS_APPEND)
        return "append";
    if ((flags & FS_READ) && (flags & FS_WRITE))
        return "read+write";
    return flags & FS_WRITE ? "write" : "read";
}

/* Without the right to overwrite, a file that may be created is only created: the store decides,
 * so that there is no moment between a look and the open. */
static bool only_new(const struct request *r)
{
    uint32_t flags = r->q.u.open.flags;
    return (flags & FS_CREATE) && (flags & (FS_WRITE | FS_TRUNC)) && !(r->granted & PERM_OVERWRITE);
}

static void open_done(struct request *r, const struct fs_res *res)
{
    struct sftpd *s = r->s;
    if (res->err == GW_EXISTS && only_new(r) && !(r->q.u.open.flags & FS_EXCL)) {
        request_status(r, GW_DENIED, "overwriting is not permitted here");
        return;
    }
    if (res->err != GW_OK) {
        LOG_DBG(s->env.log, "open", "failed: %s", gw_err_name(res->err));
        request_status(r, res->err, res->text);
        return;
    }
    struct fs_file *file = res->file;
    struct handle *h = handles_add(&s->handles, r->path[0]);
    if (h == NULL) {
        fs_abort(&file);
        request_status(r, GW_INTERNAL, NULL);
        return;
    }
    r->has_place = false;
    h->file = file;
    h->flags = r->q.u.open.flags;
    h->opened_ms = loop_now_ms(s->env.loop);
    LOG_EVENT(LOG_LVL_INFO, s->env.log, "open", log_str("path", h->path),
              log_str("mode", mode_name(h->flags)));
    request_handle(r, h);
}

void run_open(struct request *r)
{
    uint32_t flags = r->q.u.open.flags;
    if ((flags & FS_EXCL) && !(flags & FS_CREATE)) {
        request_status(r, GW_BAD_ARG, "EXCL without CREAT");
        return;
    }
    r->has_place = handles_take_place(&r->s->handles);
    if (!r->has_place) {
        request_status(r, GW_BUSY, "too many open handles");
        return;
    }
    if (only_new(r))
        flags |= FS_EXCL;
    r->then = open_done;
    r->op = fs_open(r->s->fs, r->path[0], flags, request_create_attr(r, &r->q.u.open.attr),
                    request_done, r);
}

void run_log_end(struct sftpd *s, const char *event, const struct handle *h, const char *result)
{
    LOG_EVENT(LOG_LVL_INFO, s->env.log, event, log_str("path", h->path),
              log_u64("read", h->bytes_read), log_u64("written", h->bytes_written),
              log_u64("ms", loop_now_ms(s->env.loop) - h->opened_ms), log_str("result", result),
              log_str("reason", h->broken == GW_OK ? NULL : gw_err_name(h->broken)));
}

void run_abandon(struct sftpd *s, struct handle **hp)
{
    struct handle *h = *hp;
    if (h->flags & FS_WRITE)
        run_log_end(s, "partial", h, h->file == NULL ? "ended_in_close" : "session_ended");
    else if (h->flags != 0)
        run_log_end(s, "close", h, "session_ended");
    fs_abort(&h->file);
    fs_closedir(&h->dir);
    handles_remove(&s->handles, hp);
}

static void close_done(struct request *r, const struct fs_res *res)
{
    run_log_end(r->s, "close", r->h[0], res->err == GW_OK ? "ok" : gw_err_name(res->err));
    handles_remove(&r->s->handles, &r->h[0]);
    request_status(r, res->err, res->text);
}

void run_close(struct request *r)
{
    struct handle *h = r->h[0];
    if (h->dir != NULL) {
        fs_closedir(&h->dir);
        handles_remove(&r->s->handles, &r->h[0]);
        request_status(r, GW_OK, NULL);
    } else if (h->broken != GW_OK) {
        /* The client was told at the WRITE; a file with a hole must not appear all the same. */
        fs_abort(&h->file);
        run_log_end(r->s, "partial", h, "write_failed");
        handles_remove(&r->s->handles, &r->h[0]);
        request_status(r, GW_IO, "a write failed: the file was not stored");
    } else {
        r->then = close_done;
        r->op = fs_close(&h->file, request_done, r);
    }
}

static void answer_data(struct request *r, uint8_t *to, size_t n)
{
    struct sftpd *s = r->s;
    wire_data_header(to, r->id, (uint32_t)n);
    gw_buf_commit(&s->out.b, WIRE_DATA_HEADER + n);
    s->counters.bytes_read += n;
    r->h[0]->bytes_read += n;
    r->rated -= r->rated < n ? r->rated : n;
    request_end(r);
}

static void read_done(struct request *r, const struct fs_res *res)
{
    size_t n = res->data.len;
    if (res->err != GW_OK || n == 0 || n + WIRE_DATA_HEADER > r->promised) {
        request_status(r, res->err != GW_OK ? res->err : GW_INTERNAL, res->text);
        return;
    }
    struct gw_buf *b = request_writer(r);
    uint8_t *to = gw_buf_reserve(b, WIRE_DATA_HEADER + n);
    if (to == NULL) {
        request_end(r);
        return;
    }
    memcpy(to + WIRE_DATA_HEADER, res->data.ptr, n);
    answer_data(r, to, n);
}

void run_read(struct request *r)
{
    struct handle *h = r->h[0];
    uint64_t off = r->q.u.read.off;
    size_t len = r->q.u.read.len < WIRE_DATA_MAX ? r->q.u.read.len : WIRE_DATA_MAX;
    if (h->file == NULL || !(h->flags & FS_READ)) {
        request_status(r, GW_BAD_HANDLE, "not open for reading");
        return;
    }
    if (off >= (uint64_t)INT64_MAX) {
        request_status(r, GW_EOF, NULL);
        return;
    }
    if (len > (uint64_t)INT64_MAX - off)
        len = (size_t)((uint64_t)INT64_MAX - off);
    struct gw_buf *b = request_writer(r);
    uint8_t *to = gw_buf_reserve(b, WIRE_DATA_HEADER + len);
    if (to == NULL) {
        request_end(r);
        return;
    }
    size_t n = 0;
    enum gw_err err = len == 0 ? GW_OK : fs_read_now(h->file, off, to + WIRE_DATA_HEADER, len, &n);
    if (err == GW_OK) {
        answer_data(r, to, n);
    } else if (err == GW_BUSY) {
        r->then = read_done;
        r->op = fs_read(h->file, off, len, request_done, r);
    } else {
        request_status(r, err, NULL);
    }
}

static void write_ended(struct request *r, enum gw_err err, const char *text)
{
    struct handle *h = r->h[0];
    r->rated = 0;
    if (err == GW_OK) {
        h->bytes_written += r->q.u.write.data.len;
        r->s->counters.bytes_written += r->q.u.write.data.len;
    } else {
        h->broken = err;
    }
    request_status(r, err, text);
}

static void write_done(struct request *r, const struct fs_res *res)
{
    write_ended(r, res->err, res->text);
}

void run_write(struct request *r)
{
    struct handle *h = r->h[0];
    uint64_t off = r->q.u.write.off;
    struct gw_span data = r->q.u.write.data;
    if (h->file == NULL || !(h->flags & FS_WRITE)) {
        request_status(r, GW_BAD_HANDLE, "not open for writing");
        return;
    }
    if (h->flags & FS_APPEND)
        off = 0; /* the store knows where the end is; OpenSSH ignores the client's offset too */
    if (data.len > (uint64_t)INT64_MAX || off > (uint64_t)INT64_MAX - data.len) {
        write_ended(r, GW_TOO_LARGE, "the file would be too large");
        return;
    }
    enum gw_err err = data.len == 0 ? GW_OK : fs_write_now(h->file, off, data);
    if (err == GW_BUSY) {
        r->then = write_done;
        r->op = fs_write(h->file, off, data, request_done, r);
    } else {
        write_ended(r, err, NULL);
    }
}

static void status_done(struct request *r, const struct fs_res *res)
{
    request_status(r, res->err, res->text);
}

void run_fstat(struct request *r)
{
    struct handle *h = r->h[0];
    if (h->file != NULL)
        run_attrs_of_file(r, h->file);
    else
        run_attrs_of_path(r, h->path, true);
}

void run_fsetstat(struct request *r)
{
    struct handle *h = r->h[0];
    const struct fs_attr *attr = &r->q.u.attr;
    if (h->file == NULL) {
        request_status(r, GW_BAD_HANDLE, "not a file");
    } else if ((attr->set & FS_ATTR_SIZE) && !(h->flags & FS_WRITE)) {
        request_status(r, GW_DENIED, "not open for writing");
    } else if (attr->set == 0) {
        request_status(r, GW_OK, NULL);
    } else {
        r->then = status_done;
        r->op = fs_fsetstat(h->file, attr, request_done, r);
    }
}

void run_fsync(struct request *r)
{
    struct handle *h = r->h[0];
    if (h->file == NULL) {
        request_status(r, GW_BAD_HANDLE, "not a file");
    } else if (h->broken != GW_OK) {
        request_status(r, GW_IO, "a write failed");
    } else {
        r->then = status_done;
        r->op = fs_fsync(h->file, request_done, r);
    }
}

static void copy_ended(struct request *r, enum gw_err err, const char *text)
{
    struct handle *to = r->h[1];
    uint64_t asked = r->q.u.copy.len;
    /* Less than asked for is an error; "to the end" ends there. */
    if (err == GW_OK && asked != 0 && r->copied < asked)
        err = GW_EOF;
    to->bytes_written += r->copied;
    if (err != GW_OK && err != GW_EOF && r->copied > 0)
        to->broken = err;
    LOG_EVENT(LOG_LVL_INFO, r->s->env.log, "copy", log_str("path", r->h[0]->path),
              log_str("to", to->path), log_u64("bytes", r->copied),
              log_str("result", gw_err_name(err)));
    request_status(r, err, text);
}

/* Through the gateway: where the store cannot copy by itself, or the two files are of different
 * stores. */
static void copy_piped(struct request *r, const struct fs_res *res)
{
    r->copied = res->bytes;
    if (res->err != GW_OK)
        r->h[1]->broken = res->err;
    copy_ended(r, res->err, res->text);
}

static void copy_done(struct request *r, const struct fs_res *res)
{
    if (res->err != GW_UNSUPPORTED) {
        r->copied = res->bytes;
        copy_ended(r, res->err, res->text);
        return;
    }
    const struct fs_pipe pipe = {.from = r->h[0]->file,
                                 .to = r->h[1]->file,
                                 .off = r->q.u.copy.off,
                                 .to_off = r->q.u.copy.to_off,
                                 .len = r->to_copy};
    r->then = copy_piped;
    r->op = fs_pipe_start(&pipe, request_done, r);
}

/* What is there now, and no more: where both are names of one file, the end would move on with what
 * is written. */
static void copy_sized(struct request *r, const struct fs_res *res)
{
    struct handle *from = r->h[0];
    uint64_t off = r->q.u.copy.off;
    uint64_t len = r->q.u.copy.len;
    if (res->err != GW_OK) {
        request_status(r, res->err, res->text);
        return;
    }
    uint64_t left = res->attr->size > off ? res->attr->size - off : 0;
    r->to_copy = len == 0 || len > left ? left : len;
    if (r->to_copy == 0) {
        copy_ended(r, GW_OK, NULL);
        return;
    }
    r->then = copy_done;
    r->op =
        fs_copy(from->file, off, r->to_copy, r->h[1]->file, r->q.u.copy.to_off, request_done, r);
}

static bool copy_range_ok(uint64_t off, uint64_t len)
{
    return off <= (uint64_t)INT64_MAX && len <= (uint64_t)INT64_MAX - off;
}

void run_copy_data(struct request *r)
{
    struct handle *from = r->h[0];
    struct handle *to = r->h[1];
    uint64_t len = r->q.u.copy.len;
    /* By two handles as well: what is read would be what was written before. */
    if (from == to || strcmp(from->path, to->path) == 0) {
        request_status(r, GW_BAD_ARG, "a file cannot be copied onto itself");
    } else if (from->file == NULL || !(from->flags & FS_READ) || to->file == NULL ||
               !(to->flags & FS_WRITE)) {
        request_status(r, GW_BAD_HANDLE, "copy-data needs a handle to read and one to write");
    } else if (!copy_range_ok(r->q.u.copy.off, len) || !copy_range_ok(r->q.u.copy.to_off, len)) {
        request_status(r, GW_BAD_ARG, "a range past the largest file");
    } else {
        r->then = copy_sized;
        r->op = fs_fstat(from->file, request_done, r);
    }
}
