/*
 * Reading and writing objects: against a real server where the environment names one
 * (POSTERN_TEST_S3_ENDPOINT, _KEY, _SECRET, _BUCKET), else against tests/support/s3_stub.c, which
 * also has bad days.
 */
#include "backends/s3/s3.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "backends/s3/s3_options.h"
#include "gateway/base/mem.h"
#include "tests/support/s3_stub.h"
#include "tests/support/sync.h"

#define MIB ((uint64_t)1 << 20)

struct env {
    struct s3_stub *stub; /* NULL = a real server */
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
    for (int tens = 0; !sync_until(e->loop, step, m); tens++)
        assert_true(tens < 12);
    return m->err;
}

static void request_done(void *arg, const struct remote_res *res)
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

static void env_open(struct env *e, const char *endpoint, const char *state_dir, size_t budget)
{
    const char *bucket = getenv("POSTERN_TEST_S3_BUCKET"), *key = getenv("POSTERN_TEST_S3_KEY"),
               *secret = getenv("POSTERN_TEST_S3_SECRET");
    json_t *obj = json_pack("{ss ss sb s{ss ss}}", "bucket", bucket != NULL ? bucket : "unit",
                            "endpoint", endpoint, "path_style", 1, "credentials", "access_key_id",
                            key != NULL ? key : "key", "secret_access_key",
                            secret != NULL ? secret : "secret");
    struct opt_reader reader = {0};
    gw_buf_init(&reader.problems, 1u << 16);
    options_read(&reader, s3_options, obj, "", &e->conf);
    json_decref(obj);
    assert_int_equal(reader.nproblems, 0);
    gw_buf_free(&reader.problems);
    assert_int_equal(loop_new(&e->loop), GW_OK);
    e->budget = budget_new(budget);
    const struct backend_env env = {.loop = e->loop, .budget = e->budget, .state_dir = state_dir};
    const struct opt_any any = {.kind = &s3_kind.opt, .conf = &e->conf};
    struct gw_errmsg msg;
    assert_int_equal(backend_new(&env, "io", &any, &e->backend, &msg), GW_OK);
}

static void env_view(struct env *e, const char *prefix)
{
    const struct backend_view view = {.prefix = prefix};
    assert_int_equal(backend_view_new(e->backend, &view, &e->fs), GW_OK);
}

static void env_close(struct env *e)
{
    fs_free(&e->fs);
    backend_unref(&e->backend);
    loop_free(&e->loop);
    assert_int_equal(budget_used(e->budget), 0);
    budget_free(&e->budget);
    options_free(s3_options, &e->conf);
}

static char *stub_url(const struct s3_stub *stub)
{
    return mem_printf("http://127.0.0.1:%u", s3_stub_port(stub));
}

/* A bad day's server, and a store that is quick to give up. */
static int setup_stub(void **state)
{
    struct env *e = mem_zalloc(sizeof *e);
    e->stub = s3_stub_start();
    char *url = stub_url(e->stub);
    env_open(e, url, NULL, 256 * MIB);
    mem_free(url);
    e->conf.request_timeout_s = 2;
    e->conf.max_retries = 3;
    e->conf.part_mb = 1; /* less than a real server takes */
    env_view(e, "p");
    *state = e;
    return 0;
}

static int setup(void **state)
{
    const char *endpoint = getenv("POSTERN_TEST_S3_ENDPOINT");
    if (endpoint == NULL)
        return setup_stub(state);
    struct env *e = mem_zalloc(sizeof *e);
    env_open(e, endpoint, NULL, 256 * MIB);
    (void)request(e, &(struct s3_req){.method = "PUT"}); /* the bucket, where it is not there */
    char prefix[64];
    snprintf(prefix, sizeof prefix, "io-%ld-%llx", (long)getpid(), (unsigned long long)uv_hrtime());
    env_view(e, prefix);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;
    env_close(e);
    if (e->stub != NULL)
        s3_stub_stop(&e->stub);
    mem_free(e);
    return 0;
}

#define WRITE_NEW (FS_WRITE | FS_CREATE | FS_TRUNC)

static bool closed_over(void *arg)
{
    return ((struct sync *)arg)->done;
}

/* Writes a whole file; the error of the first step that fails. */
static enum gw_err upload(struct env *e, const char *path, uint32_t flags, uint64_t size,
                          struct sync *closed)
{
    struct fs_file *f;
    enum gw_err err = sync_open(e->fs, path, flags, &f);
    if (err != GW_OK)
        return err;
    struct mover up = {0};
    (void)move(&up, e, f, size, 32768, 8);
    *closed = (struct sync){0};
    closed->op = fs_close(&f, sync_done, closed);
    for (int tens = 0; !closed->done && tens < 6; tens++)
        (void)sync_until(e->loop, closed_over, closed);
    assert_true(closed->done);
    return closed->err;
}

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
    struct env *e = *state;
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

