#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/sftp/longname.h"

#define NOW INT64_C(1795354678) /* 2026-11-22 13:37:58 */
#define DAY (24 * 3600)

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        struct fs_entry e;
        const char *line;
    } rows[] = {
        {{"a b",
          {.set = FS_ATTR_SIZE | FS_ATTR_MODE | FS_ATTR_OWNER | FS_ATTR_MTIME | FS_ATTR_NLINK,
           .kind = FS_KIND_REG,
           .mode = 0640,
           .uid = 1000,
           .gid = 100,
           .nlink = 2,
           .size = 1234,
           .mtime_s = NOW}},
         "-rw-r-----    2 1000     100          1234 Nov 22 13:37 a b"},
        {{"d", {.kind = FS_KIND_DIR}}, "drwxr-xr-x    1 0        0               0 Jan  1  1970 d"},
        {{"l", {.set = FS_ATTR_MTIME, .kind = FS_KIND_LINK, .mtime_s = NOW - 400 * DAY}},
         "lrwxrwxrwx    1 0        0               0 Oct 18  2025 l"},
        {{"s", {.set = FS_ATTR_MODE, .kind = FS_KIND_REG, .mode = 07777}},
         "-rwsrwsrwt    1 0        0               0 Jan  1  1970 s"},
        {{"S", {.set = FS_ATTR_MODE, .kind = FS_KIND_FIFO, .mode = 07000}},
         "p--S--S--T    1 0        0               0 Jan  1  1970 S"},
        /* From the future, and beyond any calendar. */
        {{"f", {.set = FS_ATTR_MTIME, .kind = FS_KIND_REG, .mtime_s = NOW + 2 * DAY}},
         "-rw-r--r--    1 0        0               0 Nov 24  2026 f"},
        {{"x", {.set = FS_ATTR_MTIME, .kind = FS_KIND_REG, .mtime_s = INT64_MAX}},
         "-rw-r--r--    1 0        0               0 Jan  1  1970 x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_buf b;
        gw_buf_init(&b, 1000);
        longname_put(&b, &rows[i].e, NOW);
        assert_string_equal(gw_buf_cstr(&b), rows[i].line);
        gw_buf_free(&b);
    }
}

static void test_longest(void **state)
{
    (void)state;
    const struct fs_entry e = {"n",
                               {.set = UINT32_MAX,
                                .kind = FS_KIND_REG,
                                .mode = 07777,
                                .uid = UINT32_MAX,
                                .gid = UINT32_MAX,
                                .nlink = UINT32_MAX,
                                .size = UINT64_MAX,
                                .mtime_s = INT64_C(67767976233532799)}};
    struct gw_buf b;
    gw_buf_init(&b, 1000);
    longname_put(&b, &e, NOW);
    assert_true(b.len <= LONGNAME_EXTRA + 1);
    gw_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines),
                                       cmocka_unit_test(test_longest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
