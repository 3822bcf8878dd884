#include "gateway/io/child_stderr.h"

#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"
#include "gateway/io/lines.h"

#define READ_BYTES  1024u
#define DRAIN_READS 64u /* a pipe's content: 64 KiB */
#define WINDOW_MS   1000u

struct child_stderr {
    struct loop *loop;
    uv_pipe_t pipe;
    struct op *pause; /* until the next window: more was said than a second may hold */
    struct lines lines;
    struct gw_span left; /* of `room`: what waits for the next window */
    uint64_t window_ms;  /* when it began */
    unsigned said;       /* lines in it */
    char *name;
    int pid;
    char room[READ_BYTES];
};

static bool say(void *arg, struct gw_span line, bool whole)
{
    struct child_stderr *e = arg;
    (void)whole;
    if (line.len == 0)
        return true;
    LOG_EVENT(LOG_LVL_INFO, NULL, "program_stderr", log_str("program", e->name),
              log_u64("pid", (uint64_t)e->pid), log_bytes("line", line.ptr, line.len));
    return ++e->said < CHILD_STDERR_LINES;
}

static void take(struct child_stderr *e, struct gw_span bytes)
{
    size_t n = lines_feed(&e->lines, bytes, say, e);
    e->left = gw_span_of(bytes.ptr + n, bytes.len - n);
}

static void give_room(uv_handle_t *h, size_t want, uv_buf_t *buf)
{
    struct child_stderr *e = h->data;
    (void)want;
    *buf = uv_buf_init(e->room, READ_BYTES);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf);

static void next_window(void *arg)
{
    struct child_stderr *e = arg;
    e->pause = NULL;
    e->said = 0;
    e->window_ms = loop_now_ms(e->loop);
    take(e, e->left);
    if (e->said < CHILD_STDERR_LINES)
        uv_read_start((uv_stream_t *)&e->pipe, give_room, on_read);
    else
        e->pause = deadline_start(e->loop, WINDOW_MS, next_window, e);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct child_stderr *e = s->data;
    uint64_t now = loop_now_ms(e->loop);
    if (n < 0) {
        uv_read_stop(s);
        return;
    }
    if (now - e->window_ms >= WINDOW_MS) {
        e->window_ms = now;
        e->said = 0;
    }
    take(e, gw_span_of(buf->base, (size_t)n));
    if (e->said >= CHILD_STDERR_LINES) {
        uv_read_stop(s);
        e->pause = deadline_start(e->loop, e->window_ms + WINDOW_MS - now, next_window, e);
    }
}

struct child_stderr *child_stderr_new(struct loop *l, int fd, const char *name, int pid)
{
    struct child_stderr *e = mem_zalloc(sizeof *e);
    e->loop = l;
    e->name = mem_strdup(name);
    e->pid = pid;
    e->window_ms = loop_now_ms(l);
    lines_init(&e->lines, LOG_VALUE_MAX);
    uv_pipe_init(loop_uv(l), &e->pipe, 0);
    e->pipe.data = e;
    if (uv_pipe_open(&e->pipe, fd) != 0)
        close(fd);
    else
        uv_read_start((uv_stream_t *)&e->pipe, give_room, on_read);
    return e;
}

static void closed(uv_handle_t *h)
{
    struct child_stderr *e = h->data;
    lines_free(&e->lines);
    mem_free(e->name);
    mem_free(e);
}

void child_stderr_end(struct child_stderr **ep)
{
    struct child_stderr *e = *ep;
    uv_os_fd_t fd;
    *ep = NULL;
    if (e == NULL)
        return;
    op_cancel(&e->pause);
    e->said = 0;
    take(e, e->left);
    /* Not to the end of the stream: a process that left the program's session may hold it open. */
    for (unsigned i = 0; i < DRAIN_READS && e->said < CHILD_STDERR_LINES &&
                         uv_fileno((uv_handle_t *)&e->pipe, &fd) == 0;
         i++) {
        ssize_t n = read(fd, e->room, READ_BYTES);
        if (n <= 0)
            break;
        take(e, gw_span_of(e->room, (size_t)n));
    }
    lines_end(&e->lines, say, e);
    uv_close((uv_handle_t *)&e->pipe, closed);
}