static bool no_uploads(void *arg)
{
    return s3_stub_uploads(((struct env *)arg)->stub) == 0;
}

static void test_upload_faults(void **state)
{
    static const struct {
        enum s3_stub_fault fault;
        const char *method, *part;
        unsigned skip, times;
        uint64_t size;
        uint32_t flags;
        enum gw_err err;
        size_t left; /* uploads that nobody can know of */
    } rows[] = {
        {S3_STUB_SLOW_DOWN, "PUT", "", 0, 2, 1000, 0, GW_OK, 0},
        {S3_STUB_SLOW_DOWN, "PUT", "", 0, 99, 1000, 0, GW_UPSTREAM, 0},
        {S3_STUB_DENIED, "PUT", "", 0, 99, 1000, 0, GW_DENIED, 0},
        {S3_STUB_CUT_BODY, "PUT", "", 0, 1, 200000, 0, GW_OK, 0},
        {S3_STUB_CUT_BODY, "PUT", "", 0, 99, 200000, 0, GW_IO, 0},
        {S3_STUB_LOSE_ANSWER, "PUT", "", 0, 1, 1000, 0, GW_OK, 0},
        {S3_STUB_LOSE_ANSWER, "PUT", "", 0, 99, 1000, 0, GW_OK, 0},
        {S3_STUB_LOSE_ANSWER, "PUT", "", 0, 1, 1000, FS_EXCL, GW_OK, 0},
        {S3_STUB_IMPLEMENTED, "PUT", "", 0, 1, 1000, FS_EXCL, GW_OK, 0},
        {S3_STUB_SLOW_DOWN, "PUT", "partNumber=2", 0, 2, 3 * MIB, 0, GW_OK, 0},
        {S3_STUB_DENIED, "PUT", "partNumber=2", 0, 99, 3 * MIB, 0, GW_DENIED, 0},
        {S3_STUB_CUT_BODY, "PUT", "partNumber=2", 0, 2, 3 * MIB, 0, GW_OK, 0},
        {S3_STUB_CUT_BODY, "PUT", "partNumber=2", 0, 99, 3 * MIB, 0, GW_IO, 0},
        {S3_STUB_LOSE_ANSWER, "PUT", "partNumber=1", 0, 1, 3 * MIB + 1, 0, GW_OK, 0},
        {S3_STUB_DENIED, "POST", "uploads", 0, 99, 3 * MIB, 0, GW_DENIED, 0},
        {S3_STUB_LOSE_ANSWER, "POST", "uploads", 0, 1, 3 * MIB, 0, GW_OK, 1},
        {S3_STUB_LOSE_ANSWER, "POST", "uploadId", 0, 1, 3 * MIB, 0, GW_OK, 0},
        {S3_STUB_LOSE_ANSWER, "POST", "uploadId", 0, 99, 3 * MIB, 0, GW_OK, 0},
        {S3_STUB_LOSE_ANSWER, "POST", "uploadId", 0, 1, 3 * MIB, FS_EXCL, GW_OK, 0},
        {S3_STUB_ERROR_IN_200, "POST", "uploadId", 0, 1, 3 * MIB, 0, GW_OK, 0},
        {S3_STUB_ERROR_IN_200, "POST", "uploadId", 0, 99, 3 * MIB, 0, GW_UPSTREAM, 0},
        {S3_STUB_DENIED, "POST", "uploadId", 0, 99, 3 * MIB, 0, GW_DENIED, 0},
        {S3_STUB_SLOW_DOWN, "DELETE", "uploadId", 0, 2, 0, 0, GW_OK, 0},
    };
    struct env *e = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[32], key[32];
        snprintf(path, sizeof path, "/f%zu.txt", i);
        snprintf(key, sizeof key, "p/f%zu.txt", i);
        s3_stub_fail(e->stub, rows[i].fault, rows[i].method, rows[i].part, rows[i].skip,
                     rows[i].times);
        struct sync closed;
        enum gw_err err = upload(e, path, WRITE_NEW | rows[i].flags, rows[i].size, &closed);
        if (err != rows[i].err)
            print_error("row %zu: %s: %s\n", i, gw_err_name(err), closed.text);
        assert_int_equal(err, rows[i].err);
        int64_t want = err == GW_OK ? (int64_t)rows[i].size : -1;
        assert_int_equal(s3_stub_object(e->stub, key, NULL), want);
        s3_stub_fail(e->stub, S3_STUB_NONE, "", "", 0, 0);
        if (rows[i].left == 0)
            assert_true(sync_until(e->loop, no_uploads, e));
        assert_int_equal(s3_stub_uploads(e->stub), rows[i].left);
        if (rows[i].left > 0) { /* the sweep's business */
            char text[FS_TEXT_MAX];
            s3_stub_age(e->stub, 48 * 3600);
            assert_int_equal(sync_sweep(e->backend, text), GW_OK);
            assert_int_equal(s3_stub_uploads(e->stub), 0);
        }
    }
}

