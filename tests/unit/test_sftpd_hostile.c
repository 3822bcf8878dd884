/* The engine from the side of a peer that is hostile, old or unlucky: SFTP.md's rows as tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "tests/support/sftp_words.h"

#define BYTES(...) .bytes = {__VA_ARGS__}, .len = sizeof((uint8_t[]){__VA_ARGS__})

static void test_packets_that_end_the_session(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool hello;
        uint8_t bytes[16];
        size_t len;
    } rows[] = {
        {"length 0", true, BYTES(0, 0, 0, 0)},
        {"length 0 first", false, BYTES(0, 0, 0, 0)},
        {"length 2^32-1", true, BYTES(0xff, 0xff, 0xff, 0xff, 3)},
        {"over the maximum", true, BYTES(0, 4, 4, 1, 3)},
        {"no id", true, BYTES(0, 0, 0, 1, FXP_STAT)},
        {"half an id", true, BYTES(0, 0, 0, 3, FXP_STAT, 0, 0)},
        {"before INIT", false, BYTES(0, 0, 0, 5, FXP_STAT, 0, 0, 0, 1)},
        {"second INIT", true, BYTES(0, 0, 0, 5, FXP_INIT, 0, 0, 0, 3)},
        {"INIT without a version", false, BYTES(0, 0, 0, 2, FXP_INIT, 0)},
        {"VERSION from a client", false, BYTES(0, 0, 0, 5, FXP_VERSION, 0, 0, 0, 3)},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sftp_peer *p = sftp_peer_new(NULL);
        const char *why = NULL;
        if (rows[i].hello)
            sftp_peer_hello(p);
        assert_false(sftpd_finished(p->sftpd, &why));
        sftp_peer_put_raw(p, gw_span_of(rows[i].bytes, rows[i].len));
        sftp_peer_pump(p);
        if (!sftpd_finished(p->sftpd, &why) || why == NULL)
            fail_msg("%s: the session goes on", rows[i].name);
        /* Whatever follows is taken and dropped. */
        assert_int_equal(sftpd_feed(p->sftpd, gw_span_of("garbage", 7)), 7);
        assert_int_equal(sftpd_output(p->sftpd).len, 0);
        sftp_peer_free(&p);
    }
}

static void test_eof(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[16];
        size_t len;
        bool complaint;
    } rows[] = {
        {.len = 0},
        {BYTES(0, 0), .complaint = true},
        {BYTES(0, 0, 0, 9, FXP_STAT, 0), .complaint = true},
        {BYTES(0, 0, 0, 10, FXP_STAT, 0, 0, 0, 1, 0, 0, 0, 1, '/')},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sftp_peer *p = sftp_peer_new(NULL);
        const char *why = NULL;
        sftp_peer_hello(p);
        size_t took = sftpd_feed(p->sftpd, gw_span_of(rows[i].bytes, rows[i].len));
        assert_int_equal(took, rows[i].len);
        sftpd_eof(p->sftpd);
        while (sftpd_busy(p->sftpd)) {
            assert_false(sftpd_finished(p->sftpd, &why));
            loop_turn(p->loop);
            sftp_peer_pump(p);
        }
        assert_true(sftpd_finished(p->sftpd, &why));
        assert_int_equal(why != NULL, rows[i].complaint);
        sftp_peer_free(&p);
    }
}

