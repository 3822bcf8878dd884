#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/sftp/output.h"

enum { MAX = 512 * 1024 };

static void put(struct output *o, size_t n)
{
    assert_true(output_promise(o, n));
    struct gw_buf *b = output_writer(o, n);
    uint8_t *to = gw_buf_reserve(b, n);
    assert_non_null(to);
    memset(to, 'x', n);
    gw_buf_commit(b, n);
    output_settle(o, n);
}

static void test_promises_are_bounded(void **state)
{
    (void)state;
    struct output o;
    output_init(&o, MAX);
    assert_true(output_promise(&o, MAX - 10));
    assert_false(output_promise(&o, 11));
    assert_true(output_promise(&o, 10));
    assert_false(output_promise(&o, 1));
    output_settle(&o, MAX - 10);
    assert_true(output_promise(&o, MAX - 10));
    output_settle(&o, MAX);
    output_free(&o);
}

/* What is promised has room, whatever is sent or not meanwhile. */
static void test_promises_are_kept(void **state)
{
    (void)state;
    static const struct {
        size_t written, sent, promise;
        bool granted;
    } rows[] = {
        {0, 0, MAX, true},
        {MAX, 0, 1, false},
        {MAX, MAX, MAX, true},
        {MAX, MAX - 1000, MAX - 1000, true}, /* little to move */
        {MAX, MAX - 1000, MAX - 999, false}, /* not even then */
        {MAX, MAX / 2, 100, false},          /* too much to move: wait */
        {MAX - 200, MAX / 2, 100, true},     /* room behind */
        {MAX - 200, MAX / 2, 201, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct output o;
        output_init(&o, MAX);
        put(&o, rows[i].written);
        output_sent(&o, rows[i].sent);
        assert_int_equal(output_unsent(&o).len, rows[i].written - rows[i].sent);
        assert_int_equal(output_promise(&o, rows[i].promise), rows[i].granted);
        if (rows[i].granted) {
            assert_non_null(gw_buf_reserve(output_writer(&o, rows[i].promise), rows[i].promise));
            output_settle(&o, rows[i].promise);
        }
        output_free(&o);
    }
}

static void test_bytes_come_out_in_order(void **state)
{
    (void)state;
    struct output o;
    output_init(&o, 1024);
    uint8_t next_in = 0;
    uint8_t next_out = 0;
    for (unsigned round = 0; round < 2000; round++) {
        size_t n = 1 + round * 7 % 200;
        if (output_promise(&o, n)) {
            struct gw_buf *b = output_writer(&o, n);
            for (size_t i = 0; i < n; i++)
                gw_buf_put_u8(b, next_in++);
            output_settle(&o, n);
        }
        struct gw_span out = output_unsent(&o);
        size_t sent = out.len == 0 ? 0 : 1 + round * 13 % out.len;
        for (size_t i = 0; i < sent; i++)
            assert_int_equal(out.ptr[i], next_out++);
        output_sent(&o, sent);
    }
    assert_int_equal(o.b.failed, GW_OK);
    output_free(&o);
}

static void test_trim(void **state)
{
    (void)state;
    struct output o;
    output_init(&o, MAX);
    put(&o, 1000);
    output_trim(&o);
    assert_int_equal(output_unsent(&o).len, 1000);
    output_sent(&o, 1000);
    output_trim(&o);
    assert_null(o.b.data);
    put(&o, 1000);
    assert_int_equal(output_unsent(&o).len, 1000);
    output_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promises_are_bounded),
        cmocka_unit_test(test_promises_are_kept),
        cmocka_unit_test(test_bytes_come_out_in_order),
        cmocka_unit_test(test_trim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
