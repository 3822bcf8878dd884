/* What runs side by side, what waits, what happens when a store is slow, fails, or the session ends
 * in the middle. The store lets each operation go when the test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/base/mem.h"
#include "tests/support/held.h"
#include "tests/support/sftp_words.h"

static struct held held;

static struct sftp_peer *peer(const struct sftp_peer_opts *more)
{
    struct sftp_peer_opts opts = {0};
    if (more != NULL)
        opts = *more;
    held_init(&held);
    opts.held = &held;
    struct sftp_peer *p = sftp_peer_new(&opts);
    sftp_peer_hello(p);
    return p;
}

static int setup(void **state)
{
    *state = peer(NULL);
    return 0;
}

static int teardown(void **state)
{
    struct sftp_peer *p = *state;
    sftp_peer_free(&p);
    assert_int_equal(held.files, 0);
    assert_int_equal(held.nwaiting, 0);
    return 0;
}

/* Everything that is under way now, in order: "write write fsync". */
static void expect_held(struct sftp_peer *p, const char *want)
{
    struct gw_buf names;
    gw_buf_init(&names, 4096);
    sftp_peer_pump(p);
    for (unsigned i = 0; held_name(&held, i) != NULL; i++)
        gw_buf_printf(&names, "%s%s", i == 0 ? "" : " ", held_name(&held, i));
    assert_string_equal(gw_buf_cstr(&names), want);
    gw_buf_free(&names);
}

static bool nothing_runs(void *arg)
{
    struct sftp_peer *p = arg;
    sftp_peer_pump(p);
    return !sftpd_busy(p->sftpd) && p->to_feed.len == 0;
}

static void finish_all(struct sftp_peer *p)
{
    held.hold = false;
    held_release_all(&held);
    assert_true(sync_until(p->loop, nothing_runs, p));
}

static bool idle_but_held(void *arg)
{
    struct sftp_peer *p = arg;
    sftp_peer_pump(p);
    return p->wakes > 0;
}

/* Lets the i-th go and waits until its request is answered. */
static void release(struct sftp_peer *p, unsigned i)
{
    p->wakes = 0;
    held_release(&held, i);
    assert_true(sync_until(p->loop, idle_but_held, p));
}

/*
 * One handle, open for reading and writing. Letters: R and r READ, W WRITE at 0, V WRITE at 100, s
 * FSTAT, S FSETSTAT, f FSYNC, c CLOSE. What must be under way before and after the first goes.
 */
static void test_order_on_a_handle(void **state)
{
    (void)state;
    static const struct {
        const char *requests, *before, *after;
    } rows[] = {
        {"RRR", "read", "read"}, /* DATA must not overtake DATA: order.c */
        {"RRs", "read", "read"},
        {"Wr", "write", "read"},
        {"Ws", "write", "fstat"},
        {"Wc", "write", "close"},
        {"Rc", "read", "close"},
        {"RRc", "read", "read"},
        {"WV", "write write", "write"},
        {"WW", "write", "write"},
        {"WVW", "write write", "write write"},
        {"RW", "read", "write"},
        {"RWr", "read", "write"},
        {"WVs", "write write", "write"},
        {"Wf", "write", "fsync"},
        {"fW", "fsync", "write"},
        {"SR", "fsetstat", "read"},
        {"WS", "write", "fsetstat"},
        {"RS", "read", "fsetstat"},
        {"fc", "fsync", "close"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sftp_peer *p = peer(NULL);
        uint8_t h[256];
        assert_int_equal(sync_put(p->raw, "/a", "some text to read"), GW_OK);
        size_t h_len = sftp_peer_open(p, "/a", READ | WRITE, h);
        held.hold = true;
        for (const char *r = rows[i].requests; *r != '\0'; r++) {
            switch (*r) {
            case 'R':
            case 'r':
                sftp_peer_put(p, FXP_READ, "xqu", H(h), Q(0), Q(4));
                break;
            case 'W':
                sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(0), "wwww");
                break;
            case 'V':
                sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(100), "vvvv");
                break;
            case 's':
                sftp_peer_put(p, FXP_FSTAT, "x", H(h));
                break;
            case 'S':
                sftp_peer_put(p, FXP_FSETSTAT, "xuuu", H(h), Q(8), Q(1), Q(2));
                break;
            case 'f':
                sftp_peer_put(p, FXP_EXTENDED, "sx", "fsync@openssh.com", H(h));
                break;
            default:
                sftp_peer_put(p, FXP_CLOSE, "x", H(h));
            }
        }
        expect_held(p, rows[i].before);
        release(p, 0);
        expect_held(p, rows[i].after);
        finish_all(p);
        sftp_peer_free(&p);
        assert_int_equal(held.files, 0);
    }
}