/* The body of each request cut short at every byte: BAD_MESSAGE, and the session goes on. */
static void test_truncated_bodies(void **state)
{
    struct sftp_peer *p = *state;
    static const struct {
        uint8_t type;
        const char *body;
        size_t len;
    } rows[] = {
        {FXP_OPEN, "\0\0\0\1a\0\0\0\2\0\0\0\0", 13},
        {FXP_CLOSE, "\0\0\0\1h", 5},
        {FXP_READ, "\0\0\0\1h\0\0\0\0\0\0\0\0\0\0\0\1", 17},
        {FXP_WRITE, "\0\0\0\1h\0\0\0\0\0\0\0\0\0\0\0\1x", 18},
        {FXP_LSTAT, "\0\0\0\1a", 5},
        {FXP_FSTAT, "\0\0\0\1h", 5},
        {FXP_SETSTAT, "\0\0\0\1a\0\0\0\1\0\0\0\0\0\0\0\1", 17},
        {FXP_FSETSTAT, "\0\0\0\1h\0\0\0\2\0\0\0\0\0\0\0\1", 17},
        {FXP_OPENDIR, "\0\0\0\1a", 5},
        {FXP_READDIR, "\0\0\0\1h", 5},
        {FXP_REMOVE, "\0\0\0\1a", 5},
        {FXP_MKDIR, "\0\0\0\1a\0\0\0\0", 9},
        {FXP_RMDIR, "\0\0\0\1a", 5},
        {FXP_REALPATH, "\0\0\0\1a", 5},
        {FXP_STAT, "\0\0\0\1a", 5},
        {FXP_RENAME, "\0\0\0\1a\0\0\0\1b", 10},
        {FXP_READLINK, "\0\0\0\1a", 5},
        {FXP_SYMLINK, "\0\0\0\1a\0\0\0\1b", 10},
        {FXP_EXTENDED,
         "\0\0\0\11copy-data\0\0\0\1h\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
         "\0\0\0\1h\0\0\0\0\0\0\0\0",
         47},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t n = 0; n < rows[i].len; n++) {
            uint32_t code = SFTP_PEER_ASK(p, rows[i].type, "r", gw_span_of(rows[i].body, n));
            /* A name cut off is another extension, which nobody knows. */
            if (code != FX_BAD_MESSAGE)
                fail_msg("type %u cut at %zu: status %u", rows[i].type, n, code);
        }
    }
    const char *why;
    assert_false(sftpd_finished(p->sftpd, &why));
}

static void test_lengths_beyond_the_packet(void **state)
{
    struct sftp_peer *p = *state;
    static const struct {
        uint8_t type;
        const char *body;
        size_t len;
    } rows[] = {
        {FXP_STAT,
         "\xff\xff\xff\xff"
         "a",
         5},
        {FXP_STAT, "\0\0\0\2a", 5},
        {FXP_WRITE, "\0\0\0\1h\0\0\0\0\0\0\0\0\x7f\xff\xff\xffx", 18},
        /* Attribute pairs: a count that the bytes cannot hold. */
        {FXP_SETSTAT, "\0\0\0\1a\x80\0\0\0\xff\xff\xff\xff", 13},
        {FXP_SETSTAT, "\0\0\0\1a\x80\0\0\0\0\0\0\1\0\0\0\0", 17},
        /* Flags that version 3 does not have. */
        {FXP_SETSTAT, "\0\0\0\1a\0\0\0\x10", 9},
        {FXP_SETSTAT, "\0\0\0\1a\x7f\xff\xff\xf0", 9},
        {FXP_EXTENDED, "\xff\xff\xff\xff", 4},
        {FXP_EXTENDED, "", 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(SFTP_PEER_ASK(p, rows[i].type, "r", gw_span_of(rows[i].body, rows[i].len)),
                         FX_BAD_MESSAGE);
}

static void test_handles(void **state)
{
    struct sftp_peer *p = *state;
    struct sftp_peer *other = sftp_peer_new(NULL);
    sftp_peer_hello(other);
    uint8_t f[256];
    uint8_t d[256];
    uint8_t foreign[256];
    uint8_t closed[256];
    assert_int_equal(sync_put(p->raw, "/a", "text"), GW_OK);
    assert_int_equal(sync_put(other->raw, "/a", "text"), GW_OK);
    size_t f_len = sftp_peer_open(p, "/a", READ, f);
    size_t d_len = sftp_peer_opendir(p, "/", d);
    size_t foreign_len = sftp_peer_open(other, "/a", READ, foreign);
    size_t closed_len = sftp_peer_open(p, "/a", READ, closed);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(closed)), FX_OK);
    uint8_t again[256];
    (void)sftp_peer_open(p, "/a", READ, again); /* takes the slot of the closed one */

    static uint8_t random[4096];
    memset(random, 0xa5, sizeof random);
    const struct gw_span wrong[] = {
        H(foreign),
        H(closed),
        gw_span_of("", 0),
        gw_span_of(f, f_len - 1),
        gw_span_of(random, 12),
        gw_span_of(random, 4),
        gw_span_of(random, sizeof random),
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(SFTP_PEER_ASK(p, FXP_READ, "xqu", wrong[i], Q(0), Q(1)), FX_FAILURE);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", wrong[i], Q(0), "x"), FX_FAILURE);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_FSTAT, "x", wrong[i]), FX_FAILURE);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_READDIR, "x", wrong[i]), FX_FAILURE);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", wrong[i]), FX_FAILURE);
    }
    /* The wrong kind. */
    assert_int_equal(SFTP_PEER_ASK(p, FXP_READDIR, "x", H(f)), FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_READ, "xqu", H(d), Q(0), Q(1)), FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", H(d), Q(0), "x"), FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", H(f), Q(0), "x"), FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_FSETSTAT, "xu", H(d), Q(0)), FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_FSETSTAT, "xuq", H(f), Q(1), Q(0)), FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_EXTENDED, "sx", "fsync@openssh.com", H(d)), FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(f)), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(d)), FX_OK);
    sftp_peer_free(&other);
}

