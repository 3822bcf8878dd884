#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/buf.h"
#include "gateway/base/mem.h"

static void test_writer(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        1, 0x12, 0x34, 0x01, 0x02, 0x03, 0x04, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0,
        0, 2,    'h',  'i',  0,    0,    0,    0, 0, 0, 0, 4, 0, 0, 0, 9, 'x',
    };
    struct gw_buf b;
    gw_buf_init(&b, 100);
    gw_buf_put_u8(&b, 1);
    gw_buf_put_u16(&b, 0x1234);
    gw_buf_put_u32(&b, 0);
    gw_buf_put_u64(&b, 0x0102030405060708u);
    gw_buf_put_cstr(&b, "hi");
    gw_buf_put_str(&b, NULL, 0);
    size_t mark = gw_buf_begin_len(&b);
    gw_buf_put_u32(&b, 9);
    gw_buf_end_len(&b, mark);
    gw_buf_put_text(&b, "x");
    gw_buf_put(&b, NULL, 0);
    gw_buf_set_u32(&b, 3, 0x01020304);
    gw_buf_set_u32(&b, b.len - 3, 0xffffffff); /* past the end: nothing */
    assert_int_equal(b.failed, GW_OK);
    assert_int_equal(b.len, sizeof want);
    assert_memory_equal(b.data, want, sizeof want);
    gw_buf_consume(&b, 1);
    assert_int_equal(b.len, sizeof want - 1);
    assert_memory_equal(b.data, want + 1, b.len);
    gw_buf_consume(&b, 1000);
    assert_int_equal(b.len, 0);
    gw_buf_free(&b);
    gw_buf_free(&b);
    gw_buf_free(NULL);
    gw_buf_free_secret(NULL);
    assert_int_equal(b.max, 100);
}

/* For each maximum: what fits is there, what does not sets the fault, and the fault sticks. */
static void test_maximum(void **state)
{
    (void)state;
    for (size_t max = 0; max < 1200; max++) {
        struct gw_buf b;
        gw_buf_init(&b, max);
        for (size_t i = 0; i < max; i++)
            gw_buf_put_u8(&b, (uint8_t)i);
        assert_int_equal(b.failed, GW_OK);
        assert_int_equal(b.len, max);
        assert_true(b.cap <= max);
        gw_buf_put(&b, NULL, 0);
        assert_int_equal(b.failed, GW_OK);
        gw_buf_put_u8(&b, 1);
        assert_int_equal(b.failed, GW_TOO_LARGE);
        assert_int_equal(b.len, max);
        size_t mark = gw_buf_begin_len(&b);
        gw_buf_end_len(&b, mark);
        gw_buf_set_u32(&b, 0, 1);
        gw_buf_printf(&b, "%s", "more");
        assert_int_equal(b.len, max);
        assert_string_equal(gw_buf_cstr(&b), "");
        assert_null(gw_buf_reserve(&b, 0));
        gw_buf_reset(&b);
        assert_int_equal(b.failed, GW_OK);
        gw_buf_free_secret(&b);
    }
    struct gw_buf b;
    gw_buf_init(&b, 10);
    gw_buf_put_u8(&b, 1);
    assert_null(gw_buf_reserve(&b, SIZE_MAX));
    assert_int_equal(b.failed, GW_TOO_LARGE);
    gw_buf_free(&b);
}