/* Letters: m MKDIR, s STAT, r RENAME from /a to /z, o OPEN for writing, d OPENDIR; each with a
 * path. */
static void test_order_on_paths(void **state)
{
    (void)state;
    static const struct {
        const char *requests[3], *before;
    } rows[] = {
        {{"m/a", "s/a"}, "mkdir"},
        {{"m/a", "m/a/b", "s/a/b"}, "mkdir"},
        {{"m/a", "m/b", "m/c"}, "mkdir mkdir mkdir"},
        {{"m/a", "m/ab"}, "mkdir mkdir"},
        {{"s/a", "s/a", "s/a/b"}, "stat stat stat"},
        {{"s/a/b", "m/a"}, "stat"},
        {{"s/a", "m/a/b"}, "stat"},
        {{"r/a", "s/z"}, "rename"},
        {{"r/a", "s/y"}, "rename stat"},
        {{"o/a", "s/a"}, "open"},
        {{"o/a", "o/b", "s/c"}, "open open stat"},
        {{"o/a/b", "d/a"}, "open"},
        {{"d/", "d/a", "s/"}, "opendir opendir stat"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sftp_peer *p = peer(NULL);
        held.hold = true;
        for (size_t n = 0; n < 3 && rows[i].requests[n] != NULL; n++) {
            const char *path = rows[i].requests[n] + 1;
            switch (path[-1]) {
            case 'm':
                sftp_peer_put(p, FXP_MKDIR, "su", path, Q(0));
                break;
            case 's':
                sftp_peer_put(p, FXP_STAT, "s", path);
                break;
            case 'r':
                sftp_peer_put(p, FXP_RENAME, "ss", path, "/z");
                break;
            case 'o':
                sftp_peer_put(p, FXP_OPEN, "suu", path, Q(WRITE | CREAT), Q(0));
                break;
            default:
                sftp_peer_put(p, FXP_OPENDIR, "s", path);
            }
        }
        expect_held(p, rows[i].before);
        finish_all(p);
        sftp_peer_free(&p);
    }
}

static void test_close_holds_its_path(void **state)
{
    struct sftp_peer *p = *state;
    uint8_t h[256];
    size_t h_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, h);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", H(h), Q(0), "text"), FX_OK);
    held.hold = true;
    sftp_peer_put(p, FXP_CLOSE, "x", H(h));
    sftp_peer_put(p, FXP_STAT, "s", "/a");
    sftp_peer_put(p, FXP_RENAME, "ss", "/a", "/b");
    sftp_peer_put(p, FXP_STAT, "s", "/other");
    expect_held(p, "close stat");
    /* The handle is gone for whatever comes after the CLOSE. */
    uint32_t id = sftp_peer_put(p, FXP_FSTAT, "x", H(h));
    struct sftp_reply r;
    sftp_peer_wait(p, &r);
    assert_int_equal(r.id, id);
    assert_int_equal(r.code, FX_FAILURE);
    finish_all(p);
    struct fs_attr a;
    assert_int_equal(sync_stat(p->raw, "/b", true, &a), GW_OK);
    assert_int_equal(a.size, 4);
}

static void test_answers_as_they_finish(void **state)
{
    struct sftp_peer *p = *state;
    struct sftp_reply r;
    held.hold = true;
    uint32_t first = sftp_peer_put(p, FXP_STAT, "s", "/a");
    uint32_t second = sftp_peer_put(p, FXP_STAT, "s", "/b");
    uint32_t third = sftp_peer_put(p, FXP_REALPATH, "s", "/c");
    sftp_peer_wait(p, &r);
    assert_int_equal(r.id, third);
    held_release(&held, 1);
    sftp_peer_wait(p, &r);
    assert_int_equal(r.id, second);
    held_release(&held, 0);
    sftp_peer_wait(p, &r);
    assert_int_equal(r.id, first);
}

