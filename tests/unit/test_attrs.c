#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/sftp/attrs.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define WIRE(...) {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})

static void test_put(void **state)
{
    (void)state;
    static const struct {
        struct fs_attr attr;
        uint8_t wire[40];
        size_t len;
    } rows[] = {
        {{0}, WIRE(0, 0, 0, 0)},
        {{.set = FS_ATTR_SIZE, .size = UINT64_C(0x0102030405060708)},
         WIRE(0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8)},
        {{.set = FS_ATTR_OWNER, .uid = 1, .gid = 0x10203},
         WIRE(0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 2, 3)},
        /* A kind alone still tells a folder from a file. */
        {{.kind = FS_KIND_DIR}, WIRE(0, 0, 0, 4, 0, 0, 0x41, 0xed)},
        {{.kind = FS_KIND_REG}, WIRE(0, 0, 0, 4, 0, 0, 0x81, 0xa4)},
        {{.kind = FS_KIND_LINK}, WIRE(0, 0, 0, 4, 0, 0, 0xa1, 0xff)},
        {{.set = FS_ATTR_MODE, .kind = FS_KIND_REG, .mode = 04755},
         WIRE(0, 0, 0, 4, 0, 0, 0x89, 0xed)},
        {{.set = FS_ATTR_MTIME, .mtime_s = 5}, WIRE(0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0, 5)},
        {{.set = FS_ATTR_ATIME, .atime_s = 6}, WIRE(0, 0, 0, 8, 0, 0, 0, 6, 0, 0, 0, 6)},
        {{.set = FS_ATTR_ATIME | FS_ATTR_MTIME, .atime_s = 1, .mtime_s = 2},
         WIRE(0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2)},
        /* Before 1970 and after 2106. */
        {{.set = FS_ATTR_ATIME | FS_ATTR_MTIME, .atime_s = -1, .mtime_s = INT64_MAX},
         WIRE(0, 0, 0, 8, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct gw_buf b;
        gw_buf_init(&b, 100);
        attrs_put(&b, 3, &rows[i].attr);
        assert_int_equal(b.failed, GW_OK);
        assert_int_equal(b.len, rows[i].len);
        assert_memory_equal(b.data, rows[i].wire, b.len);
        assert_true(b.len <= ATTRS_PUT_MAX);
        gw_buf_free(&b);
    }
}

static void test_get(void **state)
{
    (void)state;
    static const struct {
        uint8_t wire[40];
        size_t len;
        bool ok;
        uint32_t set;
    } rows[] = {
        {WIRE(0, 0, 0, 0), true, 0},
        {WIRE(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9), true, FS_ATTR_SIZE},
        {WIRE(0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2), true, FS_ATTR_OWNER},
        {WIRE(0, 0, 0, 4, 0, 0, 0x81, 0xa4), true, FS_ATTR_MODE},
        {WIRE(0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2), true, FS_ATTR_ATIME | FS_ATTR_MTIME},
        {WIRE(0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 'a', 0, 0, 0, 0), true, 0},
        {WIRE(0x80, 0, 0, 0, 0, 0, 0, 0), true, 0},
        {WIRE(0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 'a', 0, 0, 0, 0), false, 0},
        {WIRE(0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff), false, 0},
        {WIRE(0x80, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0), false, 0},
        {WIRE(0, 0, 0, 0x10), false, 0},
        {WIRE(0x40, 0, 0, 0), false, 0},
        {WIRE(0, 0, 0), false, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t n = 0; n <= rows[i].len; n++) {
            struct gw_rd r = gw_rd_of(gw_span_of(rows[i].wire, n));
            struct fs_attr a;
            attrs_get(&r, 3, &a);
            bool whole = n == rows[i].len;
            assert_int_equal(!r.failed, whole && rows[i].ok);
            if (!r.failed)
                assert_int_equal(a.set, rows[i].set);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_put), cmocka_unit_test(test_get)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