/* What is there already looks like what could not be stored: as long, of as many parts. */
static void test_old_content_is_no_success(void **state)
{
    static const struct {
        enum s3_stub_fault fault;
        unsigned times;
        enum gw_err err;
    } rows[] = {
        {S3_STUB_LOSE_REQUEST, 99, GW_IO}, {S3_STUB_SLOW_DOWN, 99, GW_UPSTREAM},
        {S3_STUB_LOSE_REQUEST, 1, GW_OK},  {S3_STUB_LOSE_ANSWER, 1, GW_OK},
        {S3_STUB_LOSE_ANSWER, 99, GW_OK},
    };
    struct env *e = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[32];
        struct sync closed;
        snprintf(path, sizeof path, "/old%zu", i);
        s3_stub_encrypt(e->stub, true);
        assert_int_equal(upload(e, path, WRITE_NEW, 3 * MIB, &closed), GW_OK);
        s3_stub_fail(e->stub, rows[i].fault, "POST", "uploadId", 0, rows[i].times);
        enum gw_err err = upload(e, path, WRITE_NEW, 3 * MIB, &closed);
        if (err != rows[i].err)
            print_error("row %zu: %s: %s\n", i, gw_err_name(err), closed.text);
        assert_int_equal(err, rows[i].err);
        s3_stub_fail(e->stub, S3_STUB_NONE, "", "", 0, 0);
        assert_true(sync_until(e->loop, no_uploads, e));
    }
    s3_stub_encrypt(e->stub, false);
}

static void test_download_faults(void **state)
{
    static const struct {
        enum s3_stub_fault fault;
        unsigned skip, times;
        enum gw_err open, read;
    } rows[] = {
        {S3_STUB_NONE, 0, 0, GW_OK, GW_OK},
        {S3_STUB_TRUNCATE, 0, 2, GW_OK, GW_OK},
        {S3_STUB_TRUNCATE, 1, 3, GW_OK, GW_OK},
        {S3_STUB_SHORT, 0, 1, GW_OK, GW_OK},
        {S3_STUB_SHORT, 2, 2, GW_OK, GW_OK},
        {S3_STUB_SLOW_DOWN, 0, 2, GW_OK, GW_OK},
        {S3_STUB_SLOW_DOWN, 1, 2, GW_OK, GW_OK},
        {S3_STUB_DENIED, 0, 99, GW_DENIED, GW_OK},
        {S3_STUB_DENIED, 1, 99, GW_OK, GW_DENIED},
        {S3_STUB_NO_RANGE, 0, 1, GW_OK, GW_OK},
        {S3_STUB_NO_RANGE, 1, 99, GW_OK, GW_UPSTREAM},
        {S3_STUB_OTHER_RANGE, 0, 1, GW_UPSTREAM, GW_OK},
        {S3_STUB_OTHER_RANGE, 1, 1, GW_OK, GW_UPSTREAM},
        {S3_STUB_OTHER_ETAG, 1, 1, GW_OK, GW_CHANGED},
    };
    struct env *e = *state;
    size_t size = 5 * MIB + 77;
    uint8_t *data = mem_alloc(size);
    fill(data, 0, size);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fs_file *f;
        /* A name of its own: the last row's ranges may still be on their way. */
        char key[16];
        snprintf(key, sizeof key, "p/row%zu.", i);
        s3_stub_put(e->stub, key, data, size);
        s3_stub_fail(e->stub, rows[i].fault, "GET", key, rows[i].skip, rows[i].times);
        enum gw_err err = sync_open(e->fs, key + 1, FS_READ, &f);
        if (err != rows[i].open)
            print_error("row %zu: open: %s\n", i, gw_err_name(err));
        assert_int_equal(err, rows[i].open);
        if (err != GW_OK)
            continue;
        struct mover down = {.reading = true};
        err = move(&down, e, f, size, 32768, 16);
        if (err != rows[i].read || down.bad > 0)
            print_error("row %zu: %s: %s, %llu wrong bytes\n", i, gw_err_name(err), down.text,
                        (unsigned long long)down.bad);
        assert_int_equal(err, rows[i].read);
        assert_int_equal(down.bad, 0);
        assert_int_equal(sync_close(&f), GW_OK);
    }
    mem_free(data);
}