static void test_ordered_replies(void **state)
{
    (void)state;
    static const struct {
        struct sftp_peer_opts opts;
        bool ordered;
    } rows[] = {
        {{.ordered = true}, true},
        {{.client_version = "SSH-2.0-WinSCP_release_4.1.8"}, true},
        {{.client_version = "SSH-2.0-WS_FTP-12.0"}, true},
        {{.client_version = "SSH-2.0-PuTTY_Release_0.78"}, true},
        {{.client_version = "SSH-2.0-paramiko_2.12.0"}, true},
        {{.client_version = "SSH-2.0-WinSCP_release_6.3"}, false},
        {{.client_version = "SSH-2.0-OpenSSH_9.2"}, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sftp_peer *p = peer(&rows[i].opts);
        struct sftp_reply r;
        held.hold = true;
        uint32_t first = sftp_peer_put(p, FXP_STAT, "s", "/a");
        uint32_t second = sftp_peer_put(p, FXP_REALPATH, "s", "/c");
        sftp_peer_pump(p);
        held_release_all(&held);
        sftp_peer_wait(p, &r);
        assert_int_equal(r.id, rows[i].ordered ? first : second);
        sftp_peer_wait(p, &r);
        assert_int_equal(r.id, rows[i].ordered ? second : first);
        sftp_peer_free(&p);
    }
}

static void test_requests_in_flight(void **state)
{
    (void)state;
    const struct sftp_peer_opts opts = {.max_requests = 4};
    struct sftp_peer *p = peer(&opts);
    held.hold = true;
    for (int i = 0; i < 10; i++)
        sftp_peer_put(p, FXP_STAT, "s", "/a");
    expect_held(p, "stat stat stat stat");
    assert_true(p->to_feed.len > 0);
    release(p, 2);
    expect_held(p, "stat stat stat stat");
    finish_all(p);
    struct sftp_reply r;
    for (int i = 0; i < 10; i++)
        assert_true(sftp_peer_next(p, &r));
    assert_false(sftp_peer_next(p, &r));
    sftp_peer_free(&p);
}

/* A store that does not take what is written stops its client. */
static void test_writes_under_way(void **state)
{
    struct sftp_peer *p = *state;
    enum { CHUNK = 32 * 1024, CHUNKS = 100 };
    uint8_t h[256];
    static uint8_t data[CHUNK];
    size_t h_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, h);
    held.hold = true;
    for (unsigned i = 0; i < CHUNKS; i++)
        sftp_peer_put(p, FXP_WRITE, "xqx", H(h), Q(i) * CHUNK, gw_span_of(data, CHUNK));
    sftp_peer_put(p, FXP_CLOSE, "x", H(h));
    sftp_peer_pump(p);
    assert_int_equal(held.nwaiting, 16);
    assert_true(p->to_feed.len > (CHUNKS - 18) * CHUNK);
    release(p, 0);
    sftp_peer_pump(p);
    assert_int_equal(held.nwaiting, 16);
    finish_all(p);
    struct sftp_reply r;
    for (unsigned i = 0; i <= CHUNKS; i++) {
        assert_true(sftp_peer_next(p, &r));
        assert_int_equal(r.code, FX_OK);
    }
    struct fs_attr a;
    assert_int_equal(sync_stat(p->raw, "/a", true, &a), GW_OK);
    assert_int_equal(a.size, CHUNK * CHUNKS);
}

static void test_a_failed_write_is_never_committed(void **state)
{
    struct sftp_peer *p = *state;
    struct sftp_reply r;
    uint8_t h[256];
    size_t h_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, h);
    held.hold = true;
    sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(0), "one");
    sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(3), "two");
    sftp_peer_put(p, FXP_CLOSE, "x", H(h));
    sftp_peer_pump(p);
    held_fail(&held, 0, GW_QUOTA, "the quota of 3 bytes is used up");
    sftp_peer_wait(p, &r);
    assert_int_equal(r.code, FX_FAILURE);
    assert_true(gw_span_eq(r.text, "the quota of 3 bytes is used up"));
    held.hold = false;
    held_release_all(&held);
    assert_int_equal(sftp_peer_status(p), FX_OK);
    assert_int_equal(sftp_peer_status(p), FX_FAILURE);
    assert_int_equal(held.committed, 0);
    assert_int_equal(held.aborted, 1);
    struct fs_attr a;
    assert_int_equal(sync_stat(p->raw, "/a", true, &a), GW_NOT_FOUND);
}

