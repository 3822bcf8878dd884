#include "backends/part.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backends/s3/s3_meta.h"
#include "gateway/base/mem.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

static void test_ladder(void **state)
{
    (void)state;
    static const struct {
        uint64_t base;
        uint32_t number, max;
        uint64_t size;
    } rows[] = {
        {8 * MIB, 1, 10000, 8 * MIB},       {8 * MIB, 2000, 10000, 8 * MIB},
        {8 * MIB, 2001, 10000, 32 * MIB},   {8 * MIB, 6000, 10000, 128 * MIB},
        {8 * MIB, 6001, 10000, 512 * MIB},  {5 * MIB, 1, 10000, 5 * MIB},
        {5120 * MIB, 1, 10000, 5120 * MIB}, {5120 * MIB, 10000, 10000, 5120 * MIB},
        {8 * MIB, 200, 1000, 8 * MIB},      {8 * MIB, 201, 1000, 32 * MIB},
        {8 * MIB, 1000, 1000, 5 * GIB},     {8 * MIB, 10, 10, 5 * GIB},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(s3_meta_part_size(rows[i].base, rows[i].number, rows[i].max),
                         rows[i].size);
    for (uint64_t base = 5 * MIB; base <= 5120 * MIB; base += 5 * MIB) {
        uint64_t sum = 0, last = 0;
        for (uint32_t n = 1; n <= 10000; n++) {
            uint64_t size = s3_meta_part_size(base, n, 10000);
            assert_true(size >= last && size <= 5 * GIB);
            last = size;
            sum += size;
        }
        assert_true(sum >= S3_OBJECT_MAX);
    }
}

static void test_any_order(void **state)
{
    (void)state;
    struct budget *b = budget_new(16 * MIB);
    enum { SIZE = 300000, PIECE = 1000, PIECES = SIZE / PIECE };
    static const unsigned steps[] = {1, 7, 299, 113};
    char first[65] = "";
    for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
        assert_true(budget_take(b, MIB));
        struct part *p = part_new(b, 1, 0, MIB, MIB, true);
        uint8_t piece[PIECE];
        for (unsigned i = 0, k = 0; i < PIECES; i++, k = (k + steps[s]) % PIECES) {
            memset(piece, (int)(k & 0xff), sizeof piece);
            assert_int_equal(part_put(p, (size_t)k * PIECE, gw_span_of(piece, PIECE)), GW_OK);
        }
        assert_int_equal(part_filled(p), SIZE);
        assert_int_equal(part_end(p), SIZE);
        size_t n, total = 0;
        const struct gw_span *body = part_body(p, &n);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < body[i].len; j++, total++)
                assert_int_equal(body[i].ptr[j], (total / PIECE) & 0xff);
        assert_int_equal(total, SIZE);
        assert_non_null(part_hash(p));
        if (s == 0)
            snprintf(first, sizeof first, "%s", part_hash(p));
        assert_string_equal(part_hash(p), first);
        part_free(&p);
    }
    assert_int_equal(budget_used(b), 0);
    budget_free(&b);
}

static void test_holes_and_hash(void **state)
{
    (void)state;
    struct budget *b = budget_new(16 * MIB);
    assert_true(budget_take(b, PART_FIRST));
    struct part *p = part_new(b, 3, 77, MIB, PART_FIRST, true);
    assert_int_equal(part_put(p, 0, gw_span_str("abc")), GW_OK);
    assert_string_equal(part_hash(p),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    part_free(&p);

    assert_true(budget_take(b, MIB));
    p = part_new(b, 3, 77, MIB, MIB, true);
    /* more pieces behind holes than are kept track of */
    enum gw_err err = GW_OK;
    size_t i;
    for (i = 1; err == GW_OK; i += 2)
        err = part_put(p, i * 10, gw_span_str("x"));
    assert_int_equal(err, GW_UNSUPPORTED);
    assert_in_range(i, 200, 1000);
    assert_int_equal(part_filled(p), 0);
    part_free(&p);

    assert_true(budget_take(b, MIB));
    p = part_new(b, 1, 0, MIB, MIB, true);
    assert_int_equal(part_put(p, 0, gw_span_str("aXc")), GW_OK);
    assert_int_equal(part_put(p, 1, gw_span_str("b")), GW_OK); /* hashed already */
    assert_null(part_hash(p));
    assert_int_equal(part_filled(p), 3);
    assert_false(part_set_etag(p, ""));
    assert_false(part_set_etag(p, "\"<a>\""));
    assert_true(part_set_etag(p, "\"a\""));
    part_drop(p);
    assert_int_equal(budget_used(b), 0);
    assert_int_equal(part_filled(p), 3);
    assert_string_equal(part_etag(p), "\"a\"");
    part_free(&p);
    budget_free(&b);
}

static void test_memory_out(void **state)
{
    (void)state;
    struct budget *b = budget_new(16 * MIB);
    for (unsigned nth = 1; nth < 4; nth++) {
        assert_true(budget_take(b, MIB));
        struct part *p = part_new(b, 1, 0, MIB, MIB, false);
        uint8_t *data = mem_zalloc(200000);
        mem_fail_after(nth);
        assert_int_equal(part_put(p, 0, gw_span_of(data, 200000)), GW_NO_MEMORY);
        mem_fail_after(0);
        mem_free(data);
        part_free(&p);
    }
    assert_int_equal(budget_used(b), 0);
    budget_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ladder),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_holes_and_hash),
        cmocka_unit_test(test_memory_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