/* The object is another one before the second range is asked for. */
static void test_changed(void **state)
{
    struct env *e = *state;
    struct fs_file *f;
    uint8_t *data = mem_zalloc(2 * MIB), piece[100];
    size_t n;
    s3_stub_put(e->stub, "p/f", data, 2 * MIB);
    assert_int_equal(sync_open(e->fs, "/f", FS_READ, &f), GW_OK);
    data[0] = 1;
    s3_stub_put(e->stub, "p/f", data, 2 * MIB);
    assert_int_equal(sync_read(f, MIB, piece, sizeof piece, &n), GW_CHANGED);
    assert_int_equal(sync_close(&f), GW_OK);
    mem_free(data);
}

/* What small files and single reads cost in requests. */
static void test_requests(void **state)
{
    struct env *e = *state;
    char text[8192];
    struct sync closed;
    unsigned before = s3_stub_requests(e->stub, NULL);
    assert_int_equal(upload(e, "/small", WRITE_NEW, 4096, &closed), GW_OK);
    assert_in_range(s3_stub_requests(e->stub, NULL) - before, 1, 2);
    before = s3_stub_requests(e->stub, NULL);
    assert_int_equal(sync_get(e->fs, "/small", text, sizeof text), GW_OK);
    assert_in_range(s3_stub_requests(e->stub, NULL) - before, 1, 1);

    assert_int_equal(upload(e, "/large", WRITE_NEW, 20 * MIB, &closed), GW_OK);
    struct fs_file *f;
    assert_int_equal(sync_open(e->fs, "/large", FS_READ, &f), GW_OK);
    before = s3_stub_requests(e->stub, NULL);
    static const uint64_t offs[] = {7 * MIB, 19 * MIB, 3 * MIB, 11 * MIB, 2 * MIB, 15 * MIB};
    for (size_t i = 0; i < 6; i++) {
        uint8_t piece[4096];
        size_t n;
        assert_int_equal(sync_read(f, offs[i], piece, sizeof piece, &n), GW_OK);
        assert_int_equal(n, sizeof piece);
        for (size_t j = 0; j < n; j++)
            assert_int_equal(piece[j], byte_at(offs[i] + j));
    }
    assert_int_equal(s3_stub_requests(e->stub, NULL) - before, 6);
    assert_int_equal(sync_close(&f), GW_OK);
}

static enum gw_err write_at(struct fs_file *f, uint64_t off, size_t n)
{
    uint8_t *data = mem_alloc(n + 1);
    fill(data, off, n);
    enum gw_err err = sync_write(f, off, data, n);
    mem_free(data);
    return err;
}

static void test_order_of_writes(void **state)
{
    struct env *e = *state;
    struct fs_file *f;
    /* a hole at the end */
    assert_int_equal(sync_open(e->fs, "/hole", WRITE_NEW, &f), GW_OK);
    assert_int_equal(write_at(f, 0, 1000), GW_OK);
    assert_int_equal(write_at(f, 2000, 1000), GW_OK);
    assert_int_equal(sync_close(&f), GW_BAD_ARG);
    assert_int_equal(s3_stub_object(e->stub, "p/hole", NULL), -1);
    /* filled from behind, and written twice */
    assert_int_equal(sync_open(e->fs, "/back", WRITE_NEW, &f), GW_OK);
    for (uint64_t i = 20; i-- > 0;)
        assert_int_equal(write_at(f, i * 1000, 1000), GW_OK);
    assert_int_equal(write_at(f, 500, 5000), GW_OK);
    assert_int_equal(sync_close(&f), GW_OK);
    const uint8_t *data;
    assert_int_equal(s3_stub_object(e->stub, "p/back", &data), 20000);
    for (size_t i = 0; i < 20000; i++)
        assert_int_equal(data[i], byte_at(i));
    /* back to what was sent */
    assert_int_equal(sync_open(e->fs, "/again", WRITE_NEW, &f), GW_OK);
    for (uint64_t i = 0; i < 2 * MIB; i += 65536)
        assert_int_equal(write_at(f, i, 65536), GW_OK);
    assert_int_equal(write_at(f, 0, 10), GW_UNSUPPORTED);
    fs_abort(&f);
    /* far ahead */
    assert_int_equal(sync_open(e->fs, "/far", WRITE_NEW, &f), GW_OK);
    assert_int_equal(write_at(f, (uint64_t)1 << 40, 10), GW_UNSUPPORTED);
    assert_int_equal(write_at(f, UINT64_MAX - 5, 10), GW_TOO_LARGE);
    assert_int_equal(sync_close(&f), GW_OK);
    assert_int_equal(s3_stub_object(e->stub, "p/far", NULL), 0);
    assert_true(sync_until(e->loop, no_uploads, e));
}