static void test_a_failed_close_says_so(void **state)
{
    struct sftp_peer *p = *state;
    struct sftp_reply r;
    uint8_t h[256];
    size_t h_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, h);
    held.hold = true;
    sftp_peer_put(p, FXP_CLOSE, "x", H(h));
    sftp_peer_pump(p);
    held_fail(&held, 0, GW_UPSTREAM, "S3 InternalError, request 1");
    sftp_peer_wait(p, &r);
    assert_int_equal(r.code, FX_FAILURE);
    assert_true(gw_span_eq(r.text, "S3 InternalError, request 1"));
    held.hold = false;
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(h)), FX_FAILURE);
}

/* Requests of every kind, answered by a store that fails each of them: the status, and no more. */
static void test_store_errors(void **state)
{
    struct sftp_peer *p = *state;
    static const struct {
        enum gw_err err;
        uint32_t code;
    } rows[] = {
        {GW_NOT_FOUND, FX_NO_SUCH_FILE},     {GW_NO_PATH, FX_NO_SUCH_FILE},
        {GW_DENIED, FX_PERMISSION_DENIED},   {GW_READ_ONLY, FX_PERMISSION_DENIED},
        {GW_UNSUPPORTED, FX_OP_UNSUPPORTED}, {GW_TIMEOUT, FX_FAILURE},
        {GW_UPSTREAM, FX_FAILURE},           {GW_IO, FX_FAILURE},
    };
    held.hold = true;
    for (size_t i = 0; i < COUNT(rows); i++) {
        sftp_peer_put(p, FXP_STAT, "s", "/a");
        sftp_peer_put(p, FXP_OPEN, "suu", "/b", Q(READ), Q(0));
        sftp_peer_put(p, FXP_OPENDIR, "s", "/c");
        sftp_peer_put(p, FXP_REMOVE, "s", "/d");
        sftp_peer_put(p, FXP_READLINK, "s", "/e");
        sftp_peer_put(p, FXP_EXTENDED, "ss", "statvfs@openssh.com", "/f");
        sftp_peer_put(p, FXP_RENAME, "ss", "/g", "/h");
        sftp_peer_pump(p);
        while (held.nwaiting > 0) {
            struct sftp_reply r;
            held_fail(&held, 0, rows[i].err, "because");
            sftp_peer_wait(p, &r);
            assert_int_equal(r.code, rows[i].code);
            assert_true(gw_span_eq(r.text, "because"));
        }
    }
}

/* A session of every operation on a store that holds. Stopped after `steps` operations of the
 * store: the session ends there. Returns false when there was nothing left to hold. */
