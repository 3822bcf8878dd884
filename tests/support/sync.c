#include "tests/support/sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

/* Long: it is met only by what is broken, and machines are slow and shared. */
#define DEADLINE_MS 60000u

static void put_text(char *to, size_t cap, const char *from)
{
    snprintf(to, cap, "%s", from == NULL ? "" : from);
}

void sync_done(void *arg, const struct fs_res *res)
{
    struct sync *s = arg;
    s->op = NULL;
    s->done = true;
    s->err = res->err;
    put_text(s->text, sizeof s->text, res->text);
    if (res->err != GW_OK)
        return;
    s->file = res->file;
    s->dir = res->dir;
    s->bytes = res->bytes;
    if (res->attr != NULL)
        s->attr = *res->attr;
    if (res->space != NULL)
        s->space = *res->space;
    if (res->target != NULL)
        put_text(s->target, sizeof s->target, res->target);
    s->n = res->data.len;
    if (s->data != NULL && res->data.len <= s->room && res->data.len > 0)
        memcpy(s->data, res->data.ptr, res->data.len);
    for (size_t i = 0; i < res->nentries && s->list != NULL; i++)
        gw_buf_printf(s->list, "%s%s%c", res->entries[i].name,
                      res->entries[i].attr.kind == FS_KIND_DIR ? "/" : "", '\0');
}

static void tick(uv_timer_t *t)
{
    (void)t; /* only wakes the loop, so that the deadline is looked at */
}

bool sync_until(struct loop *l, bool (*cond)(void *arg), void *arg)
{
    uv_timer_t timer;
    uv_timer_init(loop_uv(l), &timer);
    uv_timer_start(&timer, tick, 100, 100);
    uint64_t end = loop_now_ms(l) + DEADLINE_MS;
    bool ok;
    while (!(ok = cond(arg)) && loop_now_ms(l) < end)
        loop_turn(l);
    uv_close((uv_handle_t *)&timer, NULL);
    loop_poll(l);
    return ok;
}

static bool is_done(void *arg)
{
    return ((struct sync *)arg)->done;
}

enum gw_err sync_wait(struct loop *l, struct sync *s)
{
    if (!sync_until(l, is_done, s)) {
        fprintf(stderr, "sync: an operation did not finish\n");
        abort();
    }
    return s->err;
}

enum gw_err sync_open(struct fs *fs, const char *path, uint32_t flags, struct fs_file **out)
{
    struct sync s = {.done = false};
    s.op = fs_open(fs, path, flags, NULL, sync_done, &s);
    sync_wait(fs->loop, &s);
    *out = s.file;
    return s.err;
}

enum gw_err sync_write(struct fs_file *f, uint64_t off, const void *p, size_t n)
{
    struct sync s = {.done = false};
    s.op = fs_write(f, off, gw_span_of(p, n), sync_done, &s);
    return sync_wait(f->fs->loop, &s);
}

enum gw_err sync_read(struct fs_file *f, uint64_t off, void *to, size_t len, size_t *n)
{
    struct sync s = {.data = to, .room = len};
    s.op = fs_read(f, off, len, sync_done, &s);
    sync_wait(f->fs->loop, &s);
    *n = s.n;
    return s.err;
}

enum gw_err sync_close(struct fs_file **fp)
{
    struct sync s = {.done = false};
    struct loop *l = (*fp)->fs->loop;
    s.op = fs_close(fp, sync_done, &s);
    return sync_wait(l, &s);
}

enum gw_err sync_put(struct fs *fs, const char *path, const char *text)
{
    struct fs_file *f;
    enum gw_err err = sync_open(fs, path, FS_WRITE | FS_CREATE | FS_TRUNC, &f);
    if (err != GW_OK)
        return err;
    err = sync_write(f, 0, text, strlen(text));
    enum gw_err closed = sync_close(&f);
    return err != GW_OK ? err : closed;
}

enum gw_err sync_get(struct fs *fs, const char *path, char *to, size_t cap)
{
    struct fs_file *f;
    size_t len = 0;
    enum gw_err err = sync_open(fs, path, FS_READ, &f);
    if (err != GW_OK)
        return err;
    while (err == GW_OK && len + 1 < cap) {
        size_t n = 0;
        err = sync_read(f, len, to + len, cap - 1 - len, &n);
        len += n;
    }
    to[len] = '\0';
    enum gw_err closed = sync_close(&f);
    return err == GW_EOF ? closed : err;
}