/* Formatted text of each length around the size of the small room, into exactly that much. */
static void test_printf(void **state)
{
    (void)state;
    char text[600];
    for (size_t n = 0; n < sizeof text; n++) {
        struct gw_buf b;
        memset(text, 'a', n);
        text[n] = '\0';
        gw_buf_init(&b, n);
        gw_buf_printf(&b, "%s", text);
        assert_int_equal(b.failed, GW_OK);
        assert_int_equal(b.len, n);
        gw_buf_free(&b);
        gw_buf_init(&b, n + 1);
        gw_buf_printf(&b, "%s", text);
        assert_string_equal(gw_buf_cstr(&b), text);
        gw_buf_free(&b);
        if (n == 0)
            continue;
        gw_buf_init(&b, n - 1);
        gw_buf_printf(&b, "%s", text);
        assert_int_equal(b.failed, GW_TOO_LARGE);
        assert_int_equal(b.len, 0);
        gw_buf_free(&b);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    struct gw_buf b;
    gw_buf_init(&b, 4096);
    gw_buf_put_text(&b, "kept");
    mem_fail_after(1);
    for (int i = 0; i < 1000; i++)
        gw_buf_put_u8(&b, 'x');
    mem_fail_after(0);
    assert_int_equal(b.failed, GW_NO_MEMORY);
    assert_memory_equal(b.data, "kept", 4);
    gw_buf_reset(&b);
    mem_fail_after(1);
    gw_buf_printf(&b, "%0300d", 1);
    mem_fail_after(0);
    assert_int_equal(b.failed, GW_NO_MEMORY);
    gw_buf_free(&b);
}

static void test_reserve(void **state)
{
    (void)state;
    struct gw_buf b;
    gw_buf_init(&b, 1000);
    assert_non_null(gw_buf_reserve(&b, 0)); /* nothing was allocated, and yet it is no fault */
    uint8_t *to = gw_buf_reserve(&b, 500);
    memset(to, 7, 500);
    gw_buf_commit(&b, 3);
    assert_int_equal(b.len, 3);
    assert_ptr_equal(gw_buf_reserve(&b, 400), to + 3);
    assert_int_equal(gw_buf_span(&b).len, 3);
    gw_buf_free(&b);
}

static void test_reader(void **state)
{
    (void)state;
    static const uint8_t in[] = {1, 0x12, 0x34, 0xff, 0xff, 0xff, 0xfe, 1, 2,   3,  4,
                                 5, 6,    7,    8,    0,    0,    0,    2, 'h', 'i'};
    struct gw_rd r = gw_rd_of(gw_span_of(in, sizeof in));
    assert_int_equal(gw_rd_u8(&r), 1);
    assert_int_equal(gw_rd_u16(&r), 0x1234);
    assert_int_equal(gw_rd_u32(&r), 0xfffffffe);
    assert_true(gw_rd_u64(&r) == 0x0102030405060708u);
    assert_false(gw_rd_done(&r));
    assert_true(gw_span_eq(gw_rd_str(&r, 2), "hi"));
    assert_true(gw_rd_done(&r));
    /* Every cut of it fails somewhere, yields zeros from there on, and reads nothing outside. */
    for (size_t cut = 0; cut < sizeof in; cut++) {
        uint8_t *copy = mem_alloc(cut);
        memcpy(copy, in, cut);
        r = gw_rd_of(gw_span_of(copy, cut));
        (void)gw_rd_u8(&r);
        (void)gw_rd_u16(&r);
        (void)gw_rd_u32(&r);
        (void)gw_rd_u64(&r);
        (void)gw_rd_str(&r, 2);
        assert_true(r.failed);
        assert_false(gw_rd_done(&r));
        assert_int_equal(gw_rd_u8(&r), 0);
        assert_int_equal(gw_rd_bytes(&r, 0).len, 0);
        mem_free(copy);
    }
}

static void test_reader_strings(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len, max;
        bool ok;
    } rows[] = {
        {"\0\0\0\2hi", 6, 2, true},
        {"\0\0\0\2hi", 6, 1, false},
        {"\0\0\0\3hi", 6, 10, false},
        {"\0\0\0\0", 4, 0, true},
        {"\xff\xff\xff\xffhi", 6, SIZE_MAX, false},
        {"\x7f\xff\xff\xffhi", 6, 100, false},
        {"\0\0\0", 3, 10, false},
        {"", 0, 10, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_rd r = gw_rd_of(gw_span_of(rows[i].bytes, rows[i].len));
        struct gw_span s = gw_rd_str(&r, rows[i].max);
        assert_int_equal(!r.failed, rows[i].ok);
        assert_int_equal(s.len, rows[i].ok ? rows[i].len - 4 : 0);
    }
    struct gw_rd none = gw_rd_of((struct gw_span){NULL, 0});
    assert_true(gw_rd_done(&none));
    assert_int_equal(gw_rd_bytes(&none, 0).len, 0);
    assert_true(gw_rd_done(&none));
    assert_int_equal(gw_rd_u32(&none), 0);
    assert_true(none.failed);
}

static void test_spans(void **state)
{
    (void)state;
    assert_true(gw_span_eq(gw_span_str("abc"), "abc"));
    assert_false(gw_span_eq(gw_span_str("abc"), "abcd"));
    assert_false(gw_span_eq(gw_span_str("abcd"), "abc"));
    assert_true(gw_span_eq((struct gw_span){NULL, 0}, ""));
    assert_true(gw_span_has_nul(gw_span_of("a\0b", 3)));
    assert_false(gw_span_has_nul(gw_span_of("ab", 2)));
    assert_false(gw_span_has_nul((struct gw_span){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writer),         cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_printf),         cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_reserve),        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_reader_strings), cmocka_unit_test(test_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