static void drive(struct sftp_peer *p)
{
    uint8_t f[256];
    uint8_t g[256];
    uint8_t d[256];
    size_t f_len = sftp_peer_open(p, "/f", READ | WRITE | CREAT, f);
    size_t g_len = sftp_peer_open(p, "/g", WRITE | CREAT, g);
    size_t d_len = sftp_peer_opendir(p, "/", d);
    held.hold = true;
    sftp_peer_put(p, FXP_WRITE, "xqs", H(f), Q(0), "one");
    sftp_peer_put(p, FXP_WRITE, "xqs", H(f), Q(0), "two");
    sftp_peer_put(p, FXP_READ, "xqu", H(f), Q(0), Q(10));
    sftp_peer_put(p, FXP_FSETSTAT, "xuuu", H(f), Q(8), Q(1), Q(2));
    sftp_peer_put(p, FXP_STAT, "s", "/f");
    sftp_peer_put(p, FXP_EXTENDED, "sx", "fsync@openssh.com", H(f));
    sftp_peer_put(p, FXP_EXTENDED, "sxqqxq", "copy-data", H(f), Q(0), Q(0), H(g), Q(0));
    sftp_peer_put(p, FXP_READDIR, "x", H(d));
    sftp_peer_put(p, FXP_READDIR, "x", H(d));
    sftp_peer_put(p, FXP_CLOSE, "x", H(f));
    sftp_peer_put(p, FXP_CLOSE, "x", H(d));
    sftp_peer_put(p, FXP_CLOSE, "x", H(g));
    sftp_peer_put(p, FXP_SETSTAT, "suuu", "/f", Q(8), Q(1), Q(2));
    sftp_peer_put(p, FXP_OPEN, "suu", "/h", Q(WRITE | CREAT), Q(0));
    sftp_peer_put(p, FXP_OPENDIR, "s", "/");
    sftp_peer_put(p, FXP_MKDIR, "su", "/m", Q(0));
    sftp_peer_put(p, FXP_RMDIR, "s", "/m");
    sftp_peer_put(p, FXP_RENAME, "ss", "/g", "/n");
    sftp_peer_put(p, FXP_RENAME, "ss", "/n", "/n");
    sftp_peer_put(p, FXP_SYMLINK, "ss", "n", "/l");
    sftp_peer_put(p, FXP_READLINK, "s", "/l");
    sftp_peer_put(p, FXP_EXTENDED, "sss", "hardlink@openssh.com", "/n", "/o");
    sftp_peer_put(p, FXP_EXTENDED, "ss", "statvfs@openssh.com", "/");
    sftp_peer_put(p, FXP_LSTAT, "s", "/l");
    sftp_peer_put(p, FXP_REMOVE, "s", "/n");
    sftp_peer_pump(p);
}

static void test_end_at_every_step(void **state)
{
    (void)state;
    bool more = true;
    unsigned step = 0;
    for (; more; step++) {
        struct sftp_peer *p = peer(NULL);
        drive(p);
        for (unsigned n = 0; n < step && more; n++) {
            more = held.nwaiting > 0;
            if (more)
                release(p, n % held.nwaiting);
        }
        unsigned wakes = p->wakes;
        sftpd_free(&p->sftpd);
        /* Nothing of it calls back, and nothing of it is left in the store. */
        for (int i = 0; i < 5; i++)
            loop_poll(p->loop);
        assert_int_equal(p->wakes, wakes);
        assert_int_equal(held.files, 0);
        assert_int_equal(held.nwaiting, 0);
        sftp_peer_free(&p);
    }
    assert_true(step > 20);
}

/* The same, each of the operations failing once. */
static void test_failure_at_every_step(void **state)
{
    (void)state;
    bool more = true;
    unsigned step = 0;
    for (; more; step++) {
        struct sftp_peer *p = peer(NULL);
        drive(p);
        for (unsigned n = 0; n < step && more; n++) {
            more = held.nwaiting > 0;
            if (more)
                release(p, 0);
        }
        if (held.nwaiting > 0)
            held_fail(&held, 0, GW_IO, NULL);
        finish_all(p);
        struct sftp_reply r;
        unsigned replies = 0;
        while (sftp_peer_next(p, &r))
            replies++;
        assert_int_equal(replies, 25);
        sftp_peer_free(&p);
        assert_int_equal(held.files, 0);
    }
    assert_true(step > 20);
}

static void test_copy_through_the_gateway(void **state)
{
    (void)state;
    static const struct {
        uint64_t len;
        uint32_t code;
    } rows[] = {{0, FX_OK}, {300 * 1024, FX_OK}, {1, FX_OK}, {700 * 1024, FX_EOF}};
    enum { SIZE = 600 * 1024 };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sftp_peer *p = peer(NULL);
        uint8_t a[256];
        uint8_t b[256];
        struct fs_file *file;
        uint8_t *data = mem_alloc(SIZE);
        memset(data, 'x', SIZE);
        assert_int_equal(sync_open(p->raw, "/a", FS_WRITE | FS_CREATE, &file), GW_OK);
        assert_int_equal(sync_write(file, 0, data, SIZE), GW_OK);
        assert_int_equal(sync_close(&file), GW_OK);
        mem_free(data);
        size_t a_len = sftp_peer_open(p, "/a", READ, a);
        size_t b_len = sftp_peer_open(p, "/b", WRITE | CREAT, b);
        held.hold = true;
        sftp_peer_put(p, FXP_EXTENDED, "sxqqxq", "copy-data", H(a), Q(0), rows[i].len, H(b), Q(0));
        expect_held(p, "fstat");
        release(p, 0);
        expect_held(p, "copy");
        held.hold = false;
        held_fail(&held, 0, GW_UNSUPPORTED, NULL);
        assert_int_equal(sftp_peer_status(p), rows[i].code);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(b)), FX_OK);
        struct fs_attr attr;
        assert_int_equal(sync_stat(p->raw, "/b", true, &attr), GW_OK);
        assert_int_equal(attr.size,
                         rows[i].len == 0 || rows[i].len > SIZE ? (uint64_t)SIZE : rows[i].len);
        sftp_peer_free(&p);
    }
}