static void test_too_many_handles(void **state)
{
    (void)state;
    const struct sftp_peer_opts opts = {.max_handles = 3};
    struct sftp_peer *p = sftp_peer_new(&opts);
    sftp_peer_hello(p);
    uint8_t h[256];
    size_t h_len = 0;
    assert_int_equal(sync_put(p->raw, "/a", "text"), GW_OK);
    for (int i = 0; i < 3; i++)
        h_len = sftp_peer_open(p, "/a", READ, h);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(SFTP_PEER_ASK(p, FXP_OPEN, "suu", "/a", Q(READ), Q(0)), FX_FAILURE);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_OPENDIR, "s", "/"), FX_FAILURE);
    }
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(h)), FX_OK);
    /* An OPEN that fails takes no place. */
    for (int i = 0; i < 10; i++)
        assert_int_equal(SFTP_PEER_ASK(p, FXP_OPEN, "suu", "/no", Q(READ), Q(0)), FX_NO_SUCH_FILE);
    (void)sftp_peer_opendir(p, "/", h);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_OPENDIR, "s", "/"), FX_FAILURE);
    sftp_peer_free(&p);
}

static size_t read_len(struct sftp_peer *p, struct gw_span h, uint64_t off, uint32_t len)
{
    struct sftp_reply r;
    sftp_peer_put(p, FXP_READ, "xqu", h, off, (uint64_t)len);
    sftp_peer_wait(p, &r);
    assert_int_equal(r.type, FXP_DATA);
    return gw_rd_str(&r.body, SIZE_MAX).len;
}

static void test_read_ranges(void **state)
{
    struct sftp_peer *p = *state;
    enum { SIZE = 600 * 1024 };
    uint8_t h[256];
    size_t h_len = sftp_peer_open_big(p, "/big", SIZE, h);
    size_t n = read_len(p, H(h), 0, UINT32_MAX);
    assert_true(n > 0 && n <= WIRE_DATA_MAX);
    assert_int_equal(read_len(p, H(h), 0, 0), 0);
    assert_int_equal(read_len(p, H(h), SIZE - 1, UINT32_MAX), 1);
    static const uint64_t past[] = {SIZE, Q(1) << 62, (Q(1) << 63) - 1, Q(1) << 63, UINT64_MAX};
    for (size_t i = 0; i < COUNT(past); i++)
        assert_int_equal(SFTP_PEER_ASK(p, FXP_READ, "xqu", H(h), past[i], Q(UINT32_MAX)), FX_EOF);
}

