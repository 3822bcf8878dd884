#include "tests/support/mover.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "tests/support/sync.h"

static void die(const char *what)
{
    fprintf(stderr, "mover: %s\n", what);
    abort();
}

uint8_t mover_byte(uint64_t off)
{
    uint64_t x = (off >> 3) * 0x9e3779b97f4a7c15u;
    return (uint8_t)(x >> (8 * (off & 7)));
}

void mover_fill(uint8_t *to, uint64_t off, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = mover_byte(off + i);
}

static void finish(struct mover_slot *s, enum gw_err err, const char *text)
{
    struct mover *m = s->m;
    s->op = NULL;
    m->busy--;
    if (err != GW_OK && m->err == GW_OK) {
        m->err = err;
        snprintf(m->text, sizeof m->text, "%s", text != NULL ? text : gw_err_text(err));
    }
}

static void compare(struct mover *m, uint64_t off, struct gw_span d)
{
    for (size_t i = 0; i < d.len; i++)
        m->bad += d.ptr[i] != mover_byte(off + i);
}

static void on_done(void *arg, const struct fs_res *res)
{
    struct mover_slot *s = arg;
    if (s->m->reading && res->err == GW_OK) {
        compare(s->m, s->off, res->data);
        if (res->data.len < s->len) {
            s->off += res->data.len;
            s->len -= res->data.len;
            s->op = fs_read(s->m->f, s->off, s->len, on_done, s);
            return;
        }
    }
    finish(s, res->err, res->text);
}

static uint64_t piece_off(const struct mover *m, uint64_t i)
{
    uint64_t n = (m->size + m->piece - 1) / m->piece;
    if (m->shuffled && (i | 15) < n)
        i = (i & ~(uint64_t)15) | ((i * 7 + 3) & 15);
    return i * m->piece;
}

static enum gw_err move_now(struct mover_slot *s, uint8_t *buf)
{
    struct mover *m = s->m;
    if (!m->reading) {
        mover_fill(buf, s->off, s->len);
        return fs_write_now(m->f, s->off, gw_span_of(buf, s->len));
    }
    size_t n;
    enum gw_err err = fs_read_now(m->f, s->off, buf, s->len, &n);
    if (err == GW_OK && n != s->len)
        die("a short read");
    if (err == GW_OK)
        compare(m, s->off, gw_span_of(buf, n));
    return err;
}

static void issue(struct mover_slot *s)
{
    struct mover *m = s->m;
    uint8_t buf[MOVER_PIECE_MAX];
    while (m->err == GW_OK && m->next * m->piece < m->size) {
        s->off = piece_off(m, m->next++);
        s->len = m->size - s->off < m->piece ? (size_t)(m->size - s->off) : m->piece;
        enum gw_err now = move_now(s, buf);
        if (now == GW_OK) {
            m->now++;
            continue;
        }
        if (now != GW_BUSY)
            die("an error without an answer");
        m->busy++;
        s->op = m->reading ? fs_read(m->f, s->off, s->len, on_done, s)
                           : fs_write(m->f, s->off, gw_span_of(buf, s->len), on_done, s);
        return;
    }
}

bool mover_step(void *arg)
{
    struct mover *m = arg;
    for (size_t i = 0; i < m->nslots; i++)
        if (m->slots[i].op == NULL)
            issue(&m->slots[i]);
    return m->busy == 0;
}

void mover_start(struct mover *m, struct fs_file *f, uint64_t size, size_t piece, size_t nslots)
{
    if (piece > MOVER_PIECE_MAX)
        die("pieces are too large");
    m->f = f;
    m->size = size;
    m->piece = piece;
    m->nslots = nslots;
    for (size_t i = 0; i < nslots; i++)
        m->slots[i].m = m;
}

void mover_cancel(struct mover *m)
{
    for (size_t i = 0; i < m->nslots; i++)
        op_cancel(&m->slots[i].op);
}

/* Two minutes and more: a large file on a busy machine. */
static void wait_for(struct loop *l, bool (*cond)(void *arg), void *arg)
{
    for (int i = 0; !sync_until(l, cond, arg); i++)
        if (i == 6)
            die("it does not end");
}

enum gw_err mover_run(struct mover *m, struct fs_file *f, uint64_t size, size_t piece,
                      size_t nslots)
{
    mover_start(m, f, size, piece, nslots);
    wait_for(f->fs->loop, mover_step, m);
    return m->err;
}

enum gw_err mover_write(struct fs_file *f, uint64_t off, size_t n)
{
    uint8_t *data = mem_alloc(n + 1);
    mover_fill(data, off, n);
    enum gw_err err = sync_write(f, off, data, n);
    mem_free(data);
    return err;
}

static bool closed_over(void *arg)
{
    return ((struct sync *)arg)->done;
}

enum gw_err mover_upload(struct fs *fs, const char *path, uint32_t flags, uint64_t size,
                         struct sync *closed)
{
    struct fs_file *f;
    enum gw_err err = sync_open(fs, path, flags, &f);
    if (err != GW_OK)
        return err;
    struct mover up = {0};
    (void)mover_run(&up, f, size, 32768, 8);
    *closed = (struct sync){0};
    closed->op = fs_close(&f, sync_done, closed);
    wait_for(fs->loop, closed_over, closed);
    return closed->err;
}
