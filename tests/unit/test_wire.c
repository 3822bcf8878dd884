#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/sftp/wire.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static enum gw_err decode(enum wire_shape shape, const char *bytes, size_t n, struct wire_req *q)
{
    struct gw_rd r = gw_rd_of(gw_span_of(bytes, n));
    memset(q, 0, sizeof *q);
    return wire_decode(shape, 3, &r, q);
}

static void test_open_flags(void **state)
{
    (void)state;
    static const struct {
        uint8_t wire;
        uint32_t fs;
    } rows[] = {
        {0x00, FS_READ},
        {0x01, FS_READ},
        {0x02, FS_WRITE},
        {0x03, FS_READ | FS_WRITE},
        {0x04, FS_WRITE | FS_APPEND},
        {0x06, FS_WRITE | FS_APPEND},
        {0x1a, FS_WRITE | FS_CREATE | FS_TRUNC},
        {0x2a, FS_WRITE | FS_CREATE | FS_EXCL},
        {0x08, FS_READ | FS_CREATE},
        {0x41, FS_READ},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char bytes[] = "\0\0\0\1a\0\0\0\0\0\0\0";
        bytes[8] = (char)rows[i].wire;
        struct wire_req q;
        assert_int_equal(decode(WIRE_OPEN, bytes, 13, &q), GW_OK);
        assert_int_equal(q.u.open.flags, rows[i].fs);
        assert_true(gw_span_eq(q.name[0], "a"));
    }
}

/* Fields where they belong; the order of SYMLINK's is not the draft's. */
static void test_fields(void **state)
{
    (void)state;
    struct wire_req q;
    assert_int_equal(decode(WIRE_SYMLINK, "\0\0\0\1t\0\0\0\1l", 10, &q), GW_OK);
    assert_true(gw_span_eq(q.name[0], "l"));
    assert_true(gw_span_eq(q.name[1], "t"));
    assert_int_equal(q.names, WIRE_PATH_AND_TEXT);
    assert_int_equal(decode(WIRE_PATHS, "\0\0\0\1a\0\0\0\1b", 10, &q), GW_OK);
    assert_true(gw_span_eq(q.name[0], "a"));
    assert_true(gw_span_eq(q.name[1], "b"));
    assert_int_equal(decode(WIRE_READ, "\0\0\0\1h\0\0\0\0\0\0\1\0\0\0\0\7", 17, &q), GW_OK);
    assert_int_equal(q.u.read.off, 256);
    assert_int_equal(q.u.read.len, 7);
    assert_int_equal(decode(WIRE_WRITE, "\0\0\0\1h\0\0\0\0\0\0\0\2\0\0\0\3xyz", 20, &q), GW_OK);
    assert_int_equal(q.u.write.off, 2);
    assert_true(gw_span_eq(q.u.write.data, "xyz"));
    assert_int_equal(decode(WIRE_IDS, "\0\0\0\4\0\0\0\1\0\0\0\0", 12, &q), GW_OK);
    assert_int_equal(q.u.ids.uids.len, 4);
    assert_int_equal(decode(WIRE_IDS, "\0\0\0\3\0\0\0\0\0\0\0", 11, &q), GW_BAD_MESSAGE);
    /* What clients append of later versions is ignored. */
    assert_int_equal(decode(WIRE_PATHS, "\0\0\0\1a\0\0\0\1b\0\0\0\1", 14, &q), GW_OK);
}

static void expect(struct gw_buf *b, const char *bytes, size_t n)
{
    assert_int_equal(b->failed, GW_OK);
    assert_int_equal(b->len, n);
    assert_memory_equal(b->data, bytes, n);
    gw_buf_free(b);
    gw_buf_init(b, 100000);
}

static void test_replies(void **state)
{
    (void)state;
    struct gw_buf b;
    gw_buf_init(&b, 100000);
    wire_put_status(&b, 0x01020304, 2, "no");
    expect(&b, "\0\0\0\x15\x65\1\2\3\4\0\0\0\2\0\0\0\2no\0\0\0\2en", 25);
    wire_put_handle(&b, 5, gw_span_of("hh", 2));
    expect(&b, "\0\0\0\x0b\x66\0\0\0\5\0\0\0\2hh", 15);
    wire_put_name(&b, 6, 3, "/a");
    expect(&b, "\0\0\0\x19\x68\0\0\0\6\0\0\0\1\0\0\0\2/a\0\0\0\2/a\0\0\0\0", 29);
    const struct fs_attr a = {.set = FS_ATTR_SIZE, .size = 9};
    wire_put_attrs(&b, 7, 3, &a);
    expect(&b, "\0\0\0\x11\x69\0\0\0\7\0\0\0\1\0\0\0\0\0\0\0\x9", 21);
    uint8_t header[WIRE_DATA_HEADER];
    wire_data_header(header, 8, 0x10203);
    assert_memory_equal(header, "\0\1\2\x0c\x67\0\0\0\x8\0\1\2\3", WIRE_DATA_HEADER);
    const struct fs_space sp = {.bsize = 1, .namemax = 255, .read_only = true, .nosuid = true};
    wire_put_space(&b, 9, &sp);
    assert_int_equal(b.len, 9 + 11 * 8);
    assert_int_equal(b.data[9 + 10 * 8 - 1], 3);
    assert_int_equal(b.data[b.len - 1], 255);
    gw_buf_free(&b);
}

/* A text is cut, so that the room for a STATUS is known. */
static void test_status_text_is_cut(void **state)
{
    (void)state;
    static char text[5000];
    memset(text, 't', sizeof text - 1);
    struct gw_buf b;
    gw_buf_init(&b, 100000);
    wire_put_status(&b, 1, 4, text);
    assert_int_equal(b.len, 4 + 1 + 4 + 4 + 4 + FS_TEXT_MAX + 4 + 2);
    gw_buf_free(&b);
}

/* Any bytes into any decoder: an answer, and no span outside of the packet. */
static void test_mutations(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t bytes[64];
        size_t n = round % sizeof bytes;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = seed >> 31 ? (uint8_t)(seed >> 16) : 0;
        }
        struct wire_req q = {0};
        struct gw_rd r = gw_rd_of(gw_span_of(bytes, n));
        if (wire_decode((enum wire_shape)(round % WIRE_SHAPES), 3, &r, &q) != GW_OK)
            continue;
        for (unsigned i = 0; i < 2; i++) {
            if (q.name[i].len > 0) {
                assert_true(q.name[i].ptr >= bytes);
                assert_true(q.name[i].ptr + q.name[i].len <= bytes + n);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_flags), cmocka_unit_test(test_fields),
        cmocka_unit_test(test_replies),    cmocka_unit_test(test_status_text_is_cut),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