static void test_write_ranges(void **state)
{
    struct sftp_peer *p = *state;
    static const uint64_t wild[] = {(Q(1) << 63) - 1, Q(1) << 63, UINT64_MAX - 1, UINT64_MAX,
                                    Q(1) << 62};
    uint8_t h[256];
    for (size_t i = 0; i < COUNT(wild); i++) {
        size_t h_len = sftp_peer_open(p, "/wild", WRITE | CREAT | TRUNC, h);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", H(h), Q(0), "begin"), FX_OK);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", H(h), wild[i], "xy"), FX_FAILURE);
        /* A refused WRITE leaves a file with a hole: it must not appear. */
        assert_int_equal(SFTP_PEER_ASK(p, FXP_EXTENDED, "sx", "fsync@openssh.com", H(h)),
                         FX_FAILURE);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(h)), FX_FAILURE);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_STAT, "s", "/wild"), FX_NO_SUCH_FILE);
    }
    size_t h_len = sftp_peer_open(p, "/empty", WRITE | CREAT | TRUNC, h);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", H(h), Q(0), ""), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(h)), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_REMOVE, "s", "/empty"), FX_OK);
}

static void test_names(void **state)
{
    struct sftp_peer *p = *state;
    static char deep[2 * FS_PATH_MAX];
    memset(deep, 'n', sizeof deep);
    const struct {
        struct gw_span name;
        uint32_t code;
    } rows[] = {
        {gw_span_of("a\0b", 3), FX_FAILURE},
        {gw_span_of("\0", 1), FX_FAILURE},
        {gw_span_of("/d/\xc0\xae\xc0\xae/x", 8), FX_FAILURE}, /* overlong ".." */
        {gw_span_of("\xff\xfe", 2), FX_FAILURE},
        {gw_span_of(deep, sizeof deep), FX_FAILURE},
        {gw_span_of(deep, FS_PATH_MAX), FX_FAILURE},
        {gw_span_of("/../../../../etc/passwd", 23), FX_NO_SUCH_FILE},
        {gw_span_of("..\\..\\etc", 9), FX_NO_SUCH_FILE},
        {gw_span_of("%2e%2e/x", 8), FX_NO_SUCH_FILE},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(SFTP_PEER_ASK(p, FXP_STAT, "x", rows[i].name), rows[i].code);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_REMOVE, "x", rows[i].name), rows[i].code);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_OPEN, "xuu", rows[i].name, Q(READ), Q(0)),
                         rows[i].code);
    }
    /* A NUL is never where a name is cut. */
    assert_int_equal(sync_put(p->raw, "/a", "text"), GW_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_REMOVE, "x", gw_span_of("/a\0b", 4)), FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SYMLINK, "xs", gw_span_of("a\0b", 3), "/l"), FX_FAILURE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SYMLINK, "ss", "", "/l"), FX_NO_SUCH_FILE);
    struct fs_attr attr;
    assert_int_equal(sync_stat(p->raw, "/a", true, &attr), GW_OK);
}

/* `..` in a link, longer than any tree is deep, ends at the virtual root. */
static void test_symlinks_stay_inside(void **state)
{
    struct sftp_peer *p = *state;
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SYMLINK, "ss", "../../../../etc/passwd", "/l"), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_STAT, "s", "/l"), FX_NO_SUCH_FILE);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SYMLINK, "ss", "/b", "/a"), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SYMLINK, "ss", "/a", "/b"), FX_OK);
    uint32_t code = SFTP_PEER_ASK(p, FXP_OPEN, "suu", "/a", Q(READ), Q(0));
    assert_true(code == FX_FAILURE || code == FX_NO_SUCH_FILE);
}

static void test_upload_cut_off(void **state)
{
    (void)state;
    struct sftp_peer *p = sftp_peer_new(NULL);
    sftp_peer_hello(p);
    char text[64];
    uint8_t h[256];
    assert_int_equal(sync_put(p->raw, "/a", "old"), GW_OK);
    size_t h_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, h);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", H(h), Q(0), "half of the new"), FX_OK);
    sftpd_free(&p->sftpd);
    assert_int_equal(sync_get(p->raw, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "old");
    sftp_peer_free(&p);
}

