/* The engine from the client's side: what a well-behaved client gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "tests/support/sftp_words.h"

static void expect_text(struct sftp_peer *p, const char *path, const char *want)
{
    char text[256];
    assert_int_equal(sync_get(p->raw, path, text, sizeof text), GW_OK);
    assert_string_equal(text, want);
}

static void test_version_announces(void **state)
{
    (void)state;
    static const char *const wanted[][2] = {
        {"posix-rename@openssh.com", "1"},
        {"statvfs@openssh.com", "2"},
        {"fstatvfs@openssh.com", "2"},
        {"hardlink@openssh.com", "1"},
        {"fsync@openssh.com", "1"},
        {"lsetstat@openssh.com", "1"},
        {"limits@openssh.com", "1"},
        {"expand-path@openssh.com", "1"},
        {"copy-data", "1"},
        {"home-directory", "1"},
        {"users-groups-by-id@openssh.com", "1"},
        {"versions", "3"},
    };
    for (uint32_t version = 0; version <= 7; version++) {
        struct sftp_peer *p = sftp_peer_new(NULL);
        /* Extension pairs may follow INIT's version. */
        uint8_t init[] = {0, 0, 0, 14, FXP_INIT, 0, 0, 0, (uint8_t)version,
                          0, 0, 0, 1,  'x',      0, 0, 0, 0};
        sftp_peer_put_raw(p, gw_span_of(init, sizeof init));
        struct sftp_reply r;
        sftp_peer_wait(p, &r);
        assert_int_equal(r.type, FXP_VERSION);
        assert_int_equal(r.id, 3);
        size_t found = 0;
        while (gw_rd_left(&r.body) > 0) {
            struct gw_span name = gw_rd_str(&r.body, 64);
            struct gw_span value = gw_rd_str(&r.body, 64);
            assert_false(r.body.failed);
            for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
                found += gw_span_eq(name, wanted[i][0]) && gw_span_eq(value, wanted[i][1]);
        }
        assert_int_equal(found, sizeof wanted / sizeof wanted[0]);
        sftp_peer_free(&p);
    }
}

static void test_write_then_read(void **state)
{
    struct sftp_peer *p = *state;
    uint8_t h[256];
    size_t h_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, h);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", H(h), Q(0), "hello"), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", H(h), Q(5), " world"), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(h)), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(h)), FX_FAILURE);
    expect_text(p, "/a", "hello world");

    h_len = sftp_peer_open(p, "/a", READ, h);
    struct sftp_reply r;
    uint32_t id = sftp_peer_put(p, FXP_READ, "xqu", H(h), Q(6), Q(100));
    sftp_peer_wait(p, &r);
    assert_int_equal(r.type, FXP_DATA);
    assert_int_equal(r.id, id);
    assert_true(gw_span_eq(gw_rd_str(&r.body, 100), "world"));
    assert_true(gw_rd_done(&r.body));
    assert_int_equal(SFTP_PEER_ASK(p, FXP_READ, "xqu", H(h), Q(11), Q(1)), FX_EOF);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(h)), FX_OK);
    struct sftpd_counters c = sftpd_counters(p->sftpd);
    assert_int_equal(c.bytes_read, 5);
    assert_int_equal(c.bytes_written, 11);
}

static void expect_attrs(struct sftp_peer *p, uint32_t mode_type, uint64_t size)
{
    struct sftp_reply r;
    sftp_peer_wait(p, &r);
    assert_int_equal(r.type, FXP_ATTRS);
    uint32_t flags = gw_rd_u32(&r.body);
    if (flags & 1) {
        uint64_t got = gw_rd_u64(&r.body);
        if (mode_type == 0100000)
            assert_int_equal(got, size);
    } else {
        assert_int_not_equal(mode_type, 0100000);
    }
    if (flags & 2)
        (void)gw_rd_u64(&r.body);
    assert_int_equal(flags & 4, 4);
    assert_int_equal(gw_rd_u32(&r.body) & 0170000, mode_type);
}

