/*
 * Reading and writing objects: against a real server where the environment names one
 * (POSTERN_TEST_S3_ENDPOINT, _KEY, _SECRET, _BUCKET), else against tests/support/s3_stub.c, which
 * also has bad days.
 */
#include "backends/s3/s3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "backends/s3/s3_options.h"
#include "gateway/base/mem.h"
#include "tests/support/sync.h"

#define MIB ((uint64_t)1 << 20)

struct env {
    struct loop *loop;
    struct budget *budget;
    struct s3_conf conf;
    struct backend *backend;
    struct fs *fs;
};

/* Byte `off` of the test files: cheap, and different wherever two pieces could be mixed up. */
static uint8_t byte_at(uint64_t off)
{
    uint64_t x = (off >> 3) * 0x9e3779b97f4a7c15u;
    return (uint8_t)(x >> (8 * (off & 7)));
}

static void fill(uint8_t *to, uint64_t off, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = byte_at(off + i);
}

/* A client that has several requests under way, as OpenSSH's has. */
struct mover;
struct slot {
    struct mover *m;
    struct op *op;
    uint64_t off;
    size_t len;
};

struct mover {
    struct env *e;
    struct fs_file *f;
    uint64_t size, next;
    size_t piece;
    struct slot slots[64];
    size_t nslots, busy;
    bool reading;
    bool shuffled; /* pieces within a window of 16 come in another order */
    unsigned now;  /* served without waiting */
    enum gw_err err;
    char text[FS_TEXT_MAX];
    uint64_t bad; /* wrong bytes */
};

static void issue(struct slot *s);

static void finish(struct slot *s, enum gw_err err, const char *text)
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
        m->bad += d.ptr[i] != byte_at(off + i);
}