static enum gw_err set_on(struct fs_file *f, struct loop *l, const struct fs_attr *a)
{
    struct sync s = {0};
    s.op = fs_fsetstat(f, a, sync_done, &s);
    return sync_wait(l, &s);
}

static void test_attributes(void **state)
{
    struct env *e = *state;
    struct fs_file *f;
    struct fs_attr mtime = {.set = FS_ATTR_MTIME, .mtime_s = 1234567890};
    struct fs_attr size = {.set = FS_ATTR_SIZE, .size = 1000};
    struct fs_attr mode = {.set = FS_ATTR_MODE, .mode = 0600};
    for (int large = 0; large < 2; large++) {
        uint64_t n = large ? 3 * MIB : 1000;
        assert_int_equal(sync_open(e->fs, "/f", WRITE_NEW, &f), GW_OK);
        for (uint64_t i = 0; i < n; i += 1000)
            assert_int_equal(write_at(f, i, n - i < 1000 ? (size_t)(n - i) : 1000), GW_OK);
        size.size = n;
        assert_int_equal(set_on(f, e->loop, &size), GW_OK);
        size.size = 5;
        assert_int_equal(set_on(f, e->loop, &size), GW_UNSUPPORTED);
        assert_int_equal(set_on(f, e->loop, &mode), GW_OK);
        assert_int_equal(set_on(f, e->loop, &mtime), GW_OK);
        struct sync s = {0};
        s.op = fs_fstat(f, sync_done, &s);
        assert_int_equal(sync_wait(e->loop, &s), GW_OK);
        assert_int_equal(s.attr.size, n);
        assert_int_equal(s.attr.mtime_s, 1234567890);
        assert_int_equal(sync_close(&f), GW_OK);
        assert_string_equal(s3_stub_mtime(e->stub, "p/f"), "1234567890");
        assert_int_equal(s3_stub_object(e->stub, "p/f", NULL), n);
    }
}

/* Whoever stores another object right behind a completion keeps it as it is: the time of the upload
 * is not written to it. */
static void test_late_mtime_of_another(void **state)
{
    struct env *e = *state;
    struct fs_file *f;
    struct fs_attr mtime = {.set = FS_ATTR_MTIME, .mtime_s = 1234567890};
    assert_int_equal(sync_open(e->fs, "/f", WRITE_NEW, &f), GW_OK);
    for (uint64_t i = 0; i < 3 * MIB; i += MIB / 8)
        assert_int_equal(write_at(f, i, MIB / 8), GW_OK);
    assert_int_equal(set_on(f, e->loop, &mtime), GW_OK);
    s3_stub_fail(e->stub, S3_STUB_OVERTAKEN, "POST", "uploadId", 0, 1);
    assert_int_equal(sync_close(&f), GW_OK);
    assert_int_equal(s3_stub_failed(e->stub), 1);
    assert_int_equal(s3_stub_object(e->stub, "p/f", NULL), 5);
    assert_string_equal(s3_stub_mtime(e->stub, "p/f"), "");
}