static void test_two_writers_last_close_wins(void **state)
{
    struct sftp_peer *p = *state;
    char text[64];
    uint8_t a[256];
    uint8_t b[256];
    size_t a_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, a);
    size_t b_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, b);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", H(a), Q(0), "aaaa"), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_WRITE, "xqs", H(b), Q(0), "bb"), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(b)), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(a)), FX_OK);
    assert_int_equal(sync_get(p->raw, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "aaaa");
}

/* The peer sends and sends, and reads nothing: input stops, nothing is refused, nothing grows. */
static void test_output_held_back(void **state)
{
    struct sftp_peer *p = *state;
    enum { SIZE = 64 * 1024, READS = 2000 };
    uint8_t h[256];
    size_t h_len = sftp_peer_open_big(p, "/big", SIZE, h);
    p->hold_output = true;
    for (int i = 0; i < READS; i++)
        sftp_peer_put(p, FXP_READ, "xqu", H(h), Q(0), Q(32768));
    sftp_peer_pump(p);
    assert_true(p->to_feed.len > 0);
    assert_true(sftpd_output(p->sftpd).len <= SFTPD_OUTPUT_MAX);
    assert_true(sftpd_output(p->sftpd).len > SFTPD_OUTPUT_MAX / 2);
    assert_true(sftpd_busy(p->sftpd));
    p->hold_output = false;
    for (int i = 0; i < READS; i++) {
        struct sftp_reply r;
        sftp_peer_wait(p, &r);
        assert_int_equal(r.type, FXP_DATA);
    }
    assert_int_equal(p->to_feed.len, 0);
    assert_false(sftpd_busy(p->sftpd));
}

/* However the bytes are cut, the answers are the same. */
static void test_fed_in_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 3, 5, 7, 64, 1000};
    for (size_t i = 0; i < COUNT(pieces); i++) {
        struct sftp_peer *p = sftp_peer_new(NULL);
        sftp_peer_hello(p);
        sftp_peer_put(p, FXP_MKDIR, "su", "/d", Q(0));
        sftp_peer_put(p, FXP_OPEN, "suu", "/d/f", Q(WRITE | CREAT), Q(0));
        sftp_peer_put(p, FXP_STAT, "s", "/d/none");
        sftp_peer_put(p, FXP_REALPATH, "s", "/d/..");
        struct gw_buf all = p->to_feed;
        gw_buf_init(&p->to_feed, 1u << 20);
        for (size_t at = 0; at < all.len; at += pieces[i]) {
            size_t n = all.len - at < pieces[i] ? all.len - at : pieces[i];
            sftp_peer_put_raw(p, gw_span_of(all.data + at, n));
            sftp_peer_pump(p);
        }
        unsigned seen[256] = {0};
        for (int n = 0; n < 4; n++) {
            struct sftp_reply r;
            sftp_peer_wait(p, &r);
            seen[r.type]++;
        }
        assert_int_equal(seen[FXP_STATUS], 2);
        assert_int_equal(seen[FXP_HANDLE], 1);
        assert_int_equal(seen[FXP_NAME], 1);
        gw_buf_free(&all);
        sftp_peer_free(&p);
    }
}

static void test_version_select(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        bool first;
        uint32_t code;
    } rows[] = {{"3", true, FX_OK}, {"3", false, FX_FAILURE}, {"6", true, FX_FAILURE}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sftp_peer *p = sftp_peer_new(NULL);
        const char *why = NULL;
        sftp_peer_hello(p);
        if (!rows[i].first)
            assert_int_equal(SFTP_PEER_ASK(p, FXP_STAT, "s", "/none"), FX_NO_SUCH_FILE);
        uint32_t code = SFTP_PEER_ASK(p, FXP_EXTENDED, "ss", "version-select", rows[i].version);
        assert_int_equal(code, rows[i].code);
        assert_int_equal(sftpd_finished(p->sftpd, &why), code != FX_OK);
        assert_int_equal(why != NULL, code != FX_OK);
        sftp_peer_free(&p);
    }
}