static void test_stat_of_what_is_written(void **state)
{
    struct sftp_peer *p = *state;
    assert_int_equal(sync_put(p->raw, "/a", "old content"), GW_OK);
    uint8_t h[256];
    size_t h_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, h);
    sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(0), "new");
    sftp_peer_put(p, FXP_STAT, "s", "/a");
    assert_int_equal(sftp_peer_status(p), FX_OK);
    expect_attrs(p, 0100000, 3);
    sftp_peer_put(p, FXP_FSTAT, "x", H(h));
    expect_attrs(p, 0100000, 3);
    /* What others see is still the old one. */
    expect_text(p, "/a", "old content");
    sftp_peer_put(p, FXP_CLOSE, "x", H(h));
    sftp_peer_put(p, FXP_LSTAT, "s", "//a/.");
    assert_int_equal(sftp_peer_status(p), FX_OK);
    expect_attrs(p, 0100000, 3);
    expect_text(p, "/a", "new");
}

/* sshfs sends OPEN and LSTAT together and needs both to succeed. */
static void test_open_and_lstat_pipelined(void **state)
{
    struct sftp_peer *p = *state;
    sftp_peer_put(p, FXP_OPEN, "suu", "/new", Q(WRITE | CREAT | EXCL), Q(0));
    sftp_peer_put(p, FXP_LSTAT, "s", "/new");
    struct sftp_reply r;
    sftp_peer_wait(p, &r);
    assert_int_equal(r.type, FXP_HANDLE);
    expect_attrs(p, 0100000, 0);
}

static void test_path_requests(void **state)
{
    struct sftp_peer *p = *state;
    assert_int_equal(SFTP_PEER_ASK(p, FXP_MKDIR, "su", "/d", Q(0)), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_MKDIR, "su", "/d", Q(0)), FX_FAILURE);
    sftp_peer_put(p, FXP_STAT, "s", "d/.");
    expect_attrs(p, 0040000, 0);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_STAT, "s", "/none"), FX_NO_SUCH_FILE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_OPEN, "suu", "/none", Q(READ), Q(0)), FX_NO_SUCH_FILE);
    assert_int_equal(sync_put(p->raw, "/d/x", "x"), GW_OK);
    assert_int_equal(sync_put(p->raw, "/d/y", "y"), GW_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_RMDIR, "s", "/d"), FX_FAILURE);
    /* Version 3's RENAME never replaces; some clients append flags. */
    assert_int_equal(SFTP_PEER_ASK(p, FXP_RENAME, "ss", "/d/x", "/d/y"), FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_RENAME, "ss", "/d/none", "/d/z"), FX_NO_SUCH_FILE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_RENAME, "ss", "/d", "/d/sub/e"), FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_RENAME, "ss", "/d/x", "/d/x"), FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_RENAME, "ssu", "/d/x", "/d/z", Q(1)), FX_OK);
    expect_text(p, "/d/z", "x");
    assert_int_equal(
        SFTP_PEER_ASK(p, FXP_EXTENDED, "sss", "posix-rename@openssh.com", "/d/z", "/d/y"), FX_OK);
    expect_text(p, "/d/y", "x");
    assert_int_equal(
        SFTP_PEER_ASK(p, FXP_EXTENDED, "sss", "posix-rename@openssh.com", "/d/y", "/d/y"), FX_OK);
    expect_text(p, "/d/y", "x");
    assert_int_equal(SFTP_PEER_ASK(p, FXP_REMOVE, "s", "/d"), FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_REMOVE, "s", "/d/y"), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_REMOVE, "s", "/d/y"), FX_NO_SUCH_FILE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_RMDIR, "s", "/d"), FX_OK);
}

/* Requests that name each other's paths keep their order, though replies need not be waited for. */
static void test_pipelined_paths_in_order(void **state)
{
    struct sftp_peer *p = *state;
    sftp_peer_put(p, FXP_MKDIR, "su", "/a", Q(0));
    sftp_peer_put(p, FXP_MKDIR, "su", "/a/b", Q(0));
    sftp_peer_put(p, FXP_RENAME, "ss", "/a", "/c");
    sftp_peer_put(p, FXP_RMDIR, "s", "/c/b");
    sftp_peer_put(p, FXP_RMDIR, "s", "/c");
    for (int i = 0; i < 5; i++)
        assert_int_equal(sftp_peer_status(p), FX_OK);
}