static void on_done(void *arg, const struct fs_res *res)
{
    struct slot *s = arg;
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

static void issue(struct slot *s)
{
    struct mover *m = s->m;
    uint8_t buf[256 * 1024];
    while (m->err == GW_OK && m->next * m->piece < m->size) {
        s->off = piece_off(m, m->next++);
        s->len = m->size - s->off < m->piece ? (size_t)(m->size - s->off) : m->piece;
        enum gw_err now;
        if (m->reading) {
            size_t n;
            now = fs_read_now(m->f, s->off, buf, s->len, &n);
            if (now == GW_OK) {
                assert_int_equal(n, s->len);
                compare(m, s->off, gw_span_of(buf, n));
            }
        } else {
            fill(buf, s->off, s->len);
            now = fs_write_now(m->f, s->off, gw_span_of(buf, s->len));
        }
        if (now == GW_OK) {
            m->now++;
            continue;
        }
        assert_int_equal(now, GW_BUSY);
        m->busy++;
        s->op = m->reading ? fs_read(m->f, s->off, s->len, on_done, s)
                           : fs_write(m->f, s->off, gw_span_of(buf, s->len), on_done, s);
        return;
    }
}

static bool step(void *arg)
{
    struct mover *m = arg;
    for (size_t i = 0; i < m->nslots; i++)
        if (m->slots[i].op == NULL)
            issue(&m->slots[i]);
    return m->busy == 0;
}

static void move_start(struct mover *m, struct env *e, struct fs_file *f, uint64_t size,
                       size_t piece, size_t nslots)
{
    m->e = e;
    m->f = f;
    m->size = size;
    m->piece = piece;
    m->nslots = nslots;
    for (size_t i = 0; i < nslots; i++)
        m->slots[i].m = m;
}

static enum gw_err move(struct mover *m, struct env *e, struct fs_file *f, uint64_t size,
                        size_t piece, size_t nslots)
{
    move_start(m, e, f, size, piece, nslots);
    assert_true(sync_until(e->loop, step, m));
    return m->err;
}

static void request_done(void *arg, const struct s3_res *res)
{
    *(enum gw_err *)arg = res->err;
}

static bool request_over(void *arg)
{
    return *(enum gw_err *)arg != GW_ERR_COUNT;
}

static enum gw_err request(struct env *e, const struct s3_req *req)
{
    enum gw_err err = GW_ERR_COUNT;
    (void)s3_client_start(((struct s3_store *)e->backend)->client, req, request_done, &err);
    assert_true(sync_until(e->loop, request_over, &err));
    return err;
}

static int setup(void **state)
{
    const char *endpoint = getenv("POSTERN_TEST_S3_ENDPOINT");
    *state = NULL;
    if (endpoint == NULL)
        return 0;
    struct env *e = mem_zalloc(sizeof *e);
    const char *bucket = getenv("POSTERN_TEST_S3_BUCKET");
    json_t *obj = json_pack("{ss ss sb s{ss ss}}", "bucket", bucket != NULL ? bucket : "unit",
                            "endpoint", endpoint, "path_style", 1, "credentials", "access_key_id",
                            getenv("POSTERN_TEST_S3_KEY"), "secret_access_key",
                            getenv("POSTERN_TEST_S3_SECRET"));
    struct opt_reader reader = {0};
    gw_buf_init(&reader.problems, 1u << 16);
    options_read(&reader, s3_options, obj, "", &e->conf);
    json_decref(obj);
    assert_int_equal(reader.nproblems, 0);
    gw_buf_free(&reader.problems);
    assert_int_equal(loop_new(&e->loop), GW_OK);
    e->budget = budget_new(256 * MIB);
    const struct backend_env env = {.loop = e->loop, .budget = e->budget};
    const struct opt_any any = {.kind = &s3_kind.opt, .conf = &e->conf};
    struct gw_errmsg msg;
    assert_int_equal(backend_new(&env, "io", &any, &e->backend, &msg), GW_OK);
    (void)request(e, &(struct s3_req){.method = "PUT"}); /* the bucket, where it is not there */
    char prefix[64];
    snprintf(prefix, sizeof prefix, "io-%ld-%llx", (long)getpid(), (unsigned long long)uv_hrtime());
    const struct backend_view view = {.prefix = prefix};
    assert_int_equal(backend_view_new(e->backend, &view, &e->fs), GW_OK);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;
    if (e == NULL)
        return 0;
    fs_free(&e->fs);
    backend_unref(&e->backend);
    loop_free(&e->loop);
    assert_int_equal(budget_used(e->budget), 0);
    budget_free(&e->budget);
    options_free(s3_options, &e->conf);
    mem_free(e);
    return 0;
}

static struct env *env_of(void **state)
{
    if (*state == NULL)
        skip();
    return *state;
}

#define WRITE_NEW (FS_WRITE | FS_CREATE | FS_TRUNC)

static void round_trip(struct env *e, uint64_t size, size_t piece, bool shuffled)
{
    struct fs_file *f;
    uint64_t t0 = uv_hrtime();
    assert_int_equal(sync_open(e->fs, "/file", WRITE_NEW, &f), GW_OK);
    struct mover up = {.shuffled = shuffled};
    assert_int_equal(move(&up, e, f, size, piece, 32), GW_OK);
    assert_int_equal(sync_close(&f), GW_OK);
    uint64_t t1 = uv_hrtime();
    assert_int_equal(sync_open(e->fs, "/file", FS_READ, &f), GW_OK);
    struct mover down = {.reading = true};
    assert_int_equal(move(&down, e, f, size, piece, 32), GW_OK);
    assert_int_equal(down.bad, 0);
    uint8_t more;
    size_t n;
    assert_int_equal(sync_read(f, size, &more, 1, &n), GW_EOF);
    assert_int_equal(sync_close(&f), GW_OK);
    uint64_t t2 = uv_hrtime();
    if (getenv("POSTERN_TEST_VERBOSE") != NULL)
        print_message("%llu bytes: up %.1f ms, down %.1f ms; at once %u, %u\n",
                      (unsigned long long)size, (double)(t1 - t0) / 1e6, (double)(t2 - t1) / 1e6,
                      up.now, down.now);
}

static void test_sizes(void **state)
{
    struct env *e = env_of(state);
    static const uint64_t sizes[] = {0,
                                     1,
                                     4096,
                                     65536,
                                     65537,
                                     131072,
                                     131073,
                                     8 * MIB - 1,
                                     8 * MIB,
                                     8 * MIB + 1,
                                     16 * MIB,
                                     20 * MIB + 12345,
                                     100 * MIB + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        round_trip(e, sizes[i], 32768, false);
    round_trip(e, 20 * MIB + 5, 261120, false);
    round_trip(e, 20 * MIB + 5, 32768, true);
    round_trip(e, 3 * MIB + 5, 1000, true);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