static void test_open_flags(void **state)
{
    struct env *e = *state;
    static const struct {
        const char *path;
        uint32_t flags;
        enum gw_err err;
    } rows[] = {
        {"/none", FS_WRITE, GW_NOT_FOUND},
        {"/none", FS_WRITE | FS_TRUNC, GW_NOT_FOUND},
        {"/none", FS_READ, GW_NOT_FOUND},
        {"/none", FS_WRITE | FS_CREATE, GW_OK},
        {"/full", FS_WRITE | FS_CREATE, GW_UNSUPPORTED},
        {"/full", FS_WRITE, GW_UNSUPPORTED},
        {"/full", FS_WRITE | FS_READ, GW_UNSUPPORTED},
        {"/full", FS_WRITE | FS_APPEND, GW_UNSUPPORTED},
        {"/full", FS_WRITE | FS_TRUNC, GW_OK},
        {"/full", FS_WRITE | FS_CREATE | FS_EXCL, GW_EXISTS},
        {"/empty", FS_WRITE | FS_CREATE, GW_OK},
        {"/empty", FS_WRITE | FS_CREATE | FS_EXCL | FS_TRUNC, GW_EXISTS},
        {"/dir", WRITE_NEW, GW_IS_DIR},
        {"/dir", FS_READ, GW_IS_DIR},
        {"/", WRITE_NEW, GW_IS_DIR},
        {"/", FS_READ, GW_IS_DIR},
    };
    s3_stub_put(e->stub, "p/full", "x", 1);
    s3_stub_put(e->stub, "p/empty", "", 0);
    s3_stub_put(e->stub, "p/dir/x", "x", 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fs_file *f = NULL;
        enum gw_err err = sync_open(e->fs, rows[i].path, rows[i].flags, &f);
        if (err != rows[i].err)
            print_error("row %zu: %s\n", i, gw_err_name(err));
        assert_int_equal(err, rows[i].err);
        if (err == GW_OK)
            fs_abort(&f);
    }
    /* somebody else is quicker: the condition, and the HEAD where the server knows none */
    for (int large = 0; large < 2; large++) {
        struct fs_file *f;
        char path[16], key[16];
        snprintf(path, sizeof path, "/q%d", large);
        snprintf(key, sizeof key, "p/q%d", large);
        if (large)
            s3_stub_fail(e->stub, S3_STUB_NO_CONDITION, "POST", "uploadId", 0, 9);
        assert_int_equal(sync_open(e->fs, path, FS_WRITE | FS_CREATE | FS_EXCL, &f), GW_OK);
        for (uint64_t i = 0; i < (large ? 40 : 1); i++)
            assert_int_equal(write_at(f, i * 65536, 65536), GW_OK);
        s3_stub_put(e->stub, key, "theirs", 6);
        assert_int_equal(sync_close(&f), GW_EXISTS);
        assert_int_equal(s3_stub_object(e->stub, key, NULL), 6);
    }
    /* with the very same bytes: a lock file has but one owner */
    struct fs_file *one, *two;
    assert_int_equal(sync_open(e->fs, "/lock", FS_WRITE | FS_CREATE | FS_EXCL, &one), GW_OK);
    assert_int_equal(sync_open(e->fs, "/lock", FS_WRITE | FS_CREATE | FS_EXCL, &two), GW_OK);
    assert_int_equal(sync_close(&one), GW_OK);
    assert_int_equal(sync_close(&two), GW_EXISTS);
    assert_true(sync_until(e->loop, no_uploads, e));
}

/* A session that opens many files, begins each and then sits still does not stop the others. */
static void test_one_session_takes_all_memory(void **state)
{
    enum { FILES = 100, BEGUN = 512 * 1024 };
    struct env *small = mem_zalloc(sizeof *small);
    struct env *e = *state;
    char *url = stub_url(e->stub);
    struct fs *hog;
    struct fs_file *begun[FILES];
    struct sync waiting = {0}, closed;
    size_t n = 0;
    env_open(small, url, NULL, 16 * MIB);
    mem_free(url);
    small->conf.part_mb = 1;
    env_view(small, "p");
    const struct backend_view view = {.prefix = "hog"};
    assert_int_equal(backend_view_new(small->backend, &view, &hog), GW_OK);
    uint8_t *data = mem_zalloc(BEGUN);
    const struct gw_span half = gw_span_of(data, BEGUN);
    enum gw_err err = GW_OK;
    while (n < FILES && err == GW_OK) {
        char path[32];
        snprintf(path, sizeof path, "/%zu", n);
        assert_int_equal(sync_open(hog, path, WRITE_NEW, &begun[n]), GW_OK);
        err = fs_write_now(begun[n++], 0, half);
    }
    assert_int_equal(err, GW_BUSY);
    waiting.op = fs_write(begun[n - 1], 0, half, sync_done, &waiting);
    assert_int_equal(upload(small, "/mine", WRITE_NEW, 3 * MIB + 7, &closed), GW_OK);
    assert_false(waiting.done);
    op_cancel(&waiting.op);
    while (n > 0)
        fs_abort(&begun[--n]);
    mem_free(data);
    fs_free(&hog);
    env_close(small);
    mem_free(small);
}