enum gw_err sync_stat(struct fs *fs, const char *path, bool follow, struct fs_attr *out)
{
    struct sync s = {.done = false};
    s.op = fs_stat(fs, path, follow, sync_done, &s);
    sync_wait(fs->loop, &s);
    if (out != NULL)
        *out = s.attr;
    return s.err;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void join_sorted(const struct gw_buf *names, char *to, size_t cap)
{
    const char *all[512];
    size_t n = 0;
    for (size_t at = 0; at < names->len && n < 512; at += strlen((char *)names->data + at) + 1)
        all[n++] = (char *)names->data + at;
    qsort(all, n, sizeof all[0], by_name);
    size_t len = 0;
    to[0] = '\0';
    for (size_t i = 0; i < n && len < cap; i++)
        len += (size_t)snprintf(to + len, cap - len, "%s%s", i == 0 ? "" : " ", all[i]);
}

enum gw_err sync_list(struct fs *fs, const char *path, size_t want, char *to, size_t cap)
{
    struct sync s = {.done = false};
    s.op = fs_opendir(fs, path, sync_done, &s);
    if (sync_wait(fs->loop, &s) != GW_OK)
        return s.err;
    struct gw_buf names;
    gw_buf_init(&names, 1u << 20);
    enum gw_err err = GW_OK;
    while (err == GW_OK) {
        struct sync r = {.list = &names};
        r.op = fs_readdir(s.dir, want, sync_done, &r);
        err = sync_wait(fs->loop, &r);
    }
    fs_closedir(&s.dir);
    join_sorted(&names, to, cap);
    gw_buf_free(&names);
    return err == GW_EOF ? GW_OK : err;
}

enum gw_err sync_mkdir(struct fs *fs, const char *path)
{
    struct sync s = {.done = false};
    s.op = fs_mkdir(fs, path, NULL, sync_done, &s);
    return sync_wait(fs->loop, &s);
}

enum gw_err sync_rmdir(struct fs *fs, const char *path)
{
    struct sync s = {.done = false};
    s.op = fs_rmdir(fs, path, sync_done, &s);
    return sync_wait(fs->loop, &s);
}

enum gw_err sync_remove(struct fs *fs, const char *path)
{
    struct sync s = {.done = false};
    s.op = fs_remove(fs, path, sync_done, &s);
    return sync_wait(fs->loop, &s);
}

enum gw_err sync_rename(struct fs *fs, const char *from, const char *to, uint32_t flags)
{
    struct sync s = {.done = false};
    s.op = fs_rename(fs, from, to, flags, sync_done, &s);
    return sync_wait(fs->loop, &s);
}

enum gw_err sync_symlink(struct fs *fs, const char *target, const char *path)
{
    struct sync s = {.done = false};
    s.op = fs_symlink(fs, target, path, sync_done, &s);
    return sync_wait(fs->loop, &s);
}

enum gw_err sync_readlink(struct fs *fs, const char *path, char to[FS_PATH_MAX])
{
    struct sync s = {.done = false};
    s.op = fs_readlink(fs, path, sync_done, &s);
    sync_wait(fs->loop, &s);
    put_text(to, FS_PATH_MAX, s.target);
    return s.err;
}

enum gw_err sync_hardlink(struct fs *fs, const char *from, const char *to)
{
    struct sync s = {.done = false};
    s.op = fs_hardlink(fs, from, to, sync_done, &s);
    return sync_wait(fs->loop, &s);
}

enum gw_err sync_setstat(struct fs *fs, const char *path, bool follow, const struct fs_attr *a)
{
    struct sync s = {.done = false};
    s.op = fs_setstat(fs, path, follow, a, sync_done, &s);
    return sync_wait(fs->loop, &s);
}

static void backend_done(void *arg, enum gw_err err, const char *text)
{
    const struct fs_res res = {.err = err, .text = text};
    sync_done(arg, &res);
}

enum gw_err sync_probe(struct backend *b, char text[FS_TEXT_MAX])
{
    struct sync s = {.done = false};
    s.op = backend_probe(b, backend_done, &s);
    sync_wait(b->env.loop, &s);
    put_text(text, FS_TEXT_MAX, s.text);
    return s.err;
}

enum gw_err sync_sweep(struct backend *b, char text[FS_TEXT_MAX])
{
    struct sync s = {.done = false};
    s.op = backend_sweep(b, backend_done, &s);
    text[0] = '\0';
    if (s.op == NULL)
        return GW_OK;
    sync_wait(b->env.loop, &s);
    put_text(text, FS_TEXT_MAX, s.text);
    return s.err;
}