static void expect_name(struct sftp_peer *p, const char *want)
{
    struct sftp_reply r;
    sftp_peer_wait(p, &r);
    assert_int_equal(r.type, FXP_NAME);
    assert_int_equal(gw_rd_u32(&r.body), 1);
    assert_true(gw_span_eq(gw_rd_str(&r.body, 4096), want));
    assert_true(gw_span_eq(gw_rd_str(&r.body, 4096), want));
    assert_int_equal(gw_rd_u32(&r.body), 0);
    assert_true(gw_rd_done(&r.body));
}

static void test_realpath_and_homes(void **state)
{
    struct sftp_peer *p = *state;
    static const char *const rows[][2] = {
        {"", "/"},
        {".", "/"},
        {"/", "/"},
        {"/no/such/..", "/no"},
        {"../../x", "/x"},
        {"//a///b/", "/a/b"},
        {"a/./b", "/a/b"},
        {"%2e%2e", "/%2e%2e"},
        {"a\\..\\b", "/a\\..\\b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sftp_peer_put(p, FXP_REALPATH, "s", rows[i][0]);
        expect_name(p, rows[i][1]);
    }
    static const char *const tilde[][2] = {
        {"~", "/"}, {"~/x/../y", "/y"}, {"~//x", "/x"}, {"z", "/z"}};
    for (size_t i = 0; i < sizeof tilde / sizeof tilde[0]; i++) {
        sftp_peer_put(p, FXP_EXTENDED, "ss", "expand-path@openssh.com", tilde[i][0]);
        expect_name(p, tilde[i][1]);
    }
    assert_int_equal(SFTP_PEER_ASK(p, FXP_EXTENDED, "ss", "expand-path@openssh.com", "~root/x"),
                     FX_NO_SUCH_FILE);
    sftp_peer_put(p, FXP_EXTENDED, "ss", "home-directory", "");
    expect_name(p, "/");
}

/* All names of a folder, each with a blank; *packets counts the NAMEs. */
static void list(struct sftp_peer *p, const char *path, struct gw_buf *names, unsigned *packets)
{
    uint8_t h[256];
    size_t h_len = sftp_peer_opendir(p, path, h);
    for (*packets = 0;; (*packets)++) {
        struct sftp_reply r;
        sftp_peer_put(p, FXP_READDIR, "x", H(h));
        sftp_peer_wait(p, &r);
        if (r.type == FXP_STATUS) {
            assert_int_equal(r.code, FX_EOF);
            break;
        }
        assert_int_equal(r.type, FXP_NAME);
        uint32_t n = gw_rd_u32(&r.body);
        assert_true(n > 0);
        for (uint32_t i = 0; i < n; i++) {
            struct gw_span name = gw_rd_str(&r.body, 4096);
            struct gw_span longname = gw_rd_str(&r.body, 8192);
            gw_buf_put(names, name.ptr, name.len);
            gw_buf_put_u8(names, ' ');
            assert_true(longname.len > name.len);
            assert_memory_equal(longname.ptr + longname.len - name.len, name.ptr, name.len);
            uint32_t flags = gw_rd_u32(&r.body);
            size_t skip = ((flags & 1) ? 8u : 0u) + ((flags & 2) ? 8u : 0u) +
                          ((flags & 4) ? 4u : 0u) + ((flags & 8) ? 8u : 0u);
            (void)gw_rd_bytes(&r.body, skip);
        }
        assert_true(gw_rd_done(&r.body));
    }
    assert_int_equal(SFTP_PEER_ASK(p, FXP_READDIR, "x", H(h)), FX_EOF);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(h)), FX_OK);
}

static void test_listing(void **state)
{
    (void)state;
    static const struct {
        uint32_t page, files;
    } rows[] = {{100, 0}, {100, 1}, {1, 5}, {7, 20}, {100, 250}, {1000, 900}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct sftp_peer_opts opts = {.page = rows[i].page};
        struct sftp_peer *p = sftp_peer_new(&opts);
        sftp_peer_hello(p);
        assert_int_equal(sync_mkdir(p->raw, "/d"), GW_OK);
        for (uint32_t n = 0; n < rows[i].files; n++) {
            char path[64];
            snprintf(path, sizeof path, "/d/f%03u", n);
            assert_int_equal(sync_put(p->raw, path, "x"), GW_OK);
        }
        struct gw_buf names;
        gw_buf_init(&names, 1u << 20);
        unsigned packets;
        list(p, "/d", &names, &packets);
        assert_int_equal(names.len, 5 + 5 * rows[i].files);
        assert_memory_equal(names.data, ". .. ", 5);
        /* As few answers as pages, where a page fits into an answer. */
        if (rows[i].page <= 100)
            assert_true(packets <= rows[i].files / rows[i].page + 1);
        gw_buf_free(&names);
        sftp_peer_free(&p);
    }
}