/* Writes that waited for memory are answered before those that come when it is there. */
static void test_writes_are_answered_in_order(void **state)
{
    enum { PIECE = 128 * 1024 };
    struct env *small = mem_zalloc(sizeof *small);
    struct env *e = *state;
    char *url = stub_url(e->stub);
    struct fs_file *f;
    struct sync ops[3] = {{0}};
    env_open(small, url, NULL, 16 * MIB);
    mem_free(url);
    small->conf.part_mb = 1;
    env_view(small, "p");
    uint8_t *data = mem_zalloc(PIECE);
    const struct gw_span piece = gw_span_of(data, PIECE);
    assert_int_equal(sync_open(small->fs, "/order", WRITE_NEW, &f), GW_OK);
    assert_true(budget_take(small->budget, 12 * MIB)); /* all that there is for parts */
    uint64_t off = 0;
    while (fs_write_now(f, off, piece) == GW_OK)
        off += PIECE;
    for (uint64_t i = 0; i < 3; i++)
        ops[i].op = fs_write(f, off + i * PIECE, piece, sync_done, &ops[i]);
    budget_give(small->budget, 12 * MIB);
    assert_int_equal(sync_wait(small->loop, &ops[0]), GW_OK);
    assert_false(ops[2].done);
    assert_int_equal(fs_write_now(f, off + UINT64_C(3) * PIECE, piece), GW_BUSY);
    assert_int_equal(sync_wait(small->loop, &ops[2]), GW_OK);
    assert_true(ops[1].done);
    assert_int_equal(fs_write_now(f, off + UINT64_C(3) * PIECE, piece), GW_OK);
    assert_int_equal(sync_close(&f), GW_OK);
    mem_free(data);
    env_close(small);
    mem_free(small);
}

/* Many uploads at once in little memory: all end, and none of them ever holds more than its share.
 */
static void test_many_uploads(void **state)
{
    struct env *small = mem_zalloc(sizeof *small);
    struct env *e = *state;
    char *url = stub_url(e->stub);
    env_open(small, url, NULL, 8 * MIB);
    mem_free(url);
    small->conf.part_mb = 1;
    env_view(small, "p");
    enum { N = 50 };
    static struct mover up[N];
    struct fs_file *f[N];
    memset(up, 0, sizeof up);
    for (int i = 0; i < N; i++) {
        char path[16];
        snprintf(path, sizeof path, "/m%d", i);
        assert_int_equal(sync_open(small->fs, path, WRITE_NEW, &f[i]), GW_OK);
        move_start(&up[i], small, f[i], i % 5 == 0 ? 4000 : 3 * MIB + (uint64_t)i, 32768, 8);
    }
    for (bool busy = true; busy;) {
        busy = false;
        for (int i = 0; i < N; i++) {
            busy |= !step(&up[i]);
            assert_int_equal(up[i].err, GW_OK);
        }
        assert_in_range(budget_used(small->budget), 0, 8 * MIB);
        for (int i = 0; i < N; i++) /* who is ready closes: a full pool needs that */
            if (f[i] != NULL && up[i].busy == 0 && up[i].next * up[i].piece >= up[i].size)
                assert_int_equal(sync_close(&f[i]), GW_OK);
        if (busy)
            loop_turn(small->loop);
    }
    for (int i = 0; i < N; i++) {
        char key[16];
        snprintf(key, sizeof key, "p/m%d", i);
        assert_null(f[i]);
        assert_int_equal(s3_stub_object(e->stub, key, NULL), up[i].size);
    }
    env_close(small);
    mem_free(small);
}