/* Session after session of packets with a few bytes changed: deterministic, so that a failure can
 * be run again. */
static void test_mutations(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (unsigned round = 0; round < 300; round++) {
        struct sftp_peer *p = sftp_peer_new(NULL);
        uint8_t h[256];
        sftp_peer_hello(p);
        size_t h_len = sftp_peer_open(p, "/f", READ | WRITE | CREAT, h);
        sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(0), "some bytes");
        sftp_peer_put(p, FXP_READ, "xqu", H(h), Q(0), Q(10));
        sftp_peer_put(p, FXP_FSETSTAT, "xuuu", H(h), Q(8), Q(1), Q(2));
        sftp_peer_put(p, FXP_EXTENDED, "sss", "posix-rename@openssh.com", "/f", "/g");
        sftp_peer_put(p, FXP_OPENDIR, "s", "/");
        sftp_peer_put(p, FXP_SYMLINK, "ss", "f", "/l");
        sftp_peer_put(p, FXP_CLOSE, "x", H(h));
        for (unsigned n = 0; n < 1 + round % 4; n++) {
            seed = seed * 1664525u + 1013904223u;
            p->to_feed.data[(seed >> 8) % p->to_feed.len] = (uint8_t)(seed >> 24);
        }
        sftp_peer_pump(p);
        for (int turn = 0; turn < 20; turn++)
            loop_poll(p->loop);
        sftp_peer_pump(p);
        sftp_peer_free(&p);
    }
}

/* Memory that cannot be had ends the session, or fails a request; it never ends the process. */
static void test_allocations_that_fail(void **state)
{
    (void)state;
    static uint8_t data[40000];
    for (unsigned nth = 1; nth < 30; nth++) {
        struct sftp_peer *p = sftp_peer_new(NULL);
        uint8_t h[256];
        sftp_peer_hello(p);
        size_t h_len = sftp_peer_open(p, "/f", READ | WRITE | CREAT, h);
        sftp_peer_put(p, FXP_WRITE, "xqx", H(h), Q(0), gw_span_of(data, sizeof data));
        sftp_peer_put(p, FXP_READ, "xqu", H(h), Q(0), Q(sizeof data));
        sftp_peer_put(p, FXP_OPENDIR, "s", "/");
        sftp_peer_put(p, FXP_READ, "xqu", H(h), Q(0), Q(WIRE_DATA_MAX));
        sftp_peer_put(p, FXP_CLOSE, "x", H(h));
        struct gw_buf all = p->to_feed; /* the peer's own memory must not be what fails */
        gw_buf_init(&p->to_feed, 0);
        mem_fail_after(nth);
        for (size_t at = 0, step = 1000; at < all.len; at += step) {
            step = all.len - at < 1000 ? all.len - at : 1000;
            assert_int_equal(sftpd_feed(p->sftpd, gw_span_of(all.data + at, step)), step);
            size_t out = sftpd_output(p->sftpd).len;
            sftpd_sent(p->sftpd, out);
            loop_poll(p->loop);
        }
        mem_fail_after(0);
        gw_buf_free(&all);
        sftp_peer_free(&p);
    }
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, sftp_peer_setup, sftp_peer_teardown)

int main(void)
{
    log_level_now = LOG_LVL_ERROR;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets_that_end_the_session),
        cmocka_unit_test(test_eof),
        ROW(test_truncated_bodies),
        ROW(test_lengths_beyond_the_packet),
        ROW(test_handles),
        cmocka_unit_test(test_too_many_handles),
        ROW(test_read_ranges),
        ROW(test_write_ranges),
        ROW(test_names),
        ROW(test_symlinks_stay_inside),
        cmocka_unit_test(test_upload_cut_off),
        ROW(test_two_writers_last_close_wins),
        ROW(test_output_held_back),
        cmocka_unit_test(test_fed_in_pieces),
        cmocka_unit_test(test_version_select),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_allocations_that_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