static void test_setstat(void **state)
{
    struct sftp_peer *p = *state;
    struct fs_attr a;
    assert_int_equal(sync_put(p->raw, "/a", "hello"), GW_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SETSTAT, "suuu", "/a", Q(8), Q(111), Q(222)), FX_OK);
    assert_int_equal(sync_stat(p->raw, "/a", true, &a), GW_OK);
    assert_int_equal(a.mtime_s, 222);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SETSTAT, "suq", "/a", Q(1), Q(2)), FX_OK);
    expect_text(p, "/a", "he");
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SETSTAT, "su", "/a", Q(0)), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SETSTAT, "su", "/none", Q(0)), FX_NO_SUCH_FILE);
    assert_int_equal(
        SFTP_PEER_ASK(p, FXP_EXTENDED, "ssuu", "lsetstat@openssh.com", "/a", Q(4), Q(0100600)),
        FX_OK);
    assert_int_equal(sync_stat(p->raw, "/a", true, &a), GW_OK);
    assert_int_equal(a.mode, 0600);
    uint8_t h[256];
    size_t h_len = sftp_peer_open(p, "/b", WRITE | CREAT | TRUNC, h);
    sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(0), "bytes");
    sftp_peer_put(p, FXP_FSETSTAT, "xuuuu", H(h), Q(12), Q(0640), Q(5), Q(6));
    sftp_peer_put(p, FXP_CLOSE, "x", H(h));
    for (int i = 0; i < 3; i++)
        assert_int_equal(sftp_peer_status(p), FX_OK);
    assert_int_equal(sync_stat(p->raw, "/b", true, &a), GW_OK);
    assert_int_equal(a.mode, 0640);
    assert_int_equal(a.mtime_s, 6);
}

static void test_links_and_space(void **state)
{
    struct sftp_peer *p = *state;
    assert_int_equal(sync_put(p->raw, "/a", "hello"), GW_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SYMLINK, "ss", "a", "/l"), FX_OK);
    sftp_peer_put(p, FXP_READLINK, "s", "/l");
    expect_name(p, "a");
    sftp_peer_put(p, FXP_LSTAT, "s", "/l");
    expect_attrs(p, 0120000, 0);
    sftp_peer_put(p, FXP_STAT, "s", "/l");
    expect_attrs(p, 0100000, 5);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_EXTENDED, "sss", "hardlink@openssh.com", "/a", "/h"),
                     FX_OK);
    expect_text(p, "/h", "hello");
    struct sftp_reply r;
    uint8_t h[256];
    size_t h_len = sftp_peer_open(p, "/a", READ, h);
    sftp_peer_put(p, FXP_EXTENDED, "ss", "statvfs@openssh.com", "/");
    sftp_peer_put(p, FXP_EXTENDED, "sx", "fstatvfs@openssh.com", H(h));
    for (int i = 0; i < 2; i++) {
        sftp_peer_wait(p, &r);
        assert_int_equal(r.type, FXP_EXTENDED_REPLY);
        assert_int_equal(gw_rd_left(&r.body), 11 * 8);
    }
}