/* An end after every number of turns: no callback after it, nothing left behind. */
static void test_cancel_everywhere(void **state)
{
    struct env *e = *state;
    bool finished = false;
    for (unsigned turns = 0; !finished; turns += 1 + turns / 8) {
        struct sync opened = {0}, closed = {0};
        static struct mover up;
        unsigned left = turns;
        up = (struct mover){0};
        opened.op = fs_open(e->fs, "/f", WRITE_NEW, NULL, sync_done, &opened);
        while (left > 0 && !opened.done && left-- > 0)
            loop_turn(e->loop);
        if (opened.done) {
            struct fs_file *f = opened.file;
            move_start(&up, e, f, 3 * MIB, 32768, 8);
            while (!step(&up) && left > 0 && left-- > 0)
                loop_turn(e->loop);
            if (left == 0) {
                for (size_t i = 0; i < up.nslots; i++)
                    op_cancel(&up.slots[i].op);
                fs_abort(&f);
            } else {
                closed.op = fs_close(&f, sync_done, &closed);
                while (!closed.done && left > 0 && left-- > 0)
                    loop_turn(e->loop);
                finished = closed.done;
                op_cancel(&closed.op);
            }
        } else {
            op_cancel(&opened.op);
        }
        bool was = closed.done;
        for (int i = 0; i < 3; i++)
            loop_poll(e->loop);
        assert_int_equal(closed.done, was);
    }
    assert_true(sync_until(e->loop, no_uploads, e));
    finished = false;
    for (unsigned turns = 0; !finished; turns += 1 + turns / 8) {
        struct sync opened = {0};
        static struct mover down;
        unsigned left = turns;
        down = (struct mover){.reading = true};
        opened.op = fs_open(e->fs, "/f", FS_READ, NULL, sync_done, &opened);
        while (left > 0 && !opened.done && left-- > 0)
            loop_turn(e->loop);
        if (opened.done) {
            struct fs_file *f = opened.file;
            move_start(&down, e, f, 3 * MIB, 32768, 8);
            while (!step(&down) && left > 0 && left-- > 0)
                loop_turn(e->loop);
            finished = left > 0;
            for (size_t i = 0; i < down.nslots; i++)
                op_cancel(&down.slots[i].op);
            fs_abort(&f);
        } else {
            op_cancel(&opened.op);
        }
        for (int i = 0; i < 3; i++)
            loop_poll(e->loop);
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* In a process of its own: begins an upload and is killed in the middle of it. */
static void be_killed(const char *url, const char *state_dir)
{
    struct env e = {0};
    struct fs_file *f;
    struct mover up = {0};
    env_open(&e, url, state_dir, 64 * MIB);
    e.conf.part_mb = 1;
    env_view(&e, "p");
    if (sync_open(e.fs, "/killed", WRITE_NEW, &f) == GW_OK)
        (void)move(&up, &e, f, 4 * MIB, 32768, 8);
    for (int i = 0; i < 50; i++) { /* the journal is the pool's */
        usleep(10000);
        loop_poll(e.loop);
    }
    kill(getpid(), SIGKILL);
}

static bool three_uploads(void *arg)
{
    return s3_stub_uploads(((struct env *)arg)->stub) == 3;
}

static void test_sweep(void **state)
{
#ifdef __SANITIZE_THREAD__
    skip(); /* it takes no threads after a fork */
#endif
    struct env *e = *state;
    char dir[] = "/tmp/postern-test-XXXXXX", text[FS_TEXT_MAX];
    assert_non_null(mkdtemp(dir));
    char *url = stub_url(e->stub);
    pid_t pid = fork();
    if (pid == 0)
        be_killed(url, dir);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(s3_stub_uploads(e->stub), 1);

    /* Another gateway's, in the same bucket: too young to be touched. */
    const struct s3_param query[] = {{"uploads", NULL}};
    const struct s3_req theirs = {.method = "POST", .key = "theirs", .query = query, .nquery = 1};
    assert_int_equal(request(e, &theirs), GW_OK);

    struct env next = {0};
    env_open(&next, url, dir, 64 * MIB);
    next.conf.part_mb = 1;
    env_view(&next, "p");
    struct fs_file *f; /* this run's own */
    struct mover up = {0};
    assert_int_equal(sync_open(next.fs, "/running", WRITE_NEW, &f), GW_OK);
    assert_int_equal(move(&up, &next, f, 4 * MIB, 32768, 8), GW_OK);
    next.stub = e->stub;
    assert_true(sync_until(next.loop, three_uploads, &next));
    assert_int_equal(sync_sweep(next.backend, text), GW_OK);
    assert_int_equal(s3_stub_uploads(e->stub), 2);
    assert_int_equal(sync_close(&f), GW_OK);
    assert_int_equal(s3_stub_uploads(e->stub), 1);
    s3_stub_age(e->stub, 25 * 3600);
    assert_int_equal(sync_sweep(next.backend, text), GW_OK);
    assert_int_equal(s3_stub_uploads(e->stub), 0);
    assert_int_equal(s3_stub_object(e->stub, "p/killed", NULL), -1);
    env_close(&next);
    mem_free(url);
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define ROW(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)
#define STUB(f) cmocka_unit_test_setup_teardown(f, setup_stub, teardown)

int main(void)
{
    cmocka_set_test_filter(getenv("POSTERN_TEST_ONLY"));
    const struct CMUnitTest tests[] = {
        ROW(test_sizes),
        STUB(test_upload_faults),
        STUB(test_old_content_is_no_success),
        STUB(test_download_faults),
        STUB(test_changed),
        STUB(test_requests),
        STUB(test_order_of_writes),
        STUB(test_attributes),
        STUB(test_late_mtime_of_another),
        STUB(test_open_flags),
        STUB(test_many_uploads),
        STUB(test_writes_are_answered_in_order),
        STUB(test_one_session_takes_all_memory),
        STUB(test_cancel_everywhere),
        STUB(test_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