/* Two names of one file: what is written is not copied again, without an end. */
static void test_copy_behind_its_own_end(void **state)
{
    (void)state;
    static const uint64_t lens[] = {0, 10, 1000000};
    for (size_t i = 0; i < COUNT(lens); i++) {
        struct sftp_peer *p = peer(NULL);
        uint8_t a[256];
        uint8_t b[256];
        struct fs_attr attr;
        assert_int_equal(sync_put(p->raw, "/a", "0123456789"), GW_OK);
        assert_int_equal(sync_symlink(p->raw, "/a", "/link"), GW_OK);
        size_t a_len = sftp_peer_open(p, "/a", READ, a);
        size_t b_len = sftp_peer_open(p, "/link", WRITE, b);
        held.hold = true;
        sftp_peer_put(p, FXP_EXTENDED, "sxqqxq", "copy-data", H(a), Q(0), lens[i], H(b), Q(10));
        expect_held(p, "fstat");
        release(p, 0);
        expect_held(p, "copy");
        held.hold = false;
        held_fail(&held, 0, GW_UNSUPPORTED, NULL);
        assert_int_equal(sftp_peer_status(p), lens[i] > 10 ? FX_EOF : FX_OK);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(b)), FX_OK);
        assert_int_equal(sync_stat(p->raw, "/a", true, &attr), GW_OK);
        assert_int_equal(attr.size, 20);
        sftp_peer_free(&p);
    }
}

/* Long names that differ at their end only: what waits must not cost the square of what is under
 * way at each end, for the loop has others to serve. */
static void test_waiting_costs_little(void **state)
{
    (void)state;
    enum { HALF = 250, FOLDERS = 15 };
    struct sftp_peer *p = peer(&(struct sftp_peer_opts){.max_requests = 2 * HALF});
    struct gw_buf folder;
    gw_buf_init(&folder, 8192);
    for (unsigned i = 0; i < FOLDERS; i++)
        gw_buf_printf(&folder, "/%0250u", i);
    held.hold = true;
    for (unsigned i = 0; i < 2 * HALF; i++) {
        char from[4096];
        char to[4096];
        snprintf(from, sizeof from, "%s/%u", gw_buf_cstr(&folder), i % HALF);
        snprintf(to, sizeof to, "%s/x%u", gw_buf_cstr(&folder), i % HALF);
        sftp_peer_put(p, FXP_RENAME, "ss", from, to);
        sftp_peer_pump(p);
    }
    assert_int_equal(held.nwaiting, HALF);
    clock_t begin = clock();
    finish_all(p);
    assert_true(clock() - begin < 4 * CLOCKS_PER_SEC);
    gw_buf_free(&folder);
    sftp_peer_free(&p);
}

int main(void)
{
    log_level_now = LOG_LVL_ERROR;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_on_a_handle),
        cmocka_unit_test(test_order_on_paths),
        cmocka_unit_test_setup_teardown(test_close_holds_its_path, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_as_they_finish, setup, teardown),
        cmocka_unit_test(test_ordered_replies),
        cmocka_unit_test(test_requests_in_flight),
        cmocka_unit_test_setup_teardown(test_writes_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_write_is_never_committed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_close_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_errors, setup, teardown),
        cmocka_unit_test(test_end_at_every_step),
        cmocka_unit_test(test_failure_at_every_step),
        cmocka_unit_test(test_copy_through_the_gateway),
        cmocka_unit_test(test_copy_behind_its_own_end),
        cmocka_unit_test(test_waiting_costs_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