static void test_session_extensions(void **state)
{
    struct sftp_peer *p = *state;
    struct sftp_reply r;
    sftp_peer_put(p, FXP_EXTENDED, "s", "limits@openssh.com");
    sftp_peer_wait(p, &r);
    assert_int_equal(r.type, FXP_EXTENDED_REPLY);
    assert_true(gw_rd_u64(&r.body) >= 34000);
    assert_true(gw_rd_u64(&r.body) >= 32768);
    assert_true(gw_rd_u64(&r.body) >= 32768);
    assert_int_equal(gw_rd_u64(&r.body), 16);
    assert_true(gw_rd_done(&r.body));
    static const uint8_t two[8] = {0, 0, 0, 1, 0, 0, 0, 2};
    sftp_peer_put(p, FXP_EXTENDED, "sxx", "users-groups-by-id@openssh.com",
                  gw_span_of(two, sizeof two), gw_span_of(two, 4));
    sftp_peer_wait(p, &r);
    assert_int_equal(r.type, FXP_EXTENDED_REPLY);
    assert_int_equal(gw_rd_str(&r.body, 100).len, 8);
    assert_int_equal(gw_rd_str(&r.body, 100).len, 4);
    assert_true(gw_rd_done(&r.body));
    assert_int_equal(SFTP_PEER_ASK(p, FXP_EXTENDED, "sxx", "users-groups-by-id@openssh.com",
                                   gw_span_of(two, 5), gw_span_of(two, 4)),
                     FX_BAD_MESSAGE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_EXTENDED, "s", "vendor-id"), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_EXTENDED, "s", "nobody@knows"), FX_OP_UNSUPPORTED);
    assert_int_equal(SFTP_PEER_ASK(p, 22, "s", "x"), FX_OP_UNSUPPORTED);
}

static void test_copy_data(void **state)
{
    struct sftp_peer *p = *state;
    static const struct {
        uint64_t off, len, to;
        uint32_t code;
        const char *want;
    } rows[] = {
        {0, 0, 0, FX_OK, "0123456789"},
        {2, 3, 0, FX_OK, "234"},
        {8, 0, 0, FX_OK, "89"},
        {8, 5, 0, FX_EOF, "89"},
        {0, Q(1) << 63, 0, FX_FAILURE, ""},
        {Q(1) << 63, 1, 0, FX_FAILURE, ""},
        {0, 1, UINT64_MAX, FX_FAILURE, ""},
    };
    assert_int_equal(sync_put(p->raw, "/from", "0123456789"), GW_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t a[256];
        uint8_t b[256];
        size_t a_len = sftp_peer_open(p, "/from", READ, a);
        size_t b_len = sftp_peer_open(p, "/to", WRITE | CREAT | TRUNC, b);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_EXTENDED, "sxqqxq", "copy-data", H(a), rows[i].off,
                                       rows[i].len, H(b), rows[i].to),
                         rows[i].code);
        assert_int_equal(
            SFTP_PEER_ASK(p, FXP_EXTENDED, "sxqqxq", "copy-data", H(a), Q(0), Q(0), H(a), Q(0)),
            FX_FAILURE);
        assert_int_equal(
            SFTP_PEER_ASK(p, FXP_EXTENDED, "sxqqxq", "copy-data", H(b), Q(0), Q(0), H(a), Q(0)),
            FX_FAILURE);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(a)), FX_OK);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(b)), FX_OK);
        expect_text(p, "/to", rows[i].want);
    }
    /* One file by two handles: the end that it is copied to would never come. */
    uint8_t a[256];
    uint8_t b[256];
    size_t a_len = sftp_peer_open(p, "/from", READ, a);
    size_t b_len = sftp_peer_open(p, "/from", WRITE, b);
    assert_int_equal(
        SFTP_PEER_ASK(p, FXP_EXTENDED, "sxqqxq", "copy-data", H(a), Q(0), Q(0), H(b), Q(10)),
        FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(a)), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(b)), FX_OK);
    expect_text(p, "/from", "0123456789");
}

static void test_append_and_fsync(void **state)
{
    struct sftp_peer *p = *state;
    uint8_t h[256];
    assert_int_equal(sync_put(p->raw, "/a", "one"), GW_OK);
    size_t h_len = sftp_peer_open(p, "/a", WRITE | APPEND, h);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", H(h), Q(0), "two"), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_EXTENDED, "sx", "fsync@openssh.com", H(h)), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(h)), FX_OK);
    expect_text(p, "/a", "onetwo");
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, sftp_peer_setup, sftp_peer_teardown)

int main(void)
{
    log_level_now = LOG_LVL_ERROR;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_announces),
        ROW(test_write_then_read),
        ROW(test_stat_of_what_is_written),
        ROW(test_open_and_lstat_pipelined),
        ROW(test_path_requests),
        ROW(test_pipelined_paths_in_order),
        ROW(test_realpath_and_homes),
        cmocka_unit_test(test_listing),
        ROW(test_setstat),
        ROW(test_links_and_space),
        ROW(test_session_extensions),
        ROW(test_copy_data),
        ROW(test_append_and_fsync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
